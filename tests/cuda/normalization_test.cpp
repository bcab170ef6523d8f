// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include <rill/cuda/normalization.cuh>

#include "device.hpp"

namespace {

using namespace rill;

/// Numbers whose mean is large beside their deviation.
std::vector<float> numbers(std::int64_t n, unsigned seed, float mean) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> d(-2, 2);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& f : v) f = d(random) + mean;
  return v;
}
template <class T>
void check(const std::vector<T>& got, const std::vector<double>& want, double tolerance) {
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < want.size(); ++i) wrong += !(std::abs(static_cast<double>(got[i]) - want[i]) <= tolerance * (1 + std::abs(want[i])));
  CHECK(wrong == 0);
}

/// In double: normalization of groups, group(i) the one of element i and parameter(i) its parameter's number.
template <class Group, class Parameter>
struct oracle {
  std::vector<double> mean, variance, y, dx, dscale, doffset;
  oracle(const std::vector<float>& x, const std::vector<float>& dy, const std::vector<float>& scale, const std::vector<float>& offset, std::size_t groups, double epsilon,
         const Group& group, const Parameter& parameter)
      : mean(groups), variance(groups), y(x.size()), dx(x.size()), dscale(scale.size()), doffset(scale.size()) {
    const double n = static_cast<double>(x.size()) / static_cast<double>(groups);
    std::vector<double> a(groups), b(groups);
    for (std::size_t i = 0; i < x.size(); ++i) mean[group(i)] += static_cast<double>(x[i]) / n;
    for (std::size_t i = 0; i < x.size(); ++i) variance[group(i)] += std::pow(static_cast<double>(x[i]) - mean[group(i)], 2) / n;
    const auto unit = [&](std::size_t i) { return (static_cast<double>(x[i]) - mean[group(i)]) / std::sqrt(variance[group(i)] + epsilon); };
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t p = parameter(i), g = group(i);
      const double d = static_cast<double>(dy[i]), s = static_cast<double>(scale[p]);
      y[i] = unit(i) * s + static_cast<double>(offset[p]);
      dscale[p] += d * unit(i), doffset[p] += d, a[g] += d * s / n, b[g] += d * s * unit(i) / n;
    }
    for (std::size_t i = 0; i < x.size(); ++i)
      dx[i] = (static_cast<double>(dy[i]) * static_cast<double>(scale[parameter(i)]) - a[group(i)] - unit(i) * b[group(i)]) / std::sqrt(variance[group(i)] + epsilon);
  }
};

TEST_CASE("layer normalization and its gradients are those of double loops") {
  test::device device;
  const std::int64_t shapes[][2] = {{1, 1}, {5, 7}, {40, 32}, {3, 257}, {130, 64}, {2, 1000}, {1, 17000}};
  for (const auto& shape : shapes) {
    const std::int64_t rows = shape[0], n = shape[1];
    CAPTURE(rows);
    CAPTURE(n);
    const auto x = numbers(rows * n, 1, 100), dy = numbers(rows * n, 2, 0), scale = numbers(n, 3, 1), offset = numbers(n, 4, 0);
    const auto columns = static_cast<std::size_t>(n);
    const oracle want(x, dy, scale, offset, static_cast<std::size_t>(rows), 1e-3, [&](std::size_t i) { return i / columns; }, [&](std::size_t i) { return i % columns; });
    std::vector<float> y(x.size()), dscale(columns), doffset(columns);
    cuda::layer_norm(device, rows, n, x.data(), scale.data(), offset.data(), 1e-3f, y.data());
    check(y, want.y, 3e-5);
    cuda::layer_norm_grad(device, rows, n, x.data(), scale.data(), dy.data(), 1e-3f, y.data(), dscale.data(), doffset.data());
    check(y, want.dx, 1e-4);
    check(dscale, want.dscale, 1e-4);
    check(doffset, want.doffset, 1e-5);
  }
}

TEST_CASE("batch normalization and its gradients are those of double loops") {
  test::device device;
  const std::int64_t shapes[][3] = {{40, 5, 1}, {300, 64, 1}, {33, 33, 1}, {3, 4, 49}, {2, 3, 256}, {1, 2, 1030}, {1, 1, 20000}, {7000, 3, 1}};
  for (const auto& shape : shapes) {
    const std::int64_t outer = shape[0], features = shape[1], inner = shape[2];
    CAPTURE(outer);
    CAPTURE(features);
    CAPTURE(inner);
    const std::int64_t size = outer * features * inner;
    auto x = numbers(size, 1, 100);
    x[0] = 0;  // an outlier at the place that sums are relative to
    const auto dy = numbers(size, 2, 0), scale = numbers(features, 3, 1), offset = numbers(features, 4, 0);
    const auto f = static_cast<std::size_t>(features), row = static_cast<std::size_t>(inner);
    const auto feature = [&](std::size_t i) { return i / row % f; };
    const oracle want(x, dy, scale, offset, f, 1e-3, feature, feature);
    std::vector<float> y(x.size()), mean(f), variance(f), both(2 * f), dscale(f), doffset(f), dx(x.size());
    cuda::batch_norm_training(device, outer, features, inner, x.data(), scale.data(), offset.data(), 1e-3f, y.data(), mean.data(), variance.data(), both.data());
    check(mean, want.mean, 1e-6);
    check(variance, want.variance, 1e-4);
    CHECK(std::equal(mean.begin(), mean.end(), both.begin()));
    CHECK(std::equal(variance.begin(), variance.end(), both.begin() + features));
    check(y, want.y, 1e-4);
    std::vector<float> again(x.size());
    cuda::batch_norm_training(device, outer, features, inner, x.data(), scale.data(), offset.data(), 1e-3f, again.data(), static_cast<float*>(nullptr), static_cast<float*>(nullptr),
                              static_cast<float*>(nullptr));
    CHECK(again == y);
    cuda::batch_norm_grad(device, outer, features, inner, x.data(), scale.data(), dy.data(), mean.data(), variance.data(), 1e-3f, dx.data(), dscale.data(), doffset.data());
    check(dx, want.dx, 1e-4);
    check(dscale, want.dscale, 2e-4);
    check(doffset, want.doffset, 1e-5);
    cuda::batch_norm_grad(device, outer, features, inner, x.data(), scale.data(), dy.data(), mean.data(), variance.data(), 1e-3f, y.data(), static_cast<float*>(nullptr),
                          static_cast<float*>(nullptr));
    CHECK(y == dx);
    std::vector<float> alone(f);
    cuda::batch_norm_grad(device, outer, features, inner, x.data(), scale.data(), dy.data(), mean.data(), variance.data(), 1e-3f, static_cast<float*>(nullptr), alone.data(),
                          static_cast<float*>(nullptr));
    CHECK(alone == dscale);
  }
}

}  // namespace
