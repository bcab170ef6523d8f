// SPDX-License-Identifier: Apache-2.0
// Sparse tensors: TensorFlow's results (sparse_golden.hpp).

#include "sparse_golden.hpp"
#include "sparse_samples.hpp"

#include <sstream>

using namespace rill;
using namespace rill::test;

namespace {

// ---- TensorFlow's results ----

struct golden_tensor {
  std::vector<std::int64_t> indices;
  std::vector<double> values;
  tensor_shape shape;
};
struct golden_case {
  std::string function;
  std::vector<std::int64_t> args;
  std::vector<golden_tensor> in, out;
  explicit golden_case(const char* line) {
    std::istringstream words(line);
    std::string w;
    words >> function;
    while (words >> w && w != "|") args.push_back(std::stoll(w));
    golden_tensor t;
    int part = 0;
    bool results = false;
    while (words >> w) {
      if (w == ">") results = true;
      else if (w == ",") ++part;
      else if (w == ";") (results ? out : in).push_back(t), t = {}, part = 0;
      else if (part == 0) t.indices.push_back(std::stoll(w));
      else if (part == 1) t.values.push_back(std::stod(w));
      else t.shape.push_back(std::stoll(w));
    }
  }
};

dynamic_sparse_tensor sparse_of(const golden_tensor& t) {
  const auto n = static_cast<std::int64_t>(t.values.size());
  return {longs(t.indices, {n, t.shape.rank()}), doubles(t.values, {n}), t.shape};
}
dynamic_tensor dense_of(const golden_tensor& t) { return doubles(t.values, t.shape); }
dynamic_sparse_tensor ids_of(const golden_tensor& t) { return cast_to(sparse_of(t), dtype::int64); }

}  // namespace

TEST_CASE("sparse: the results of TensorFlow") {
  int cases = 0;
  for (const char* line : test::sparse_golden) {
    const golden_case c(line);
    const std::string& f = c.function;
    CAPTURE(f);
    CAPTURE(cases);
    ++cases;
    const auto is = [&](const dynamic_sparse_tensor& got, std::size_t k = 0) {
      const golden_tensor& want = c.out[k];
      CHECK(list_of_longs(got.indices) == want.indices);
      CHECK(alike(list(got.values), want.values));
      CHECK(got.dense_shape == want.shape);
    };
    const auto is_dense = [&](const dynamic_tensor& got, std::size_t k = 0) {
      CHECK(alike(list(got), c.out[k].values));
      CHECK(got.shape() == c.out[k].shape);
    };
    reduce_options o;
    if (f.starts_with("reduce_")) {
      o.keepdims = c.args[0] != 0;
      for (std::size_t k = 1; k < c.args.size(); ++k) o.axis.axes[o.axis.count++] = c.args[k];
    }
    const auto shape_at = [&](std::size_t k, std::size_t n) {
      return tensor_shape(c.args.data() + k, static_cast<int>(n));
    };
    if (f == "fill_empty_rows") {
      const auto r = sparse_fill_empty_rows(sparse_of(c.in[0]), dynamic_tensor(-1.0f));
      is(r.sp_output);
      is_dense(r.empty_row_indicator, 1);
      is_dense(r.reverse_index_map, 2);
    } else if (f == "merge") is(sparse_merge(ids_of(c.in[0]), sparse_of(c.in[1]), c.args[0]));
    else if (f == "to_indicator") is_dense(sparse_to_indicator(ids_of(c.in[0]), c.args[0]));
    else if (f == "concat") {
      std::vector<dynamic_sparse_tensor> parts;
      for (const auto& t : c.in) parts.push_back(sparse_of(t));
      is(sparse_concat(parts, {.axis = c.args[0], .expand_nonconcat_dim = c.args[1] != 0}));
    } else if (f == "reduce_sum") is_dense(sparse_reduce_sum(sparse_of(c.in[0]), o));
    else if (f == "reduce_max") is_dense(sparse_reduce_max(sparse_of(c.in[0]), o));
    else if (f == "reduce_sum_sparse") is(sparse_reduce_sum_sparse(sparse_of(c.in[0]), o));
    else if (f == "reduce_max_sparse") is(sparse_reduce_max_sparse(sparse_of(c.in[0]), o));
    else if (f == "add") is(sparse_add(sparse_of(c.in[0]), sparse_of(c.in[1]), static_cast<double>(c.args[0])));
    else if (f == "maximum") is(sparse_maximum(sparse_of(c.in[0]), sparse_of(c.in[1])));
    else if (f == "minimum") is(sparse_minimum(sparse_of(c.in[0]), sparse_of(c.in[1])));
    else if (f == "split") {
      const auto parts = sparse_split(sparse_of(c.in[0]), c.args[0], {.axis = c.args[1]});
      REQUIRE(parts.size() == c.out.size());
      for (std::size_t k = 0; k < parts.size(); ++k) is(parts[k], k);
    } else if (f == "slice") is(sparse_slice(sparse_of(c.in[0]), shape_at(0, 2), shape_at(2, 2)));
    else if (f == "reset_shape")
      is(c.args.empty() ? sparse_reset_shape(sparse_of(c.in[0]))
                        : sparse_reset_shape(sparse_of(c.in[0]), shape_at(0, 2)));
    else if (f == "reshape") is(sparse_reshape(sparse_of(c.in[0]), shape_at(0, c.args.size())));
    else if (f == "softmax") is(sparse_softmax(sparse_of(c.in[0])));
    else if (f == "transpose") is(sparse_transpose(sparse_of(c.in[0])));
    else if (f == "embedding") {
      const embedding_sparse_options e{.combiner = static_cast<sparse_combiner>(c.args[0])};
      is_dense(c.in.size() == 2 ? embedding_lookup_sparse(dense_of(c.in[0]), ids_of(c.in[1]), e)
                                : embedding_lookup_sparse(dense_of(c.in[0]), ids_of(c.in[1]), sparse_of(c.in[2]), e));
    } else if (f == "safe_embedding") {
      const safe_embedding_options e{.combiner = static_cast<sparse_combiner>(c.args[0]), .default_id = c.args[1]};
      is_dense(c.in.size() == 2
                   ? safe_embedding_lookup_sparse(dense_of(c.in[0]), ids_of(c.in[1]), e)
                   : safe_embedding_lookup_sparse(dense_of(c.in[0]), ids_of(c.in[1]), sparse_of(c.in[2]), e));
    } else FAIL_CHECK("no such function");
  }
  CHECK(cases > 150);
}
