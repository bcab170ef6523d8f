// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The fields of a plain aggregate, in order: `for_each_field(s, f)` calls f(field) for each (up to twelve), and
/// `with_fields(s, f)` f(all of them), at compile time or at run time. Base classes count as fields of an aggregate and are not supported.

#include <cstddef>
#include <type_traits>
#include <utility>

namespace rill {
namespace detail {

struct any_field {
  template <class T>
  constexpr operator T() const;  // never defined: only asked whether it would convert
};
template <class S, std::size_t... I>
consteval bool takes_fields(std::index_sequence<I...>) {
  return requires { S{(static_cast<void>(I), any_field{})...}; };
}
template <class S, std::size_t N = 12>
consteval std::size_t count_fields() {
  if constexpr (N == 0) return 0;
  else if constexpr (takes_fields<S>(std::make_index_sequence<N>{})) return N;
  else return count_fields<S, N - 1>();
}

}  // namespace detail

/// Number of fields of an aggregate (0 for an empty one).
template <class S>
inline constexpr std::size_t field_count = std::is_empty_v<S> ? 0 : detail::count_fields<S>();

/// f(fields...), with references to all fields in order; returns what f returns.
template <class S, class F>
constexpr decltype(auto) with_fields(S& s, F&& f) {
  constexpr std::size_t n = field_count<std::remove_const_t<S>>;
  if constexpr (n == 0) {
    return f();
  } else if constexpr (n == 1) {
    auto& [a] = s;
    return f(a);
  } else if constexpr (n == 2) {
    auto& [a, b] = s;
    return f(a, b);
  } else if constexpr (n == 3) {
    auto& [a, b, c] = s;
    return f(a, b, c);
  } else if constexpr (n == 4) {
    auto& [a, b, c, d] = s;
    return f(a, b, c, d);
  } else if constexpr (n == 5) {
    auto& [a, b, c, d, e] = s;
    return f(a, b, c, d, e);
  } else if constexpr (n == 6) {
    auto& [a, b, c, d, e, g] = s;
    return f(a, b, c, d, e, g);
  } else if constexpr (n == 7) {
    auto& [a, b, c, d, e, g, h] = s;
    return f(a, b, c, d, e, g, h);
  } else if constexpr (n == 8) {
    auto& [a, b, c, d, e, g, h, i] = s;
    return f(a, b, c, d, e, g, h, i);
  } else if constexpr (n == 9) {
    auto& [a, b, c, d, e, g, h, i, j] = s;
    return f(a, b, c, d, e, g, h, i, j);
  } else if constexpr (n == 10) {
    auto& [a, b, c, d, e, g, h, i, j, k] = s;
    return f(a, b, c, d, e, g, h, i, j, k);
  } else if constexpr (n == 11) {
    auto& [a, b, c, d, e, g, h, i, j, k, l] = s;
    return f(a, b, c, d, e, g, h, i, j, k, l);
  } else {
    auto& [a, b, c, d, e, g, h, i, j, k, l, m] = s;
    return f(a, b, c, d, e, g, h, i, j, k, l, m);
  }
}

/// f(field) for each field.
template <class S, class F>
constexpr void for_each_field(S& s, F&& f) {
  with_fields(s, [&](auto&... x) { (f(x), ...); });
}

}  // namespace rill
