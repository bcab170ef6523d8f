// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What a metric accepts as a batch of values: a tensor, a `std::span`, a `std::vector` or an array of numbers. A plain
/// range counts as a tensor of rank 1. Metrics read it in place and keep nothing of it.
///
///   metrics::accuracy a;  a.update(std::vector{1, 0}, std::vector{1, 1});

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <type_traits>

#include "rill/core/error.hpp"
#include "rill/core/shape.hpp"
#include "rill/core/text.hpp"

namespace rill::metrics {

/// A row-major batch of numbers in memory. (A strided view is not one: copy it into a tensor first.)
template <class V>
concept value_range = requires(const V& v) {
  requires std::is_arithmetic_v<std::remove_cvref_t<decltype(*v.data())>>;
  requires std::contiguous_iterator<std::remove_cvref_t<decltype(v.begin())>>;
  { v.size() } -> std::convertible_to<std::size_t>;
};

namespace detail {

template <class V>
tensor_shape shape_of(const V& v) {
  if constexpr (requires {
                  { v.shape() } -> std::convertible_to<tensor_shape>;
                })
    return v.shape();
  else
    return tensor_shape{static_cast<std::int64_t>(v.size())};
}

/// "accuracy: labels have shape [3], but predictions have shape [4]".
inline void check_same_shape(const char* metric, const char* a_name, const tensor_shape& a, const char* b_name,
                             const tensor_shape& b) {
  if (!(a == b))
    rill::detail::raise<invalid_argument>({metric, ": ", a_name, " have shape ", to_string(a), ", but ", b_name,
                                           " have shape ", to_string(b)});
}

}  // namespace detail
}  // namespace rill::metrics
