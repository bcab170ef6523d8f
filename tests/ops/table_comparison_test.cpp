// SPDX-License-Identifier: Apache-2.0
// Comparisons, logic, bits, choice, limits and casts: every op x dtype x shape x place in memory against a plain reference.

#include "table.hpp"

using namespace rill;
using namespace rill::test::table;

namespace {

#define RILL_F(f) [](const dt& a, const dt& b) { return f(a, b); }
using i64 = std::int64_t;
constexpr double (*no_real)(double, double) = nullptr;

const binary_row rows[] = {
    {"equal", RILL_F(equal), [](double a, double b) { return a == b ? 1.0 : 0.0; }, [](i64 a, i64 b, dtype) { return i64{a == b}; }, -3, 3, -3, 3, 0, true, true},
    {"not_equal", RILL_F(not_equal), [](double a, double b) { return a != b ? 1.0 : 0.0; }, [](i64 a, i64 b, dtype) { return i64{a != b}; }, -3, 3, -3, 3, 0, true, true},
    {"less", RILL_F(less), [](double a, double b) { return a < b ? 1.0 : 0.0; }, [](i64 a, i64 b, dtype) { return i64{a < b}; }, -3, 3, -3, 3, 0, true},
    {"less_equal", RILL_F(less_equal), [](double a, double b) { return a <= b ? 1.0 : 0.0; }, [](i64 a, i64 b, dtype) { return i64{a <= b}; }, -3, 3, -3, 3, 0, true},
    {"greater", RILL_F(greater), [](double a, double b) { return a > b ? 1.0 : 0.0; }, [](i64 a, i64 b, dtype) { return i64{a > b}; }, -3, 3, -3, 3, 0, true},
    {"greater_equal", RILL_F(greater_equal), [](double a, double b) { return a >= b ? 1.0 : 0.0; }, [](i64 a, i64 b, dtype) { return i64{a >= b}; }, -3, 3, -3, 3, 0, true},
    {"logical_and", RILL_F(logical_and), no_real, [](i64 a, i64 b, dtype) { return i64{a != 0 && b != 0}; }, 0, 1, 0, 1, 0, true, true, false},
    {"logical_or", RILL_F(logical_or), no_real, [](i64 a, i64 b, dtype) { return i64{a != 0 || b != 0}; }, 0, 1, 0, 1, 0, true, true, false},
    {"logical_xor", RILL_F(logical_xor), no_real, [](i64 a, i64 b, dtype) { return i64{a != b}; }, 0, 1, 0, 1, 0, true, true, false},
    {"bitwise_and", RILL_F(bitwise_and), no_real, [](i64 a, i64 b, dtype) { return a & b; }, -120, 120, -120, 120, 0, false, true},
    {"bitwise_or", RILL_F(bitwise_or), no_real, [](i64 a, i64 b, dtype) { return a | b; }, -120, 120, -120, 120, 0, false, true},
    {"bitwise_xor", RILL_F(bitwise_xor), no_real, [](i64 a, i64 b, dtype) { return a ^ b; }, -120, 120, -120, 120, 0, false, true},
    {"left_shift", RILL_F(left_shift), no_real,
     [](i64 a, i64 b, dtype d) { return b < 0 || b >= bits_of(d) ? 0 : static_cast<i64>(static_cast<std::uint64_t>(a) << b); }, -120, 120, 0, 70, 0},
    {"right_shift", RILL_F(right_shift), no_real, [](i64 a, i64 b, dtype) { return a >> (b > 63 || b < 0 ? 63 : b); }, -120, 120, 0, 70, 0},
    {"shift_right_logical", RILL_F(shift_right_logical), no_real,
     [](i64 a, i64 b, dtype d) {
       const int n = bits_of(d);
       if (b < 0 || b >= n) return i64{0};
       const std::uint64_t ones = n == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
       return static_cast<i64>((static_cast<std::uint64_t>(a) & ones) >> b);
     },
     -120, 120, 0, 70, 0},
};

bool same(const input& a, std::size_t i, const dt& y, std::int64_t k) {
  if (integral(y.type())) return whole_at(y, k) == a.whole[i];
  const double got = element_at(y, k);
  return std::isnan(a.real[i]) ? std::isnan(got) : got == a.real[i] && std::signbit(got) == std::signbit(a.real[i]);
}

/// select and clamp over operands of which one is broadcast.
void run_choices(dtype type, const shape_pair& p, place where) {
  numbers_of g = next_case();
  const tensor_shape shape = joined(p.a, p.b);
  const input c = make(g, dtype::boolean, p.a, 0, 1, where), a = make(g, type, p.b, -50, 50, place::shifted, true), b = make(g, type, p.a, -50, 50, where, true);
  const dt y = select(c.t, a.t, b.t);
  if (!fits("select", y, type, shape)) return;
  std::int64_t k = 0;
  each_index(shape, [&](const std::int64_t* i) {
    const std::size_t from_a = source_of(p.a, shape, i), from_b = source_of(p.b, shape, i);
    if (!(c.whole[from_a] != 0 ? same(a, from_b, y, k) : same(b, from_a, y, k)))
      fail(what("select", type, shape) + ", element " + std::to_string(k));
    ++k;
  });
  if (type == dtype::boolean) return;
  next_case();
  const input low = make(g, type, {}, -20, 0), high = make(g, type, p.b, 1, 20);
  const dt z = clamp(low.t, b.t, high.t);
  if (!fits("clamp", z, type, shape)) return;
  k = 0;
  each_index(shape, [&](const std::int64_t* i) {
    const double x = b.real[source_of(p.a, shape, i)], l = low.real[0], h = high.real[source_of(p.b, shape, i)];
    const double want = std::isnan(x) ? x : x < l ? l : x > h ? h : x;
    const double got = element_at(z, k);
    if (std::isnan(want) ? !std::isnan(got) : got != want) fail(what("clamp", type, shape) + ", element " + std::to_string(k));
    ++k;
  });
}

/// cast between any two dtypes; the values fit both.
void run_cast(dtype from, dtype to, const tensor_shape& shape, place where) {
  numbers_of g = next_case();
  const bool fractions = !integral(from) && !integral(to);
  const double low = integral(to) && !is_signed(to) ? 0 : -100;
  const input x = make(g, from, shape, low, 100, where, fractions);
  const dt y = cast_to(x.t, to);
  if (!fits("cast", y, to, shape)) return;
  for (std::int64_t k = 0; k < y.size(); ++k) {
    const double v = x.real[static_cast<std::size_t>(k)];
    if (to == dtype::boolean) check_whole("cast", y, k, v != 0);
    else if (integral(to)) check_whole("cast", y, k, static_cast<i64>(std::trunc(v)));
    else check_real("cast", y, k, v, to == dtype::float64 ? 0 : 0.5);
  }
}

}  // namespace

TEST_CASE("table: comparisons, logic and bits") {
  run_all(rows, 2);
  MESSAGE(count().cases, " cases");
  CHECK(count().cases >= 11000);
  CHECK(count().told == 0);
}

TEST_CASE("table: choices, limits and casts") {
  const long before = count().cases;
  std::size_t turn = 0;
  for (const dtype type : reals_and_bool)
    for (const tensor_shape& s : shapes())
      for (const shape_pair& p : pairs_of(s)) run_choices(type, p, static_cast<place>(turn++ % 3));
  for (const dtype from : reals_and_bool)
    for (const dtype to : reals_and_bool)
      for (const tensor_shape& s : shapes()) run_cast(from, to, s, static_cast<place>(turn++ % 3));
  MESSAGE((count().cases - before), " cases");
  CHECK(count().cases - before >= 9000);
  CHECK(count().told == 0);
}
