// SPDX-License-Identifier: Apache-2.0
// A graph of more than 1,500 nodes, for the budget of the graph compiler (30 s, 1.5 GB): a residual network of 30 dense
// layers, all of its gradients, Adam. Its first steps are those of plain loops in double.

#include <cmath>
#include <cstdio>
#include <rill/graph/session.hpp>
#include <rill/losses/mean_squared_error.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/adam.hpp>
#include <vector>

using namespace rill;

namespace {

constexpr int batch = 16, features = 12, width = 24, outputs_of_net = 3, blocks = 14;
constexpr double rate = 0.01, epsilon = 1e-3;

struct deep_network {
  static constexpr bool training = true;
  constexpr auto operator()(symbol x, symbol y) const {
    symbol h = nn::dense{.units = width, .activation = relu}(x);
    for (int k = 0; k < blocks; ++k)
      h = h + 0.5 * nn::dense{.units = width}(nn::dense{.units = 16 + k, .activation = relu}(h));
    symbol loss = losses::mean_squared_error(y, nn::dense{.units = outputs_of_net}(h));
    return outputs(fetch("loss", loss), fetch("train", optimizers::adam{.learning_rate = rate, .epsilon = epsilon}.minimize(loss)));
  }
};
using input = tensor<float, batch, features>;
using label = tensor<float, batch, outputs_of_net>;

using numbers = std::vector<double>;
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A variable with its gradient and Adam's moments.
struct parameter {
  numbers value, gradient, m, v;
  explicit parameter(const graph::stored_variable& s) {
    const auto* p = static_cast<const float*>(s.data);
    value.assign(p, p + s.bytes / sizeof(float));
    gradient = m = v = numbers(value.size());
  }
  void update(int step) {
    const double scale = rate * std::sqrt(1 - std::pow(0.999, step)) / (1 - std::pow(0.9, step));
    for (std::size_t i = 0; i < value.size(); ++i) {
      m[i] += 0.1 * (gradient[i] - m[i]);
      v[i] += 0.001 * (gradient[i] * gradient[i] - v[i]);
      value[i] -= scale * m[i] / (std::sqrt(v[i]) + epsilon);
      gradient[i] = 0;
    }
  }
};

struct layer {
  parameter kernel, bias;
  bool is_relu;
  numbers x = {}, y = {};
  numbers forward(const numbers& in) {
    const int n = static_cast<int>(bias.value.size()), k = static_cast<int>(kernel.value.size()) / n;
    x = in;
    y.assign(at(batch * n), 0);
    for (int b = 0; b < batch; ++b)
      for (int j = 0; j < n; ++j) {
        double sum = bias.value[at(j)];
        for (int i = 0; i < k; ++i) sum += in[at(b * k + i)] * kernel.value[at(i * n + j)];
        y[at(b * n + j)] = is_relu && sum < 0 ? 0 : sum;
      }
    return y;
  }
  numbers backward(const numbers& dy) {
    const int n = static_cast<int>(bias.value.size()), k = static_cast<int>(kernel.value.size()) / n;
    numbers dx(x.size());
    for (int b = 0; b < batch; ++b)
      for (int j = 0; j < n; ++j) {
        if (is_relu && !(y[at(b * n + j)] > 0)) continue;
        const double d = dy[at(b * n + j)];
        bias.gradient[at(j)] += d;
        for (int i = 0; i < k; ++i) {
          kernel.gradient[at(i * n + j)] += x[at(b * k + i)] * d;
          dx[at(b * k + i)] += kernel.value[at(i * n + j)] * d;
        }
      }
    return dx;
  }
};

struct reference {
  std::vector<layer> layers;
  double step(const numbers& x, const numbers& y, int number) {
    numbers h = layers.front().forward(x);
    for (int k = 0; k < blocks; ++k) {
      const numbers u = layers[at(2 * k + 2)].forward(layers[at(2 * k + 1)].forward(h));
      for (std::size_t i = 0; i < h.size(); ++i) h[i] += 0.5 * u[i];
    }
    numbers d = layers.back().forward(h);
    double loss = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      const double e = d[i] - y[i];
      loss += e * e / static_cast<double>(d.size());
      d[i] = 2 * e / static_cast<double>(d.size());
    }
    d = layers.back().backward(d);
    for (int k = blocks; k-- > 0;) {
      numbers u = d;
      for (double& v : u) v *= 0.5;
      u = layers[at(2 * k + 1)].backward(layers[at(2 * k + 2)].backward(u));
      for (std::size_t i = 0; i < d.size(); ++i) d[i] += u[i];
    }
    layers.front().backward(d);
    for (layer& l : layers) l.kernel.update(number), l.bias.update(number);
    return loss;
  }
};

}  // namespace

int main() {
  graph::variable_store store;
  graph::session<deep_network, input, label> s(store, deep_network{}, {.seed = 5});
  reference net;
  std::vector<const graph::stored_variable*> kept;
  for (const auto& v : store.variables())
    if (v->trainable) kept.push_back(v.get());
  for (std::size_t k = 0; k + 1 < kept.size(); k += 2)
    net.layers.push_back({parameter(*kept[k]), parameter(*kept[k + 1]), k == 0 || (k % 4 == 2 && k + 2 < kept.size())});

  input x;
  label y;
  numbers xs, ys;
  for (std::int64_t i = 0; i < x.size(); ++i) xs.push_back(static_cast<double>(x.data()[i] = static_cast<float>(i * 37 % 101) / 101.f - 0.5f));
  for (std::int64_t i = 0; i < y.size(); ++i) ys.push_back(static_cast<double>(y.data()[i] = static_cast<float>(i * 17 % 31) / 31.f));

  const std::size_t nodes = graph::compiled<deep_network, input, label>::tables.nodes.size();
  bool good = nodes >= 1500 && net.layers.size() == at(2 * blocks + 2);
  double first = 0, last = 0, largest = 0;
  for (int step = 1; step <= 20; ++step) {
    last = static_cast<double>(*std::get<0>(s.run(x, y)).data());
    if (step == 1) first = last;
    const double wanted = net.step(xs, ys, step), error = std::fabs(last - wanted);
    good = good && error <= 1e-3 * wanted;
    largest = std::fmax(largest, error / wanted);
  }
  good = good && last < 0.5 * first;
  std::printf("%zu nodes; loss %.4f, then %.4f; at most %.1e from double\n", nodes, first, last, largest);
  return good ? 0 : 1;
}
