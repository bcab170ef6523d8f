// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include <rill/core/dtype.hpp>
#include <rill/cuda/softmax.cuh>

#include "device.hpp"

namespace {

using namespace rill;

struct problem {
  std::int64_t rows, columns;
};
/// A warp or less, several pieces per lane, a block, rows that do not fit into registers; aligned and not.
constexpr problem problems[] = {{0, 5}, {1, 1}, {33, 3}, {3, 34}, {130, 10}, {5, 32}, {7, 100}, {3, 257}, {2, 1000}, {600, 132}, {1, 5001}, {1, 40004}, {1, 20001}};

template <class T>
std::vector<T> numbers(std::int64_t n, unsigned seed, double low = -4, double high = 4) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> d(low, high);
  std::vector<T> v(static_cast<std::size_t>(n) + 1);
  for (T& f : v) f = static_cast<T>(static_cast<float>(d(random)));
  return v;
}
template <class T>
void check(const std::vector<T>& got, const std::vector<double>& want, double tolerance) {
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < want.size(); ++i) wrong += !(std::abs(static_cast<double>(got[i]) - want[i]) <= tolerance * (1 + std::abs(want[i])));
  CHECK(wrong == 0);
}
template <class T>
std::vector<double> log_softmax_of(const problem& p, const std::vector<T>& x) {
  std::vector<double> y(static_cast<std::size_t>(p.rows * p.columns));
  for (std::int64_t r = 0; r < p.rows; ++r) {
    double largest = -1e300, sum = 0;
    const auto at = [&](std::int64_t j) { return static_cast<std::size_t>(r * p.columns + j); };
    for (std::int64_t j = 0; j < p.columns; ++j) largest = std::max(largest, static_cast<double>(x[at(j)]));
    for (std::int64_t j = 0; j < p.columns; ++j) sum += std::exp(static_cast<double>(x[at(j)]) - largest);
    for (std::int64_t j = 0; j < p.columns; ++j) y[at(j)] = static_cast<double>(x[at(j)]) - largest - std::log(sum);
  }
  return y;
}

TEST_CASE("softmax, cross-entropy and their gradients are those of double loops") {
  test::device device;
  for (const problem& p : problems) {
    CAPTURE(p.rows);
    CAPTURE(p.columns);
    const std::int64_t n = p.rows * p.columns;
    const auto x = numbers<float>(n, 1), dy = numbers<float>(n, 2), l = numbers<float>(n, 3, 0, 1);
    const auto logs = log_softmax_of(p, x);
    auto want = logs, want_grad = logs;
    for (double& v : want) v = std::exp(v);
    std::vector<float> y(x.size()), loss(static_cast<std::size_t>(p.rows) + 1);
    cuda::log_softmax(device, p.rows, p.columns, x.data(), y.data());
    check(y, logs, 1e-6);
    y = x;
    cuda::softmax(device, p.rows, p.columns, y.data(), y.data());
    check(y, want, 1e-6);
    if (p.columns > 300 && p.columns < 20000) continue;  // the same kernels
    std::vector<double> dot(static_cast<std::size_t>(p.rows)), log_grad = logs, of_labels(dot.size()), dot_log(dot.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      const std::size_t r = i / static_cast<std::size_t>(p.columns);
      dot[r] += want[i] * static_cast<double>(dy[i]), dot_log[r] += static_cast<double>(dy[i]), of_labels[r] -= static_cast<double>(l[i]) * logs[i];
    }
    for (std::size_t i = 0; i < want.size(); ++i) {
      const std::size_t r = i / static_cast<std::size_t>(p.columns);
      want_grad[i] = (static_cast<double>(dy[i]) - dot[r]) * want[i];
      log_grad[i] = static_cast<double>(dy[i]) - want[i] * dot_log[r];
    }
    std::vector<float> dx(x.size()), log_y(logs.begin(), logs.end());
    cuda::softmax_grad(device, p.rows, p.columns, y.data(), dy.data(), dx.data());
    check(dx, want_grad, 1e-6);
    log_y.push_back(0);
    cuda::log_softmax_grad(device, p.rows, p.columns, log_y.data(), dy.data(), dx.data());
    check(dx, log_grad, 2e-5);
    cuda::softmax_cross_entropy(device, p.rows, p.columns, x.data(), l.data(), loss.data());
    check(loss, of_labels, 1e-6);

    std::vector<std::int64_t> labels(static_cast<std::size_t>(p.rows));
    std::vector<double> want_loss(labels.size());
    for (std::int64_t r = 0; r < p.rows; ++r) {
      const std::int64_t c = labels[static_cast<std::size_t>(r)] = (r * 7 + 2) % p.columns;
      want_loss[static_cast<std::size_t>(r)] = -logs[static_cast<std::size_t>(r * p.columns + c)];
      want[static_cast<std::size_t>(r * p.columns + c)] -= 1;
    }
    cuda::sparse_softmax_cross_entropy(device, p.rows, p.columns, x.data(), labels.data(), loss.data(), dx.data());
    check(loss, want_loss, 1e-6);
    check(dx, want, 1e-6);
  }
}

TEST_CASE("labels that name no class give NaN, and no one else does") {
  test::device device;
  const std::int64_t rows = 4, columns = 6;
  const auto x = numbers<float>(rows * columns, 5);
  const std::vector<std::int32_t> labels{0, 6, -1, 5};
  std::vector<float> loss(4), grad(24);
  cuda::sparse_softmax_cross_entropy(device, rows, columns, x.data(), labels.data(), loss.data(), grad.data());
  for (std::size_t i = 0; i < 24; ++i) CHECK(std::isnan(grad[i]) == (i / 6 == 1 || i / 6 == 2));
  for (std::size_t i = 0; i < 4; ++i) CHECK(std::isnan(loss[i]) == (i == 1 || i == 2));
}

TEST_CASE("softmax of halves and doubles") {
  test::device device;
  const problem p{3, 136};
  const auto h = numbers<half>(p.rows * p.columns, 6);
  const auto d = numbers<double>(p.rows * p.columns, 7);
  auto want = log_softmax_of(p, h), wide = log_softmax_of(p, d);
  for (double& v : want) v = std::exp(v);
  for (double& v : wide) v = std::exp(v);
  std::vector<half> y(h.size());
  std::vector<double> z(d.size());
  cuda::softmax(device, p.rows, p.columns, h.data(), y.data());
  cuda::softmax(device, p.rows, p.columns, d.data(), z.data());
  check(y, want, 1e-3);
  check(z, wide, 1e-15);
}

}  // namespace
