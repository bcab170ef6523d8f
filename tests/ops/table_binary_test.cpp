// SPDX-License-Identifier: Apache-2.0
// Arithmetic of two operands: every op x dtype x pair of shapes x place in memory against a plain reference.

#include "table.hpp"

using namespace rill;
using namespace rill::test::table;

namespace {

#define RILL_F(f) [](const dt& a, const dt& b) { return f(a, b); }
using i64 = std::int64_t;
constexpr i64 (*no)(i64, i64, dtype) = nullptr;
i64 quotient(i64 a, i64 b) { return b == 0 ? 0 : a / b; }
i64 floored(i64 a, i64 b) { return b == 0 ? 0 : static_cast<i64>(std::floor(static_cast<double>(a) / static_cast<double>(b))); }
double modulo(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

const binary_row rows[] = {
    {"add", RILL_F(add), [](double a, double b) { return a + b; }, [](i64 a, i64 b, dtype) { return a + b; }, -100, 100, -100, 100, 1},
    {"subtract", RILL_F(subtract), [](double a, double b) { return a - b; }, [](i64 a, i64 b, dtype) { return a - b; }, -100, 100, -100, 100, 1},
    {"multiply", RILL_F(multiply), [](double a, double b) { return a * b; }, [](i64 a, i64 b, dtype) { return a * b; }, -100, 100, -100, 100, 1},
    {"real_div", RILL_F(real_div), [](double a, double b) { return a / b; }, [](i64 a, i64 b, dtype) { return quotient(a, b); }, -100, 100, -9, 9, 1},
    {"div", RILL_F(div), [](double a, double b) { return a / b; }, [](i64 a, i64 b, dtype) { return floored(a, b); }, -100, 100, -9, 9, 1},
    {"floor_div", RILL_F(floor_div), [](double a, double b) { return std::floor(a / b); }, [](i64 a, i64 b, dtype) { return floored(a, b); }, -100, 100, -9, 9, 0},
    {"truncate_div", RILL_F(truncate_div), [](double a, double b) { return std::trunc(a / b); }, [](i64 a, i64 b, dtype) { return quotient(a, b); }, -100, 100, -9, 9, 0},
    {"floor_mod", RILL_F(floor_mod), modulo, [](i64 a, i64 b, dtype) { return b == 0 ? 0 : a - floored(a, b) * b; }, -100, 100, -9, 9, 2},
    {"truncate_mod", RILL_F(truncate_mod), [](double a, double b) { return std::fmod(a, b); }, [](i64 a, i64 b, dtype) { return b == 0 ? 0 : a - quotient(a, b) * b; }, -100, 100, -9, 9, 1},
    {"maximum", RILL_F(maximum), [](double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : a < b ? b : a; }, [](i64 a, i64 b, dtype) { return a < b ? b : a; }, -9, 9, -9, 9, 0},
    {"minimum", RILL_F(minimum), [](double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : b < a ? b : a; }, [](i64 a, i64 b, dtype) { return b < a ? b : a; }, -9, 9, -9, 9, 0},
    {"squared_difference", RILL_F(squared_difference), [](double a, double b) { return (a - b) * (a - b); }, [](i64 a, i64 b, dtype) { return (a - b) * (a - b); }, -100, 100, -100, 100, 3},
    {"pow", RILL_F(pow), [](double a, double b) { return std::pow(a, b); },
     [](i64 a, i64 b, dtype) {
       if (b < 0) return a == 1 ? i64{1} : a == -1 ? (b % 2 == 0 ? i64{1} : i64{-1}) : i64{0};
       std::uint64_t r = 1;
       for (i64 k = 0; k < b; ++k) r *= static_cast<std::uint64_t>(a);
       return static_cast<i64>(r);
     },
     0, 10, -3, 3, 2},
    {"div_no_nan", RILL_F(div_no_nan), [](double a, double b) { return b == 0 ? 0 : a / b; }, no, -9, 9, -9, 9, 1},
    {"hypot", RILL_F(hypot), [](double a, double b) { return std::hypot(a, b); }, no, -9, 9, -9, 9, 2},
};

}  // namespace

TEST_CASE("table: element-wise ops of two operands") {
  run_all(rows, 2);
  MESSAGE(count().cases, " cases");
  CHECK(count().cases >= 15000);
  CHECK(count().told == 0);
}
