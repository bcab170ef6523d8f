// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `repeat(count)`: the elements count times over, for ever without a count. Epochs follow each other without a mark; a
/// shuffle before the repeat orders each of them anew. An empty dataset repeated for ever is empty.
///
///   data::range(2) | data::repeat(3)      // 0 1 0 1 0 1

#include <utility>

#include "rill/data/dataset.hpp"

namespace rill::data {

/// The count of a repeat that never ends.
inline constexpr std::int64_t forever = -1;

namespace detail {

template <class C>
class repeat_cursor {
 public:
  repeat_cursor(C c, std::int64_t count, std::int64_t cardinality)
      : c_(std::move(c)), count_(count), cardinality_(cardinality) {}
  template <class I>
  bool next(I& item) {
    while (more()) {
      if (c_.next(item)) {
        fresh_ = false;
        return true;
      }
      if (!advance()) break;
    }
    return false;
  }
  std::int64_t skip(std::int64_t n) {
    std::int64_t done = 0;
    while (done < n && more()) {
      if (fresh_ && cardinality_ > 0 && n - done >= cardinality_) {  // whole epochs, without looking at them
        std::int64_t k = (n - done) / cardinality_;
        if (count_ >= 0 && k > count_ - epoch_) k = count_ - epoch_;
        epoch_ += k;
        done += k * cardinality_;
        if (more()) c_.restart(inner_epoch());
        continue;
      }
      const std::int64_t k = c_.skip(n - done);
      if (k > 0) fresh_ = false;
      done += k;
      if (done < n && !advance()) break;
    }
    return done;
  }
  void restart(std::int64_t epoch) {
    outer_ = epoch;
    epoch_ = 0;
    fresh_ = true;
    empty_ = false;
    c_.restart(inner_epoch());
  }

 private:
  [[nodiscard]] bool more() const { return !empty_ && (count_ < 0 || epoch_ < count_); }
  [[nodiscard]] std::int64_t inner_epoch() const { return (count_ > 0 ? outer_ * count_ : outer_) + epoch_; }
  /// To the next epoch; false after the last, or when this one was empty.
  bool advance() {
    if (fresh_) empty_ = true;
    ++epoch_;
    if (!more()) return false;
    fresh_ = true;
    c_.restart(inner_epoch());
    return true;
  }

  C c_;
  std::int64_t count_, cardinality_;
  std::int64_t outer_ = 0, epoch_ = 0;
  bool fresh_ = true;  // nothing of this epoch was used yet
  bool empty_ = false;
};

struct repeat_op {
  static constexpr const char* name = "repeat";
  std::int64_t count;
  template <class Item, class C>
  auto wrap(C c, std::int64_t cardinality) const {
    return repeat_cursor<C>(std::move(c), count, cardinality);
  }
  [[nodiscard]] std::int64_t cardinality(std::int64_t n) const {
    if (n == 0 || count == 0) return 0;
    if (count < 0 || n == infinite) return infinite;
    std::int64_t r = 0;
    return n == unknown ? unknown : __builtin_mul_overflow(n, count, &r) ? infinite : r;
  }
};

}  // namespace detail

/// The dataset `count` times over; any negative count (`forever`) never ends.
inline auto repeat(std::int64_t count = forever) {
  return detail::make_transformation(
      [count]<dataset D>(const D& d) { return detail::reordered<D, detail::repeat_op>(d, {count}); });
}

}  // namespace rill::data
