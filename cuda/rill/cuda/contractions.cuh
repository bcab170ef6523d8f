// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How the products and convolutions of a session are computed: by our own kernels, or by a library where it can; and what
/// their operands of float may be rounded to (contraction.cuh: precision). A type, since it decides what is compiled:
///
///   cuda::on(gpu(0), cuda::contractions<cuda::precision::tf32>{})            // our kernels, on the matrix units
///   cuda::on(gpu(0), cuda::library_contractions<>{})                         // cuBLASLt and cuDNN (libraries.cuh)
///
/// Relative errors of an operand: tf32 and half 2^-12 (half only within its range, to 65504), bfloat16 2^-9; products are
/// exact, sums float. By default nothing is rounded. The operands of layers in nn::compute_in<half> or <bfloat16> are of that
/// precision already: contractions of the same lose nothing of them, and take the matrix units.

#include <memory>
#include <utility>
#include <vector>

#include <rill/kernel/convolution.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/contraction.hpp>
#include <rill/ops/convolution.hpp>
#include <rill/ops/unary.hpp>

#include "contraction.cuh"

namespace rill::cuda {

/// What cuBLASLt and cuDNN can do with a result.
enum class library_epilogue { none, store, bias, relu, bias_relu };

namespace detail {

template <class P>
inline constexpr library_epilogue library_epilogue_of = library_epilogue::none;
template <class T, expr::walk A>
inline constexpr library_epilogue library_epilogue_of<expr::program<expr::list<expr::in<T, A>>, expr::list<>, expr::list<expr::out<T, ~0>>>> = library_epilogue::store;
template <class T, expr::walk A>
inline constexpr library_epilogue library_epilogue_of<expr::program<expr::list<expr::in<T, A>>, expr::list<expr::let<ops::relu, ~0>>, expr::list<expr::out<T, 0>>>> =
    library_epilogue::relu;
template <class T, expr::walk A, expr::walk B>
inline constexpr library_epilogue
    library_epilogue_of<expr::program<expr::list<expr::in<T, A>, expr::in<T, B>>, expr::list<expr::let<ops::add, ~0, ~1>>, expr::list<expr::out<T, 0>>>> =
        library_epilogue::bias;
template <class T, expr::walk A, expr::walk B>
inline constexpr library_epilogue library_epilogue_of<
    expr::program<expr::list<expr::in<T, A>, expr::in<T, B>>, expr::list<expr::let<ops::add, ~0, ~1>, expr::let<ops::relu, 0>>, expr::list<expr::out<T, 1>>>> =
    library_epilogue::bias_relu;

constexpr bool has_bias(library_epilogue e) { return e == library_epilogue::bias || e == library_epilogue::bias_relu; }

/// The bias of an epilogue where it is one number for each column, else nothing.
template <class P, class T>
const void* column_bias(const tile_epilogue<P, T>& e) {
  if constexpr (P::inputs::size == 2) {
    constexpr expr::walk walk = expr::detail::at<typename P::inputs, 1>::inner;
    if (e.in_row[1] == 0 && (walk == expr::walk::contiguous || (walk == expr::walk::strided && e.in_column[1] == 1))) return e.in[1];
  }
  return nullptr;
}

}  // namespace detail

/// Our own kernels.
template <precision P = precision::float32>
struct contractions {
  static constexpr precision accuracy = P;
  template <class Root, class T, precision Q, class... Arguments>
  static bool by_library(const Arguments&...) {
    return false;
  }
};

namespace detail {

/// The one object of a library for a device.
template <class Library, class Device>
Library& library_of(Device& device) {
  // Never destroyed: the driver may be gone by then.
  static auto& all = *new std::vector<std::pair<Device*, std::unique_ptr<Library>>>;
  for (auto& [d, library] : all)
    if (d == &device) return *library;
  all.emplace_back(&device, std::make_unique<Library>(device));
  return *all.back().second;
}

}  // namespace detail

/// Libraries, where the operands are memory and the library says that it did it; else our own kernels. `Blas` has multiply as
/// blas.cuh says, `Dnn` has forward, to_input and to_filter as dnn.cuh does, or is void.
template <class Blas, class Dnn, precision P = precision::float32>
struct contractions_by {
  static constexpr precision accuracy = P;

  template <class Root, class T, precision Q, class Device, class E>
  static bool by_library(Device& device, std::int64_t m, std::int64_t n, std::int64_t k, bool ta, bool tb, const plain_operand<T>& a, const plain_operand<T>& b, const E& e) {
    return detail::library_of<Blas>(device).template multiply<T, Q>(m, n, k, ta, tb, a, b, e);
  }
  template <class Root, class T, precision Q, class Device, class E>
  static bool by_library(Device& device, const kernel::conv2d_dims& d, const plain_operand<T>& a, const plain_operand<T>& b, const E& e) {
    if constexpr (!std::is_void_v<Dnn>) {
      Dnn& library = detail::library_of<Dnn>(device);
      if constexpr (std::is_same_v<Root, ops::conv2d_op>) return library.template forward<T, Q>(d, a, b, e);
      else if constexpr (std::is_same_v<Root, ops::conv2d_backprop_input_op>) return library.template to_input<T, Q>(d, a, b, e);
      else return library.template to_filter<T, Q>(d, a, b, e);
    } else {
      return false;
    }
  }
  template <class Root, class T, precision Q, class... Arguments>
  static bool by_library(const Arguments&...) {
    return false;
  }
};

}  // namespace rill::cuda
