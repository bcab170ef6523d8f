// SPDX-License-Identifier: Apache-2.0
// Random tensors: moments and quantiles against the distributions, reproducibility over threads and seeds, ranges, errors;
// streams of a model that differ from step to step.
#include <rill/eager/random.hpp>
#include <rill/graph/session.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace rill;

namespace {

struct moments_of {
  double mean = 0, variance = 0, skew = 0;
  template <class X>
  explicit moments_of(const X& x) {
    const auto n = static_cast<double>(x.size());
    for (auto v : x.span()) mean += static_cast<double>(v) / n;
    for (auto v : x.span()) variance += std::pow(static_cast<double>(v) - mean, 2) / n;
    for (auto v : x.span()) skew += std::pow((static_cast<double>(v) - mean) / std::sqrt(variance), 3) / n;
  }
};

/// The largest distance between the samples' distribution and a given one (Kolmogorov and Smirnov), times sqrt(n).
template <class X, class F>
double ks(const X& x, F cdf) {
  std::vector<double> v;
  for (auto e : x.span()) v.push_back(static_cast<double>(e));
  std::sort(v.begin(), v.end());
  double d = 0;
  const auto n = static_cast<double>(v.size());
  for (std::size_t k = 0; k < v.size(); ++k)
    d = std::max({d, std::fabs(cdf(v[k]) - static_cast<double>(k) / n), std::fabs(cdf(v[k]) - static_cast<double>(k + 1) / n)});
  return d * std::sqrt(n);
}
double phi(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }
constexpr double ks_limit = 1.95;  // exceeded by one sample in a thousand

struct model {
  constexpr auto operator()(auto x) const {
    const auto m = reduce_sum(x), k = cast_to(m, dtype::int32);
    return outputs(fetch("u", random_uniform(x, x.shape(), {.minval = -1})), fetch("n", random_normal(x, {3, 2})),
                   fetch("t", truncated_normal(x, {100})), fetch("s", random_shuffle(x)), fetch("m", m),
                   fetch("rn", xla::rng_normal(m, m * 2.f, {20001})), fetch("ru", xla::rng_uniform(m, m + 1.f, {20001})),
                   fetch("ri", xla::rng_uniform(k, k + 3, {300})));
  }
};

}  // namespace

TEST_CASE("uniform numbers") {
  const auto f = random_uniform<float>({40000}, {.minval = -2, .maxval = 3, .seed = 5});
  CHECK(ks(f, [](double v) { return (v + 2) / 5; }) < ks_limit);
  CHECK(*std::min_element(f.begin(), f.end()) >= -2.f);
  CHECK(*std::max_element(f.begin(), f.end()) < 3.f);
  const auto d = random_uniform<double>({10007}, {.seed = 5});
  CHECK(ks(d, [](double v) { return v; }) < ks_limit);
  const auto i = random_uniform<std::int32_t>({70000}, {.minval = -3, .maxval = 4, .seed = 1});
  int count[7] = {};
  for (int v : i.span()) {
    REQUIRE(v >= -3);
    REQUIRE(v < 4);
    ++count[v + 3];
  }
  double chi2 = 0;
  for (int c : count) chi2 += (c - 10000.0) * (c - 10000.0) / 10000.0;
  CHECK(chi2 < 22.5);  // 6 degrees of freedom, 1 in 1000
  CHECK((xla::rng_uniform(-3, 4, {70000}, {.seed = 1}) == i));
  CHECK((xla::rng_uniform(-2.F, 3.F, {40000}, {.seed = 5}) == f));
  CHECK_THROWS_AS(random_uniform<int>({3}, {.minval = 2, .maxval = 2}), invalid_argument);
  CHECK(random_uniform<float>({0, 3}).shape() == tensor_shape{0, 3});
}

TEST_CASE("normal and truncated normal numbers") {
  const auto x = random_normal({50001}, {.mean = 2, .stddev = 3, .seed = 11});
  CHECK(ks(x, [](double v) { return phi((v - 2) / 3); }) < ks_limit);
  CHECK((xla::rng_normal(2.F, 3.F, {50001}, {.seed = 11}) == x));
  const auto t = truncated_normal<double>({50000}, {.mean = -1, .stddev = 0.5, .seed = 11});
  CHECK(ks(t, [](double v) { return (phi((v + 1) / 0.5) - phi(-2)) / (phi(2) - phi(-2)); }) < ks_limit);
  for (double v : t.span()) REQUIRE(std::fabs(v + 1) <= 1.0);
  CHECK_THROWS_WITH_AS(random_normal({2}, {.stddev = -1}), "random_normal: stddev must not be negative, got -1.000000", invalid_argument);
}

TEST_CASE("gamma and Poisson numbers") {
  for (const double alpha : {0.3, 1.0, 2.5, 40.0}) {
    const auto g = random_gamma({20000}, tensor<double>(alpha), {.seed = 3});
    const moments_of m(g);
    CHECK(m.mean == doctest::Approx(alpha).epsilon(0.05));
    CHECK(m.variance == doctest::Approx(alpha).epsilon(0.12));
    CHECK(m.skew == doctest::Approx(2 / std::sqrt(alpha)).epsilon(0.25));
  }
  CHECK(ks(random_gamma({20000}, tensor<double>(1.0), {.seed = 9}), [](double v) { return 1 - std::exp(-v); }) < ks_limit);
  for (const float lam : {0.5f, 4.f, 9.9f, 10.f, 80.f, 1000.f}) {
    const auto p = random_poisson(tensor<float>(lam), {20000}, {.seed = 3});
    const moments_of m(p);
    CHECK(m.mean == doctest::Approx(lam).epsilon(0.03));
    CHECK(m.variance == doctest::Approx(lam).epsilon(0.06));
    for (float v : p.span()) REQUIRE(v == std::floor(v));
  }
  const auto two = random_gamma({5}, tensor<float, 2>{1, 100});
  CHECK(two.shape() == tensor_shape{5, 2});
  for (int k = 0; k < 5; ++k) CHECK(two(k, 1) > two(k, 0));
}

TEST_CASE("multinomial draws by log-probability; shuffle is a permutation") {
  const auto m = multinomial(tensor<float, 2, 3>{{std::log(1.f), std::log(2.f), std::log(7.f)}, {0, 0, -INFINITY}}, 20000, {.seed = 2});
  CHECK(m.shape() == tensor_shape{2, 20000});
  int count[2][3] = {};
  for (int r = 0; r < 2; ++r)
    for (int k = 0; k < 20000; ++k) ++count[r][m(r, k)];
  CHECK(count[0][0] == doctest::Approx(2000).epsilon(0.1));
  CHECK(count[0][1] == doctest::Approx(4000).epsilon(0.1));
  CHECK(count[1][0] == doctest::Approx(10000).epsilon(0.05));
  CHECK(count[1][2] == 0);
  const auto ordered = range(100);
  const auto s = random_shuffle(ordered, {.seed = 4});
  std::vector<int> v(s.begin(), s.end());
  CHECK(v != std::vector<int>(ordered.begin(), ordered.end()));
  std::sort(v.begin(), v.end());
  for (int k = 0; k < 100; ++k) CHECK(v[static_cast<std::size_t>(k)] == k);
  CHECK_THROWS_AS(multinomial(tensor<float, 3>{1, 2, 3}, 2), invalid_argument);
}

TEST_CASE("the same for any number of threads, different for seeds and steps") {
  tensor<float, dyn> one, two;
  {
    thread_limit limit(1);
    one = random_normal({30011}, {.seed = 8});
  }
  {
    thread_limit limit(4);
    two = random_normal({30011}, {.seed = 8});
  }
  CHECK(one == two);
  CHECK_FALSE(one == random_normal({30011}, {.seed = 9}));
  CHECK_FALSE(one == random_normal({30011}, {.seed = 8, .step = 1}));
  random_generator g(1);
  const auto draw = [](random_options o) { return random_uniform({4}, o); };
  CHECK_FALSE(g.next(draw) == g.next(draw));
}

TEST_CASE("a model draws anew in every step and repeats with its seed") {
  tensor<float, dyn> x = random_uniform({7});
  graph::session<model, tensor<float, dyn>> a, b;
  const auto [u1, n1, t1, s1, m1, rn1, ru1, ri1] = a.run(x);
  const auto [u2, n2, t2, s2, m2, rn2, ru2, ri2] = a.run(x);
  const auto [u3, n3, t3, s3, m3, rn3, ru3, ri3] = b.run(x);
  CHECK(u1.shape() == tensor_shape{7});
  CHECK_FALSE(u1 == u2);
  CHECK_FALSE(n1 == n2);
  CHECK(u1 == u3);
  CHECK(n1 == n3);
  CHECK(t1 == t3);
  for (float v : u1.span()) CHECK((v >= -1 && v < 1));
  // XLA's RngNormal and RngUniform, of parameters that the model computes
  const double m = m1();
  const auto low = static_cast<std::int32_t>(m);
  CHECK(ks(rn1, [&](double v) { return phi((v - m) / (2 * m)); }) < ks_limit);
  CHECK(ks(ru1, [&](double v) { return v - m; }) < ks_limit);
  for (float v : ru1.span()) REQUIRE((v >= m1() && v < m1() + 1));
  int times[3] = {};
  for (std::int32_t v : ri1.span()) {
    REQUIRE((v >= low && v < low + 3));
    ++times[v - low];
  }
  for (const int n : times) CHECK((n > 60 && n < 140));
  CHECK_FALSE(rn1 == rn2);
  CHECK(ri1 == ri3);
  std::vector<float> before(x.begin(), x.end()), after(s1.begin(), s1.end());
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  CHECK(before == after);
}
