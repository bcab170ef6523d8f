// SPDX-License-Identifier: Apache-2.0
// What the passes do: simplification, fusion into prologues and epilogues, the memory plan; and that none of it changes
// results.

#include <doctest/doctest.h>

#include <cmath>

#include <rill/graph/session.hpp>
#include <rill/losses/mean_squared_error.hpp>
#include <rill/losses/sparse_softmax_cross_entropy.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <rill/optimizers/momentum.hpp>

using namespace rill;

namespace {

template <class Model, class... In>
graph::image passes() {
  return graph::run_passes(graph::trace<Model, In...>());
}
int kernels_of(const graph::image& im, std::string_view op) {
  int n = 0;
  for (const auto& s : im.l.steps) n += s.op != nullptr && s.op->name == op;
  return n;
}

struct conv_step {
  static constexpr bool training = true;
  constexpr auto operator()(symbol x, symbol y) const {
    symbol h = nn::conv2d{.filters = 4, .kernel_size = 3, .padding = same, .activation = relu}(x);
    symbol logits = nn::dense{.units = 3}(nn::dropout{.rate = 0.5f}(nn::dense{.units = 8, .activation = relu}(flatten(h))));
    symbol loss = losses::sparse_softmax_cross_entropy(y, logits);
    return outputs(fetch("loss", loss), fetch("train", optimizers::momentum{0.1}.minimize(loss)));
  }
};

struct image_bytes {
  constexpr auto operator()(symbol x) const {
    symbol scaled = cast<float>(x) * (1 / 255.0);
    return nn::conv2d{.filters = 5, .kernel_size = 3, .padding = same, .activation = relu}(nn::reshape{{6, 7, 2}}(scaled));
  }
};
struct image_floats {
  constexpr auto operator()(symbol x) const {
    return nn::conv2d{.filters = 5, .kernel_size = 3, .padding = same, .activation = relu}(nn::reshape{{6, 7, 2}}(x));
  }
};
struct product_of_expressions {
  constexpr auto operator()(symbol x) const { return matmul(exp(x) + 1, tanh(x) * 2, {.transpose_b = true}); }
};
struct squared_error {
  constexpr auto operator()(symbol x, symbol y) const { return reduce_mean(square(x - y)); }
};
struct identities {
  constexpr auto operator()(symbol x) const {
    symbol a = (x * 1 + 0) / 1;
    return reshape(reshape(exp(a), {-1}), {2, -1}) + reshape(exp(x), {2, -1});
  }
};
struct broadcasts {  // two broadcasts with a reshape between that strides cannot express
  constexpr auto operator()(symbol x) const {
    symbol rows = rill::broadcast_to(reshape(x, {1, 6}), {4, 6});
    return rill::broadcast_to(reshape(rows, {1, 8, 3}), {2, 8, 3}) * 2;
  }
};
struct columns {
  constexpr auto operator()(symbol x) const {
    symbol mean = reduce_mean(x, {.axis = {0}}), rows = reduce_sum(x, {.axis = {1}, .keepdims = true});
    return select(x > mean, x - rows, zeros_like(x)) + one_hot<double>(argmax(x, {.axis = 1}), 5);
  }
};

/// Variables of several sizes under Momentum; the last one's new value is made of what another one was.
struct many_updates {
  constexpr auto operator()(symbol x) const {
    symbol loss = x * 0;
    const auto vector = [&](const char* name, std::int64_t n) {
      return variable(x, {.name = name, .shape = {n}, .initializer = constant(0.5), .type = dtype::float64});
    };
    symbol first = vector("a", 3), follows = variable(x, {.name = "follows", .shape = {3}, .initializer = constant(7.), .trainable = false, .type = dtype::float64});
    for (symbol v : {first, vector("b", 17), vector("c", 4000), vector("d", 1), vector("big", 20000)})
      loss = loss + reduce_sum(square(rill::broadcast_to(v, {4, v.shape()[0]})) * x);
    assign(follows, first * 2 + follows);
    return outputs(fetch("loss", loss), fetch("train", optimizers::momentum{0.1}.minimize(loss)));
  }
};

struct normalized_product {  // as a trained model is used: the moving statistics are variables
  constexpr auto operator()(symbol x) const {
    return relu(nn::batch_normalization{.epsilon = 0.25}(nn::dense{.units = 5}(x)));
  }
};

}  // namespace

TEST_CASE("normalization by variables is in the epilogue of the product before it") {
  const auto im = passes<normalized_product, tensor<float, dyn, 4>>();
  REQUIRE_FALSE(im.b.first_failure);
  REQUIRE(im.l.steps.size() == 2);  // gamma / sqrt(variance + epsilon), once per feature, and everything else
  CHECK(im.l.steps[1].op->name == "MatMul");
  graph::variable_store store;
  graph::session<normalized_product, tensor<float, dyn, 4>> s(store);
  const auto set = [&](const char* name, auto value) {
    auto* p = static_cast<float*>(store.find(name)->data);
    for (std::int64_t k = 0; k < store.find(name)->shape.num_elements(); ++k) p[k] = static_cast<float>(value(k));
    return p;
  };
  const float* w = set("dense/kernel", [](auto k) { return static_cast<double>(k % 7) - 3; });
  const float* b = set("dense/bias", [](auto k) { return 0.5 * static_cast<double>(k); });
  const float* gamma = set("batch_normalization/gamma", [](auto k) { return 1 + 0.25 * static_cast<double>(k); });
  const float* beta = set("batch_normalization/beta", [](auto k) { return 2 - static_cast<double>(k); });
  const float* mean = set("batch_normalization/moving_mean", [](auto k) { return static_cast<double>(k) - 1; });
  const float* variance = set("batch_normalization/moving_variance", [](auto k) { return 0.5 + static_cast<double>(k); });
  tensor<float, dyn, 4> x({3, 4});
  for (std::int64_t k = 0; k < 12; ++k) x.data()[k] = static_cast<float>(k % 5) - 1.5f;
  const auto y = s.run(x);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 5; ++j) {
      double sum = b[j];
      for (int k = 0; k < 4; ++k) sum += static_cast<double>(x(i, k)) * w[k * 5 + j];
      const double wanted = (sum - mean[j]) * gamma[j] / std::sqrt(variance[j] + 0.25) + beta[j];
      CHECK(y(i, j) == doctest::Approx(wanted > 0 ? wanted : 0).epsilon(1e-5));
    }
}

TEST_CASE("small updates that do the same are one kernel, and what they do is unchanged") {
  const auto im = passes<many_updates, tensor<double>>();
  REQUIRE_FALSE(im.b.first_failure);
  std::vector<int> parts;
  for (const auto& s : im.l.steps)
    if (s.parts > 1) {
      parts.push_back(s.parts);
      CHECK(s.program.outputs.size() == static_cast<std::size_t>(2 * s.parts));
      std::int64_t elements = 0;
      for (const auto& o : s.program.outputs) elements += o.elements;
      CHECK(elements == 2 * (17 + 4000));
    }
  REQUIRE(parts.size() == 1);
  CHECK(parts[0] == 2);  // "a" is read afterwards, "d" has no loop, "big" a kernel of its own
  graph::variable_store store;
  graph::session<many_updates, tensor<double>> s(store);
  double v = 0.5, m = 0, follows = 7;
  for (int step = 0; step < 3; ++step) {
    s.run(tensor<double>(0.25));
    follows += 2 * v;
    m = 0.9 * m + 0.25 * 4 * 2 * v;
    v -= 0.1 * m;
    for (const auto& held : store.variables()) {
      if (held->type != dtype::float64) continue;
      const bool slot = held->name.ends_with("Momentum");
      const double wanted = held->name == "follows" ? follows : slot ? m : v;
      const auto* p = static_cast<const double*>(held->data);
      for (std::int64_t k = 0; k < held->shape.num_elements(); ++k)
        if (std::abs(p[k] - wanted) > 1e-12) FAIL(held->name << " is off by " << p[k] - wanted << " at " << k << " in step " << step << ": " << p[k] << ", wanted " << wanted);
    }
  }
}

TEST_CASE("element-wise consumers run in the epilogue of what they follow, updates in that of the weight gradient") {
  const auto im = passes<conv_step, tensor<float, dyn, 6, 6, 2>, tensor<int, dyn>>();
  REQUIRE_FALSE(im.b.first_failure);
  for (const auto& s : im.l.steps) {
    if (s.op == nullptr) continue;
    if (s.op->name == "Conv2D") CHECK(s.program.lets.size() >= 2);  // bias and relu
    const bool weight_gradient = s.op->name == "Conv2DBackpropFilter" || (s.op->name == "MatMul" && s.attr.i[0] == 1);
    if (!weight_gradient) continue;
    int variables = 0;
    for (const auto& o : s.program.outputs) variables += o.memory.kind == graph::memory_ref::variable;
    CHECK(variables == 2);  // the variable and its Momentum slot; the gradient itself goes nowhere
    CHECK(s.program.outputs.size() == 2);
  }
  CHECK(kernels_of(im, "Conv2DBackpropInput") == 0);  // nobody wants the gradient of the input
}

TEST_CASE("operands that are expressions are evaluated while they are read") {
  const auto im = passes<image_bytes, tensor<std::uint8_t, dyn, 84>>();
  REQUIRE(im.l.steps.size() == 1);
  CHECK(im.l.steps[0].has_prologue_a);
  graph::variable_store store;
  graph::session<image_bytes, tensor<std::uint8_t, dyn, 84>> bytes(store);
  graph::session<image_floats, tensor<float, dyn, 84>> floats(store);
  tensor<std::uint8_t, dyn, 84> x({5, 84});
  tensor<float, dyn, 84> y({5, 84});
  for (std::int64_t i = 0; i < x.size(); ++i) {
    x.data()[i] = static_cast<std::uint8_t>(i * 37 % 256);
    y.data()[i] = static_cast<float>(x.data()[i]) * (1 / 255.f);
  }
  CHECK(bytes.run(x) == floats.run(y));

  const auto product = passes<product_of_expressions, tensor<float, 7, 19>>();
  REQUIRE(product.l.steps.size() == 1);
  CHECK(product.l.steps[0].has_prologue_a);
  CHECK(product.l.steps[0].has_prologue_b);
}

TEST_CASE("a product of two expressions is right") {
  graph::session<product_of_expressions, tensor<double, 7, 19>> s;
  tensor<double, 7, 19> x;
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<double>(philox_uniform(static_cast<std::uint64_t>(i), 0, 3));
  const auto z = s.run(x);
  for (int i = 0; i < 7; ++i)
    for (int j = 0; j < 7; ++j) {
      double sum = 0;
      for (int k = 0; k < 19; ++k) sum += (std::exp(x.data()[i * 19 + k]) + 1) * std::tanh(x.data()[j * 19 + k]) * 2;
      CHECK(z.data()[i * 7 + j] == doctest::Approx(sum).epsilon(1e-12));
    }
}

TEST_CASE("an element-wise chain and the reduction it feeds are one kernel") {
  const auto im = passes<squared_error, tensor<float, dyn, 10>, tensor<float, dyn, 10>>();
  int reductions = 0, maps = 0;
  for (const auto& s : im.l.steps) {
    if (s.kind == graph::group_kind::reduce) {
      ++reductions;
      CHECK(s.program.lets.size() == 2);
      CHECK(s.rank == 1);  // both axes are walked as one
    } else {
      ++maps;
    }
  }
  CHECK(reductions == 1);
  CHECK(maps == 1);  // the division by the count
  graph::session<squared_error, tensor<float, dyn, 10>, tensor<float, dyn, 10>> s;
  tensor<float, dyn, 10> x({3, 10}), y({3, 10});
  for (int i = 0; i < 30; ++i) x.data()[i] = static_cast<float>(i), y.data()[i] = static_cast<float>(i % 7);
  double sum = 0;
  for (int i = 0; i < 30; ++i) sum += (i - i % 7) * (i - i % 7);
  CHECK(*s.run(x, y).data() == doctest::Approx(sum / 30));
}

TEST_CASE("identities vanish and equal nodes are shared") {
  const auto im = passes<identities, tensor<float, 6>>();
  REQUIRE(im.l.steps.size() == 1);
  CHECK(im.l.steps[0].program.lets.size() == 2);  // exp once, one addition
  graph::session<identities, tensor<float, 6>> s;
  tensor<float, 6> x{0.f, 1.f, -1.f, 2.f, 0.5f, -2.f};
  const auto y = s.run(x);
  for (int i = 0; i < 6; ++i) CHECK(y.data()[i] == doctest::Approx(2 * std::exp(static_cast<double>(x.data()[i]))));
}

TEST_CASE("views that strides cannot express get memory") {
  graph::session<broadcasts, tensor<float, 6>> s;
  tensor<float, 6> x{1.f, 2.f, 3.f, 4.f, 5.f, 6.f};
  const auto y = s.run(x);
  for (int i = 0; i < 48; ++i) CHECK(y.data()[i] == 2 * x.data()[i % 24 % 6]);
}

TEST_CASE("reductions over either axis, argmax and one_hot combine") {
  graph::session<columns, tensor<double, dyn, 5>> s;
  for (const std::int64_t n : {1, 2, 17, 100}) {
    tensor<double, dyn, 5> x({n, 5});
    for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<double>(philox_uniform(static_cast<std::uint64_t>(i), 0, 8)) - 0.5;
    const auto y = s.run(x);
    for (std::int64_t i = 0; i < n; ++i) {
      double row = 0;
      int best = 0;
      for (int j = 0; j < 5; ++j) {
        row += x.data()[i * 5 + j];
        if (x.data()[i * 5 + j] > x.data()[i * 5 + best]) best = j;
      }
      for (int j = 0; j < 5; ++j) {
        double mean = 0;
        for (std::int64_t r = 0; r < n; ++r) mean += x.data()[r * 5 + j] / static_cast<double>(n);
        const double v = x.data()[i * 5 + j], expected = (v > mean ? v - row : 0) + (j == best ? 1 : 0);
        if (std::fabs(v - mean) > 1e-12) CHECK(y.data()[i * 5 + j] == doctest::Approx(expected).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("buffers that are alive together never overlap") {
  const auto im = passes<conv_step, tensor<float, dyn, 6, 6, 2>, tensor<int, dyn>>();
  std::int64_t sum = 0;
  for (std::size_t a = 0; a < im.l.slots.size(); ++a) {
    const auto& s = im.l.slots[a];
    CHECK(s.offset >= 0);
    CHECK(s.offset % 64 == 0);
    if (s.per_row) sum += s.bytes;
    for (std::size_t b = a + 1; b < im.l.slots.size(); ++b) {
      const auto& o = im.l.slots[b];
      // a result may take over an operand's place in the very step in which the operand is read last
      const bool together = s.per_row == o.per_row && s.first <= o.last && o.first <= s.last && !(s.last == o.first);
      if (together) CHECK((s.offset + s.bytes <= o.offset || o.offset + o.bytes <= s.offset));
    }
  }
  CHECK(im.l.row_bytes < sum);
}
