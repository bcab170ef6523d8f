// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A head turns a model's output into what an estimator trains, measures and predicts, as three programs for the graph
/// compiler: `train_program<Optimizer>`, `evaluate_program`, `predict_program`.
///
/// `multi_class_head<Model, N>`: the model maps features to logits [batch, N]; labels are class ids in [0, N). The loss is
/// the batch mean of the sparse softmax cross-entropy; a prediction is the class of the largest logit and the N softmax
/// probabilities. Evaluation gives `accuracy` and `loss`, both averaged over all examples. A label outside [0, N) is
/// invalid_argument naming it and its row.
///
///   estimator classifier{multi_class_head<mnist_cnn, 10>{}, optimizers::adam{}, run_config{}};

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "rill/core/error.hpp"
#include "rill/core/tensor.hpp"
#include "rill/core/text.hpp"
#include "rill/estimator/evaluation.hpp"
#include "rill/graph/trace.hpp"
#include "rill/losses/sparse_softmax_cross_entropy.hpp"
#include "rill/metrics/accuracy.hpp"
#include "rill/metrics/mean.hpp"
#include "rill/train/hooks.hpp"

namespace rill {

/// What `predict` says about one example.
template <int N>
struct class_prediction {
  std::int64_t class_id = 0;
  std::array<float, static_cast<std::size_t>(N)> probabilities{};

  /// Probability of the predicted class.
  [[nodiscard]] float probability() const { return probabilities[static_cast<std::size_t>(class_id)]; }
};

template <class Model, int N>
struct multi_class_head {
  static_assert(N >= 2, "a multi-class head has at least two classes");
  static constexpr int num_classes = N;
  using prediction = class_prediction<N>;

  /// One training step. Outputs: 0 loss, 1 probabilities, then the update.
  template <class Optimizer>
  struct train_program {
    static constexpr bool training = true;  // dropout acts
    static constexpr bool tunable = true;   // the optimizer's hyperparameters are run-time values
    Optimizer optimizer{};
    constexpr auto operator()(auto features, auto labels) const {
      auto logits = Model{}(features);
      auto loss = losses::sparse_softmax_cross_entropy(labels, logits);
      return outputs(fetch("loss", loss), fetch("probabilities", softmax(logits)), fetch("train", optimizer.minimize(loss)));
    }
  };
  /// The names of the training outputs, for hooks.
  static constexpr std::array<std::string_view, 2> train_outputs{"loss", "probabilities"};

  /// One batch of an evaluation. Outputs: 0 loss, 1 class ids.
  struct evaluate_program {
    constexpr auto operator()(auto features, auto labels) const {
      auto logits = Model{}(features);
      return outputs(fetch("loss", losses::sparse_softmax_cross_entropy(labels, logits)),
                     fetch("class_ids", argmax(logits, {.axis = 1})));
    }
  };

  /// One batch of predictions. Outputs: 0 class ids, 1 probabilities.
  struct predict_program {
    constexpr auto operator()(auto features) const {
      auto logits = Model{}(features);
      return outputs(fetch("class_ids", argmax(logits, {.axis = 1})), fetch("probabilities", softmax(logits)));
    }
  };

  /// Row `row` of the outputs of `predict_program`.
  static prediction predicted(const train::step_value& class_ids, const train::step_value& probabilities, std::int64_t row) {
    prediction p;
    p.class_id = static_cast<std::int64_t>(class_ids.at(row));
    for (int k = 0; k < N; ++k) p.probabilities[static_cast<std::size_t>(k)] = static_cast<float>(probabilities.at(row * N + k));
    return p;
  }

  /// Streams what `evaluate` reports.
  class evaluator {
   public:
    template <class Labels>
    void update(double batch_loss, const Labels& labels, std::span<const std::int64_t> class_ids) {
      loss_.update(batch_loss, static_cast<double>(labels.size()));
      accuracy_.update(labels.span(), class_ids);
    }
    [[nodiscard]] double examples() const { return accuracy_.count(); }
    void report(evaluation& e) const {
      e.set({"accuracy", accuracy_.value()});
      e.set({"loss", loss_.value()});
    }

   private:
    metrics::mean loss_;
    metrics::accuracy accuracy_;
  };

  /// Refuses labels that no class has; a wrong one would index past the logits.
  template <class Labels>
  static void check_labels(const Labels& labels) {
    for (std::int64_t i = 0, n = labels.size(); i < n; ++i)
      if (const auto c = static_cast<std::int64_t>(labels.data()[i]); c < 0 || c >= N)
        rill::detail::raise<invalid_argument>({"label ", c, " in row ", i, " of the batch is outside [0, ", N, ")"});
  }
};

}  // namespace rill
