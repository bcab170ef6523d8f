// SPDX-License-Identifier: Apache-2.0
// Gradients of every differentiable op of the graph, and of a whole network, against central differences in double.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/graph/session.hpp>
#include <rill/losses/softmax_cross_entropy.hpp>
#include <rill/losses/sparse_softmax_cross_entropy.hpp>
#include <rill/nn/nn.hpp>

using namespace rill;

namespace {

double noise(std::uint64_t seed, std::int64_t i) { return 2.0 * philox_uniform(static_cast<std::uint64_t>(i), 0, seed) - 1; }

/// sum(F(x) * w) for fixed pseudo-random weights w, and its gradient.
template <class F>
struct probe {
  constexpr auto operator()(symbol x, symbol w) const {
    symbol y = F{}(x);
    symbol loss = reduce_sum(reshape(y, {-1}) * w);
    auto [dx] = gradients(loss, x);
    return outputs(fetch("loss", loss), fetch("dx", dx));
  }
};

/// Compares the gradient of F at `rank`-shaped random points, scaled and shifted, with central differences.
template <class F, std::int64_t Results, std::int64_t... Dims>
void check(double scale = 1, double shift = 0, std::uint64_t seed = 1) {
  CAPTURE(seed);
  graph::session<probe<F>, tensor<double, Dims...>, tensor<double, Results>> s;
  tensor<double, Dims...> x;
  tensor<double, Results> w;
  const std::int64_t n = x.size();
  for (std::int64_t i = 0; i < n; ++i) x.data()[i] = scale * noise(seed, i) + shift;
  for (std::int64_t i = 0; i < Results; ++i) w.data()[i] = noise(seed + 100, i);
  auto [loss, dx] = s.run(x, w);
  REQUIRE(std::isfinite(*loss.data()));
  const double eps = 1e-6;
  for (std::int64_t i = 0; i < n; ++i) {
    const double at = x.data()[i];
    x.data()[i] = at + eps;
    const double up = *std::get<0>(s.run(x, w)).data();
    x.data()[i] = at - eps;
    const double down = *std::get<0>(s.run(x, w)).data();
    x.data()[i] = at;
    const double numeric = (up - down) / (2 * eps), analytic = dx.data()[i];
    CAPTURE(i);
    CHECK(analytic == doctest::Approx(numeric).epsilon(1e-3).scale(1e-2));
  }
}

#define RILL_FUNCTION(name, expression)                          \
  struct name {                                                  \
    constexpr symbol operator()(symbol x) const { return expression; } \
  }

RILL_FUNCTION(f_square, square(x));
RILL_FUNCTION(f_exp, exp(x));
RILL_FUNCTION(f_log, log(x));
RILL_FUNCTION(f_sqrt, sqrt(x));
RILL_FUNCTION(f_rsqrt, rsqrt(x));
RILL_FUNCTION(f_tanh, tanh(x));
RILL_FUNCTION(f_sigmoid, sigmoid(x));
RILL_FUNCTION(f_relu, relu(x));
RILL_FUNCTION(f_elu, elu(x));
RILL_FUNCTION(f_softplus, softplus(x));
RILL_FUNCTION(f_abs, abs(x));
RILL_FUNCTION(f_chain, relu(x * x + 0.25) * 0.5 - x / (x * x + 1));
RILL_FUNCTION(f_pow, pow(x, 3.0));
RILL_FUNCTION(f_maximum, maximum(x, x * x));
RILL_FUNCTION(f_minimum, minimum(x, x * x));
RILL_FUNCTION(f_select, select(x > 0, exp(x), x * 3));
RILL_FUNCTION(f_broadcast, x* reduce_sum(x, {.axis = {0}}) + reduce_mean(x, {.axis = {-1}, .keepdims = true}));
RILL_FUNCTION(f_max, reduce_max(x, {.axis = {1}}));
RILL_FUNCTION(f_min, reduce_min(x, {.axis = {0}}));
RILL_FUNCTION(f_transpose, matmul(transpose(x), exp(x)));
RILL_FUNCTION(f_gram, matmul(x, x, {.transpose_b = true}));
RILL_FUNCTION(f_gram_t, matmul(x, tanh(x), {.transpose_a = true}));
RILL_FUNCTION(f_gram_tt, matmul(x, matmul(x, x, {.transpose_b = true}), {.transpose_a = true, .transpose_b = true}));
RILL_FUNCTION(f_softmax, softmax(x));
RILL_FUNCTION(f_pool, max_pool(x));
RILL_FUNCTION(f_pool_overlap, max_pool(x, {.window = {3, 2}, .strides = {2, 1}, .padding = same}));
struct f_conv {
  constexpr symbol operator()(symbol x) const { return conv2d(x, reshape(x, {5, 3, 2, 3}), {.strides = {2, 1}, .padding = same}); }
};
struct f_conv_valid {
  constexpr symbol operator()(symbol x) const { return conv2d(x, reshape(x, {5, 3, 3, 2}), {.strides = {1, 2}}); }
};

}  // namespace

TEST_CASE("gradients of element-wise ops agree with central differences") {
  check<f_square, 7, 7>();
  check<f_exp, 17, 17>();
  check<f_log, 7, 7>(0.4, 1);
  check<f_sqrt, 7, 7>(0.4, 1);
  check<f_rsqrt, 7, 7>(0.4, 1);
  check<f_tanh, 33, 33>();
  check<f_sigmoid, 7, 7>(3);
  check<f_relu, 7, 7>();
  check<f_elu, 7, 7>();
  check<f_softplus, 7, 7>(4);
  check<f_abs, 7, 7>();
  check<f_chain, 15, 3, 5>();
  check<f_pow, 7, 7>(0.4, 1);
  check<f_maximum, 7, 7>(1.5);
  check<f_minimum, 7, 7>(1.5);
  check<f_select, 7, 7>();
}

TEST_CASE("gradients of broadcasts, reductions and products agree with central differences") {
  check<f_broadcast, 15, 3, 5>();
  check<f_max, 3, 3, 5>();
  check<f_min, 5, 3, 5>();
  check<f_transpose, 25, 3, 5>();
  check<f_gram, 9, 3, 5>();
  check<f_gram_t, 25, 3, 5>();
  check<f_gram_tt, 15, 3, 5>();
  check<f_softmax, 15, 3, 5>(2);
}

TEST_CASE("gradients of windows agree with central differences") {
  check<f_pool, 2 * 2 * 3 * 3, 2, 4, 6, 3>();
  check<f_pool_overlap, 2 * 3 * 5 * 2, 2, 5, 5, 2>();
  check<f_conv, 3 * 3 * 3 * 3, 3, 5, 3, 2>(0.5);  // the 90 elements are image and filter at once
  check<f_conv_valid, 2 * 2, 1, 5, 6, 3>(0.5);
}
