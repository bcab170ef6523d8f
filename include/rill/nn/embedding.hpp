// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A vector for each of input_dim things, learned (tf.keras.layers.Embedding): indices [..] of int32 or int64 -> rows
/// [.., output_dim] of the variable embeddings [input_dim, output_dim], at first uniform in [-0.05, 0.05). out_of_range
/// when an index is not in [0, input_dim). Trained by gradient descent or Adagrad a step touches only the rows of its
/// indices (graph/sparse_update.hpp).
///
///   auto words = nn::embedding{.input_dim = 10000, .output_dim = 128}(ids);      // [b, t] -> [b, t, 128]

#include "../kernel/indexing.hpp"
#include "layer.hpp"

namespace rill::nn {

struct embedding {
  std::int64_t input_dim = 1;
  std::int64_t output_dim = 1;
  graph::initializer embeddings_initializer = initializers::random_uniform();
  dtype type = dtype::float32;
  std::string_view name = "embedding";

  template <value V>
  constexpr V operator()(V ids) const {
    if (V::front_end::failed(ids)) return ids;
    variable_scope scope(ids, name);
    if (input_dim < 1 || output_dim < 1) return rill::detail::fail<ops::gather_op>(ids, "an embedding needs input_dim and output_dim of 1 or more");
    V table = variable(ids, {.name = "embeddings", .shape = {input_dim, output_dim}, .initializer = embeddings_initializer, .type = type});
    return scope.layer("embedding", gather(table, ids));
  }
};

}  // namespace rill::nn
