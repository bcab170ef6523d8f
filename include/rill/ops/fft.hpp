// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Discrete Fourier transforms over the last one, two or three axes, TensorFlow's fft family: X_k = sum over j of
/// x_j exp(-2 pi i j k / n). The inverse has the other sign and is divided by the number of elements of a transform.
/// fft and ifft map complex to complex tensors of one shape. rfft maps real tensors, cropped or padded with zeros to
/// fft_length, to the n/2 + 1 elements of the last axis that determine the others; irfft is its inverse, whose operand is
/// cropped or padded likewise. dtypes: float32 with complex64, float64 with complex128. Gradients are transforms again.
/// Programs include <rill/eager/fft.hpp>, which brings the kernel.
///
///   tensor<std::complex<float>, 4> x{{1, 0}, {2, 0}, {3, 0}, {4, 0}};
///   fft(x);                                                     // [10.+0.j -2.+2.j -2.+0.j -2.-2.j]
///   rfft(tensor<float, 4>{1, 2, 3, 4}, {.fft_length = {8}});    // 5 elements
///   fftshift(tensor<int, 4>{0, 1, -2, -1});                     // [-2 -1  0  1]

#include "complex.hpp"
#include "functions.hpp"
#include "movement.hpp"

namespace rill {

/// fft_length: the extents of the transform along the last axes, one for each of them; empty for the operand's own (of
/// irfft: 2 (n - 1) along the last axis).
struct rfft_options {
  tensor_shape fft_length = {};
};
/// Options of fftshift and ifftshift: which axes; none means all.
struct fftshift_options {
  axis_list axes = {};
};
/// Options of dct: `ortho` scales so that the transform is orthogonal.
struct dct_options {
  bool ortho = false;
};

namespace ops {

/// Base: transforms of complex numbers are costly, so that what they computed is kept.
struct fourier_op {
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;
  static constexpr const char* pick(int rank, const char* one, const char* two, const char* three) {
    return rank == 1 ? one : rank == 2 ? two : three;
  }
  static constexpr bool check_axes(const signature& x, int rank, failure& f) {
    if (x.shape.rank() < rank) f.set("the operand has fewer axes than the transform", "", x);
    for (int d = 0; !f && d < rank; ++d)
      if (x.shape[x.shape.rank() - 1 - d] < 0) f.set("the axes of the transform must have known extents", "only leading axes may be the batch", x);
    return !f;
  }
};

/// f[0] scales the result, which is all that distinguishes an inverse from the adjoint that gradients need.
template <int Rank, bool Inverse>
struct fft_op : fourier_op {
  static constexpr auto name = Inverse ? pick(Rank, "IFFT", "IFFT2D", "IFFT3D") : pick(Rank, "FFT", "FFT2D", "FFT3D");
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (!is_complex(in[0].type)) f.set("takes complex64 and complex128", "rfft takes real tensors", in[0]);
    return check_axes(in[0], Rank, f) ? in[0] : signature{};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto) {
    return grads(decltype(dy)::front_end::template emit<fft_op<Rank, !Inverse>>({dy}, at));
  }
};

template <int Rank>
struct irfft_op;

/// i[0..2] the extents n of the transform, i[3] a factor of the elements strictly between 0 and n/2 of the last axis,
/// i[4..6] the extents of the result, which crop or pad the transform's n.., n/2 + 1; f[0] scales. With the same factor and
/// scale, rfft and irfft are each other's adjoint: 1 in rfft proper, 2 in irfft, where elements in the middle stand for two.
template <int Rank>
struct rfft_op : fourier_op {
  static constexpr auto name = pick(Rank, "RFFT", "RFFT2D", "RFFT3D");
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (in[0].type != dtype::float32 && in[0].type != dtype::float64) f.set("takes float32 and float64", "fft takes complex tensors", in[0]);
    if (!check_axes(in[0], Rank, f)) return {};
    signature r{in[0].type == dtype::float32 ? dtype::complex64 : dtype::complex128, in[0].shape};
    for (int d = 0; d < Rank; ++d) {
      if (at.i[d] < 1) f.set("the length of a transform must be at least 1", "", in[0]);
      r.shape[r.shape.rank() - Rank + d] = at.i[4 + d];
    }
    return r;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x) {
    attributes back = at;
    for (int d = 0; d < Rank; ++d) back.i[4 + d] = x.shape()[x.rank() - Rank + d];
    return grads(decltype(dy)::front_end::template emit<irfft_op<Rank>>({dy}, back));
  }
};
/// The same attributes. The result is the transform's n.., n, cropped or padded.
template <int Rank>
struct irfft_op : fourier_op {
  static constexpr auto name = pick(Rank, "IRFFT", "IRFFT2D", "IRFFT3D");
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (!is_complex(in[0].type)) f.set("takes complex64 and complex128", "rfft takes real tensors", in[0]);
    if (!check_axes(in[0], Rank, f)) return {};
    signature r{real_type_of(in[0].type), in[0].shape};
    for (int d = 0; d < Rank; ++d) {
      if (at.i[d] < 1) f.set("the length of a transform must be at least 1", "", in[0]);
      r.shape[r.shape.rank() - Rank + d] = at.i[4 + d];
    }
    return r;
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x) {
    attributes back = at;
    for (int d = 0; d < Rank; ++d) back.i[4 + d] = x.shape()[x.rank() - Rank + d];
    return grads(decltype(dy)::front_end::template emit<rfft_op<Rank>>({dy}, back));
  }
};

// Name for messages.
struct dct_rule : fourier_op {
  static constexpr auto name = "DCT";
};

}  // namespace ops

namespace detail {

template <int Rank, bool Inverse, value V>
constexpr V complex_fft(const V& x) {
  if (V::front_end::failed(x)) return x;
  attributes at;
  at.f[0] = 1;
  if (Inverse && x.rank() >= Rank)
    for (int d = 0; d < Rank; ++d)
      if (const std::int64_t n = x.shape()[x.rank() - 1 - d]; n > 0) at.f[0] /= static_cast<double>(n);
  return emit<ops::fft_op<Rank, Inverse>>({x}, at);
}
template <int Rank, bool Inverse, value V>
constexpr V real_fft(const V& x, const tensor_shape& length) {
  using op = std::conditional_t<Inverse, ops::irfft_op<Rank>, ops::rfft_op<Rank>>;
  if (V::front_end::failed(x)) return x;
  if (length.rank() != 0 && length.rank() != Rank)
    return fail<op>(x, "fft_length does not have one extent for each axis of the transform");
  attributes at;
  at.i[3] = Inverse ? 2 : 1;
  at.f[0] = 1;
  for (int d = 0; d < Rank; ++d) {
    const bool last = d == Rank - 1;
    std::int64_t n = x.rank() < Rank ? 1 : x.shape()[x.rank() - Rank + d];
    if (Inverse && last) n = 2 * (n - 1);
    if (length.rank() != 0) n = length[d];
    at.i[d] = n;
    at.i[4 + d] = !Inverse && last ? n / 2 + 1 : n;
    if (Inverse && n > 0) at.f[0] /= static_cast<double>(n);
  }
  return emit<op>({x}, at);
}
template <value V>
constexpr V shift_halves(const V& x, axis_list axes, bool back) {
  if (V::front_end::failed(x)) return x;
  if (axes.count == 0)
    for (int d = 0; d < x.rank(); ++d) axes.axes[axes.count++] = d;
  roll_options o{.axis = axes};
  for (int k = 0; k < axes.count; ++k) {
    const std::int64_t a = axes.axes[k] < 0 ? axes.axes[k] + x.rank() : axes.axes[k];
    const std::int64_t n = a < 0 || a >= x.rank() ? 0 : x.shape()[static_cast<int>(a)];
    o.shift.axes[o.shift.count++] = back ? -(n / 2) : n / 2;
  }
  return roll(x, o);
}

}  // namespace detail

/// The transform along the last axis of a complex tensor.
template <value V>
constexpr V fft(V x) {
  return detail::complex_fft<1, false>(x);
}
template <value V>
constexpr V ifft(V x) {
  return detail::complex_fft<1, true>(x);
}
/// Over the last two axes.
template <value V>
constexpr V fft2d(V x) {
  return detail::complex_fft<2, false>(x);
}
template <value V>
constexpr V ifft2d(V x) {
  return detail::complex_fft<2, true>(x);
}
/// Over the last three axes.
template <value V>
constexpr V fft3d(V x) {
  return detail::complex_fft<3, false>(x);
}
template <value V>
constexpr V ifft3d(V x) {
  return detail::complex_fft<3, true>(x);
}
/// Of real tensors: [.., n] -> [.., n/2 + 1] for n = fft_length.
template <value V>
constexpr V rfft(V x, rfft_options o = {}) {
  return detail::real_fft<1, false>(x, o.fft_length);
}
template <value V>
constexpr V rfft2d(V x, rfft_options o = {}) {
  return detail::real_fft<2, false>(x, o.fft_length);
}
template <value V>
constexpr V rfft3d(V x, rfft_options o = {}) {
  return detail::real_fft<3, false>(x, o.fft_length);
}
/// Back to real tensors: [.., n/2 + 1] -> [.., n] for n = fft_length.
template <value V>
constexpr V irfft(V x, rfft_options o = {}) {
  return detail::real_fft<1, true>(x, o.fft_length);
}
template <value V>
constexpr V irfft2d(V x, rfft_options o = {}) {
  return detail::real_fft<2, true>(x, o.fft_length);
}
template <value V>
constexpr V irfft3d(V x, rfft_options o = {}) {
  return detail::real_fft<3, true>(x, o.fft_length);
}
/// Moves the element of frequency 0 from the front of the axes to their middle, index n / 2.
template <value V>
constexpr V fftshift(V x, fftshift_options o = {}) {
  return detail::shift_halves(x, o.axes, false);
}
/// Undoes fftshift.
template <value V>
constexpr V ifftshift(V x, fftshift_options o = {}) {
  return detail::shift_halves(x, o.axes, true);
}
/// The cosine transform of type 2 along the last axis of a real tensor: X_k = 2 sum over j of x_j cos(pi k (2 j + 1) / (2 n)).
template <value V>
constexpr V dct(V x, dct_options o = {}) {
  if (V::front_end::failed(x)) return x;
  if (x.rank() < 1 || x.shape()[x.rank() - 1] < 1)
    return detail::fail<ops::dct_rule>(x, "the last axis must have a known extent of at least 1");
  if (x.type() != dtype::float32 && x.type() != dtype::float64) return detail::fail<ops::dct_rule>(x, "takes float32 and float64");
  const std::int64_t n = x.shape()[x.rank() - 1];
  attributes at;
  at.i[0] = 2 * n, at.i[3] = 1, at.i[4] = n;
  at.f[0] = 1;
  const V z = detail::emit<ops::rfft_op<1>>({x}, at);
  const V angle = V::front_end::range(x, x.type(), n) * (1.57079632679489661923 / static_cast<double>(n));
  V r = (rill::real(z) * cos(angle) + rill::imag(z) * sin(angle)) * 2;
  if (o.ortho) {
    const V first = equal(V::front_end::range(x, x.type(), n), V::front_end::constant(x, x.type(), 0));
    const V weight = select(first, V::front_end::constant(x, x.type(), 0.5), V::front_end::constant(x, x.type(), 0.70710678118654752440));
    r = r * weight / sqrt(V::front_end::constant(x, x.type(), static_cast<double>(n)));
  }
  return r;
}

}  // namespace rill
