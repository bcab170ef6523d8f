// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Fourier transforms of typed tensors (ops/fft.hpp says what each function does) and the kernel that graphs and tapes use.
/// Results have a rank known at run time; rfft gives the complex type of its operand, irfft and dct the real one.
///
///   tensor<std::complex<double>, any_rank> spectrum = rfft(tensor<double, 4>{1, 2, 3, 4});

#include "../kernel/fft.hpp"
#include "../ops/fft.hpp"
#include "movement.hpp"

namespace rill {

template <expr::eager X>
auto fft(const X& x) {
  return eager::lift([](const auto& v) { return fft(v); }, x);
}
template <expr::eager X>
auto ifft(const X& x) {
  return eager::lift([](const auto& v) { return ifft(v); }, x);
}
template <expr::eager X>
auto fft2d(const X& x) {
  return eager::lift([](const auto& v) { return fft2d(v); }, x);
}
template <expr::eager X>
auto ifft2d(const X& x) {
  return eager::lift([](const auto& v) { return ifft2d(v); }, x);
}
template <expr::eager X>
auto fft3d(const X& x) {
  return eager::lift([](const auto& v) { return fft3d(v); }, x);
}
template <expr::eager X>
auto ifft3d(const X& x) {
  return eager::lift([](const auto& v) { return ifft3d(v); }, x);
}
template <expr::eager X>
auto rfft(const X& x, const rfft_options& o = {}) {
  return eager::lift_as<complex_type_t<typename X::element_type>>([&](const auto& v) { return rfft(v, o); }, x);
}
template <expr::eager X>
auto rfft2d(const X& x, const rfft_options& o = {}) {
  return eager::lift_as<complex_type_t<typename X::element_type>>([&](const auto& v) { return rfft2d(v, o); }, x);
}
template <expr::eager X>
auto rfft3d(const X& x, const rfft_options& o = {}) {
  return eager::lift_as<complex_type_t<typename X::element_type>>([&](const auto& v) { return rfft3d(v, o); }, x);
}
template <expr::eager X>
auto irfft(const X& x, const rfft_options& o = {}) {
  return eager::lift_as<real_type_t<typename X::element_type>>([&](const auto& v) { return irfft(v, o); }, x);
}
template <expr::eager X>
auto irfft2d(const X& x, const rfft_options& o = {}) {
  return eager::lift_as<real_type_t<typename X::element_type>>([&](const auto& v) { return irfft2d(v, o); }, x);
}
template <expr::eager X>
auto irfft3d(const X& x, const rfft_options& o = {}) {
  return eager::lift_as<real_type_t<typename X::element_type>>([&](const auto& v) { return irfft3d(v, o); }, x);
}
template <expr::eager X>
auto fftshift(const X& x, fftshift_options o = {}) {
  return eager::lift([&](const auto& v) { return fftshift(v, o); }, x);
}
template <expr::eager X>
auto ifftshift(const X& x, fftshift_options o = {}) {
  return eager::lift([&](const auto& v) { return ifftshift(v, o); }, x);
}
template <expr::eager X>
auto dct(const X& x, dct_options o = {}) {
  return eager::lift([&](const auto& v) { return dct(v, o); }, x);
}

}  // namespace rill
