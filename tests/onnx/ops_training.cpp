// SPDX-License-Identifier: Apache-2.0
// One step of the optimizers of ONNX's training operators: learning rate, step number, then n variables, n gradients and
// their n accumulators of each kind.
#include <cmath>

#include "driver.hpp"

namespace onnx {
namespace {

struct step {
  const call& c;
  std::size_t n;
  step(const call& of, std::size_t kinds) : c(of), n((of.in.size() - 2) / kinds) {}
  [[nodiscard]] num rate() const { return c.x(0); }
  [[nodiscard]] double number() const { return static_cast<double>(integers(c.x(1)).at(0)); }
  [[nodiscard]] num part(std::size_t kind, std::size_t k) const { return c.x(2 + kind * n + k); }
  [[nodiscard]] num gradient(std::size_t k) const { return part(1, k) + part(0, k) * c.f("norm_coefficient", 0); }
};
num root(const num& x) { return op("Sqrt", {x}); }

results adagrad(const call& c) {
  const step s(c, 3);
  results x, h;
  const num rate = s.rate() / (1 + s.number() * c.f("decay_factor", 0));
  for (std::size_t k = 0; k < s.n; ++k) {
    const num g = s.gradient(k), sum = s.part(2, k) + g * g;
    x.push_back(s.part(0, k) - rate * g / (root(sum) + c.f("epsilon", 1e-6)));
    h.push_back(sum);
  }
  x.insert(x.end(), h.begin(), h.end());
  return x;
}

results adam(const call& c) {
  const step s(c, 4);
  const double alpha = c.f("alpha", 0.9), beta = c.f("beta", 0.999);
  results x, v, h;
  num rate = s.rate();
  if (const double t = s.number(); t > 0) rate = rate * (std::sqrt(1 - std::pow(beta, t)) / (1 - std::pow(alpha, t)));
  for (std::size_t k = 0; k < s.n; ++k) {
    const num g = s.gradient(k), mean = s.part(2, k) * alpha + g * (1 - alpha), square = s.part(3, k) * beta + g * g * (1 - beta);
    x.push_back((s.part(0, k) - rate * mean / (root(square) + c.f("epsilon", 1e-6))) * (1 - c.f("norm_coefficient_post", 0)));
    v.push_back(mean), h.push_back(square);
  }
  x.insert(x.end(), v.begin(), v.end());
  x.insert(x.end(), h.begin(), h.end());
  return x;
}

results momentum(const call& c) {
  const step s(c, 3);
  const double alpha = c.f("alpha", 0), beta = s.number() > 0 ? c.f("beta", 0) : 1;
  const bool nesterov = c.s("mode", "standard") == "nesterov";
  results x, v;
  for (std::size_t k = 0; k < s.n; ++k) {
    const num g = s.gradient(k), m = s.part(2, k) * alpha + g * beta;
    x.push_back(s.part(0, k) - s.rate() * (nesterov ? g + m * alpha : m));
    v.push_back(m);
  }
  x.insert(x.end(), v.begin(), v.end());
  return x;
}

}  // namespace

void add_training(op_table& t) {
  t["Adagrad"] = adagrad;
  t["Adam"] = adam;
  t["Momentum"] = momentum;
}

}  // namespace onnx
