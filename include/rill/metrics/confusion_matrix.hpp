// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `metrics::confusion_matrix`: how often class `row` was predicted as class `column` (TensorFlow's
/// `tf.confusion_matrix`, streaming). Weights, if given, are summed in double. Errors: labels and predictions of
/// different shapes, or a class outside [0, num_classes), are invalid_argument; the matrix is then unchanged.
///
///   metrics::confusion_matrix m(10);
///   m.update(labels, predictions);
///   std::cout << m;            // a table: true class down, predicted class across, recall at the end of each row

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ostream>
#include <string>
#include <vector>

#include "rill/core/text.hpp"
#include "rill/metrics/values.hpp"

namespace rill::metrics {

class confusion_matrix {
 public:
  explicit confusion_matrix(int num_classes) : classes_(num_classes) {
    if (num_classes < 1 || num_classes > 1 << 14)
      rill::detail::raise<invalid_argument>({"confusion_matrix: num_classes must be in [1, 16384], got ", num_classes});
    cells_.resize(static_cast<std::size_t>(num_classes) * static_cast<std::size_t>(num_classes));
  }

  /// Counts one batch in.
  template <value_range L, value_range P>
  void update(const L& labels, const P& predictions) {
    add(labels, predictions, [](std::size_t) { return 1.0; });
  }
  /// The same, example i counting `weights[i]` times.
  template <value_range L, value_range P, value_range W>
  void update(const L& labels, const P& predictions, const W& weights) {
    detail::check_same_shape("confusion_matrix", "labels", detail::shape_of(labels), "weights",
                             detail::shape_of(weights));
    add(labels, predictions, [&](std::size_t i) { return static_cast<double>(weights.data()[i]); });
  }

  [[nodiscard]] int num_classes() const { return classes_; }
  /// Examples (or weight) of class `label` that were predicted as `prediction`.
  [[gnu::cold]] [[nodiscard]] double operator()(int label, int prediction) const {
    check_class("label", label, -1);
    check_class("prediction", prediction, -1);
    return cells_[index(label, prediction)];
  }
  /// The matrix, row-major, row = true class.
  [[nodiscard]] const std::vector<double>& value() const { return cells_; }
  /// Everything counted.
  [[nodiscard]] double count() const {
    double n = 0;
    for (const double c : cells_) n += c;
    return n;
  }
  /// The fraction on the diagonal; 0 before the first example.
  [[nodiscard]] double accuracy() const {
    double hits = 0;
    for (int i = 0; i < classes_; ++i) hits += cells_[index(i, i)];
    const double n = count();
    return n > 0 ? hits / n : 0.0;
  }
  /// The fraction of class `label` that was predicted as such; 0 when the class did not occur.
  [[nodiscard]] double recall(int label) const {
    check_class("label", label, -1);
    double row = 0;
    for (int j = 0; j < classes_; ++j) row += cells_[index(label, j)];
    return row > 0 ? cells_[index(label, label)] / row : 0.0;
  }
  void reset() { std::fill(cells_.begin(), cells_.end(), 0.0); }

  /// The matrix as a text table; `.` stands for zero, so the mistakes stand out.
  [[gnu::cold]] [[nodiscard]] std::string to_string() const {
    std::vector<std::string> text(cells_.size());
    std::size_t width = std::to_string(classes_ - 1).size();
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      text[i] = number(cells_[i]);
      width = std::max(width, text[i].size());
    }
    const std::size_t side = std::max(std::to_string(classes_ - 1).size(), std::size_t{4});
    const auto pad = [](const std::string& s, std::size_t w) { return s.size() < w ? std::string(w - s.size(), ' ') + s : s; };
    std::string out = pad("true", side) + " |";
    for (int j = 0; j < classes_; ++j) out += " " + pad(std::to_string(j), width);
    out += "  | recall\n" + std::string(side + 1, '-') + "+" +
           std::string(static_cast<std::size_t>(classes_) * (width + 1) + 2, '-') + "+--------\n";
    for (int i = 0; i < classes_; ++i) {
      out += pad(std::to_string(i), side) + " |";
      for (int j = 0; j < classes_; ++j) out += " " + pad(text[index(i, j)], width);
      char buffer[32];
      std::snprintf(buffer, sizeof buffer, "  | %5.1f %%\n", 100.0 * recall(i));
      out += buffer;
    }
    return out;
  }
  friend std::ostream& operator<<(std::ostream& out, const confusion_matrix& m) { return out << m.to_string(); }

 private:
  [[nodiscard]] std::size_t index(int label, int prediction) const {
    return static_cast<std::size_t>(label) * static_cast<std::size_t>(classes_) + static_cast<std::size_t>(prediction);
  }
  void check_class(const char* what, std::int64_t c, std::int64_t at) const {
    if (c < 0 || c >= classes_)
      rill::detail::raise<invalid_argument>({"confusion_matrix: ", what, " ", c,
                                             (at >= 0 ? " at index " + std::to_string(at) : std::string()),
                                             " is outside [0, ", classes_, ")"});
  }
  template <class L, class P, class W>
  void add(const L& labels, const P& predictions, W weight) {
    detail::check_same_shape("confusion_matrix", "labels", detail::shape_of(labels), "predictions",
                             detail::shape_of(predictions));
    const std::size_t n = static_cast<std::size_t>(labels.size());
    for (std::size_t i = 0; i < n; ++i) {
      check_class("label", static_cast<std::int64_t>(labels.data()[i]), static_cast<std::int64_t>(i));
      check_class("prediction", static_cast<std::int64_t>(predictions.data()[i]), static_cast<std::int64_t>(i));
    }
    for (std::size_t i = 0; i < n; ++i)
      cells_[index(static_cast<int>(labels.data()[i]), static_cast<int>(predictions.data()[i]))] += weight(i);
  }
  [[gnu::cold]] static std::string number(double v) {
    if (v == 0) return ".";
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, v == std::trunc(v) ? "%.0f" : "%.2f", v);
    return buffer;
  }

  int classes_;
  std::vector<double> cells_;
};

}  // namespace rill::metrics
