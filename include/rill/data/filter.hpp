// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `filter(f)`: the elements for which f is true. f takes the components of a tuple or pair element, or the whole.
/// The result is a stream: which element comes n-th is only known by looking at those before.
///
///   data::range(10) | data::filter([](std::int64_t i) { return i % 3 == 0; })      // 0 3 6 9

#include <utility>

#include "rill/data/dataset.hpp"

namespace rill::data {
namespace detail {

template <class D, class F>
class filter_dataset : public dataset_base<filter_dataset<D, F>> {
 public:
  using element = typename D::element;
  static constexpr const char* name = "filter";

  filter_dataset(D d, F f) : d_(std::move(d)), f_(std::move(f)) {}

  template <class C>
  class cursor_type {
   public:
    cursor_type(C c, F f) : c_(std::move(c)), f_(std::move(f)) {}
    bool next(element& out) {
      while (c_.next(out))
        if (call(f_, out)) return true;
      return false;
    }
    std::int64_t skip(std::int64_t n) {
      std::int64_t k = 0;
      while (k < n && next(spare_)) ++k;
      return k;
    }
    void restart(std::int64_t epoch) { c_.restart(epoch); }

   private:
    C c_;
    const F f_;
    element spare_{};
  };
  [[nodiscard]] auto cursor() const { return cursor_type<cursor_t<D>>(cursor_of(d_), f_); }

 private:
  D d_;
  F f_;
};

}  // namespace detail

/// The elements for which f is true; f must depend on its arguments only.
template <class F>
auto filter(F f) {
  return detail::make_transformation(
      [f = std::move(f)]<dataset D>(const D& d) { return detail::filter_dataset<D, F>(d, f); });
}

}  // namespace rill::data
