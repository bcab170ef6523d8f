// SPDX-License-Identifier: Apache-2.0
// XLA's Reduce with functions of the caller's in a graph: one operand, and two that are reduced together.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <rill/graph/session.hpp>
#include <rill/kernel/scan.hpp>
#include <utility>

using namespace rill;

namespace {

/// The larger value and where it is; the first of equal ones.
struct best {
  constexpr std::pair<float, std::int32_t> operator()(float a, std::int32_t i, float b, std::int32_t j) const {
    return b > a || (b == a && j < i) ? std::pair{b, j} : std::pair{a, i};
  }
};
struct times {
  constexpr auto operator()(auto a, auto b) const { return a * b; }
};

struct two_operands {
  constexpr auto operator()(symbol x, symbol place) const {
    const symbol lowest = graph::constant_of(x.g, dtype::float32, -1e30), none = graph::constant_of(x.g, dtype::int32, 1000000);
    const auto rows = xla::reduce<float, std::int32_t>(best{}, {1}, x, place, lowest, none);
    const auto columns = xla::reduce<float, std::int32_t>(best{}, {0}, x, place, lowest, none);
    const symbol one = graph::constant_of(x.g, dtype::float32, 1);
    return outputs(fetch("values", rows[0]), fetch("places", rows[1]), fetch("column_places", columns[1]), fetch("product", xla::reduce(x, one, times{}, {0, 1})),
                   fetch("huge", x * 1e30F + std::numeric_limits<double>::infinity()));
  }
};

}  // namespace

TEST_CASE("graph: reductions of two operands by one function") {
  graph::session<two_operands, tensor<float, dyn, 5>, tensor<std::int32_t, dyn, 5>> s;
  for (const std::int64_t n : {1, 4, 7}) {
    tensor<float, dyn, 5> x({n, 5});
    tensor<std::int32_t, dyn, 5> place({n, 5});
    float total = 1;
    for (std::int64_t k = 0; k < x.size(); ++k) {
      x.data()[k] = static_cast<float>(k * 7 % 11) / 4 - 1.125F, place.data()[k] = static_cast<std::int32_t>(k);
      total *= x.data()[k];
    }
    const auto [values, places, column_places, products, huge] = s.run(x, place);
    CHECK(std::isinf(huge.data()[0]));  // numbers that no integer holds
    CHECK(*products.data() == doctest::Approx(total));
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t at = 5 * i;
      for (std::int64_t k = 5 * i; k < 5 * i + 5; ++k)
        if (x.data()[k] > x.data()[at]) at = k;
      CHECK(places(i) == at);
      CHECK(values(i) == x.data()[at]);
    }
    for (std::int64_t j = 0; j < 5; ++j) {
      std::int64_t at = j;
      for (std::int64_t k = j; k < x.size(); k += 5)
        if (x.data()[k] > x.data()[at]) at = k;
      CHECK(column_places(j) == at);
    }
  }
}
