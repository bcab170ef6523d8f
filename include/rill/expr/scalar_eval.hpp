// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Evaluates a program for one element with plain numbers, on the host or in a device thread: the oracle of the SIMD
/// evaluator and the body of an element-wise device kernel.
///
///   scalar_eval<P>(index, in_ptrs, in_offsets, out_ptrs, out_offsets);

#include "registers.hpp"

namespace rill::expr {

namespace detail {

template <class P, int... I, int... O>
constexpr void scalar_eval_impl(std::int64_t index, const void* const* in, const std::int64_t* in_offset, void* const* out,
                                const std::int64_t* out_offset, std::integer_sequence<int, I...>,
                                std::integer_sequence<int, O...>) {
  registers<P, scalar_lane> r;
  ((r.template get<~I>() = static_cast<const value_type_t<P, ~I>*>(in[I])[in_offset[I]]), ...);
  r.run(index);
  ((static_cast<typename at<typename P::outputs, O>::type*>(out[O])[out_offset[O]] =
        r.template get<at<typename P::outputs, O>::value>()),
   ...);
}
template <class P, int... I>
constexpr auto scalar_value_impl(std::int64_t index, const void* const* in, const std::int64_t* in_offset,
                                 std::integer_sequence<int, I...>) {
  registers<P, scalar_lane> r;
  ((r.template get<~I>() = static_cast<const value_type_t<P, ~I>*>(in[I])[in_offset[I]]), ...);
  r.run(index);
  return r.template get<at<typename P::outputs, 0>::value>();
}

}  // namespace detail

/// Reads input k at element in_offset[k], runs the program, writes output k at element out_offset[k].
template <class P>
constexpr void scalar_eval(std::int64_t index, const void* const* in, const std::int64_t* in_offset, void* const* out,
                           const std::int64_t* out_offset) {
  detail::scalar_eval_impl<P>(index, in, in_offset, out, out_offset,
                              std::make_integer_sequence<int, P::inputs::size>{},
                              std::make_integer_sequence<int, P::outputs::size>{});
}

/// The first output for one element, returned instead of stored (what a reduction combines).
template <class P>
constexpr auto scalar_value(std::int64_t index, const void* const* in, const std::int64_t* in_offset) {
  return detail::scalar_value_impl<P>(index, in, in_offset, std::make_integer_sequence<int, P::inputs::size>{});
}

}  // namespace rill::expr
