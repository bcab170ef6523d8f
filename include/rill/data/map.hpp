// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `map(f)`: f of every element. f takes the components of a tuple or pair element (`[](const auto& image, int label)`),
/// or the whole element; what it returns (a scalar, tensor, expression, or a structure of them) is the new element.
/// Expressions are evaluated where the element goes, directly into a row when a batch follows.
/// `map_into<Out>(f)`: f(in, out) writes into `out`; both are std::span for tensors, references for scalars, std::tuple of
/// these for structures. Nothing is allocated, and between slices and a batch nothing is copied.
/// f must depend on its arguments only: elements may be read in any order, or not at all when they are skipped.
///
///   data::range(3) | data::map([](std::int64_t i) { return i * i; })      // 0 1 4
///   images | data::map_into<tensor<float, 784>>([](auto in, auto out) {
///     for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<float>(in[i]) / 255;
///   });

#include <type_traits>
#include <utility>

#include "rill/data/dataset.hpp"

namespace rill::data {
namespace detail {

/// f by value: `get` stores its result.
template <class In, class F>
struct map_by_value {
  using result = std::remove_cvref_t<decltype(call(std::declval<const F&>(), std::declval<const In&>()))>;
  using element = typename value_of<result>::type;
  F f;

  template <class R>
  class reader_type {
   public:
    reader_type(R r, F f) : r_(std::move(r)), f_(std::move(f)) {}
    void get(std::int64_t i, element& out) {
      r_.get(i, in_);
      store(call(f_, in_), out);
    }
    template <class Batch>
    void put(std::int64_t i, Batch& batch, std::int64_t row) {
      r_.get(i, in_);
      write_row(call(f_, in_), batch, row);
    }

   private:
    R r_;
    const F f_;
    In in_{};
  };
  void apply(const In& in, element& out) const { store(call(f, in), out); }
};

/// f into the target.
template <class In, class Out, class F>
struct map_in_place {
  static_assert(all_static<Out>(), "map_into<Out>: every tensor of Out has its shape in its type");
  using element = Out;
  F f;

  template <class R>
  class reader_type {
   public:
    reader_type(R r, F f) : r_(std::move(r)), f_(std::move(f)) {}
    void get(std::int64_t i, element& out) {
      allocate(out);
      apply(i, spans(out));
    }
    template <class Batch>
    void put(std::int64_t i, Batch& batch, std::int64_t row) {
      apply(i, row_spans(batch, row));
    }

   private:
    template <class O>
    void apply(std::int64_t i, O&& out) {
      if constexpr (requires { r_.view(i); }) {
        f_(r_.view(i), static_cast<O&&>(out));
      } else {
        r_.get(i, in_);
        f_(spans(std::as_const(in_)), static_cast<O&&>(out));
      }
    }
    R r_;
    const F f_;
    In in_{};
  };
  void apply(const In& in, element& out) const {
    allocate(out);
    f(spans(in), spans(out));
  }
  /// Memory for tensors that were moved from.
  static void allocate(element& out) {
    for_each_leaf(out, [](auto& l) {
      if constexpr (is_tensor<std::remove_cvref_t<decltype(l)>>) shape_to(l, l.shape());
    });
  }
};

template <class D, class M>
class map_dataset : public dataset_base<map_dataset<D, M>> {
 public:
  using element = typename M::element;
  static constexpr const char* name = "map";

  map_dataset(D d, M m) : d_(std::move(d)), m_(std::move(m)) {}

  [[nodiscard]] std::int64_t size() const
    requires indexed<D>
  {
    return d_.size();
  }
  [[nodiscard]] auto reader() const
    requires indexed<D>
  {
    return typename M::template reader_type<decltype(d_.reader())>(d_.reader(), m_.f);
  }

  [[nodiscard]] auto base() const
    requires(ordered<D> && !indexed<D>)
  {
    return map_dataset<decltype(d_.base()), M>(d_.base(), m_);
  }
  [[nodiscard]] auto order() const
    requires(ordered<D> && !indexed<D>)
  {
    return d_.order();
  }

  template <class C>
  class cursor_type {
   public:
    cursor_type(C c, M m) : c_(std::move(c)), m_(std::move(m)) {}
    bool next(element& out) {
      if (!c_.next(in_)) return false;
      m_.apply(in_, out);
      return true;
    }
    std::int64_t skip(std::int64_t n) { return c_.skip(n); }
    void restart(std::int64_t epoch) { c_.restart(epoch); }

   private:
    C c_;
    M m_;
    typename D::element in_{};
  };
  [[nodiscard]] auto cursor() const
    requires(!ordered<D>)
  {
    return cursor_type<cursor_t<D>>(cursor_of(d_), m_);
  }
  [[nodiscard]] std::int64_t cardinality() const { return data::cardinality(d_); }

 private:
  D d_;
  M m_;
};

}  // namespace detail

/// f of every element, by value.
template <class F>
auto map(F f) {
  return detail::make_transformation([f = std::move(f)]<dataset D>(const D& d) {
    using M = detail::map_by_value<typename D::element, F>;
    return detail::map_dataset<D, M>(d, M{f});
  });
}

/// f(in, out) for every element, written in place.
template <class Out, class F>
auto map_into(F f) {
  return detail::make_transformation([f = std::move(f)]<dataset D>(const D& d) {
    using M = detail::map_in_place<typename D::element, Out, F>;
    return detail::map_dataset<D, M>(d, M{f});
  });
}

}  // namespace rill::data
