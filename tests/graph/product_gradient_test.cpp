// SPDX-License-Identifier: Apache-2.0
// Gradients of products in graphs, which need no header but those of models: of every order, and right where elements are 0.

#include <rill/graph/session.hpp>

#include <doctest/doctest.h>

using namespace rill;

namespace {

/// The products over an axis: their gradient and the gradient of the square of that.
template <int Axis>
struct products {
  constexpr auto operator()(auto x) const {
    const auto y = reduce_prod(x, {.axis = {Axis}});
    const auto [g] = gradients(y, x);
    const auto [h] = gradients(reduce_sum(square(g)), x);
    return outputs(fetch("y", y), fetch("gradient", g), fetch("second", h));
  }
};

template <int Axis>
void check(const tensor<double, dyn, 3>& x) {
  graph::session<products<Axis>, tensor<double, dyn, 3>> s;
  const auto [y, g, h] = s.run(x);
  const std::int64_t rows = x.extent(0), n = Axis == 0 ? rows : 3;
  const auto at = [&](std::int64_t line, std::int64_t k) { return Axis == 0 ? x(k, line) : x(line, k); };
  const auto product = [&](std::int64_t line, std::int64_t skip, std::int64_t also) {
    double p = 1;
    for (std::int64_t k = 0; k < n; ++k)
      if (k != skip && k != also) p *= at(line, k);
    return p;
  };
  for (std::int64_t line = 0; line < (Axis == 0 ? 3 : rows); ++line) {
    CHECK(y(line) == doctest::Approx(product(line, -1, -1)));
    for (std::int64_t k = 0; k < n; ++k) {
      double second = 0;  // of the sum of the squares of the others' products
      for (std::int64_t j = 0; j < n; ++j)
        if (j != k) second += 2 * product(line, j, -1) * product(line, j, k);
      CHECK((Axis == 0 ? g(k, line) : g(line, k)) == doctest::Approx(product(line, k, -1)));
      CHECK((Axis == 0 ? h(k, line) : h(line, k)) == doctest::Approx(second));
    }
  }
}

}  // namespace

TEST_CASE("graph: gradients of reduce_prod, over the batch and within it") {
  check<0>(tensor<double, dyn, 3>{{1, 2, 3}, {0, 5, 0}, {7, 0.5, 0}, {-2, 3, 1.5}});
  check<1>(tensor<double, dyn, 3>{{1, 2, 3}, {0, 5, 0}, {7, 0.5, 0}, {-2, 3, 1.5}});
}
