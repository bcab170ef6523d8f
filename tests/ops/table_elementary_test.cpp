// SPDX-License-Identifier: Apache-2.0
// Elementary functions and activations: every op x dtype x shape x place in memory against a plain reference.

#include "table.hpp"

using namespace rill;
using namespace rill::test::table;

namespace {

#define RILL_F(f) [](const dt& x) { return f(x); }
using i64 = std::int64_t;
constexpr i64 (*no)(i64, int) = nullptr;

const unary_row rows[] = {
    {"exp", RILL_F(exp), [](double x) { return std::exp(x); }, no, -90, 11, 2},
    {"expm1", RILL_F(expm1), [](double x) { return std::expm1(x); }, no, -12, 10, 3},
    {"log", RILL_F(log), [](double x) { return std::log(x); }, no, -1, 60000, 2},
    {"log1p", RILL_F(log1p), [](double x) { return std::log1p(x); }, no, -1.1, 30, 3},
    {"sin", RILL_F(sin), [](double x) { return std::sin(x); }, no, -300, 300, 2},
    {"cos", RILL_F(cos), [](double x) { return std::cos(x); }, no, -300, 300, 2},
    {"tanh", RILL_F(tanh), [](double x) { return std::tanh(x); }, no, -12, 12, 3},
    {"sigmoid", RILL_F(sigmoid), [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }, no, -60, 60, 6},
    {"elu", RILL_F(elu), [](double x) { return x < 0 ? std::expm1(x) : x; }, no, -12, 10, 3},
    {"selu", RILL_F(selu), [](double x) { return 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * std::expm1(x) : x); }, no, -12, 10, 5},
    {"softplus", RILL_F(softplus), [](double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }, no, -60, 60, 5},
    {"erf", RILL_F(erf), [](double x) { return std::erf(x); }, no, -5, 5, 3},
    {"erfc", RILL_F(erfc), [](double x) { return std::erfc(x); }, no, -4, 8, 4},
    {"exp2", RILL_F(exp2), [](double x) { return std::exp2(x); }, no, -100, 15, 2},
};

}  // namespace

TEST_CASE("table: elementary functions") {
  run_all(rows);
  MESSAGE(count().cases, " cases");
  CHECK(count().cases >= 5000);
  CHECK(count().told == 0);
}
