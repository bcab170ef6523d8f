// SPDX-License-Identifier: Apache-2.0
// Losses of classes: log-probabilities [n, classes, d..] at labels [n, d..], weighted by class, some labels ignored.
#include "driver.hpp"
#include "rill/eager/indexing.hpp"

namespace onnx {
namespace {
using namespace rill;

dynamic_tensor likelihood_loss(const call& c, const dynamic_tensor& log_probability, const dynamic_tensor& labels, const dynamic_tensor& weights) {
  const dtype type = log_probability.type();
  dynamic_tensor label = cast_to(labels, dtype::int64), count = ones_like(cast_to(labels, type));
  if (c.has("ignore_index")) {
    const dynamic_tensor ignored = op("Equal", {label, scalar(static_cast<double>(c.at("ignore_index").i), dtype::int64)});
    label = op("Where", {ignored, zeros_like(label), label});
    count = op("Where", {ignored, zeros_like(count), count});
  }
  if (weights.has_value()) count = num(count) * gather(weights, label);
  const num loss = num(squeeze(take_along_axis(log_probability, expand_dims(label, 1), 1), {1})) * op("Neg", {count});
  const std::string how = c.s("reduction", "mean");
  if (how == "none") return loss;
  if (how == "sum") return reduce_sum(loss.t);
  return num(reduce_sum(loss.t)) / reduce_sum(count);
}

results negative_log_likelihood(const call& c) { return {likelihood_loss(c, c.x(0), c.x(1), c.given(2) ? c.x(2) : dynamic_tensor())}; }
results cross_entropy(const call& c) {
  const dynamic_tensor p = op("LogSoftmax", {c.x(0)}, {{"axis", of(1)}})[0].t;
  return {likelihood_loss(c, p, c.x(1), c.given(2) ? c.x(2) : dynamic_tensor()), p};
}

}  // namespace

void add_losses(op_table& t) {
  t["NegativeLogLikelihoodLoss"] = negative_log_likelihood;
  t["SoftmaxCrossEntropyLoss"] = cross_entropy;
}

}  // namespace onnx
