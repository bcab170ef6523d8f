// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `from_generator(f)`: a stream of what f returns, until it returns std::nullopt. Every pass starts from a fresh copy of f,
/// so a generator with state begins again.
///
///   auto squares = data::from_generator([i = 0]() mutable -> std::optional<int> {
///     if (i == 3) return std::nullopt;
///     return i * i++;
///   });

#include <memory>
#include <optional>
#include <utility>

#include "rill/data/dataset.hpp"

namespace rill::data {

template <class F>
class generator_dataset : public dataset_base<generator_dataset<F>> {
 public:
  using element = typename std::remove_cvref_t<decltype(std::declval<F&>()())>::value_type;
  static constexpr const char* name = "generator";

  explicit generator_dataset(F f) : f_(std::make_shared<const F>(std::move(f))) {}

  class cursor_type {
   public:
    explicit cursor_type(std::shared_ptr<const F> f) : original_(std::move(f)), f_(*original_) {}
    bool next(element& out) {
      auto r = (*f_)();
      if (!r) return false;
      out = std::move(*r);
      return true;
    }
    std::int64_t skip(std::int64_t n) {
      std::int64_t k = 0;
      while (k < n && (*f_)()) ++k;
      return k;
    }
    void restart(std::int64_t) { f_.emplace(*original_); }

   private:
    std::shared_ptr<const F> original_;
    std::optional<F> f_;
  };
  [[nodiscard]] cursor_type cursor() const { return cursor_type(f_); }

 private:
  std::shared_ptr<const F> f_;
};

/// A stream of the values of f, a callable that returns a std::optional.
template <class F>
auto from_generator(F f) {
  return generator_dataset<F>(std::move(f));
}

}  // namespace rill::data
