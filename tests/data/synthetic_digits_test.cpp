// SPDX-License-Identifier: Apache-2.0
#include "rill/data/synthetic_digits.hpp"

#include <array>
#include <vector>

#include "collect.hpp"
#include "rill/data/batch.hpp"

using namespace rill;

TEST_CASE("synthetic_digits: image i of a seed is always the same") {
  const auto a = data::draw_digits(300, 5);
  {
    const thread_limit one(1);
    const auto b = data::draw_digits(300, 5);
    CHECK(a.first == b.first);
    CHECK(a.second == b.second);
  }
  const auto c = data::draw_digits(10, 5, 290);
  for (std::int64_t i = 0; i < 10; ++i) {
    CHECK(c.second(i) == a.second(290 + i));
    CHECK(std::equal(c.first.data() + 784 * i, c.first.data() + 784 * (i + 1), a.first.data() + 784 * (290 + i)));
  }
  CHECK(!(data::draw_digits(300, 6).first == a.first));
  CHECK(data::draw_digits(0).second.size() == 0);
  CHECK_THROWS_AS(data::draw_digits(-1), invalid_argument);
}

TEST_CASE("synthetic_digits: drawn within the frame, centred, of every class") {
  const auto d = data::draw_digits(2000, 1);
  std::array<int, 10> count{};
  for (std::int64_t i = 0; i < 2000; ++i) {
    CAPTURE(i);
    ++count[d.second(i)];
    double sum = 0, x = 0, y = 0;
    for (std::int64_t p = 0; p < 784; ++p) {
      const double v = d.first(i, p);
      sum += v;
      x += v * static_cast<double>(p % 28);
      y += v * static_cast<double>(p / 28);
    }
    CHECK(sum > 255 * 15);   // there is ink
    CHECK(sum < 255 * 350);  // and paper
    CHECK(std::abs(x / sum - 13.5) < 3.5);
    CHECK(std::abs(y / sum - 13.5) < 3.5);
    int border = 0;
    for (std::int64_t k = 0; k < 28; ++k)
      border += (d.first(i, k) > 0) + (d.first(i, 28 * 27 + k) > 0) + (d.first(i, 28 * k) > 0) + (d.first(i, 28 * k + 27) > 0);
    CHECK(border < 12);
  }
  for (const int c : count) CHECK((c > 140 && c < 260));
}

TEST_CASE("synthetic_digits: classes are told apart, but not by their mean image alone") {
  const std::int64_t n = 4000;
  const auto train = data::draw_digits(n, 2);
  const auto test_set = data::draw_digits(1000, 2, n);
  std::vector<double> mean(std::size_t{10} * 784);
  std::array<double, 10> count{};
  for (std::int64_t i = 0; i < n; ++i) {
    const std::size_t c = train.second(i);
    ++count[c];
    for (std::size_t p = 0; p < 784; ++p) mean[784 * c + p] += train.first(i, static_cast<std::int64_t>(p));
  }
  int right = 0;
  for (std::int64_t i = 0; i < 1000; ++i) {
    double best = 1e300;
    std::size_t guess = 0;
    for (std::size_t c = 0; c < 10; ++c) {
      double d = 0;
      for (std::size_t p = 0; p < 784; ++p) {
        const double e = mean[784 * c + p] / count[c] - test_set.first(i, static_cast<std::int64_t>(p));
        d += e * e;
      }
      if (d < best) {
        best = d;
        guess = c;
      }
    }
    right += guess == test_set.second(i) ? 1 : 0;
  }
  INFO(right);
  CHECK(right > 600);
  CHECK(right < 950);
}

TEST_CASE("synthetic_digits: sets of the types of mnist") {
  const auto [train, test_set] = data::synthetic_digits({.train = 70, .test = 30, .seed = 3});
  static_assert(std::is_same_v<std::remove_cvref_t<decltype(train)>, data::digit_dataset>);
  CHECK(train.size() == 70);
  CHECK(test_set.size() == 30);
  const auto [x, y] = (train | data::batch(70)).iterator().get();
  CHECK(x.shape() == tensor_shape{70, 784});
  float high = 0;
  for (const float v : x) high = std::max(high, v);
  CHECK(high > 0.9f);
  CHECK(high <= 1.f);
  // training and test images are different ones
  const auto [u, v] = (test_set | data::batch(30)).iterator().get();
  CHECK(!std::equal(u.begin(), u.begin() + 784, x.begin()));
}
