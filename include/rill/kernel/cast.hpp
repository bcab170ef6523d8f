// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Changes the element type of memory whose dtypes are known at run time, with the meaning of ops::cast. Elements go through
/// a wide type (int64, double or complex128) in small pieces, so that fifteen types need some seventy loops and not 225.

#include <complex>

#include "../core/dtype.hpp"
#include "../ops/scalar.hpp"
#include "../ops/signature.hpp"
#include "parallel.hpp"

namespace rill::kernel {

namespace detail {

inline constexpr std::int64_t cast_piece = 512;

template <class T, class W>
void cast_loop(const void* from, void* to, std::int64_t n) {
  using scalar::cast;
  const auto* x = static_cast<const T*>(from);
  auto* y = static_cast<W*>(to);
  for (std::int64_t k = 0; k < n; ++k) y[k] = cast<W>(x[k]);
}
using cast_function = void (*)(const void*, void*, std::int64_t);

template <class W>
cast_function cast_into(dtype from) {
  return visit_dtype(from, []<class T>(std::type_identity<T>) -> cast_function { return &cast_loop<T, W>; }, "cast");
}
template <class W>
cast_function cast_out_of(dtype to) {
  return visit_dtype(to, []<class T>(std::type_identity<T>) -> cast_function { return &cast_loop<W, T>; }, "cast");
}

}  // namespace detail

/// out[k] = in[k] as out's dtype.
template <class = void>
void cast_elements(const operand_memory& in, const result_memory& out) {
  const dtype from = in.type, to = out.type;
  detail::cast_function direct = nullptr, load = nullptr, store = nullptr;
  if (from == dtype::int64 && to == dtype::float32) direct = &detail::cast_loop<std::int64_t, float>;  // one rounding
  else if (from == dtype::uint64 && to == dtype::float32) direct = &detail::cast_loop<std::uint64_t, float>;
  else if (from == dtype::uint64 && to == dtype::float64) direct = &detail::cast_loop<std::uint64_t, double>;
  else if (from == dtype::float32 && to == dtype::float64) direct = &detail::cast_loop<float, double>;
  else if (from == dtype::float64 && to == dtype::float32) direct = &detail::cast_loop<double, float>;
  else if (from == dtype::float32 && to == dtype::int32) direct = &detail::cast_loop<float, std::int32_t>;
  else if (from == dtype::int32 && to == dtype::float32) direct = &detail::cast_loop<std::int32_t, float>;
  else if (from == dtype::uint8 && to == dtype::float32) direct = &detail::cast_loop<std::uint8_t, float>;
  else if (from == dtype::boolean && to == dtype::float32) direct = &detail::cast_loop<bool, float>;
  else if (is_complex(from) || is_complex(to))
    load = detail::cast_into<std::complex<double>>(from), store = detail::cast_out_of<std::complex<double>>(to);
  else if (is_floating(from) || is_floating(to)) load = detail::cast_into<double>(from), store = detail::cast_out_of<double>(to);
  else load = detail::cast_into<std::int64_t>(from), store = detail::cast_out_of<std::int64_t>(to);
  parallel_for(in.size(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    const auto* x = static_cast<const unsigned char*>(in.data) + static_cast<std::size_t>(begin) * size_of(from);
    auto* y = static_cast<unsigned char*>(out.data) + static_cast<std::size_t>(begin) * size_of(to);
    if (direct) return direct(x, y, end - begin);
    alignas(64) unsigned char wide[detail::cast_piece * 16];
    for (std::int64_t n; begin < end; begin += n) {
      n = end - begin < detail::cast_piece ? end - begin : detail::cast_piece;
      load(x, wide, n);
      store(wide, y, n);
      x += static_cast<std::size_t>(n) * size_of(from), y += static_cast<std::size_t>(n) * size_of(to);
    }
  });
}

}  // namespace rill::kernel
