// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `metrics::mean`: the weighted mean of all values seen so far (TensorFlow's `tf.metrics.mean`). Accumulates in double.
/// Errors: values and weights of different shapes are invalid_argument.
///
///   metrics::mean loss;
///   loss.update(batch_loss, batch_size);   // one value that stands for batch_size examples
///   double average = loss.value();         // 0 before the first value

#include <cstddef>

#include "rill/metrics/values.hpp"

namespace rill::metrics {

class mean {
 public:
  /// Adds one value that counts `weight` times; returns the mean so far.
  double update(double value, double weight = 1.0) {
    sum_ += value * weight;
    weight_ += weight;
    return this->value();
  }
  /// Adds every element of a batch.
  template <value_range V>
  double update(const V& values) {
    for (std::size_t i = 0, n = static_cast<std::size_t>(values.size()); i < n; ++i)
      sum_ += static_cast<double>(values.data()[i]);
    weight_ += static_cast<double>(values.size());
    return value();
  }
  /// Adds every element of a batch, element i counting `weights[i]` times.
  template <value_range V, value_range W>
  double update(const V& values, const W& weights) {
    detail::check_same_shape("mean", "values", detail::shape_of(values), "weights", detail::shape_of(weights));
    for (std::size_t i = 0, n = static_cast<std::size_t>(values.size()); i < n; ++i) {
      const double w = static_cast<double>(weights.data()[i]);
      sum_ += static_cast<double>(values.data()[i]) * w;
      weight_ += w;
    }
    return value();
  }
  /// The mean; 0 before the first value, as TensorFlow's.
  [[nodiscard]] double value() const { return weight_ != 0 ? sum_ / weight_ : 0.0; }
  /// Sum of the weights.
  [[nodiscard]] double count() const { return weight_; }
  void reset() { sum_ = weight_ = 0; }

 private:
  double sum_ = 0, weight_ = 0;
};

}  // namespace rill::metrics
