// SPDX-License-Identifier: Apache-2.0
// Gradients through loops and branches against central differences in double; second order; masks drawn inside.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/graph/control_flow.hpp>
#include <rill/graph/session.hpp>

using namespace rill;

namespace {

double noise(std::uint64_t seed, std::int64_t i) { return 2.0 * philox_uniform(static_cast<std::uint64_t>(i), 0, seed) - 1; }

/// F's scalar over x [4, 2, 3], w [3, 3] and h [2, 3], with its gradients.
template <class F>
struct probe {
  constexpr auto operator()(symbol x, symbol w, symbol h) const {
    symbol loss = F{}(x, w, h);
    auto [dx, dw, dh] = gradients(loss, x, w, h);
    return outputs(fetch("loss", loss), fetch("dx", dx), fetch("dw", dw), fetch("dh", dh));
  }
};
template <class F>
void check(std::uint64_t seed = 3) {
  CAPTURE(seed);
  graph::session<probe<F>, tensor<double, 4, 2, 3>, tensor<double, 3, 3>, tensor<double, 2, 3>> s;
  tensor<double, 4, 2, 3> x;
  tensor<double, 3, 3> w;
  tensor<double, 2, 3> h;
  for (int k = 0; k < 24; ++k) x.data()[k] = noise(seed, k);
  for (int k = 0; k < 9; ++k) w.data()[k] = noise(seed + 1, k);
  for (int k = 0; k < 6; ++k) h.data()[k] = noise(seed + 2, k);
  const auto [loss, dx, dw, dh] = s.run(x, w, h);
  REQUIRE(std::isfinite(loss()));
  const auto compare = [&](auto& t, const auto& g) {
    for (std::int64_t k = 0; k < t.size(); ++k) {
      const double at = t.data()[k], eps = 1e-6;
      t.data()[k] = at + eps;
      const double up = std::get<0>(s.run(x, w, h))();
      t.data()[k] = at - eps;
      const double down = std::get<0>(s.run(x, w, h))();
      t.data()[k] = at;
      CAPTURE(k);
      CHECK(g.data()[k] == doctest::Approx((up - down) / (2 * eps)).epsilon(1e-3).scale(1e-2));
    }
  };
  compare(x, dx), compare(w, dw), compare(h, dh);
}

struct recurrent {  // the weight's gradient is a product of stacks, the bias's a sum
  constexpr symbol operator()(symbol x, symbol w, symbol h) const {
    symbol y = scan([&](symbol s, symbol r) { return tanh(matmul(s, w) + matmul(r, w, {.transpose_b = true}) + index(w, 0)); }, x, h);
    return reduce_sum(y * y) + reduce_sum(index(y, 3));
  }
};
struct folded {  // reversed, two states that swap, one only passed on, a count
  constexpr symbol operator()(symbol x, symbol w, symbol h) const {
    auto [a, b, c, n] = foldr([&](const auto& s, symbol r) {
      const auto& [p, q, k, i] = s;
      return std::tuple(q * k + matmul(r, w), p, k, i + 1);
    }, x, std::tuple(h, h * h, h + 1, 0));
    return reduce_sum(a * b) + reduce_sum(c * c) * cast<double>(n);
  }
};
struct unrolled {
  constexpr symbol operator()(symbol x, symbol w, symbol h) const {
    auto f = [&](symbol s, symbol r) { return sigmoid(matmul(s, w)) * r; };
    return reduce_sum(scan(f, x, h, {.reverse = true, .unroll = 2})) + reduce_sum(foldl(f, x, h, {.unroll = 4}));
  }
};
struct counted_by_data {
  constexpr symbol operator()(symbol x, symbol w, symbol h) const {
    auto [n, v] = while_loop([](symbol k, symbol) { return less(k, 6); },
                             [&](symbol k, symbol s) { return std::tuple(k + 1, tanh(matmul(s, w) * cast<double>(k) + index(x, 0))); },
                             std::tuple(0, h));
    return reduce_sum(v * v) * cast<double>(n);
  }
};
struct nested {  // a loop that data ends inside of a scan, whose rows are scanned once more
  constexpr symbol operator()(symbol x, symbol w, symbol h) const {
    symbol y = scan([&](symbol s, symbol r) {
      symbol v = while_loop([](symbol t) { return less(reduce_sum(t * t), 4.0); }, [&](symbol t) { return t * 1.5 + r * 0.1; }, s + 0.1);
      symbol rows = scan([&](symbol c, symbol line) { return c * 0.5 + line * index(w, 1); }, v, index(w, 0));
      return tanh(rows);
    }, x, h);
    return reduce_sum(square(y));
  }
};
struct branching {  // which branch runs changes from row to row; the branches use different values
  constexpr symbol operator()(symbol x, symbol w, symbol h) const {
    symbol y = foldl([&](symbol s, symbol r) {
      return cond(greater(reduce_sum(r), 0.), [&] { return s + matmul(r, w); }, [&] { return s * h - r; });
    }, x, h);
    symbol z = switch_case(cast<std::int32_t>(reduce_sum(w * 0) + 2.0), [&] { return y; }, [&] { return y * 2; }, [&] { return y * y * index(w, 2); });
    auto [p, q] = cond(less(reduce_sum(h), 1e9), [&] { return std::tuple(z * h, reduce_sum(w)); }, [&] { return std::tuple(z, reduce_sum(h)); });
    return reduce_sum(p) * q;
  }
};

}  // namespace

TEST_CASE("gradients through scan: weights used by all iterations, rows, first state") { check<recurrent>(); }
TEST_CASE("gradients through foldr: states that swap, pass, count") { check<folded>(); }
TEST_CASE("gradients through unrolled loops") { check<unrolled>(); }
TEST_CASE("gradients through while_loop") { check<counted_by_data>(); }
TEST_CASE("gradients through loops in loops") { check<nested>(); }
TEST_CASE("gradients through branches") { check<branching>(); }

namespace {

struct cubes {  // d2/dx2 of x^3 through a scan, and through a while loop
  constexpr auto operator()(symbol x) const {
    symbol by_rows = foldl([&](symbol p, symbol) { return p * x; }, broadcast_to(x, {3}), x * 0 + 1);
    auto [g] = gradients(by_rows, x);
    auto [gg] = gradients(g, x);
    auto [n, by_count] = while_loop([](symbol k, symbol) { return less(k, 3); }, [&](symbol k, symbol p) { return std::tuple(k + 1, p * x); },
                                    std::tuple(0, x * 0 + 1));
    auto [d] = gradients(by_count, x);
    auto [dd] = gradients(d, x);
    return outputs(fetch("g", g), fetch("gg", gg), fetch("d", d), fetch("dd", dd), fetch("n", n));
  }
};
struct masked {
  static constexpr bool training = true;
  constexpr auto operator()(symbol x) const {
    symbol y = map_fn([](symbol r) { return dropout(r, 0.5) * r; }, x);
    auto [dx] = gradients(y, x);
    return outputs(fetch("y", y), fetch("dx", dx));
  }
};

}  // namespace

TEST_CASE("second derivatives through loops") {
  graph::session<cubes, tensor<double>> s;
  for (double x : {1.0, -2.0, 0.5}) {
    const auto [g, gg, d, dd, n] = s.run(tensor<double>{x});
    CHECK(g() == doctest::Approx(3 * x * x));
    CHECK(gg() == doctest::Approx(6 * x));
    CHECK(d() == doctest::Approx(3 * x * x));
    CHECK(dd() == doctest::Approx(6 * x));
    CHECK(n() == 3);
  }
}

TEST_CASE("the backward loop draws the masks of the forward one") {
  graph::session<masked, tensor<float, 6, 50>> s;
  tensor<float, 6, 50> x;
  for (int k = 0; k < 300; ++k) x.data()[k] = 1 + static_cast<float>(k);
  for (int run = 0; run < 3; ++run) {
    const auto [y, dx] = s.run(x);
    int kept = 0;
    for (int k = 0; k < 300; ++k) {
      const float v = x.data()[k];
      kept += y.data()[k] != 0;
      CHECK((y.data()[k] == 0 || y.data()[k] == doctest::Approx(2 * v * v)));
      CHECK(dx.data()[k] == doctest::Approx(y.data()[k] == 0 ? 0 : 4 * v));
    }
    CHECK(kept > 100);
    CHECK(kept < 200);
  }
}

struct grown_rows {  // every row goes its own way; all do until the largest element is 4
  constexpr auto operator()(symbol x) const {
    symbol y = while_loop([](symbol u) { return less(reduce_max(u), 4.f); }, [&](symbol u) { return u * u * 1.5f + x * 0.1f; }, x + 0.1f);
    return gradients(reduce_sum(y), x)[0];
  }
};
TEST_CASE("what a loop keeps for its gradient has room for larger batches") {
  graph::session<grown_rows, tensor<float, dyn, 8>> s;
  float first = 0;
  for (const std::int64_t n : {1, 64, 3, 200}) {
    tensor<float, dyn, 8> x({n, 8});
    for (float& v : x) v = 0.9f;
    const auto dx = s.run(x);
    if (n == 1) first = dx.data()[0];
    for (std::int64_t k = 0; k < dx.size(); ++k) CHECK(dx.data()[k] == first);
  }
  CHECK(first > 1);
}
