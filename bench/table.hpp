// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Aligned Markdown tables, and figures with units in three digits.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// Three significant digits without an exponent.
inline std::string three_digits(double x) {
  char text[64];
  const double size = std::fabs(x);
  std::snprintf(text, sizeof text, size >= 99.95 ? "%.0f" : size >= 9.995 ? "%.1f" : "%.2f", x);
  return text;
}
inline std::string seconds(double s) {
  if (s < 0.9995e-6) return three_digits(s * 1e9) + " ns";
  if (s < 0.9995e-3) return three_digits(s * 1e6) + " us";
  return s < 0.9995 ? three_digits(s * 1e3) + " ms" : three_digits(s) + " s";
}
inline std::string gflops(double rate) { return three_digits(rate / 1e9) + " GFLOP/s"; }
inline std::string gbytes(double rate) { return three_digits(rate / 1e9) + " GB/s"; }
inline std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f %%", share * 100);
  return text;
}

class table {
 public:
  explicit table(std::vector<std::string> head) : rows_{std::move(head)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// The first column is aligned to the left, those that name peers too, the others to the right.
  [[nodiscard]] std::string text() const {
    std::vector<std::size_t> widths(rows_[0].size(), 3);
    for (const auto& row : rows_)
      for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
    std::string out;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      for (std::size_t c = 0; c < widths.size(); ++c) {
        const std::string& cell = rows_[r][c];
        const std::string space(widths[c] - cell.size(), ' ');
        out += left(c) ? "| " + cell + space + ' ' : "| " + space + cell + ' ';
      }
      out += "|\n";
      if (r > 0) continue;
      for (std::size_t c = 0; c < widths.size(); ++c)
        out += "| " + (left(c) ? std::string(widths[c], '-') : std::string(widths[c] - 1, '-') + ':') + ' ';
      out += "|\n";
    }
    return out;
  }

 private:
  [[nodiscard]] bool left(std::size_t c) const {
    return c == 0 || rows_[0][c] == "best peer" || rows_[0][c] == "other peers";
  }
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace bench
