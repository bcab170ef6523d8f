// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Sources in memory: `from_tensor_slices(x)` has one element per row of x, `from_tensors(x)` has x as its only element.
/// x is a tensor, a std::vector of scalars, or a nesting of these (tuples, pairs, arrays, maps by name, plain structs), all
/// with the same number of rows: invalid_argument otherwise. x is moved in and shared by count; nothing is copied later.
///
///   tensor<float, dyn, 784> images({60000, 784});
///   tensor<int, dyn> labels({60000});
///   auto ds = data::from_tensor_slices(std::pair(std::move(images), std::move(labels)));
///   // element: std::pair<tensor<float, 784>, int>; 60000 of them

#include <memory>
#include <string>
#include <utility>

#include "rill/core/text.hpp"
#include "rill/data/dataset.hpp"

namespace rill::data {

template <class Source>
class tensor_slice_dataset : public dataset_base<tensor_slice_dataset<Source>> {
 public:
  using element = slice_t<Source>;
  static constexpr const char* name = "tensor_slice";

  explicit tensor_slice_dataset(Source source) : source_(std::make_shared<const Source>(std::move(source))) {
    std::int64_t component = 0;
    detail::for_each_leaf(*source_, [&](const auto& l) {
      const std::int64_t n = detail::leaf_rows(l);
      if (component == 0) size_ = n;
      if (n != size_)
        rill::detail::raise<invalid_argument>({"from_tensor_slices: component ", component, " has ", n,
                                               " rows, component 0 has ", size_});
      ++component;
    });
  }

  [[nodiscard]] std::int64_t size() const { return size_; }
  /// The tensors behind the slices.
  [[nodiscard]] const Source& source() const { return *source_; }

  class reader_type {
   public:
    explicit reader_type(std::shared_ptr<const Source> s) : source_(std::move(s)) {}
    void get(std::int64_t i, element& out) { detail::read_row(*source_, i, out); }
    template <class Batch>
    void put(std::int64_t i, Batch& batch, std::int64_t row) {
      detail::copy_row(*source_, i, batch, row);
    }
    /// The element in place, as spans.
    decltype(auto) view(std::int64_t i) { return detail::row_spans(*source_, i); }

   private:
    std::shared_ptr<const Source> source_;
  };
  [[nodiscard]] reader_type reader() const { return reader_type(source_); }

 private:
  std::shared_ptr<const Source> source_;
  std::int64_t size_ = 0;
};

template <class Element>
class tensor_dataset : public dataset_base<tensor_dataset<Element>> {
 public:
  using element = Element;
  static constexpr const char* name = "tensor";

  explicit tensor_dataset(Element e) : element_(std::make_shared<const Element>(std::move(e))) {}
  [[nodiscard]] std::int64_t size() const { return 1; }

  class reader_type {
   public:
    explicit reader_type(std::shared_ptr<const Element> e) : element_(std::move(e)) {}
    void get(std::int64_t, Element& out) { detail::copy_element(*element_, out); }
    template <class Batch>
    void put(std::int64_t, Batch& batch, std::int64_t row) {
      detail::write_row(*element_, batch, row);
    }

   private:
    std::shared_ptr<const Element> element_;
  };
  [[nodiscard]] reader_type reader() const { return reader_type(element_); }

 private:
  std::shared_ptr<const Element> element_;
};

/// One element per row of x; see the head of this file.
template <class X>
auto from_tensor_slices(X x) {
  return tensor_slice_dataset<X>(std::move(x));
}

/// x as the only element.
template <class X>
auto from_tensors(X x) {
  return tensor_dataset<X>(std::move(x));
}

}  // namespace rill::data
