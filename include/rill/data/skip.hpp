// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `skip(n)`: all but the first n elements.
///
///   data::range(5) | data::skip(3)      // 3 4

#include <algorithm>
#include <utility>

#include "rill/data/window.hpp"

namespace rill::data {
namespace detail {

template <class C>
class skip_cursor {
 public:
  skip_cursor(C c, std::int64_t n) : c_(std::move(c)), n_(n) {}
  template <class I>
  bool next(I& item) {
    return begin() && c_.next(item);
  }
  std::int64_t skip(std::int64_t n) { return begin() ? c_.skip(n) : 0; }
  void restart(std::int64_t epoch) {
    c_.restart(epoch);
    begun_ = false;
  }

 private:
  bool begin() {
    if (!begun_) {
      begun_ = true;
      short_ = c_.skip(n_) < n_;
    }
    return !short_;
  }
  C c_;
  std::int64_t n_;
  bool begun_ = false, short_ = false;
};

struct skip_op {
  static constexpr const char* name = "skip";
  std::int64_t n;
  template <class Item, class C>
  auto wrap(C c, std::int64_t) const {
    return skip_cursor<C>(std::move(c), n);
  }
  [[nodiscard]] std::int64_t cardinality(std::int64_t upstream) const {
    return upstream < 0 ? upstream : std::max<std::int64_t>(0, upstream - n);
  }
};

}  // namespace detail

/// All but the first n elements; invalid_argument when n is negative.
inline auto skip(std::int64_t n) {
  detail::require_not_negative(n, "skip: the number of elements");
  return detail::make_transformation([n]<dataset D>(const D& d) {
    if constexpr (indexed<D>) {
      const std::int64_t begin = std::min(n, d.size());
      return detail::window<D, detail::skip_op>(d, begin, d.size() - begin);
    } else {
      return detail::reordered<D, detail::skip_op>(d, {n});
    }
  });
}

}  // namespace rill::data
