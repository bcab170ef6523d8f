// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Complex numbers in parts: real, imag, conj, angle and complex_abs of a tensor of complex64 or complex128, and `complex`
/// of two tensors of float or double. The parts have the real type of the same width. Arithmetic, exp, log, sqrt, pow, sin,
/// cos, tanh, equal and not_equal take complex tensors as they take others; a program that computes with them includes
/// <complex>.
///
/// Gradients are TensorFlow's: dy of a complex value is what makes (x + step * dy) grow the loss fastest.
///
///   tensor<std::complex<float>, 2> z{{3, 4}, {0, 1}};
///   complex_abs(z);  // [5. 1.]        complex(real(z), -imag(z));  // conj(z)

#include "forward.hpp"
#include "scalar.hpp"

namespace rill {
template <class A>
  requires operands<A>
constexpr applied_t<ops::real, A> real(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::imag, A> imag(A&& x);
template <class A>
  requires operands<A>
constexpr applied_t<ops::conj, A> conj(A&& x);
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::complex, A, B> complex(A&& re, B&& im);

namespace ops {

/// Base of the ops from complex to the real type.
struct complex_part : elementwise<1> {
  static constexpr unsigned accepts = types::complexes;
  template <class T>
  using result = real_type_t<T>;
  static constexpr dtype result_type(const dtype* in) { return real_type_of(in[0]); }
};

/// The real part.
struct real : complex_part {
  static constexpr auto name = "Real";
  static constexpr unsigned accepts = types::complexes;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::real_part;
    return real_part(x);
  }
  static constexpr auto vjp(auto dy, auto, auto) { return grads(rill::complex(dy, zeros_like(dy))); }
};

/// The imaginary part.
struct imag : complex_part {
  static constexpr auto name = "Imag";
  static constexpr unsigned accepts = types::complexes;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::imaginary_part;
    return imaginary_part(x);
  }
  static constexpr auto vjp(auto dy, auto, auto) { return grads(rill::complex(zeros_like(dy), dy)); }
};

/// The imaginary part with the other sign.
struct conj : elementwise<1> {
  static constexpr auto name = "Conj";
  static constexpr unsigned accepts = types::complexes;
  template <class V>
  static constexpr V eval(V x) {
    using scalar::conjugate;
    return conjugate(x);
  }
  static constexpr auto vjp(auto dy, auto, auto) { return grads(rill::conj(dy)); }
};

/// The angle to the positive real axis, in [-pi, pi].
struct angle : complex_part {
  static constexpr auto name = "Angle";
  static constexpr unsigned accepts = types::complexes;
  static constexpr int cost = 60;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::argument;
    return argument(x);
  }
  static constexpr auto vjp(auto dy, auto, auto x) {
    auto re = rill::real(x);
    auto im = rill::imag(x);
    auto scale = dy / (rill::square(re) + rill::square(im));
    return grads(rill::complex(-im * scale, re * scale));
  }
};

/// The length |x|, without overflow on the way; its gradient at 0 is 0.
struct complex_abs : complex_part {
  static constexpr auto name = "ComplexAbs";
  static constexpr unsigned accepts = types::complexes;
  static constexpr int cost = 15;
  template <class V>
  static constexpr auto eval(V x) {
    using scalar::magnitude;
    return magnitude(x);
  }
  static constexpr auto vjp(auto dy, auto y, auto x) {
    auto scale = dy / rill::select(y > 0, y, ones_like(y));
    return grads(rill::complex(rill::real(x) * scale, rill::imag(x) * scale));
  }
};

/// The number of these two parts.
struct complex : elementwise<2> {
  static constexpr auto name = "Complex";
  static constexpr unsigned accepts = types::floats;
  template <class T, class>
  using result = complex_type_t<T>;
  static constexpr dtype result_type(const dtype* in) {
    return in[0] == dtype::float32 ? dtype::complex64 : in[0] == dtype::float64 ? dtype::complex128 : dtype::invalid;
  }
  template <class V>
  static constexpr auto eval(V re, V im) {
    using scalar::make_complex;
    return make_complex(re, im);
  }
  static constexpr auto vjp(auto dy, auto, auto, auto) { return grads(rill::real(dy), rill::imag(dy)); }
};

}  // namespace ops

/// The real part.
template <class A>
  requires operands<A>
constexpr applied_t<ops::real, A> real(A&& x) {
  return apply<ops::real>(std::forward<A>(x));
}
/// The imaginary part.
template <class A>
  requires operands<A>
constexpr applied_t<ops::imag, A> imag(A&& x) {
  return apply<ops::imag>(std::forward<A>(x));
}
/// The imaginary part with the other sign.
template <class A>
  requires operands<A>
constexpr applied_t<ops::conj, A> conj(A&& x) {
  return apply<ops::conj>(std::forward<A>(x));
}
/// The angle to the positive real axis, in [-pi, pi].
template <class A>
  requires operands<A>
constexpr applied_t<ops::angle, A> angle(A&& x) {
  return apply<ops::angle>(std::forward<A>(x));
}
/// The length |x|, a real number.
template <class A>
  requires operands<A>
constexpr applied_t<ops::complex_abs, A> complex_abs(A&& x) {
  return apply<ops::complex_abs>(std::forward<A>(x));
}
/// abs of complex numbers is their length.
template <class A>
  requires operands<A> && value<A>
constexpr std::remove_cvref_t<A> abs(A&& x) {
  if (is_complex(x.type())) return apply<ops::complex_abs>(std::forward<A>(x));
  return apply<ops::abs>(std::forward<A>(x));
}
template <class A>
  requires operands<A> && is_complex_v<typename std::remove_cvref_t<A>::element_type>
constexpr applied_t<ops::complex_abs, A> abs(A&& x) {
  return apply<ops::complex_abs>(std::forward<A>(x));
}
/// The complex numbers re + i im.
template <class A, class B>
  requires operands<A, B>
constexpr applied_t<ops::complex, A, B> complex(A&& re, B&& im) {
  return apply<ops::complex>(std::forward<A>(re), std::forward<B>(im));
}

}  // namespace rill
