// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What `take` and `skip` make of an indexed dataset: `size` consecutive elements of it, still indexed.

#include <utility>

#include "rill/data/dataset.hpp"

namespace rill::data::detail {

template <indexed D, class Op>
class window : public dataset_base<window<D, Op>> {
 public:
  using element = typename D::element;
  static constexpr const char* name = Op::name;

  window(D d, std::int64_t begin, std::int64_t size) : d_(std::move(d)), begin_(begin), size_(size) {}
  [[nodiscard]] std::int64_t size() const { return size_; }

  template <class R>
  class reader_type {
   public:
    reader_type(R r, std::int64_t begin) : r_(std::move(r)), begin_(begin) {}
    void get(std::int64_t i, element& out) { r_.get(begin_ + i, out); }
    template <class Batch>
    void put(std::int64_t i, Batch& batch, std::int64_t row) {
      r_.put(begin_ + i, batch, row);
    }
    decltype(auto) view(std::int64_t i)
      requires requires(R& r) { r.view(i); }
    {
      return r_.view(begin_ + i);
    }

   private:
    R r_;
    std::int64_t begin_;
  };
  [[nodiscard]] auto reader() const { return reader_type<decltype(d_.reader())>(d_.reader(), begin_); }

 private:
  D d_;
  std::int64_t begin_, size_;
};

}  // namespace rill::data::detail
