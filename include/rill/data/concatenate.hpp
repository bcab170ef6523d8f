// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `concatenate(other)`, `concatenate(a, b)`: the elements of one dataset, then those of another of the same element type.
///
///   data::range(2) | data::concatenate(data::range(5, 7))      // 0 1 5 6

#include <utility>

#include "rill/data/dataset.hpp"

namespace rill::data {
namespace detail {

template <class A, class B>
class concatenate_dataset : public dataset_base<concatenate_dataset<A, B>> {
  static_assert(std::is_same_v<typename A::element, typename B::element>,
                "concatenate: both datasets have elements of the same type");

 public:
  using element = typename A::element;
  static constexpr const char* name = "concatenate";

  concatenate_dataset(A a, B b) : a_(std::move(a)), b_(std::move(b)) {}

  [[nodiscard]] std::int64_t cardinality() const {
    const std::int64_t a = data::cardinality(a_);
    const std::int64_t b = data::cardinality(b_);
    if (a == infinite || b == infinite) return infinite;
    return a == unknown || b == unknown ? unknown : a + b;
  }
  [[nodiscard]] std::int64_t size() const
    requires(indexed<A> && indexed<B>)
  {
    return a_.size() + b_.size();
  }
  template <class R, class S>
  class reader_type {
   public:
    reader_type(R a, S b, std::int64_t n) : a_(std::move(a)), b_(std::move(b)), n_(n) {}
    void get(std::int64_t i, element& out) {
      if (i < n_) a_.get(i, out);
      else b_.get(i - n_, out);
    }
    template <class Batch>
    void put(std::int64_t i, Batch& batch, std::int64_t row) {
      if (i < n_) a_.put(i, batch, row);
      else b_.put(i - n_, batch, row);
    }

   private:
    R a_;
    S b_;
    std::int64_t n_;
  };
  [[nodiscard]] auto reader() const
    requires(indexed<A> && indexed<B>)
  {
    return reader_type<decltype(a_.reader()), decltype(b_.reader())>(a_.reader(), b_.reader(), a_.size());
  }

  template <class C, class E>
  class cursor_type {
   public:
    cursor_type(C a, E b) : a_(std::move(a)), b_(std::move(b)) {}
    bool next(element& out) {
      if (!second_ && a_.next(out)) return true;
      second_ = true;
      return b_.next(out);
    }
    std::int64_t skip(std::int64_t n) {
      std::int64_t k = second_ ? 0 : a_.skip(n);
      if (k < n) {
        second_ = true;
        k += b_.skip(n - k);
      }
      return k;
    }
    void restart(std::int64_t epoch) {
      a_.restart(epoch);
      b_.restart(epoch);
      second_ = false;
    }

   private:
    C a_;
    E b_;
    bool second_ = false;
  };
  [[nodiscard]] auto cursor() const
    requires(!(indexed<A> && indexed<B>))
  {
    return cursor_type<cursor_t<A>, cursor_t<B>>(cursor_of(a_), cursor_of(b_));
  }

 private:
  A a_;
  B b_;
};

}  // namespace detail

/// The elements of a, then those of b.
template <dataset A, dataset B>
auto concatenate(const A& a, const B& b) {
  return detail::concatenate_dataset<A, B>(a, b);
}
/// As a step of a pipeline: the elements so far, then those of b.
template <dataset B>
auto concatenate(const B& b) {
  return detail::make_transformation([b]<dataset A>(const A& a) { return concatenate(a, b); });
}

}  // namespace rill::data
