// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The histogram that `tf.summary.histogram` stores: counts over TensorFlow's fixed buckets, whose edges grow by 10 %
/// from 1e-12 to 1e20 on both sides of zero, together with minimum, maximum, sum and sum of squares. NaN and infinite
/// values are `invalid_argument`. About 12 comparisons a value.
///
///     summary::histogram h;  for (float x : weights) h.add(x);
///     std::string proto = h.serialize();

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"
#include "rill/io/wire.hpp"

namespace rill::summary {

namespace detail {

/// Right edges of the default buckets, ascending, the last one DBL_MAX. A plain function: compilers try to run a lambda
/// that initialises a static, and give up after a tenth of a second.
inline std::vector<double> make_histogram_edges() {
  std::vector<double> positive;
  for (double v = 1.0e-12; v < 1.0e20; v *= 1.1) positive.push_back(v);
  positive.push_back(std::numeric_limits<double>::max());
  const std::size_t n = positive.size();
  std::vector<double> all(2 * n + 1);
  for (std::size_t i = 0; i < n; ++i) all[n - 1 - i] = -positive[i], all[n + 1 + i] = positive[i];
  return all;
}
inline const std::vector<double>& histogram_edges() {
  static const std::vector<double> edges = make_histogram_edges();
  return edges;
}

}  // namespace detail

class histogram {
 public:
  /// Counts one value.
  void add(double x) {
    if (!std::isfinite(x))
      rill::detail::raise<invalid_argument>({"a histogram cannot hold the value ", std::isnan(x) ? "NaN" : "infinity"});
    const std::vector<double>& edges = detail::histogram_edges();
    if (counts_.empty()) counts_.resize(edges.size());
    // The largest finite value belongs to the last bucket, whose edge it is.
    const auto at = std::upper_bound(edges.begin(), edges.end() - 1, x) - edges.begin();
    counts_[static_cast<std::size_t>(at)] += 1;
    min_ = std::min(min_, x);
    max_ = std::max(max_, x);
    count_ += 1;
    sum_ += x;
    sum_squares_ += x * x;
  }

  [[nodiscard]] double count() const { return count_; }
  [[nodiscard]] double min() const { return min_; }
  [[nodiscard]] double max() const { return max_; }
  [[nodiscard]] double sum() const { return sum_; }

  /// HistogramProto; a run of empty buckets is stored as one.
  [[nodiscard]] std::string serialize() const {
    std::vector<double> limits;
    std::vector<double> buckets;
    const std::vector<double>& edges = detail::histogram_edges();
    for (std::size_t i = 0; i < counts_.size();) {
      double end = edges[i];
      const double n = counts_[i++];
      if (n == 0)
        for (; i < counts_.size() && counts_[i] == 0; ++i) end = edges[i];
      limits.push_back(end);
      buckets.push_back(n);
    }
    if (buckets.empty()) {
      limits.push_back(std::numeric_limits<double>::max());
      buckets.push_back(0);
    }
    io::wire_writer w;
    w.float64(1, min_).float64(2, max_).float64(3, count_).float64(4, sum_).float64(5, sum_squares_);
    return w.packed_float64(6, limits).packed_float64(7, buckets).take();
  }

 private:
  double min_ = std::numeric_limits<double>::max();
  double max_ = std::numeric_limits<double>::lowest();
  double count_ = 0;
  double sum_ = 0;
  double sum_squares_ = 0;
  std::vector<double> counts_;
};

}  // namespace rill::summary
