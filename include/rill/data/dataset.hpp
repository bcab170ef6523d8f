// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Datasets: typed sequences of elements, written as pipelines.
///
///   auto ds = data::from_tensor_slices(std::pair(images, labels)) | data::shuffle(10000) | data::repeat(2) | data::batch(32);
///   for (const auto& [x, y] : ds) ...                 // one pass
///   auto it = ds.iterator();                          // or step by step
///   while (it.next(batch)) ...                        // reuses the memory of `batch`
///
/// A dataset is a cheap value (its data is shared by count) of one of three kinds, each more able than the next:
///   indexed  `size()` and a random-access `reader()`: slices, range, zip, map, take, skip, concatenate, batch of these;
///   ordered  an indexed `base()` read in the order of an index `cursor`: shuffle, repeat, take, skip of indexed ones;
///   stream   only a `cursor()` that yields one element after the other: filter, generators, prefetch.
/// Because shuffle and repeat move indices, not elements, going forward by n elements costs n integer steps and touches
/// no data: `it.skip(it_before.position())` puts a new iterator exactly where a stopped one was.
///
/// A *cursor* yields items (elements or indices): `bool next(item&)`, false at the end; `skip(n)` goes forward and returns
/// by how many; `restart(epoch)` begins again, where `epoch` only matters to shuffle. Everything is deterministic.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"
#include "rill/data/structure.hpp"

namespace rill::data {

/// Number of elements of a dataset that never ends, or that is not known before reading it.
inline constexpr std::int64_t infinite = -1;
inline constexpr std::int64_t unknown = -2;

namespace detail {
struct dataset_tag {};
}  // namespace detail

template <class D>
concept dataset = std::is_base_of_v<detail::dataset_tag, D>;

template <class D>
concept indexed = dataset<D> && requires(const D& d) {
  { d.size() } -> std::same_as<std::int64_t>;
  d.reader();
};

template <class D>
concept ordered = indexed<D> || (dataset<D> && requires(const D& d) {
                    d.base();
                    d.order();
                  });

namespace detail {

/// The order of an indexed dataset: 0, 1, 2, …
class identity_order {
 public:
  explicit identity_order(std::int64_t n) : n_(n) {}
  bool next(std::int64_t& i) {
    if (i_ >= n_) return false;
    i = i_++;
    return true;
  }
  std::int64_t skip(std::int64_t n) {
    const std::int64_t k = n < n_ - i_ ? n : n_ - i_;
    i_ += k;
    return k;
  }
  void restart(std::int64_t) { i_ = 0; }

 private:
  std::int64_t n_;
  std::int64_t i_ = 0;
};

/// Reads an indexed dataset in an order.
template <class Reader, class Order>
class gather_cursor {
 public:
  gather_cursor(Reader reader, Order order) : reader_(std::move(reader)), order_(std::move(order)) {}
  template <class E>
  bool next(E& out) {
    std::int64_t i = 0;
    if (!order_.next(i)) return false;
    reader_.get(i, out);
    return true;
  }
  std::int64_t skip(std::int64_t n) { return order_.skip(n); }
  void restart(std::int64_t epoch) { order_.restart(epoch); }

 private:
  Reader reader_;
  Order order_;
};

template <ordered D>
auto base_of(const D& d) {
  if constexpr (indexed<D>) return d;
  else return d.base();
}
template <ordered D>
auto order_of(const D& d) {
  if constexpr (indexed<D>) return identity_order(d.size());
  else return d.order();
}
template <dataset D>
auto cursor_of(const D& d) {
  if constexpr (ordered<D>) return gather_cursor(base_of(d).reader(), order_of(d));
  else return d.cursor();
}
template <class D>
using cursor_t = decltype(cursor_of(std::declval<const D&>()));

}  // namespace detail

/// How many elements a dataset has: a number, `infinite` or `unknown`.
template <dataset D>
std::int64_t cardinality(const D& d) {
  if constexpr (indexed<D>) return d.size();
  else if constexpr (requires { d.cardinality(); }) return d.cardinality();
  else return unknown;
}

/// One pass over a dataset, element by element. It owns what it needs: the dataset may go first.
template <dataset D>
class iterator {
 public:
  using element = typename D::element;
  explicit iterator(const D& d) : cursor_(detail::cursor_of(d)) {}

  /// Stores the next element in `out`, reusing its memory; false at the end, and from then on.
  bool next(element& out) {
    if (ended_) return false;
    if (!cursor_.next(out)) {
      ended_ = true;
      return false;
    }
    ++position_;
    return true;
  }
  /// The next element; out_of_range at the end.
  element get() {
    element e{};
    if (!next(e)) rill::detail::raise<out_of_range>({"End of sequence"});
    return e;
  }
  /// Goes forward by n elements without producing them where that is possible; returns by how many, fewer at the end.
  std::int64_t skip(std::int64_t n) {
    if (ended_ || n <= 0) return 0;
    const std::int64_t k = cursor_.skip(n);
    ended_ = k < n;
    position_ += k;
    return k;
  }
  /// Elements passed so far: all that must be saved to continue later with `skip`.
  [[nodiscard]] std::int64_t position() const { return position_; }
  /// Begins again; another `epoch` is another shuffling.
  void restart(std::int64_t epoch = 0) {
    cursor_.restart(epoch);
    position_ = 0;
    ended_ = false;
  }

 private:
  detail::cursor_t<D> cursor_;
  std::int64_t position_ = 0;
  bool ended_ = false;
};

/// The input iterator behind `for (const auto& e : ds)`.
template <dataset D>
class one_shot {
 public:
  using value_type = typename D::element;
  using difference_type = std::ptrdiff_t;
  explicit one_shot(const D& d) : iterator_(d) { ++*this; }
  value_type& operator*() const { return element_; }
  one_shot& operator++() {
    ended_ = !iterator_.next(element_);
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const one_shot& i, std::default_sentinel_t) { return i.ended_; }

 private:
  data::iterator<D> iterator_;
  mutable value_type element_{};
  bool ended_ = false;
};

/// Base of all datasets: what every pipeline can do.
template <class Derived>
class dataset_base : public detail::dataset_tag {
 public:
  /// An iterator at the first element; another `epoch` is another shuffling.
  [[nodiscard]] auto iterator(std::int64_t epoch = 0) const {
    data::iterator<Derived> it(self());
    if (epoch != 0) it.restart(epoch);
    return it;
  }
  /// Iteration: one pass, as by `iterator()`.
  [[nodiscard]] auto begin() const { return one_shot<Derived>(self()); }
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }
  /// Element i of an indexed dataset; out_of_range outside. For many elements keep a `reader()`.
  template <class E, class D = Derived>
    requires indexed<D>
  void get(std::int64_t i, E& out) const {
    if (i < 0 || i >= self().size())
      rill::detail::raise<out_of_range>({"element ", i, " of a dataset of ", self().size()});
    self().reader().get(i, out);
  }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }
};

/// The static shapes of a dataset's components in their structure: "((?, 784), (?,))".
template <dataset D>
[[gnu::cold]] std::string output_shapes(const D&) {
  return detail::structure_text<typename D::element>(detail::shape_text{});
}
/// The types of a dataset's components in their structure: "(float32, int32)".
template <dataset D>
[[gnu::cold]] std::string output_types(const D&) {
  return detail::structure_text<typename D::element>(detail::type_text{});
}
/// "<batch dataset shapes: (?, 28, 28), types: uint8>"
template <dataset D>
[[gnu::cold]] std::string to_string(const D& d) {
  return std::string("<") + D::name + " dataset shapes: " + output_shapes(d) + ", types: " + output_types(d) + ">";
}
template <class Char, class Traits, dataset D>
std::basic_ostream<Char, Traits>& operator<<(std::basic_ostream<Char, Traits>& os, const D& d) {
  return os << to_string(d).c_str();
}

namespace detail {

/// A step of a pipeline: a function from dataset to dataset.
template <class F>
struct transformation {
  F apply;
};
template <class F>
transformation<F> make_transformation(F f) {
  return {std::move(f)};
}

template <class D, class F>
  requires dataset<D>
auto operator|(const D& d, const transformation<F>& t) {
  return t.apply(d);
}
/// Steps compose before they meet a dataset.
template <class F, class G>
auto operator|(transformation<F> f, transformation<G> g) {
  return make_transformation([f = std::move(f), g = std::move(g)](const auto& d) { return g.apply(f.apply(d)); });
}

/// A transformation that changes which elements come when, but not the elements. `Op` names it, wraps a cursor over
/// items of any type (`wrap<Item>(cursor, cardinality)`) and knows its effect on the number of elements. Over an ordered
/// dataset it works on indices, over a stream on elements.
template <class D, class Op>
class reordered : public dataset_base<reordered<D, Op>> {
 public:
  using element = typename D::element;
  static constexpr const char* name = Op::name;

  reordered(D d, Op op) : d_(std::move(d)), op_(op) {}
  [[nodiscard]] auto base() const
    requires ordered<D>
  {
    return base_of(d_);
  }
  [[nodiscard]] auto order() const
    requires ordered<D>
  {
    return op_.template wrap<std::int64_t>(order_of(d_), data::cardinality(d_));
  }
  [[nodiscard]] auto cursor() const
    requires(!ordered<D>)
  {
    return op_.template wrap<element>(cursor_of(d_), data::cardinality(d_));
  }
  [[nodiscard]] std::int64_t cardinality() const { return op_.cardinality(data::cardinality(d_)); }

 private:
  D d_;
  Op op_;
};

inline void require_not_negative(std::int64_t n, const char* what) {
  if (n < 0) rill::detail::raise<invalid_argument>({what, " is ", n, ", it must not be negative"});
}
inline void require_positive(std::int64_t n, const char* what) {
  if (n <= 0) rill::detail::raise<invalid_argument>({what, " is ", n, ", it must be at least 1"});
}

}  // namespace detail
}  // namespace rill::data
