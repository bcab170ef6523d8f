// SPDX-License-Identifier: Apache-2.0
// normalization.hpp against plain loops in long double: sizes round the vector width and the groups of rows, a mean that is
// large beside the deviation, results that do not depend on threads.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <rill/kernel/normalization.hpp>
#include <vector>

namespace {

using real = long double;

template <class T>
std::vector<T> noise(std::int64_t n, unsigned seed, double mean = 0) {
  std::mt19937 g(seed);
  std::normal_distribution<double> normal(mean, 1);
  std::vector<T> v(static_cast<std::size_t>(n));
  for (T& x : v) x = static_cast<T>(normal(g));
  return v;
}
/// The largest difference, beside the largest number.
template <class T>
double error(const std::vector<T>& got, const std::vector<real>& want) {
  real largest = 1, worst = 0;
  for (std::size_t k = 0; k < want.size(); ++k) {
    largest = std::max(largest, std::fabs(want[k]));
    worst = std::max(worst, std::fabs(static_cast<real>(got[k]) - want[k]));
    if (!(got[k] == got[k])) return 1e9;
  }
  return static_cast<double>(worst / largest);
}

/// Results of a kernel and of plain loops; x is [a, b, c], normalized by rows of b * c or by features b.
template <class T>
struct problem {
  std::int64_t a, b, c;
  bool by_rows;
  T epsilon = T(0.01);
  std::vector<T> x, dy, scale, offset;
  std::vector<T> y, dx, ds, db, mean, variance;

  problem(std::int64_t a_, std::int64_t b_, std::int64_t c_, bool rows, double large)
      : a(a_), b(b_), c(c_), by_rows(rows), x(noise<T>(a * b * c, 1, large)), dy(noise<T>(a * b * c, 2)),
        scale(noise<T>(parameters(), 3, 1)), offset(noise<T>(parameters(), 4)), y(x), dx(x), ds(scale), db(scale), mean(scale), variance(scale) {}
  [[nodiscard]] std::int64_t parameters() const { return by_rows ? b * c : b; }
  void run() {
    if (by_rows) {
      rill::kernel::layer_norm<T>(a, b * c, x.data(), scale.data(), offset.data(), epsilon, y.data());
      rill::kernel::layer_norm_grad<T>(a, b * c, x.data(), scale.data(), dy.data(), epsilon, dx.data(), ds.data(), db.data());
    } else {
      rill::kernel::batch_moments<T>(a, b, c, x.data(), mean.data(), variance.data());
      rill::kernel::batch_norm<T>(a, b, c, x.data(), scale.data(), offset.data(), mean.data(), variance.data(), epsilon, y.data());
      rill::kernel::batch_norm_grad<T>(a, b, c, x.data(), scale.data(), dy.data(), mean.data(), variance.data(), epsilon, dx.data(), ds.data(), db.data());
    }
  }
  void check(double tolerance) {
    run();
    const std::size_t n = x.size(), sets = static_cast<std::size_t>(by_rows ? a : b), width = static_cast<std::size_t>(parameters());
    const auto set = [&](std::size_t k) { return by_rows ? k / width : k / static_cast<std::size_t>(c) % width; };
    const auto parameter = [&](std::size_t k) { return by_rows ? k % width : set(k); };
    std::vector<real> m(sets), v(sets), g(sets), gu(sets), wy(n), wdx(n), wds(width), wdb(width), unit(n);
    const real count = static_cast<real>(n) / static_cast<real>(sets);
    for (std::size_t k = 0; k < n; ++k) m[set(k)] += static_cast<real>(x[k]) / count;
    for (std::size_t k = 0; k < n; ++k) v[set(k)] += (static_cast<real>(x[k]) - m[set(k)]) * (static_cast<real>(x[k]) - m[set(k)]) / count;
    for (std::size_t k = 0; k < n; ++k) {
      const std::size_t p = parameter(k);
      unit[k] = (static_cast<real>(x[k]) - m[set(k)]) / std::sqrt(v[set(k)] + static_cast<real>(epsilon));
      wy[k] = static_cast<real>(scale[p]) * unit[k] + static_cast<real>(offset[p]);
      wds[p] += static_cast<real>(dy[k]) * unit[k], wdb[p] += static_cast<real>(dy[k]);
      g[set(k)] += static_cast<real>(dy[k]) * static_cast<real>(scale[p]) / count;
      gu[set(k)] += static_cast<real>(dy[k]) * static_cast<real>(scale[p]) * unit[k] / count;
    }
    for (std::size_t k = 0; k < n; ++k)
      wdx[k] = (static_cast<real>(dy[k]) * static_cast<real>(scale[parameter(k)]) - g[set(k)] - unit[k] * gu[set(k)]) /
               std::sqrt(v[set(k)] + static_cast<real>(epsilon));
    INFO("[", a, ", ", b, ", ", c, "] by ", by_rows ? "rows" : "features", ", ", sizeof(T), " bytes");
    CHECK(error(y, wy) < tolerance);
    CHECK(error(dx, wdx) < tolerance);
    CHECK(error(ds, wds) < tolerance);
    CHECK(error(db, wdb) < tolerance);
    if (by_rows) return;
    CHECK(error(mean, m) < tolerance);
    CHECK(error(variance, v) < tolerance);
  }
};

}  // namespace

TEST_CASE("normalization agrees with plain loops") {
  for (const std::int64_t n : {1, 2, 7, 16, 33, 64, 77, 300})
    for (const std::int64_t rows : {1, 3, 5, 100}) {
      problem<float>(rows, n, 1, true, 0).check(1e-5);
      problem<double>(rows, n, 1, true, 0).check(1e-13);
      problem<float>(rows, n, 1, false, 0).check(1e-5);
      problem<double>(rows, n, 1, false, 0).check(1e-13);
    }
  for (const std::int64_t inner : {2, 15, 16, 50}) {
    problem<float>(4, 3, inner, false, 0).check(1e-5);
    problem<double>(1, 5, inner, false, 0).check(1e-13);
  }
  problem<float>(2100, 3, 1, false, 0).check(1e-5);
  problem<float>(700, 333, 1, false, 0).check(1e-5);
  problem<float>(700, 333, 1, true, 0).check(1e-5);
}

TEST_CASE("a large mean costs rows nothing, and features no more digits than it has lost itself") {
  for (const double mean : {1e3, 1e4, 1e6}) {
    problem<float>(9, 1000, 1, true, mean).check(1e-5);
    problem<float>(5000, 24, 1, false, mean).check(1e-7 * mean);
    problem<float>(6, 8, 700, false, mean).check(1e-7 * mean);
  }
}

TEST_CASE("a row of equal numbers is zeros, and features of equal numbers have no variance") {
  for (const float value : {3.3f, 1000.1f, 1e6f, -3e19f})
    for (const std::int64_t n : {1, 768, 4097, 50176}) {
      const std::vector<float> x(static_cast<std::size_t>(n), value), one(x.size(), 1), zero(x.size());
      std::vector<float> y(x.size(), 7);
      rill::kernel::layer_norm<float>(1, n, x.data(), one.data(), zero.data(), 1e-12f, y.data());
      CAPTURE(value);
      CAPTURE(n);
      CHECK(y == zero);
      float mean[3], variance[3];
      rill::kernel::batch_moments<float>(n / 3, 3, 1, x.data(), mean, variance);
      if (n >= 3) CHECK((mean[2] == value && variance[0] == 0));
    }
}

TEST_CASE("normalization does not depend on the number of threads") {
  for (const bool by_rows : {true, false}) {
    problem<float> one(5000, 100, 1, by_rows, 3), many(5000, 100, 1, by_rows, 3);
    {
      const rill::thread_limit limit(1);
      one.run();
    }
    many.run();
    const auto same = [](const std::vector<float>& p, const std::vector<float>& q) { return std::memcmp(p.data(), q.data(), p.size() * sizeof(float)) == 0; };
    CHECK(same(one.y, many.y));
    CHECK(same(one.dx, many.dx));
    CHECK(same(one.ds, many.ds));
    CHECK(same(one.db, many.db));
  }
}

TEST_CASE("nothing to normalize") {
  problem<float>(0, 3, 1, true, 0).run();
  problem<float> none(0, 3, 1, false, 0);
  none.run();
  for (float d : none.ds) CHECK(d == 0);
  problem<float>(3, 0, 1, true, 0).run();
  problem<float>(3, 0, 1, false, 0).run();
  problem<float>(2, 3, 0, false, 0).run();
}
