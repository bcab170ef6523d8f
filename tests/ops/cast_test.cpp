// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/cast.hpp>

#include <complex>
#include <cstdint>
#include <limits>

#include "value.hpp"

using namespace rill;

namespace {

// The values as each type holds them, and what becomes of them, said in plain C++.
template <class T>
T number(double x) {
  if constexpr (is_complex_v<T>) return T(static_cast<real_type_t<T>>(x), static_cast<real_type_t<T>>(x / 2));
  else return static_cast<T>(x);
}
template <class To, class From>
To plain_cast(From x) {
  if constexpr (is_complex_v<From>) {
    if constexpr (is_complex_v<To>)
      return To(static_cast<real_type_t<To>>(x.real()), static_cast<real_type_t<To>>(x.imag()));
    else if constexpr (std::is_same_v<To, bool>) return x.real() != 0 || x.imag() != 0;
    else return plain_cast<To>(x.real());
  } else if constexpr (is_complex_v<To>) return To(static_cast<real_type_t<To>>(x), 0);
  else if constexpr (is_narrow_v<From> && is_narrow_v<To>) return To(static_cast<double>(x));
  else return static_cast<To>(x);
}

void none_wrong(int wrong, dtype from, dtype to) {
  CAPTURE(name_of(from));
  CAPTURE(name_of(to));
  CHECK(wrong == 0);
}

// Runs the op as kernels do, on packs of W lanes, without a kernel around it (which would take long to compile 225 times).
template <class From, class To>
void check() {
  using namespace expr;
  using p = program<list<in<From, walk::contiguous>>, list<let<ops::cast<To>, ~0>>, list<out<To, 0>>>;
  constexpr int W = kernel::lanes_v<p>;
  const double values[] = {0, 1, 2, 3.75, 100, 0.5, 7, 63, 64, 127, 31.25, 3.3, 15.1, 5, 6, 7};
  constexpr bool negatives =
      (std::numeric_limits<From>::is_signed || is_complex_v<From>)&&(std::numeric_limits<To>::is_signed || is_complex_v<To>);
  From x[static_cast<std::size_t>(W)];
  To y[static_cast<std::size_t>(W)];
  for (int i = 0; i < W; ++i) x[i] = number<From>(values[i % 16]);
  if constexpr (negatives) x[1] = number<From>(-100.6), x[W - 1] = number<From>(-3);
  registers<p, kernel::pack_lane<W>> v;
  v.template get<~0>() = pack<From, W>::load(x);
  v.run(0);
  v.template get<0>().store(y);
  int wrong = 0;
  for (int i = 0; i < W; ++i) wrong += !(y[i] == plain_cast<To>(x[i]));
  none_wrong(wrong, dtype_v<From>, dtype_v<To>);
}
template <class From>
void check_from() {
  check<From, float>();
  check<From, double>();
  check<From, half>();
  check<From, bfloat16>();
  check<From, std::int8_t>();
  check<From, std::int16_t>();
  check<From, std::int32_t>();
  check<From, std::int64_t>();
  check<From, std::uint8_t>();
  check<From, std::uint16_t>();
  check<From, std::uint32_t>();
  check<From, std::uint64_t>();
  check<From, std::complex<float>>();
  check<From, std::complex<double>>();
  check<From, bool>();
}

}  // namespace

TEST_CASE("cast: every pair of element types, floats") {
  check_from<float>();
  check_from<double>();
  check_from<half>();
  check_from<bfloat16>();
  check_from<std::complex<float>>();
  check_from<std::complex<double>>();
}
TEST_CASE("cast: every pair of element types, integers") {
  check_from<std::int8_t>();
  check_from<std::int16_t>();
  check_from<std::int32_t>();
  check_from<std::int64_t>();
  check_from<std::uint8_t>();
  check_from<std::uint16_t>();
  check_from<std::uint32_t>();
  check_from<std::uint64_t>();
  check_from<bool>();
}

TEST_CASE("cast: wide numbers towards half and bfloat16 are rounded once, in every lane") {
  using namespace expr;
  using p = program<list<in<double, walk::contiguous>>, list<let<ops::cast<half>, ~0>, let<ops::cast<bfloat16>, ~0>>,
                    list<out<half, 0>, out<bfloat16, 1>>>;
  constexpr std::size_t n = 19;
  double x[n];
  half h[n];
  bfloat16 b[n];
  for (std::size_t i = 0; i < n; ++i) {  // a little beside the middle of two neighbours: a float in between would be a tie
    const double unit = i % 2 == 0 ? 0x1p-11 : 0x1p-8;
    x[i] = 1 + unit * static_cast<double>(2 * (i / 2) + 1) * (1 + (i % 3 == 0 ? -0x1p-40 : 0x1p-40));
  }
  const void* in[] = {x};
  void* out[] = {h, b};
  kernel::map<p>({1, {n}, {{1}, {1}, {1}}}, in, out);
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(h[i].bits == half(x[i]).bits);
    CHECK(b[i].bits == bfloat16(x[i]).bits);
  }
}

TEST_CASE("cast: the gradient of a floating cast is cast back, others have none") {
  using test::value;
  CHECK(ops::cast<double>::vjp(value<double>{2}, value<double>{1}, value<double>{1}).head.v == 2);
  using none = decltype(ops::cast<std::int32_t>::vjp(value<double>{2}, value<double>{1}, value<double>{1}).head);
  static_assert(std::is_same_v<none, no_gradient>);
}
