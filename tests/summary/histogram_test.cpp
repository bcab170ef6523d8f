// SPDX-License-Identifier: Apache-2.0
#include "rill/summary/histogram.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "rill/summary/event_reader.hpp"

using namespace rill;

namespace {
summary::histogram_value read(const summary::histogram& h) {
  const std::string bytes = h.serialize();
  return summary::detail::parse_histogram(io::wire_reader(bytes));
}
}  // namespace

TEST_CASE("histogram: TensorFlow's edges") {
  const std::vector<double>& e = summary::detail::histogram_edges();
  CHECK(e.size() == 1551);
  CHECK(e.front() == std::numeric_limits<double>::lowest());
  CHECK(e.back() == std::numeric_limits<double>::max());
  CHECK(e[775] == 0.0);
  CHECK(e[776] == 1e-12);
  CHECK(e[774] == -1e-12);
  CHECK(e[777] == 1e-12 * 1.1);
  for (std::size_t i = 1; i < e.size(); ++i) REQUIRE(e[i - 1] < e[i]);
}

TEST_CASE("histogram: every value lies in its bucket, empty runs are one bucket") {
  summary::histogram h;
  const std::vector<double> values{-3.0,
                                   -1e-20,
                                   0.0,
                                   0.0,
                                   1e-12,
                                   0.5,
                                   0.5,
                                   2.75,
                                   1e30,
                                   std::numeric_limits<double>::max(),
                                   std::numeric_limits<double>::lowest()};
  for (const double v : values) h.add(v);
  const summary::histogram_value r = read(h);
  REQUIRE(r.limits.size() == r.buckets.size());
  CHECK(r.count == static_cast<double>(values.size()));
  CHECK(r.min == std::numeric_limits<double>::lowest());
  CHECK(r.max == std::numeric_limits<double>::max());
  double sum = 0;
  bool was_empty = false;
  for (std::size_t i = 0; i < r.buckets.size(); ++i) {
    const double left = i == 0 ? -std::numeric_limits<double>::infinity() : r.limits[i - 1];
    double want = 0;  // [left, right), the last one closed
    for (const double v : values) want += v >= left && (v < r.limits[i] || i + 1 == r.buckets.size());
    REQUIRE(r.buckets[i] == want);
    REQUIRE_FALSE((was_empty && r.buckets[i] == 0));
    was_empty = r.buckets[i] == 0;
    sum += r.buckets[i];
  }
  CHECK(sum == r.count);
}

TEST_CASE("histogram: sums, nothing, and what has no place") {
  summary::histogram h;
  for (const double v : {1.0, 2.0, 4.0}) h.add(v);
  CHECK(read(h).sum == 7);
  CHECK(read(h).sum_squares == 21);
  CHECK(h.min() == 1);
  CHECK(h.max() == 4);
  const summary::histogram_value none = read(summary::histogram());
  CHECK(none.count == 0);
  CHECK(none.limits == std::vector<double>{std::numeric_limits<double>::max()});
  CHECK_THROWS_AS(h.add(std::numeric_limits<double>::quiet_NaN()), invalid_argument);
  CHECK_THROWS_AS(h.add(std::numeric_limits<double>::infinity()), invalid_argument);
  CHECK(h.count() == 3);
}
