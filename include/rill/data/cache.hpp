// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `cache()`: reads everything before it once, at the first use, and keeps the elements in memory; all copies of the
/// dataset share them. What follows sees an indexed dataset, so a shuffle after it moves only indices. A shuffle before it
/// is kept with its first order. invalid_argument at the first use when the input never ends.
///
///   csv | data::cache() | data::shuffle(1000) | data::repeat()

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "rill/core/text.hpp"
#include "rill/data/dataset.hpp"

namespace rill::data {
namespace detail {

template <class D>
class cache_dataset : public dataset_base<cache_dataset<D>> {
  struct memory {
    std::once_flag once;
    std::vector<typename D::element> elements;
  };

 public:
  using element = typename D::element;
  static constexpr const char* name = "cache";

  explicit cache_dataset(D d) : d_(std::move(d)), memory_(std::make_shared<memory>()) {}
  [[nodiscard]] std::int64_t size() const {
    load();
    return static_cast<std::int64_t>(memory_->elements.size());
  }

  class reader_type {
   public:
    explicit reader_type(std::shared_ptr<const memory> m) : memory_(std::move(m)) {}
    void get(std::int64_t i, element& out) { copy_element(memory_->elements[static_cast<std::size_t>(i)], out); }
    template <class Batch>
    void put(std::int64_t i, Batch& batch, std::int64_t row) {
      write_row(memory_->elements[static_cast<std::size_t>(i)], batch, row);
    }

   private:
    std::shared_ptr<const memory> memory_;
  };
  [[nodiscard]] reader_type reader() const {
    load();
    return reader_type(memory_);
  }

 private:
  void load() const {
    std::call_once(memory_->once, [this] {
      if (data::cardinality(d_) == infinite) rill::detail::raise<invalid_argument>({"cache: the dataset before it never ends"});
      auto c = cursor_of(d_);
      std::vector<element> elements;
      for (;;) {
        element e{};
        if (!c.next(e)) break;
        elements.push_back(std::move(e));
      }
      memory_->elements = std::move(elements);
    });
  }
  D d_;
  std::shared_ptr<memory> memory_;
};

}  // namespace detail

/// Keeps all elements in memory.
inline auto cache() {
  return detail::make_transformation([]<dataset D>(const D& d) { return detail::cache_dataset<D>(d); });
}

}  // namespace rill::data
