// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Mixed precision: layers that compute in bfloat16 or half, with variables, and so updates, slots and checkpoints, in
/// float32.
///
///   inline constexpr auto net = nn::compute_in<bfloat16>(nn::conv2d{...}, nn::flatten{}, nn::dense{.units = 10});
///
/// takes and gives float32. Products and convolutions round their operands to T (bfloat16: 8 bits, a relative error of 2^-9
/// each; half: 11 bits, 2^-12, of numbers from 6e-8 to 65504) and sum in float32; results are rounded to T. The loss belongs
/// outside, in float32. Gradients of half are too small for it without optimizers::loss_scale; those of bfloat16 are not.

#include "sequential.hpp"

namespace rill::nn {

namespace detail {

template <class T, class Layers>
struct computed_in {
  Layers layers;

  constexpr symbol operator()(symbol x) const {
    if (x.id < 0) return x;
    graph::builder& b = x.g->root();
    const bool outer = b.float_variables;
    b.float_variables = true;
    b.narrowed = graph::cast_to<>;
    const symbol y = layers(cast<T>(x));
    b.float_variables = outer;
    return cast<float>(y);
  }
};

}  // namespace detail

/// These layers one after the other, in T.
template <class T, class... Layers>
constexpr auto compute_in(const Layers&... layers) {
  static_assert(std::is_same_v<T, half> || std::is_same_v<T, bfloat16>, "compute_in<T>: T is half or bfloat16");
  return detail::computed_in<T, decltype(sequential(layers...))>{sequential(layers...)};
}

}  // namespace rill::nn
