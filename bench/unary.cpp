// SPDX-License-Identifier: Apache-2.0
// Unary functions of floats that lie in the first-level cache, on one thread, against Eigen's arrays.
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 warns of its own AVX-512 intrinsics where they are inlined into Eigen.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <rill/kernel/map.hpp>
#include <rill/ops/unary.hpp>

#include <Eigen/Core>
#include <memory>
#include <string>
#include <unsupported/Eigen/SpecialFunctions>

#include "harness.hpp"

namespace bench {

namespace {

constexpr std::int64_t elements = 2048;
constexpr int passes = 64;  // a single pass is too short to be timed

struct unary_data {
  unary_data(float low, float high) {
    const auto values = noise(static_cast<std::size_t>(elements), 21);
    for (std::int64_t i = 0; i < elements; ++i)
      x[i] = low + (high - low) * 0.5F * (values[static_cast<std::size_t>(i)] + 1);
  }
  alignas(64) float x[elements];
  alignas(64) float y[elements];
};

template <class Op>
void run_ours(unary_data& d) {
  using namespace rill::expr;
  using program = rill::expr::program<list<in<float, walk::contiguous>>, list<let<Op, ~0>>, list<out<float, 0>>>;
  const void* in[] = {d.x};
  void* out[] = {d.y};
  for (int k = 0; k < passes; ++k) {
    rill::kernel::map_flat<program>(elements, in, out);
    keep(d.y);
  }
}

template <class Op, class Theirs>
void add_function(const std::string& name, float low, float high, Theirs theirs) {
  add("unary function in cache", name, 1, [=] {
    auto d = std::make_shared<unary_data>(low, high);
    duel result;
    result.cost.bytes = 8.0 * static_cast<double>(elements) * passes;
    result.rill = {"Rill", [d] { run_ours<Op>(*d); }};
    result.peers.push_back({eigen_name(), [d, theirs] {
                              using array = Eigen::Map<Eigen::ArrayXf, Eigen::Aligned64>;
                              const array x(d->x, elements);
                              array y(d->y, elements);
                              for (int k = 0; k < passes; ++k) {
                                y = theirs(x);
                                keep(d->y);
                              }
                            }});
    float want[elements];
    for (std::int64_t i = 0; i < elements; ++i) want[i] = static_cast<float>(Op::eval(static_cast<double>(d->x[i])));
    for (const auto* c : {&result.rill, &result.peers[0]}) {
      c->call();
      expect_close(c->name, d->y, want, static_cast<std::size_t>(elements), 2e-6);
    }
    return result;
  });
}

}  // namespace

void add_unary() {
  add_function<rill::ops::exp>("exp", -10, 10, [](const auto& x) { return x.exp(); });
  add_function<rill::ops::log>("log", 0.01F, 40, [](const auto& x) { return x.log(); });
  add_function<rill::ops::tanh>("tanh", -6, 6, [](const auto& x) { return x.tanh(); });
  add_function<rill::ops::sigmoid>("sigmoid", -10, 10, [](const auto& x) { return x.logistic(); });
  add_function<rill::ops::erf>("erf", -3, 3, [](const auto& x) { return x.erf(); });
  add_function<rill::ops::expm1>("expm1", -5, 5, [](const auto& x) { return x.expm1(); });
  add_function<rill::ops::log1p>("log1p", -0.9F, 10, [](const auto& x) { return x.log1p(); });
  add_function<rill::ops::sin>("sin", -6, 6, [](const auto& x) { return x.sin(); });
  add_function<rill::ops::cos>("cos", -6, 6, [](const auto& x) { return x.cos(); });
  add_function<rill::ops::rsqrt>("rsqrt", 0.1F, 6, [](const auto& x) { return x.rsqrt(); });
}

}  // namespace bench
