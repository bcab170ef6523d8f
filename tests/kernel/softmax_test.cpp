// SPDX-License-Identifier: Apache-2.0
// Sparse softmax cross-entropy and its gradient against plain loops in double: a lane per row, and a row at a time.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/kernel/softmax.hpp>
#include <vector>

namespace {

template <class T, class Label>
void check_rows(std::int64_t rows, std::int64_t columns, double tolerance) {
  std::vector<T> x(static_cast<std::size_t>(rows * columns)), loss(static_cast<std::size_t>(rows)), back(x.size());
  std::vector<Label> labels(loss.size());
  for (std::size_t k = 0; k < x.size(); ++k) x[k] = static_cast<T>(k * 37 % 101) / 10 - 5;
  for (std::size_t r = 0; r < labels.size(); ++r) labels[r] = static_cast<Label>(r * 7 % static_cast<std::size_t>(columns));
  rill::kernel::sparse_softmax_cross_entropy<T, Label>(rows, columns, x.data(), labels.data(), loss.data(), back.data());
  double worst = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (std::int64_t j = 0; j < columns; ++j) sum += std::exp(static_cast<double>(x[static_cast<std::size_t>(r * columns + j)]));
    for (std::int64_t j = 0; j < columns; ++j) {
      const auto at = static_cast<std::size_t>(r * columns + j);
      const double p = std::exp(static_cast<double>(x[at])) / sum;
      const bool own = j == static_cast<std::int64_t>(labels[static_cast<std::size_t>(r)]);
      worst = std::max(worst, std::fabs(static_cast<double>(back[at]) - p + own));
      if (own) worst = std::max(worst, std::fabs(static_cast<double>(loss[static_cast<std::size_t>(r)]) + std::log(p)));
    }
  }
  CAPTURE(rows);
  CAPTURE(columns);
  CHECK(worst < tolerance);
}

}  // namespace

TEST_CASE("cross-entropy of rows of few and of many logits, as loops have it") {
  for (const std::int64_t rows : {1, 15, 16, 35})
    for (const std::int64_t columns : {1, 2, 3, 4, 5, 7, 8, 9, 17}) {
      check_rows<float, std::int32_t>(rows, columns, 3e-6);
      check_rows<double, std::int64_t>(rows, columns, 1e-14);
    }
}
