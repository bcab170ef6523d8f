// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Layers applied one after the other, as a value: `inline constexpr auto net = nn::sequential(nn::dense{...}, ...);`.

#include "layer.hpp"

namespace rill::nn {

namespace detail {
template <class... Layers>
struct chain {
  template <value V>
  constexpr V operator()(V x) const { return x; }
};
template <class First, class... Rest>
struct chain<First, Rest...> {
  First first;
  chain<Rest...> rest;
  template <value V>
  constexpr V operator()(V x) const { return rest(first(x)); }
};
constexpr chain<> make_chain() { return {}; }
template <class First, class... Rest>
constexpr chain<First, Rest...> make_chain(const First& first, const Rest&... rest) {
  return {first, make_chain(rest...)};
}
}  // namespace detail

template <class... Layers>
constexpr auto sequential(const Layers&... layers) {
  return detail::make_chain(layers...);
}

}  // namespace rill::nn
