// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `metrics::accuracy`: how often predictions equal labels, over all batches seen so far (TensorFlow's
/// `tf.metrics.accuracy`: an update and a value). Optional weights, one per example. Accumulates in double.
/// Errors: labels, predictions and weights of different shapes are invalid_argument.
///
///   metrics::accuracy a;
///   a.update(labels, predictions);      // one batch; returns the value so far
///   double fraction = a.value();        // 0 before the first example

#include <cstddef>

#include "rill/metrics/values.hpp"

namespace rill::metrics {

class accuracy {
 public:
  /// Counts one batch in; returns the accuracy over everything seen.
  template <value_range L, value_range P>
  double update(const L& labels, const P& predictions) {
    check(labels, predictions);
    for (std::size_t i = 0, n = static_cast<std::size_t>(labels.size()); i < n; ++i)
      correct_ += equal(labels.data()[i], predictions.data()[i]) ? 1.0 : 0.0;
    total_ += static_cast<double>(labels.size());
    return value();
  }
  /// The same, each example counting `weights[i]` times.
  template <value_range L, value_range P, value_range W>
  double update(const L& labels, const P& predictions, const W& weights) {
    check(labels, predictions);
    detail::check_same_shape("accuracy", "labels", detail::shape_of(labels), "weights", detail::shape_of(weights));
    for (std::size_t i = 0, n = static_cast<std::size_t>(labels.size()); i < n; ++i) {
      const double w = static_cast<double>(weights.data()[i]);
      correct_ += equal(labels.data()[i], predictions.data()[i]) ? w : 0.0;
      total_ += w;
    }
    return value();
  }
  /// The fraction that was right, in [0, 1]; 0 before the first example.
  [[nodiscard]] double value() const { return total_ > 0 ? correct_ / total_ : 0.0; }
  /// Examples seen, or the sum of their weights.
  [[nodiscard]] double count() const { return total_; }
  void reset() { correct_ = total_ = 0; }

 private:
  template <class L, class P>
  static void check(const L& labels, const P& predictions) {
    detail::check_same_shape("accuracy", "labels", detail::shape_of(labels), "predictions",
                             detail::shape_of(predictions));
  }
  // Labels and class ids come in different integer types; double holds every id exactly.
  template <class A, class B>
  static bool equal(A a, B b) {
    return static_cast<double>(a) == static_cast<double>(b);
  }

  double correct_ = 0, total_ = 0;
};

}  // namespace rill::metrics
