// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `take(n)`: the first n elements, or all where there are fewer.
///
///   data::range(10) | data::take(3)      // 0 1 2

#include <algorithm>
#include <utility>

#include "rill/data/window.hpp"

namespace rill::data {
namespace detail {

template <class C>
class take_cursor {
 public:
  take_cursor(C c, std::int64_t n) : c_(std::move(c)), n_(n), left_(n) {}
  template <class I>
  bool next(I& item) {
    if (left_ == 0 || !c_.next(item)) return false;
    --left_;
    return true;
  }
  std::int64_t skip(std::int64_t n) {
    const std::int64_t k = c_.skip(std::min(n, left_));
    left_ -= k;
    return k;
  }
  void restart(std::int64_t epoch) {
    c_.restart(epoch);
    left_ = n_;
  }

 private:
  C c_;
  std::int64_t n_, left_;
};

struct take_op {
  static constexpr const char* name = "take";
  std::int64_t n;
  template <class Item, class C>
  auto wrap(C c, std::int64_t) const {
    return take_cursor<C>(std::move(c), n);
  }
  [[nodiscard]] std::int64_t cardinality(std::int64_t upstream) const {
    return upstream == unknown ? unknown : upstream == infinite ? n : std::min(n, upstream);
  }
};

}  // namespace detail

/// The first n elements; invalid_argument when n is negative.
inline auto take(std::int64_t n) {
  detail::require_not_negative(n, "take: the number of elements");
  return detail::make_transformation([n]<dataset D>(const D& d) {
    if constexpr (indexed<D>) return detail::window<D, detail::take_op>(d, 0, std::min(n, d.size()));
    else return detail::reordered<D, detail::take_op>(d, {n});
  });
}

}  // namespace rill::data
