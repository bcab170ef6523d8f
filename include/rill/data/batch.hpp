// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `batch(n)`: n consecutive elements stacked, every component with a new first axis; a scalar component becomes a
/// vector. The last batch may be smaller; `{.drop_remainder = true}` leaves it out. All elements of a batch must have the
/// same shapes: invalid_argument otherwise. Elements of static shape are gathered straight into the batch's rows.
///
///   data::range(10) | data::batch(4)      // [0 1 2 3], [4 5 6 7], [8 9]

#include <cstdint>
#include <utility>
#include <vector>

#include "rill/data/dataset.hpp"

namespace rill::data {

struct batch_options {
  bool drop_remainder = false;
};

namespace detail {

/// Gives `batch` n rows. A last short batch and the full ones around it keep their memory in turn.
template <class Element, class Batch>
class batch_memory {
 public:
  void shape(const Element* first, Batch& batch, std::int64_t n) {
    if (row_count(batch) != n && row_count(spare_) == n) std::swap(batch, spare_);
    else if (row_count(batch) != n && row_count(batch) > row_count(spare_)) std::swap(batch, spare_);
    if constexpr (all_static<Element>()) shape_batch(batch, n);
    else shape_batch(*first, batch, n);
  }

 private:
  Batch spare_{};
};

/// Collects batches from an order of indices.
template <class Element, class Reader>
class batch_gatherer {
 public:
  using batch_type = batch_t<Element>;
  explicit batch_gatherer(Reader r) : r_(std::move(r)) {}
  /// Elements at(0), …, at(n - 1) become the rows of `out`; n >= 1.
  template <class At>
  void gather(std::int64_t n, batch_type& out, const At& at) {
    if constexpr (all_static<Element>()) {
      memory_.shape(nullptr, out, n);
      for (std::int64_t r = 0; r < n; ++r) r_.put(at(r), out, r);
    } else {
      for (std::int64_t r = 0; r < n; ++r) {
        r_.get(at(r), element_);
        if (r == 0) memory_.shape(&element_, out, n);
        write_row(element_, out, r);
      }
    }
  }

 private:
  Reader r_;
  batch_memory<Element, batch_type> memory_;
  Element element_{};
};

template <class D>
class batch_dataset : public dataset_base<batch_dataset<D>> {
  using item = typename D::element;

 public:
  using element = batch_t<item>;
  static constexpr const char* name = "batch";

  batch_dataset(D d, std::int64_t n, batch_options o) : d_(std::move(d)), n_(n), drop_(o.drop_remainder) {}

  [[nodiscard]] std::int64_t cardinality() const {
    const std::int64_t n = data::cardinality(d_);
    return n < 0 ? n : n / n_ + (!drop_ && n % n_ != 0 ? 1 : 0);
  }

  // Over an indexed dataset: indexed by the number of the batch.
  [[nodiscard]] std::int64_t size() const
    requires indexed<D>
  {
    return cardinality();
  }
  template <class R>
  class reader_type {
   public:
    reader_type(R r, std::int64_t n, std::int64_t total) : g_(std::move(r)), n_(n), total_(total) {}
    void get(std::int64_t i, element& out) {
      const std::int64_t begin = i * n_;
      g_.gather(total_ - begin < n_ ? total_ - begin : n_, out, [begin](std::int64_t r) { return begin + r; });
    }
    template <class Batch>
    void put(std::int64_t i, Batch& batch, std::int64_t row) {
      get(i, spare_);
      write_row(spare_, batch, row);
    }

   private:
    batch_gatherer<item, R> g_;
    std::int64_t n_, total_;
    element spare_{};
  };
  [[nodiscard]] auto reader() const
    requires indexed<D>
  {
    return reader_type<decltype(d_.reader())>(d_.reader(), n_, d_.size());
  }

  // Over an ordered dataset: indices are collected first, then the rows.
  template <class R, class O>
  class ordered_cursor {
   public:
    ordered_cursor(R r, O o, std::int64_t n, bool drop)
        : g_(std::move(r)), order_(std::move(o)), n_(n), drop_(drop) {}
    bool next(element& out) {
      indices_.clear();
      std::int64_t index = 0;
      while (static_cast<std::int64_t>(indices_.size()) < n_ && order_.next(index)) indices_.push_back(index);
      const auto n = static_cast<std::int64_t>(indices_.size());
      if (n == 0 || (drop_ && n < n_)) return false;
      g_.gather(n, out, [this](std::int64_t r) { return indices_[static_cast<std::size_t>(r)]; });
      return true;
    }
    std::int64_t skip(std::int64_t n) { return skip_batches(order_, n, n_, drop_); }
    void restart(std::int64_t epoch) { order_.restart(epoch); }

   private:
    batch_gatherer<item, R> g_;
    O order_;
    std::vector<std::int64_t> indices_;
    std::int64_t n_;
    bool drop_;
  };
  // Over a stream: one element after the other.
  template <class C>
  class stream_cursor {
   public:
    stream_cursor(C c, std::int64_t n, bool drop) : c_(std::move(c)), n_(n), drop_(drop) {}
    bool next(element& out) {
      std::int64_t n = 0;
      while (n < n_) {
        if (static_cast<std::size_t>(n) == items_.size()) items_.emplace_back();
        if (!c_.next(items_[static_cast<std::size_t>(n)])) break;
        ++n;
      }
      if (n == 0 || (drop_ && n < n_)) return false;
      memory_.shape(items_.data(), out, n);
      for (std::int64_t r = 0; r < n; ++r) write_row(items_[static_cast<std::size_t>(r)], out, r);
      return true;
    }
    std::int64_t skip(std::int64_t n) { return skip_batches(c_, n, n_, drop_); }
    void restart(std::int64_t epoch) { c_.restart(epoch); }

   private:
    C c_;
    std::vector<item> items_;
    batch_memory<item, element> memory_;
    std::int64_t n_;
    bool drop_;
  };
  [[nodiscard]] auto cursor() const
    requires(!indexed<D>)
  {
    if constexpr (ordered<D>) {
      auto r = base_of(d_).reader();
      auto o = order_of(d_);
      return ordered_cursor<decltype(r), decltype(o)>(std::move(r), std::move(o), n_, drop_);
    } else {
      return stream_cursor<cursor_t<D>>(cursor_of(d_), n_, drop_);
    }
  }

 private:
  /// Goes forward by up to k batches of n; how many there were.
  template <class C>
  static std::int64_t skip_batches(C& c, std::int64_t k, std::int64_t n, bool drop) {
    std::int64_t elements = 0;
    if (__builtin_mul_overflow(k, n, &elements)) elements = INT64_MAX;
    const std::int64_t done = c.skip(elements);
    return done / n + (!drop && done % n != 0 ? 1 : 0);
  }

  D d_;
  std::int64_t n_;
  bool drop_;
};

}  // namespace detail

/// Batches of n elements; invalid_argument when n is below 1.
inline auto batch(std::int64_t n, batch_options options = {}) {
  detail::require_positive(n, "batch: the batch size");
  return detail::make_transformation(
      [=]<dataset D>(const D& d) { return detail::batch_dataset<D>(d, n, options); });
}

}  // namespace rill::data
