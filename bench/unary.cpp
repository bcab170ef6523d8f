// SPDX-License-Identifier: Apache-2.0
// Unary functions of floats and doubles that lie in the first-level cache, on one thread, against Eigen's arrays.
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

template <class T>
constexpr std::int64_t elements = 8192 / sizeof(T);
constexpr int passes = 64;  // a single pass is too short to be timed

template <class T>
struct unary_data {
  unary_data(T low, T high) {
    const auto values = noise(static_cast<std::size_t>(elements<T>), 21);
    for (std::int64_t i = 0; i < elements<T>; ++i)
      x[i] = low + (high - low) * T(0.5) * (static_cast<T>(values[static_cast<std::size_t>(i)]) + 1);
  }
  alignas(64) T x[elements<T>];
  alignas(64) T y[elements<T>];
};

template <class Op, class T>
void run_ours(unary_data<T>& d) {
  using namespace rill::expr;
  using program = rill::expr::program<list<in<T, walk::contiguous>>, list<let<Op, ~0>>, list<out<T, 0>>>;
  const void* in[] = {d.x};
  void* out[] = {d.y};
  for (int k = 0; k < passes; ++k) {
    rill::kernel::map_flat<program>(elements<T>, in, out);
    keep(d.y);
  }
}

template <class Op, class T, class Theirs>
void add_function(const std::string& name, T low, T high, Theirs theirs) {
  add("unary function in cache", name, 1, [=] {
    auto d = std::make_shared<unary_data<T>>(low, high);
    duel result;
    result.cost.bytes = 2.0 * sizeof(d->x) * passes;
    result.rill = {"Rill", [d] { run_ours<Op>(*d); }};
    result.peers.push_back({eigen_name(), [d, theirs] {
                              using array = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Aligned64>;
                              const array x(d->x, elements<T>);
                              array y(d->y, elements<T>);
                              for (int k = 0; k < passes; ++k) {
                                y = theirs(x);
                                keep(d->y);
                              }
                            }});
    float want[elements<T>];
    float got[elements<T>];
    for (std::int64_t i = 0; i < elements<T>; ++i) want[i] = static_cast<float>(Op::eval(static_cast<double>(d->x[i])));
    for (const auto* c : {&result.rill, &result.peers[0]}) {
      c->call();
      for (std::int64_t i = 0; i < elements<T>; ++i) got[i] = static_cast<float>(d->y[i]);
      expect_close(c->name, got, want, static_cast<std::size_t>(elements<T>), 2e-6);
    }
    return result;
  });
}

}  // namespace

void add_unary() {
  namespace ops = rill::ops;  // exp and the like are functions too
  add_function<ops::exp>("exp", -10.0F, 10.0F, [](const auto& x) { return x.exp(); });
  add_function<ops::log>("log", 0.01F, 40.0F, [](const auto& x) { return x.log(); });
  add_function<ops::tanh>("tanh", -6.0F, 6.0F, [](const auto& x) { return x.tanh(); });
  add_function<ops::sigmoid>("sigmoid", -10.0F, 10.0F, [](const auto& x) { return x.logistic(); });
  add_function<ops::erf>("erf", -3.0F, 3.0F, [](const auto& x) { return x.erf(); });
  add_function<ops::expm1>("expm1", -5.0F, 5.0F, [](const auto& x) { return x.expm1(); });
  add_function<ops::log1p>("log1p", -0.9F, 10.0F, [](const auto& x) { return x.log1p(); });
  add_function<ops::sin>("sin", -6.0F, 6.0F, [](const auto& x) { return x.sin(); });
  add_function<ops::cos>("cos", -6.0F, 6.0F, [](const auto& x) { return x.cos(); });
  add_function<ops::tan>("tan", -6.0F, 6.0F, [](const auto& x) { return x.tan(); });
  add_function<ops::atan>("atan", -6.0F, 6.0F, [](const auto& x) { return x.atan(); });
  add_function<ops::sinh>("sinh", -6.0F, 6.0F, [](const auto& x) { return x.sinh(); });
  add_function<ops::rsqrt>("rsqrt", 0.1F, 6.0F, [](const auto& x) { return x.rsqrt(); });
  add_function<ops::exp>("exp, float64", -10.0, 10.0, [](const auto& x) { return x.exp(); });
  add_function<ops::log>("log, float64", 0.01, 40.0, [](const auto& x) { return x.log(); });
  add_function<ops::tanh>("tanh, float64", -6.0, 6.0, [](const auto& x) { return x.tanh(); });
  add_function<ops::sigmoid>("sigmoid, float64", -10.0, 10.0, [](const auto& x) { return x.logistic(); });
  add_function<ops::sin>("sin, float64", -6.0, 6.0, [](const auto& x) { return x.sin(); });
}

}  // namespace bench
