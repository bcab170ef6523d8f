// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `shuffle(buffer_size, seed)`: random order by a buffer of fixed size, as TensorFlow does it: the buffer is filled, an
/// element is picked from it at random and its place taken by the next one. A buffer at least as large as the dataset
/// shuffles completely. Over an indexed or ordered dataset the buffer holds indices (8 bytes each), so skipping costs a few
/// integer steps per element; over a stream it holds elements.
///
/// The order is a function of (seed, epoch) alone: every pass of a `repeat` after it is a new order, unless
/// `reshuffle_each_iteration` is false, and the same program always sees the same sequence, on every platform.
///
///   train | data::shuffle(10000, {.seed = 7}) | data::repeat() | data::batch(100)

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "rill/data/dataset.hpp"
#include "rill/data/random_bits.hpp"

namespace rill::data {

struct shuffle_options {
  std::uint64_t seed = 0;
  bool reshuffle_each_iteration = true;
};

namespace detail {

template <class C, class Item>
class shuffle_cursor {
 public:
  shuffle_cursor(C c, std::int64_t buffer_size, const shuffle_options& o, std::int64_t cardinality)
      : c_(std::move(c)), options_(o), capacity_(buffer_size) {
    if (cardinality >= 0 && cardinality < capacity_) capacity_ = cardinality;
    bits_.start(o.seed, 0);
  }
  bool next(Item& item) {
    if (!filled_) fill();
    if (used_ == 0) return false;
    using std::swap;
    Item& slot = buffer_[static_cast<std::size_t>(bits_.below(used_))];
    swap(item, slot);  // keeps the memory of an element in use
    if (more_ && c_.next(slot)) return true;
    more_ = false;
    swap(slot, buffer_[static_cast<std::size_t>(--used_)]);
    return true;
  }
  std::int64_t skip(std::int64_t n) {
    std::int64_t k = 0;
    while (k < n && next(spare_)) ++k;
    return k;
  }
  void restart(std::int64_t epoch) {
    c_.restart(epoch);
    bits_.start(options_.seed, options_.reshuffle_each_iteration ? static_cast<std::uint64_t>(epoch) : 0);
    filled_ = false;
  }

 private:
  void fill() {
    filled_ = more_ = true;
    used_ = 0;
    const auto capacity = static_cast<std::uint64_t>(capacity_);
    if constexpr (std::is_same_v<Item, std::int64_t>) buffer_.reserve(std::min<std::size_t>(capacity, 1u << 20));
    while (used_ < capacity) {
      if (used_ == buffer_.size()) buffer_.emplace_back();
      if (!c_.next(buffer_[static_cast<std::size_t>(used_)])) {
        more_ = false;
        break;
      }
      ++used_;
    }
  }

  C c_;
  shuffle_options options_;
  std::int64_t capacity_;
  random_bits bits_;
  std::vector<Item> buffer_;
  std::uint64_t used_ = 0;  // slots that hold an item
  Item spare_{};
  bool filled_ = false, more_ = true;
};

struct shuffle_op {
  static constexpr const char* name = "shuffle";
  std::int64_t buffer_size;
  shuffle_options options;
  template <class Item, class C>
  auto wrap(C c, std::int64_t cardinality) const {
    return shuffle_cursor<C, Item>(std::move(c), buffer_size, options, cardinality);
  }
  [[nodiscard]] std::int64_t cardinality(std::int64_t n) const { return n; }
};

}  // namespace detail

/// Random order through a buffer of `buffer_size` elements; invalid_argument when that is below 1.
inline auto shuffle(std::int64_t buffer_size, shuffle_options options = {}) {
  detail::require_positive(buffer_size, "shuffle: the buffer size");
  return detail::make_transformation([=]<dataset D>(const D& d) {
    return detail::reordered<D, detail::shuffle_op>(d, {buffer_size, options});
  });
}
/// The same with the seed in place.
inline auto shuffle(std::int64_t buffer_size, std::uint64_t seed, bool reshuffle_each_iteration = true) {
  return shuffle(buffer_size, shuffle_options{seed, reshuffle_each_iteration});
}

}  // namespace rill::data
