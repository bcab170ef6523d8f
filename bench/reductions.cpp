// SPDX-License-Identifier: Apache-2.0
// Sums, means, maxima and where they are, over the first, the last, middle and several axes, from L1 to memory.
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 warns of its own AVX-512 intrinsics where they are inlined into Eigen.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <rill/expr/reduction.hpp>

#define EIGEN_USE_THREADS  // for the device below
#include <Eigen/Core>
#include <cmath>
#include <memory>
#include <unsupported/Eigen/CXX11/Tensor>

#include "harness.hpp"
#include "reductions_torch.hpp"
#if defined(RILL_BENCH_TORCH)
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

using extents = std::vector<std::int64_t>;

template <class T>
struct data {
  explicit data(const extents& shape) : x(rill::tensor_shape(shape.data(), static_cast<int>(shape.size()))) {
    const auto values = noise(static_cast<std::size_t>(x.size()), 10);
    for (std::int64_t i = 0; i < x.size(); ++i)
      x.data()[i] = static_cast<T>(values[static_cast<std::size_t>(i)] * (std::is_integral_v<T> ? 1000.f : 1.f));
  }
  rill::tensor<T, rill::any_rank> x;
};
template <class T>
constexpr number number_of = std::is_same_v<T, float> ? number::f32 : std::is_same_v<T, double> ? number::f64 : number::i32;

/// Which result every element goes to, and how many results there are.
struct places {
  std::vector<std::int64_t> of;
  std::int64_t results = 1;
  places(const extents& shape, const extents& axes) {
    extents step(shape.size());
    std::int64_t size = 1;
    for (std::size_t d = shape.size(); d-- > 0; size *= shape[d])
      if (std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(d)) == axes.end()) step[d] = results, results *= shape[d];
    for (std::int64_t i = 0; i < size; ++i) {
      std::int64_t rest = i, to = 0;
      for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d]) to += rest % shape[d] * step[d];
      of.push_back(to);
    }
  }
};

/// Throws unless the results are what a loop in double finds; of several equal maxima any will do.
template <class T, class Y>
void verify(const std::string& who, reducer r, const data<T>& d, const places& p, const Y* got, const extents& shape, std::int64_t axis) {
  const auto results = static_cast<std::size_t>(p.results);
  std::vector<double> want(results, r == reducer::sum || r == reducer::mean ? 0.0 : -INFINITY);
  for (std::size_t i = 0; i < p.of.size(); ++i) {
    double& w = want[static_cast<std::size_t>(p.of[i])];
    const double x = static_cast<double>(d.x.data()[i]);
    w = r == reducer::sum || r == reducer::mean ? w + x : std::max(w, x);
  }
  const double terms = static_cast<double>(p.of.size()) / static_cast<double>(results);
  std::int64_t inner = 1;
  for (std::size_t k = static_cast<std::size_t>(axis) + 1; k < shape.size(); ++k) inner *= shape[k];
  for (std::size_t k = 0; k < results; ++k) {
    double x = static_cast<double>(got[k]);
    if (r == reducer::argmax) {
      const auto at = static_cast<std::int64_t>(k);
      x = static_cast<double>(d.x.data()[at / inner * inner * shape[static_cast<std::size_t>(axis)] + at % inner + static_cast<std::int64_t>(got[k]) * inner]);
    }
    // Terms cancel: errors are measured against the root of their number.
    const double w = r == reducer::mean ? want[k] / terms : want[k];
    const double error = std::is_integral_v<T> || r == reducer::max || r == reducer::argmax ? 0 : 1e-4 * std::sqrt(terms) / (r == reducer::mean ? terms : 1);
    if (!(std::fabs(x - w) <= error)) throw wrong_result(who + ": result " + std::to_string(k) + " is " + std::to_string(x) + ", expected " + std::to_string(w));
  }
}

/// Eigen's threads.
Eigen::ThreadPoolDevice& device(int threads) {
  static Eigen::ThreadPool pool(2);
  static Eigen::ThreadPoolDevice one(&pool, 1), two(&pool, 2);
  return threads == 1 ? one : two;
}
template <class T, int Rank>
using map = Eigen::TensorMap<Eigen::Tensor<T, Rank, Eigen::RowMajor, std::int64_t>>;

template <reducer R, int Axes, class T, int Rank, class Y>
void eigen(const data<T>& d, const extents& shape, const extents& axes, Y* y, int threads) {
  Eigen::array<std::int64_t, std::size_t{Rank}> dims;
  std::copy(shape.begin(), shape.end(), dims.begin());
  const Eigen::TensorMap<Eigen::Tensor<const T, Rank, Eigen::RowMajor, std::int64_t>> x(d.x.data(), dims);
  Eigen::array<std::int64_t, std::size_t{Rank - Axes}> left{};
  std::size_t n = 0;
  for (std::size_t k = 0; k < shape.size(); ++k)
    if (std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(k)) == axes.end()) left[n++] = shape[k];
  Eigen::array<std::int64_t, std::size_t{Axes}> gone;
  std::copy(axes.begin(), axes.end(), gone.begin());
  map<Y, Rank - Axes> results(y, left);
  auto to = results.device(device(threads));
  if constexpr (R == reducer::sum) to = x.sum(gone);
  else if constexpr (R == reducer::mean) to = x.mean(gone);
  else if constexpr (R == reducer::max) to = x.maximum(gone);
  else to = x.argmax(axes[0]);
}

template <reducer R, class T>
auto ours(const data<T>& d, const rill::axis_list& axes) {
  if constexpr (R == reducer::sum) return rill::reduce_sum(d.x, {.axis = axes});
  else if constexpr (R == reducer::mean) return rill::reduce_mean(d.x, {.axis = axes});
  else if constexpr (R == reducer::max) return rill::reduce_max(d.x, {.axis = axes});
  else return rill::argmax(d.x, {.axis = axes.axes[0]});
}

template <reducer R, class T, int Rank, int Axes>
duel prepare(const extents& shape, const extents& axes, int threads) {
  using Y = std::conditional_t<R == reducer::argmax, std::int64_t, T>;
  auto d = std::make_shared<data<T>>(shape);
  const places p(shape, axes);
  rill::axis_list list;
  for (const std::int64_t a : axes) list.axes[list.count++] = a;
  duel result;
  result.cost.bytes = static_cast<double>(d->x.size()) * sizeof(T);
  result.cost.only_reads = true;
  const auto check = [&](const std::string& who, const auto* y) { verify(who, R, *d, p, y, shape, axes[0]); };
  check("Rill", ours<R>(*d, list).data());
  result.rill = {"Rill", [d, list] { keep(ours<R>(*d, list).data()); }};
  auto y = std::make_shared<std::vector<Y>>(static_cast<std::size_t>(p.results));
  const auto peer = [d, shape, axes, y, threads] { eigen<R, Axes, T, Rank>(*d, shape, axes, y->data(), threads); };
  peer();
  check(eigen_name() + " tensor", y->data());
  result.peers.push_back({eigen_name() + " tensor", peer});
#if defined(RILL_BENCH_TORCH)
  auto call = torch_peer::reduce(R, number_of<T>, d->x.data(), shape, axes);
  constexpr bool wide = R == reducer::argmax || std::is_integral_v<T>;
  check(torch_peer::name(), static_cast<const std::conditional_t<wide, std::int64_t, T>*>(call()));
  result.peers.push_back({torch_peer::name(), [d, call] { keep(call()); }});
#endif
  return result;
}

std::string text(const extents& e, const char* between) {
  std::string s;
  for (const std::int64_t n : e) s += (s.empty() ? "" : between) + std::to_string(n);
  return s;
}

template <reducer R, int Rank, int Axes, class T = float>
void row(const extents& shape, const extents& axes) {
  constexpr const char* names[] = {"sum", "mean", "max", "argmax"};
  const int threads = many_threads();
  const std::string type = std::is_same_v<T, float> ? "" : std::is_same_v<T, double> ? " of doubles" : " of int32";
  add("reduction", std::string(names[static_cast<int>(R)]) + type + ", " + text(shape, "x") + " over " + text(axes, ", "), threads,
      [=] { return prepare<R, T, Rank, Axes>(shape, axes, threads); });
}

}  // namespace

void add_reductions() {
  const extents matrices[] = {{16, 16}, {64, 64}, {256, 256}, {1000, 1000}, {3136, 4096}};
  for (const extents& m : matrices) {
    row<reducer::sum, 2, 2>(m, {0, 1});
    for (const std::int64_t axis : {0, 1}) {
      row<reducer::sum, 2, 1>(m, {axis});
      row<reducer::max, 2, 1>(m, {axis});
      row<reducer::argmax, 2, 1>(m, {axis});
    }
  }
  for (const extents& tall : {extents{100000, 10}, extents{10, 100000}})
    for (const std::int64_t axis : {0, 1}) row<reducer::sum, 2, 1>(tall, {axis}), row<reducer::argmax, 2, 1>(tall, {axis});
  row<reducer::sum, 2, 1, double>({1000, 1000}, {0});
  row<reducer::sum, 2, 1, double>({1000, 1000}, {1});
  row<reducer::sum, 2, 1, std::int32_t>({1000, 1000}, {0});
  row<reducer::sum, 2, 1, std::int32_t>({1000, 1000}, {1});
  for (const extents& t : {extents{16, 32, 24}, extents{64, 96, 128}}) {
    for (const std::int64_t axis : {0, 1, 2}) row<reducer::mean, 3, 1>(t, {axis});
    row<reducer::argmax, 3, 1>(t, {1});
    row<reducer::sum, 3, 2>(t, {0, 2});
    row<reducer::sum, 3, 2>(t, {0, 1});
  }
  for (const extents& t : {extents{8, 7, 7, 32}, extents{32, 28, 28, 64}}) {
    row<reducer::mean, 4, 3>(t, {0, 1, 2});
    row<reducer::mean, 4, 2>(t, {1, 2});
    row<reducer::mean, 4, 2>(t, {0, 3});
  }
}

}  // namespace bench
