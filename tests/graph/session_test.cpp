// SPDX-License-Identifier: Apache-2.0
// Sessions: worked examples of the documentation, hyperparameters, batches, randomness, assignment order, shared stores.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/graph/session.hpp>
#include <rill/losses/mean_squared_error.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <vector>

#include "../variables.hpp"

using namespace rill;

namespace {

using test::values;

// "Training a regression" of the low-level introduction: Dense(1), mean squared error, gradient descent 0.01.
struct regression {
  constexpr auto operator()(symbol x, symbol y) const {
    symbol predicted = nn::dense{.units = 1}(x);
    symbol loss = losses::mean_squared_error(y, predicted);
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.01}.minimize(loss)));
  }
};
struct regression_predict {
  constexpr auto operator()(symbol x) const { return nn::dense{.units = 1}(x); }
};

struct scale_shift {
  constexpr auto operator()(auto x) const {
    auto w = variable(x, {.name = "weight", .shape = {}, .initializer = constant(5.f)});
    auto b = variable(x, {.name = "bias", .shape = {}, .initializer = constant(10.f)});
    return w * x + b;
  }
};
struct linear_step {
  constexpr auto operator()(auto x, auto y) const {
    auto loss = mean(square(scale_shift{}(x) - y));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.01f}.minimize(loss)));
  }
};

struct with_dropout {
  static constexpr bool training = true;
  constexpr auto operator()(symbol x) const { return dropout(x, 0.4); }
};
struct without_training {
  constexpr auto operator()(symbol x) const { return dropout(x, 0.4); }
};

struct swap_variables {
  constexpr auto operator()(symbol x) const {
    symbol a = variable(x, {.name = "a", .shape = {3}, .initializer = constant(1)});
    symbol b = variable(x, {.name = "b", .shape = {3}, .initializer = constant(2)});
    assign(a, b);
    assign(b, a);
    return reduce_sum(x) + reduce_sum(a - b);
  }
};

struct column_sums {
  constexpr auto operator()(symbol x) const { return outputs(fetch("sum", reduce_sum(x, {.axis = {0}})), fetch("rows", reduce_sum(x, {.axis = {1}}))); }
};

struct reads_after_update {  // the loss reads w before and after its gradient is known
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {4, 4}, .initializer = initializers::random_normal()});
    symbol h = matmul(matmul(x, w), w);
    symbol loss = reduce_mean(square(h));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.1}.minimize(loss)));
  }
};

}  // namespace

TEST_CASE("the regression of the low-level introduction prints the documented losses") {
  graph::variable_store store;
  graph::session<regression, tensor<float, dyn, 1>, tensor<float, dyn, 1>> s(store);
  auto* kernel = store.find("dense/kernel");
  REQUIRE(kernel != nullptr);
  REQUIRE(store.find("dense/bias") != nullptr);
  *static_cast<float*>(kernel->data) = -0.26834965f;  // the start that the documented losses imply
  tensor<float, dyn, 1> x({4, 1}), y({4, 1});
  for (int i = 0; i < 4; ++i) x.data()[i] = static_cast<float>(i + 1), y.data()[i] = static_cast<float>(-i);
  const double documented[] = {1.35659, 1.00412, 0.759167, 0.588829, 0.470264, 0.387626, 0.329918, 0.289511, 0.261112, 0.241046};
  float last = 0;
  for (int i = 0; i < 100; ++i) {
    auto [loss, train] = s.run(x, y);
    last = *loss.data();
    if (i < 10) CHECK(last == doctest::Approx(documented[i]).epsilon(5e-6));
  }
  CHECK(last == doctest::Approx(0.115573).epsilon(1e-5));
  CHECK(*s.get<"loss">().data() == last);
  CHECK(*values<float>(store, "dense/kernel") == doctest::Approx(-0.717911).epsilon(1e-5));
  CHECK(*values<float>(store, "dense/bias") == doctest::Approx(0.170625).epsilon(1e-5));
  CHECK(*values<std::int64_t>(store, "global_step") == 100);
  graph::session<regression_predict, tensor<float, dyn, 1>> predict(store);
  const auto p = predict.run(x);
  const double expected[] = {-0.547286, -1.265198, -1.983109, -2.701020};
  for (int i = 0; i < 4; ++i) CHECK(p.data()[i] == doctest::Approx(expected[i]).epsilon(1e-5));
}

TEST_CASE("a user's layer and an explicit step fit a line") {
  graph::session<linear_step, tensor<float, dyn>, tensor<float, dyn>> s;
  tensor<float, dyn> xs({1000}), ys({1000});
  for (int i = 0; i < 1000; ++i) {
    xs.data()[i] = 2 * philox_uniform(static_cast<std::uint64_t>(i), 0, 1) - 1;
    ys.data()[i] = 3 * xs.data()[i] + 2;
  }
  float first = 0, last = 0;
  for (int i = 0; i < 300; ++i) {
    auto [loss, none] = s.run(xs, ys);
    if (i == 0) first = *loss.data();
    last = *loss.data();
  }
  CHECK(first == doctest::Approx(64 + 4.0 / 3).epsilon(0.05));
  CHECK(last < 0.2f);
}

TEST_CASE("dropout keeps the expected share, scales it, and changes from step to step") {
  graph::variable_store a, b;
  graph::session<with_dropout, tensor<float, dyn, 37>> s(a, {}, {.seed = 7}), again(b, {}, {.seed = 7});
  tensor<float, dyn, 37> x({1000, 37});
  for (float& v : x.span()) v = 3;
  const auto first = s.run(x), second = s.run(x);
  CHECK(again.run(x) == first);
  CHECK_FALSE(first == second);
  std::int64_t kept = 0;
  for (float v : first.span()) {
    if (v == 0) continue;
    ++kept;
    CHECK(v == doctest::Approx(5.0));
  }
  CHECK(static_cast<double>(kept) / 37000 == doctest::Approx(0.6).epsilon(0.02));
  graph::session<without_training, tensor<float, dyn, 37>> plain;
  CHECK(plain.run(x) == x);
}

TEST_CASE("a session serves any batch, and inputs must agree on it") {
  graph::session<linear_step, tensor<float, dyn>, tensor<float, dyn>> s;
  for (const std::int64_t n : {1, 100, 7, 17, 100, 0}) {
    tensor<float, dyn> x({n}), y({n});
    for (std::int64_t i = 0; i < n; ++i) x.data()[i] = 1, y.data()[i] = 1;
    auto [loss, none] = s.run(x, y);
    if (n == 0) {
      CHECK(std::isnan(*loss.data()));  // the mean of nothing, as TensorFlow has it
      break;
    }
    CHECK(std::isfinite(*loss.data()));
  }
  tensor<float, dyn> x({3}), y({4});
  CHECK_THROWS_WITH_AS(s.run(x, y), doctest::Contains("batch of 4"), invalid_argument);
}

TEST_CASE("sums over an empty batch are zero") {
  graph::session<column_sums, tensor<float, dyn, 5>> s;
  tensor<float, dyn, 5> empty({0, 5}), one({1, 5});
  one.fill(2);
  auto [sum, rows] = s.run(empty);
  for (float v : sum) CHECK(v == 0);
  CHECK(rows.size() == 0);
  CHECK(std::get<0>(s.run(one))(3) == 2);
}

TEST_CASE("assignments see the values from before the step") {
  graph::variable_store store;
  graph::session<swap_variables, tensor<float, 2>> s(store);
  tensor<float, 2> x{10.f, 20.f};
  CHECK(*s.run(x).data() == doctest::Approx(30 + 3 * (1 - 2)));
  CHECK(values<float>(store, "a")[1] == 2);
  CHECK(values<float>(store, "b")[1] == 1);
  CHECK(*s.run(x).data() == doctest::Approx(30 + 3 * (2 - 1)));
}

TEST_CASE("a variable that later gradients still read is not updated too early") {
  graph::variable_store store;
  graph::session<reads_after_update, tensor<float, dyn, 4>> s(store, {}, {.seed = 3});
  tensor<float, dyn, 4> x({3, 4});
  for (std::int64_t i = 0; i < 12; ++i) x.data()[i] = 2 * philox_uniform(static_cast<std::uint64_t>(i), 1, 5) - 1;
  std::vector<double> w(16), h(12), hh(12), dh(12), dw(16, 0.0);
  for (std::size_t i = 0; i < 16; ++i) w[i] = static_cast<double>(values<float>(store, "w")[i]);
  const auto multiply = [](const std::vector<double>& a, const std::vector<double>& b, std::vector<double>& c) {
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 4; ++j) {
        c[i * 4 + j] = 0;
        for (std::size_t k = 0; k < 4; ++k) c[i * 4 + j] += a[i * 4 + k] * b[k * 4 + j];
      }
  };
  std::vector<double> xd(12);
  for (std::size_t i = 0; i < 12; ++i) xd[i] = static_cast<double>(x.data()[i]);
  multiply(xd, w, h);
  multiply(h, w, hh);
  for (std::size_t i = 0; i < 12; ++i) hh[i] *= 2.0 / 12;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t k = 0; k < 4; ++k) {
      dh[i * 4 + k] = 0;
      for (std::size_t j = 0; j < 4; ++j) {
        dh[i * 4 + k] += hh[i * 4 + j] * w[k * 4 + j];
        dw[k * 4 + j] += h[i * 4 + k] * hh[i * 4 + j];
      }
    }
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t k = 0; k < 4; ++k)
      for (std::size_t j = 0; j < 4; ++j) dw[k * 4 + j] += xd[i * 4 + k] * dh[i * 4 + j];
  s.step(x);
  for (std::size_t i = 0; i < 16; ++i) CHECK(values<float>(store, "w")[i] == doctest::Approx(w[i] - 0.1 * dw[i]).epsilon(1e-5).scale(0.1));
}

TEST_CASE("a store refuses a variable of another shape, naming both") {
  graph::variable_store store;
  store.get("dense/kernel", dtype::float32, {2, 1}, true);
  using s = graph::session<regression, tensor<float, dyn, 1>, tensor<float, dyn, 1>>;
  CHECK_THROWS_WITH_AS(s{store}, doctest::Contains("dense/kernel: the store holds float32[2, 1], the model wants float32[1, 1]"),
                       invalid_argument);
}
