// SPDX-License-Identifier: Apache-2.0
// Layers against plain loops in double: shapes, names, values, and what they reject.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <rill/graph/dump.hpp>
#include <rill/graph/session.hpp>
#include <rill/nn/nn.hpp>
#include <rill/ops/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <vector>

#include "../variables.hpp"

using namespace rill;

namespace {

double noise(std::uint64_t seed, std::int64_t i) { return 2.0 * static_cast<double>(philox_uniform(static_cast<std::uint64_t>(i), 0, seed)) - 1; }

template <class T>
void fill(T& x, std::uint64_t seed) {
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = noise(seed, i);
}
void fill(graph::variable_store& s) {
  for (const auto& v : s.variables())
    for (std::int64_t i = 0; i < v->shape.num_elements(); ++i) static_cast<double*>(v->data)[i] = noise(v->name.size(), i);
}

template <int Kernel, int Stride, bool Same>
struct convolution_model {
  constexpr auto operator()(symbol x) const {
    return nn::conv2d{.filters = 5, .kernel_size = {Kernel, Kernel - 1}, .strides = {Stride, 1},
                      .padding = Same ? same : valid, .activation = relu}(x);
  }
};
template <int Kernel, int Stride, bool Same>
void check_convolution() {
  graph::variable_store store;
  graph::session<convolution_model<Kernel, Stride, Same>, tensor<double, dyn, 7, 6, 3>> s(store);
  fill(store);
  tensor<double, dyn, 7, 6, 3> x({2, 7, 6, 3});
  fill(x, 1);
  const auto y = s.run(x);
  const double *w = test::values<double>(store, "conv2d/kernel"), *bias = test::values<double>(store, "conv2d/bias");
  constexpr std::int64_t kh = Kernel, kw = Kernel - 1;
  const auto rows = window_of(7, kh, Stride, Same ? same : valid), columns = window_of(6, kw, 1, Same ? same : valid);
  REQUIRE(y.extent(1) == rows.out);
  REQUIRE(y.extent(2) == columns.out);
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t i = 0; i < rows.out; ++i)
      for (std::int64_t j = 0; j < columns.out; ++j)
        for (std::int64_t o = 0; o < 5; ++o) {
          double sum = bias[o];
          for (std::int64_t p = 0; p < kh; ++p)
            for (std::int64_t q = 0; q < kw; ++q)
              for (std::int64_t c = 0; c < 3; ++c) {
                const std::int64_t r = i * Stride + p - rows.pad_before, t = j + q - columns.pad_before;
                if (r < 0 || r >= 7 || t < 0 || t >= 6) continue;
                sum += x.data()[((b * 7 + r) * 6 + t) * 3 + c] * w[((p * kw + q) * 3 + c) * 5 + o];
              }
          CHECK(y.data()[((b * rows.out + i) * columns.out + j) * 5 + o] == doctest::Approx(sum > 0 ? sum : 0).epsilon(1e-12).scale(1));
        }
}

/// The same network of images in either layout: [b, 6, 5, 3], or [b, 3, 6, 5].
template <image_layout Layout>
struct layout_model {
  static constexpr int channels = Layout == channels_last ? 3 : 1;
  constexpr auto operator()(symbol x, symbol goal) const {
    symbol y = nn::conv2d{.filters = 4, .kernel_size = 3, .padding = same, .activation = relu, .data_format = Layout}(x);
    y = relu(nn::batch_normalization{.axis = channels}(y) * 2);
    y = y + nn::conv2d{.filters = 4, .kernel_size = {3, 1}, .padding = same, .data_format = Layout}(y);
    symbol bias = variable(x, {.name = "shift", .shape = {4}, .initializer = constant(0.25), .type = x.type()});
    y = bias_add(nn::max_pooling2d{.data_format = Layout}(y), bias, {.data_format = Layout});
    symbol loss = mean(square(y - goal));
    return outputs(fetch("loss", loss), fetch("y", y), fetch("train", optimizers::gradient_descent{0.1f}.minimize(loss)));
  }
};
/// [b, c, h, w] of [b, h, w, c], or the other way.
std::vector<double> turned(const double* x, std::int64_t b, std::int64_t rows, std::int64_t columns) {
  std::vector<double> r;
  for (std::int64_t k = 0; k < b; ++k)
    for (std::int64_t j = 0; j < columns; ++j)
      for (std::int64_t i = 0; i < rows; ++i) r.push_back(x[(k * rows + i) * columns + j]);
  return r;
}

TEST_CASE("networks of channels-first images train as those of channels last, and are computed so") {
  using first = layout_model<channels_first>;
  using last = layout_model<channels_last>;
  graph::variable_store s, t;
  graph::session<last, tensor<double, dyn, 6, 5, 3>, tensor<double, dyn, 3, 2, 4>> a(s);
  graph::session<first, tensor<double, dyn, 3, 6, 5>, tensor<double, dyn, 4, 3, 2>> b(t);
  for (const auto& v : s.variables()) {
    const auto* w = t.find(v->name);
    REQUIRE(w != nullptr);
    REQUIRE(w->shape == v->shape);
  }
  tensor<double, dyn, 6, 5, 3> x({3, 6, 5, 3});
  tensor<double, dyn, 3, 2, 4> goal({3, 3, 2, 4});
  fill(x, 1);
  fill(goal, 2);
  tensor<double, dyn, 3, 6, 5> x_first({3, 3, 6, 5});
  tensor<double, dyn, 4, 3, 2> goal_first({3, 4, 3, 2});
  std::ranges::copy(turned(x.data(), 3, 30, 3), x_first.data());
  std::ranges::copy(turned(goal.data(), 3, 6, 4), goal_first.data());
  for (int step = 0; step < 5; ++step) {
    const auto [loss, y, none] = a.run(x, goal);
    const auto [loss_first, y_first, none_first] = b.run(x_first, goal_first);
    CHECK(loss_first() == doctest::Approx(loss()).epsilon(1e-13));  // terms in another order
    CHECK(turned(y.data(), 3, 6, 4) == std::vector<double>(y_first.data(), y_first.data() + y_first.size()));
  }
  for (const auto& v : s.variables()) {
    const auto *p = static_cast<const double*>(v->data), *q = test::values<double>(t, v->name);
    CHECK_MESSAGE(std::equal(p, p + v->shape.num_elements(), q), v->name);
  }
  // Images and goals are turned once on their way in, the result once on its way out.
  const auto transposes = [](const std::string& graph) {
    std::size_t n = 0;
    for (std::size_t at = graph.find("= Transpose"); at != std::string::npos; at = graph.find("= Transpose", at + 1)) ++n;
    return n;
  };
  CHECK(transposes(graph::dump<last, tensor<double, dyn, 6, 5, 3>, tensor<double, dyn, 3, 2, 4>>(graph::pass::simplified)) == 0);
  CHECK(transposes(graph::dump<first, tensor<double, dyn, 3, 6, 5>, tensor<double, dyn, 4, 3, 2>>(graph::pass::simplified)) == 3);
}

struct dense_model {
  constexpr auto operator()(symbol x) const { return nn::dense{.units = 4, .activation = sigmoid}(x); }
};
struct linear_without_bias {
  constexpr auto operator()(symbol x) const { return nn::dense{.units = 4, .use_bias = false, .name = "projection"}(x); }
};
struct pooling_model {
  constexpr auto operator()(symbol x) const { return nn::max_pooling2d{.pool_size = {3, 2}, .strides = {2, 1}}(x); }
};
struct deep {  // a loop at compile time, not nested types
  constexpr auto operator()(symbol x) const {
    for (int i = 0; i < 18; ++i) x = x + nn::dense{.units = 6, .activation = tanh}(x);
    return x;
  }
};
struct shapes {
  constexpr auto operator()(symbol x) const { return nn::sequential(nn::reshape{{4, -1, 2}}, nn::flatten{}, nn::reshape{{6, 4}})(x); }
};

}  // namespace

TEST_CASE("conv2d layers agree with plain loops for strides and paddings") {
  check_convolution<3, 1, true>();
  check_convolution<3, 1, false>();
  check_convolution<2, 2, true>();
  check_convolution<5, 2, true>();
  check_convolution<4, 3, false>();
}

TEST_CASE("dense layers agree with plain loops") {
  graph::variable_store store;
  graph::session<dense_model, tensor<double, dyn, 7>> s(store);
  graph::session<linear_without_bias, tensor<double, dyn, 7>> p(store);
  fill(store);
  for (const std::int64_t n : {1, 3, 17}) {
    tensor<double, dyn, 7> x({n, 7});
    fill(x, 2);
    const auto y = s.run(x), z = p.run(x);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < 4; ++j) {
        double a = test::values<double>(store, "dense/bias")[j], b = 0;
        for (std::int64_t k = 0; k < 7; ++k) {
          a += x.data()[i * 7 + k] * test::values<double>(store, "dense/kernel")[k * 4 + j];
          b += x.data()[i * 7 + k] * test::values<double>(store, "projection/kernel")[k * 4 + j];
        }
        CHECK(y.data()[i * 4 + j] == doctest::Approx(1 / (1 + std::exp(-a))).epsilon(1e-10));
        CHECK(z.data()[i * 4 + j] == doctest::Approx(b).epsilon(1e-12).scale(1));
      }
  }
  CHECK(store.find("projection/bias") == nullptr);
}

TEST_CASE("pooling layers agree with plain loops") {
  graph::session<pooling_model, tensor<double, dyn, 7, 6, 3>> s;
  tensor<double, dyn, 7, 6, 3> x({2, 7, 6, 3});
  fill(x, 3);
  const auto y = s.run(x);
  REQUIRE(y.shape() == tensor_shape{2, 3, 5, 3});
  for (std::int64_t b = 0; b < 2; ++b)
    for (std::int64_t i = 0; i < 3; ++i)
      for (std::int64_t j = 0; j < 5; ++j)
        for (std::int64_t c = 0; c < 3; ++c) {
          double largest = -1e300;
          for (std::int64_t p = 0; p < 3; ++p)
            for (std::int64_t q = 0; q < 2; ++q) largest = std::max(largest, x.data()[((b * 7 + 2 * i + p) * 6 + j + q) * 3 + c]);
          CHECK(y.data()[((b * 3 + i) * 5 + j) * 3 + c] == largest);
        }
}

TEST_CASE("layers of one kind get TensorFlow's numbered names, in a loop too") {
  graph::variable_store store;
  graph::session<deep, tensor<double, dyn, 6>> s(store);
  CHECK(store.variables().size() == 36);
  CHECK(store.find("dense/kernel") != nullptr);
  CHECK(store.find("dense_1/bias") != nullptr);
  CHECK(store.find("dense_17/kernel") != nullptr);
  tensor<double, dyn, 6> x({3, 6});
  fill(x, 4);
  fill(store);
  std::vector<double> h(x.data(), x.data() + 18);
  for (int l = 0; l < 18; ++l) {
    const std::string scope = l == 0 ? "dense" : "dense_" + std::to_string(l);
    std::vector<double> next = h;
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 6; ++j) {
        double a = test::values<double>(store, scope + "/bias")[j];
        for (std::size_t k = 0; k < 6; ++k) a += h[i * 6 + k] * test::values<double>(store, scope + "/kernel")[k * 6 + j];
        next[i * 6 + j] += std::tanh(a);
      }
    h = next;
  }
  const auto y = s.run(x);
  for (std::size_t i = 0; i < 18; ++i) CHECK(y.data()[i] == doctest::Approx(h[i]).epsilon(1e-9));
}

TEST_CASE("reshape and flatten keep the batch and the order of elements") {
  graph::session<shapes, tensor<double, dyn, 24>> s;
  tensor<double, dyn, 24> x({5, 24});
  fill(x, 5);
  const auto y = s.run(x);
  REQUIRE(y.shape() == tensor_shape{5, 6, 4});
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(y.data()[i] == x.data()[i]);
}

TEST_CASE("initial values follow their formulas and depend on seed and name alone") {
  graph::stored_variable a("a", dtype::float32, {300, 500}, true), again("a", dtype::float32, {300, 500}, true),
      b("b", dtype::float32, {300, 500}, true);
  const auto moments = [](const graph::stored_variable& v) {
    double sum = 0, squares = 0, largest = 0;
    const auto* p = static_cast<const float*>(v.data);
    const auto n = v.shape.num_elements();
    for (std::int64_t i = 0; i < n; ++i) {
      const double x = static_cast<double>(p[i]);
      sum += x, squares += x * x, largest = std::max(largest, std::fabs(x));
    }
    const double m = sum / static_cast<double>(n);
    return std::array{m, std::sqrt(squares / static_cast<double>(n) - m * m), largest};
  };
  const auto bytes = [](const graph::stored_variable& v) { return std::string(static_cast<const char*>(v.data), v.bytes); };
  graph::initialize(a, initializers::glorot_uniform(), 1);
  const double limit = std::sqrt(6.0 / 800);
  auto [mean, deviation, largest] = moments(a);
  CHECK(std::fabs(mean) < 0.002);
  CHECK(deviation == doctest::Approx(limit / std::sqrt(3.0)).epsilon(0.01));
  CHECK(largest <= limit);
  CHECK(largest > 0.999 * limit);
  graph::initialize(again, initializers::glorot_uniform(), 1);
  CHECK(bytes(again) == bytes(a));
  graph::initialize(b, initializers::glorot_uniform(), 1);
  CHECK(bytes(b) != bytes(a));
  graph::initialize(again, initializers::glorot_uniform(), 2);
  CHECK(bytes(again) != bytes(a));
  graph::initialize(a, initializers::truncated_normal(0.5, 2), 1);
  auto [m2, d2, l2] = moments(a);
  CHECK(m2 == doctest::Approx(0.5).epsilon(0.02));
  CHECK(d2 == doctest::Approx(2 * 0.8796).epsilon(0.01));  // the standard deviation of a normal cut at two sigma
  CHECK(l2 <= 4.5);
  graph::initialize(a, initializers::random_normal(-1, 0.5), 1);
  auto [m3, d3, l3] = moments(a);
  CHECK(m3 == doctest::Approx(-1).epsilon(0.01));
  CHECK(d3 == doctest::Approx(0.5).epsilon(0.01));
  CHECK(l3 > 2.5);
  graph::initialize(a, initializers::constant(0.1), 1);
  CHECK(moments(a)[2] == doctest::Approx(0.1));
}
