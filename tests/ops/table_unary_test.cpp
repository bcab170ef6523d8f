// SPDX-License-Identifier: Apache-2.0
// Arithmetic, rounding, tests and bits of one operand: every op x dtype x shape x place in memory against a plain reference.

#include "table.hpp"

using namespace rill;
using namespace rill::test::table;

namespace {

#define RILL_F(f) [](const dt& x) { return f(x); }
using i64 = std::int64_t;
constexpr i64 (*no)(i64, int) = nullptr;
constexpr double (*no_real)(double) = nullptr;
i64 minus(i64 v) { return static_cast<i64>(0 - static_cast<std::uint64_t>(v)); }

const unary_row rows[] = {
    {"negative", RILL_F(negative), [](double x) { return -x; }, [](i64 v, int) { return minus(v); }, -100, 100, 0},
    {"abs", RILL_F(abs), [](double x) { return std::fabs(x); }, [](i64 v, int) { return v < 0 ? minus(v) : v; }, -100, 100, 0},
    {"sign", RILL_F(sign), [](double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }, [](i64 v, int) { return static_cast<i64>(v > 0) - (v < 0); }, -3, 3, 0},
    {"square", RILL_F(square), [](double x) { return x * x; }, [](i64 v, int) { return v * v; }, -110, 110, 1},
    {"sqrt", RILL_F(sqrt), [](double x) { return std::sqrt(x); }, no, 0, 60000, 1},
    {"rsqrt", RILL_F(rsqrt), [](double x) { return 1 / std::sqrt(x); }, no, 0.01, 60000, 2},
    {"reciprocal", RILL_F(reciprocal), [](double x) { return 1 / x; }, [](i64 v, int) { return v == 1 || v == -1 ? v : 0; }, -5, 5, 1},
    {"relu", RILL_F(relu), [](double x) { return x < 0 ? 0 : x; }, [](i64 v, int) { return v < 0 ? 0 : v; }, -10, 10, 0},
    {"relu6", RILL_F(relu6), [](double x) { return x < 0 ? 0 : x > 6 ? 6 : x; }, [](i64 v, int) { return v < 0 ? 0 : v > 6 ? 6 : v; }, -10, 20, 0},
    {"softsign", RILL_F(softsign), [](double x) { return std::isinf(x) ? NAN : x / (1 + std::fabs(x)); }, no, -20, 20, 2},
    {"floor", RILL_F(floor), [](double x) { return std::floor(x); }, no, -9, 9, 0},
    {"ceil", RILL_F(ceil), [](double x) { return std::ceil(x); }, no, -9, 9, 0},
    {"round", RILL_F(round), [](double x) { return std::nearbyint(x); }, no, -9, 9, 0},
    {"rint", RILL_F(rint), [](double x) { return std::nearbyint(x); }, no, -9, 9, 0},
    {"trunc", RILL_F(trunc), [](double x) { return std::trunc(x); }, no, -9, 9, 0},
    {"is_nan", RILL_F(is_nan), [](double x) { return std::isnan(x) ? 1.0 : 0.0; }, no, -9, 9, 0, true},
    {"is_inf", RILL_F(is_inf), [](double x) { return std::isinf(x) ? 1.0 : 0.0; }, no, -9, 9, 0, true},
    {"is_finite", RILL_F(is_finite), [](double x) { return std::isfinite(x) ? 1.0 : 0.0; }, no, -9, 9, 0, true},
    {"invert", RILL_F(invert), no_real, [](i64 v, int) { return ~v; }, -100, 100, 0},
    {"count_leading_zeros", RILL_F(count_leading_zeros), no_real,
     [](i64 v, int bits) {
       i64 n = 0;
       while (n < bits && (v >> (bits - 1 - n) & 1) == 0) ++n;
       return n;
     }, -100, 100, 0},
};

}  // namespace

TEST_CASE("table: arithmetic of one operand") {
  run_all(rows);
  for (const dtype type : integers)
    for (const tensor_shape& shape : shapes()) {
      numbers_of g = next_case();
      const input x = make(g, type, shape, -100, 100);
      const dt y = population_count(x.t);
      if (!fits("population_count", y, dtype::uint8, shape)) continue;
      for (i64 k = 0; k < y.size(); ++k) {
        i64 n = 0;
        for (int bit = 0; bit < bits_of(type); ++bit) n += x.whole[static_cast<std::size_t>(k)] >> bit & 1;
        check_whole("population_count", y, k, n);
      }
    }
  MESSAGE(count().cases, " cases");
  CHECK(count().cases >= 10000);
  CHECK(count().told == 0);
}
