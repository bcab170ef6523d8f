// SPDX-License-Identifier: Apache-2.0
// Recurrent cells and networks against loops in double; gradients; names of variables.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/graph/describe.hpp>
#include <rill/graph/dot.hpp>
#include <rill/graph/session.hpp>
#include <rill/nn/dynamic_rnn.hpp>
#include <vector>

using namespace rill;

namespace {

constexpr auto lstms = nn::multi_rnn_cell(nn::basic_lstm_cell{.units = 5}, nn::basic_lstm_cell{.units = 4, .forget_bias = 0});

struct lstm_net {
  constexpr auto operator()(symbol x) const {
    auto [y, state] = nn::dynamic_rnn(lstms, x);
    auto [c, h] = std::get<1>(state);
    auto [dx] = gradients(reduce_sum(y * y) + reduce_sum(c), x);
    return outputs(fetch("y", y), fetch("c", c), fetch("h", h), fetch("dx", dx), fetch("loss", reduce_sum(y * y) + reduce_sum(c)));
  }
};
struct gru_net {
  constexpr auto operator()(symbol x, symbol lengths) const {
    nn::gru_cell cell{.units = 3};
    auto [y, h] = nn::dynamic_rnn(cell, x, lengths, cell.zero_state(index(x, 0)), {.time_major = true});
    auto whole = nn::dynamic_rnn(cell, x, {.time_major = true});
    auto [both, states] = nn::bidirectional_dynamic_rnn(nn::basic_rnn_cell{.units = 2}, nn::basic_rnn_cell{.units = 2}, x, {.time_major = true});
    return outputs(fetch("y", y), fetch("h", h), fetch("fw", both.first), fetch("bw", both.second), fetch("last", states.second), fetch("whole", whole.first), fetch("end", whole.second));
  }
};

using matrix = std::vector<std::vector<double>>;
double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double at(const graph::variable_store& s, std::string_view name, std::int64_t k) {
  const auto* v = s.find(name);
  REQUIRE(v != nullptr);
  return static_cast<double>(v->type == dtype::float32 ? static_cast<const float*>(v->data)[k] : static_cast<const double*>(v->data)[k]);
}
/// [x h] * kernel + bias, column by column.
std::vector<double> affine(const graph::variable_store& s, const std::string& scope, const std::vector<double>& x, const std::vector<double>& h, std::int64_t columns) {
  std::vector<double> all = x;
  all.insert(all.end(), h.begin(), h.end());
  std::vector<double> z(static_cast<std::size_t>(columns));
  for (std::int64_t j = 0; j < columns; ++j) {
    double sum = at(s, scope + "/bias", j);
    for (std::size_t i = 0; i < all.size(); ++i) sum += all[i] * at(s, scope + "/kernel", static_cast<std::int64_t>(i) * columns + j);
    z[static_cast<std::size_t>(j)] = sum;
  }
  return z;
}
/// The next state of a GRU of three units.
std::vector<double> gru_next(const graph::variable_store& s, const std::string& scope, const std::vector<double>& in, std::vector<double> h) {
  const auto g = affine(s, scope + "/gates", in, h, 6);
  std::vector<double> reset = h;
  for (std::size_t k = 0; k < 3; ++k) reset[k] *= sigmoid_of(g[k]);
  const auto c = affine(s, scope + "/candidate", in, reset, 3);
  for (std::size_t k = 0; k < 3; ++k) h[k] = sigmoid_of(g[3 + k]) * h[k] + (1 - sigmoid_of(g[3 + k])) * std::tanh(c[k]);
  return h;
}

}  // namespace

TEST_CASE("two layers of LSTM: outputs, states, gradients, TensorFlow's names") {
  graph::session<lstm_net, tensor<double, dyn, 3, 2>> s;
  tensor<double, dyn, 3, 2> x({2, 3, 2});
  for (int k = 0; k < 12; ++k) x.data()[k] = 0.3 * ((k * 5) % 7) - 0.9;
  const auto [y, c_last, h_last, dx, loss] = s.run(x);
  for (int b = 0; b < 2; ++b) {
    std::vector<std::vector<double>> c{std::vector<double>(5), std::vector<double>(4)}, h = c;
    for (int t = 0; t < 3; ++t) {
      std::vector<double> in{x(b, t, 0), x(b, t, 1)};
      for (std::size_t l = 0; l < 2; ++l) {
        const auto u = c[l].size();
        const auto z = affine(*s.store(), "rnn/multi_rnn_cell/cell_" + std::to_string(l) + "/basic_lstm_cell", in, h[l], static_cast<std::int64_t>(4 * u));
        for (std::size_t k = 0; k < u; ++k) {
          c[l][k] = c[l][k] * sigmoid_of(z[2 * u + k] + (l == 0 ? 1 : 0)) + sigmoid_of(z[k]) * std::tanh(z[u + k]);
          h[l][k] = std::tanh(c[l][k]) * sigmoid_of(z[3 * u + k]);
        }
        in = h[l];
      }
      for (int k = 0; k < 4; ++k) CHECK(y(b, t, k) == doctest::Approx(h[1][static_cast<std::size_t>(k)]).epsilon(1e-9));
    }
    for (int k = 0; k < 4; ++k) {
      CHECK(c_last(b, k) == doctest::Approx(c[1][static_cast<std::size_t>(k)]).epsilon(1e-9));
      CHECK(h_last(b, k) == doctest::Approx(h[1][static_cast<std::size_t>(k)]).epsilon(1e-9));
    }
  }
  for (int k = 0; k < 12; ++k) {
    const double v = x.data()[k];
    x.data()[k] = v + 1e-6;
    const double up = std::get<4>(s.run(x))();
    x.data()[k] = v - 1e-6;
    const double down = std::get<4>(s.run(x))();
    x.data()[k] = v;
    CHECK(dx.data()[k] == doctest::Approx((up - down) / 2e-6).epsilon(1e-3).scale(1e-2));
  }
}

TEST_CASE("GRU over sequences of their own lengths; both directions") {
  graph::session<gru_net, tensor<float, 4, dyn, 2>, tensor<std::int32_t, dyn>> s;
  tensor<float, 4, dyn, 2> x({4, 3, 2});
  for (int k = 0; k < 24; ++k) x.data()[k] = 0.25f * static_cast<float>((k * 5) % 9) - 1;
  const tensor<std::int32_t, 3> lengths{4, 2, 0};
  const auto [y, h_last, fw, bw, last, whole, end] = s.run(x, lengths);
  for (int b = 0; b < 3; ++b) {
    std::vector<double> h(3), each(3), f(2), r(2);
    for (int t = 0; t < 4; ++t) {
      const std::vector<double> in{x(t, b, 0), x(t, b, 1)};
      if (t < lengths(b)) h = gru_next(*s.store(), "rnn/gru_cell", in, h);
      each = gru_next(*s.store(), "rnn_1/gru_cell", in, each);
      for (int k = 0; k < 3; ++k) CHECK(whole(t, b, k) == doctest::Approx(each[static_cast<std::size_t>(k)]).epsilon(1e-5));
      for (int k = 0; k < 3; ++k) CHECK(y(t, b, k) == doctest::Approx(t < lengths(b) ? h[static_cast<std::size_t>(k)] : 0).epsilon(1e-5));
      const auto z = affine(*s.store(), "bidirectional_rnn/fw/basic_rnn_cell", in, f, 2);
      const std::vector<double> back{x(3 - t, b, 0), x(3 - t, b, 1)};
      const auto q = affine(*s.store(), "bidirectional_rnn/bw/basic_rnn_cell", back, r, 2);
      for (std::size_t k = 0; k < 2; ++k) {
        f[k] = std::tanh(z[k]), r[k] = std::tanh(q[k]);
        CHECK(fw(t, b, static_cast<std::int64_t>(k)) == doctest::Approx(f[k]).epsilon(1e-5));
        CHECK(bw(3 - t, b, static_cast<std::int64_t>(k)) == doctest::Approx(r[k]).epsilon(1e-5));
      }
    }
    for (int k = 0; k < 3; ++k) CHECK(h_last(b, k) == doctest::Approx(h[static_cast<std::size_t>(k)]).epsilon(1e-5));
    CHECK(end(b, 2) == doctest::Approx(each[2]).epsilon(1e-5));
    CHECK(last(b, 1) == doctest::Approx(r[1]).epsilon(1e-5));
  }
}

namespace {
struct one_layer {
  constexpr auto operator()(symbol x) const { return nn::dynamic_rnn(nn::basic_lstm_cell{.units = 8}, x).first; }
};
struct one_loop {
  constexpr auto operator()(symbol x) const { return nn::dynamic_rnn(nn::basic_rnn_cell{.units = 8}, x).first; }
};
}  // namespace

TEST_CASE("pictures and tables show what loops hold") {
  // projection 5 * 2 * 4 * 32, recurrence 5 * 2 * 8 * 32
  CHECK(graph::describe<one_layer, tensor<float, dyn, 5, 4>>().find("416 parameters (1.66 kB), 3.84 kFLOP per example") != std::string::npos);
  const std::string dot = graph::to_dot<one_loop, tensor<float, dyn, 5, 4>>();
  CHECK(dot.find(": body\"") != std::string::npos);
  CHECK(dot.find("Tanh\\nfloat32[?, 8]") != std::string::npos);
}
