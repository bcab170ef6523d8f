// SPDX-License-Identifier: Apache-2.0
// Sparse tensors: random ones of ranks 1-4 against dense loops, TensorFlow's results (sparse_golden.hpp), gradients of
// first and second order, wrong input.

#include "sparse_golden.hpp"
#include "tensors.hpp"

#include <algorithm>
#include <rill/eager/sparse.hpp>
#include <rill/ops/string.hpp>
#include <sstream>

using namespace rill;
using test::below;
using test::check_derivatives;
using test::check_error;
using test::noise;

namespace {

dynamic_tensor doubles(const std::vector<double>& v, const tensor_shape& s) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  std::copy(v.begin(), v.end(), static_cast<double*>(t.mutable_data()));
  return t;
}
dynamic_tensor longs(const std::vector<std::int64_t>& v, const tensor_shape& s) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::int64, s);
  std::copy(v.begin(), v.end(), static_cast<std::int64_t*>(t.mutable_data()));
  return t;
}
std::vector<double> list(const dynamic_tensor& t) {
  const dynamic_tensor wide = cast_to(t, dtype::float64);
  const auto s = wide.span<double>();
  return {s.begin(), s.end()};
}
std::vector<std::int64_t> list_of_longs(const dynamic_tensor& t) {
  const auto s = t.span<std::int64_t>();
  return {s.begin(), s.end()};
}

/// A random sparse tensor of doubles and the same as a dense vector.
struct sample {
  dynamic_sparse_tensor s;
  std::vector<double> dense;
  [[nodiscard]] dynamic_tensor whole() const { return doubles(dense, s.dense_shape); }
};
sample random_sparse(std::mt19937& g, const tensor_shape& shape, bool ordered = true, int percent = -1) {
  const std::int64_t n = shape.num_elements();
  if (percent < 0) percent = (g() % 4 == 0) ? 0 : (g() % 3 == 0) ? 100 : 40;
  std::vector<std::int64_t> at, flat;
  std::vector<double> values, dense(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k)
    if (static_cast<int>(g() % 100) < percent) at.push_back(k);
  if (!ordered) std::shuffle(at.begin(), at.end(), g);
  for (const std::int64_t k : at) {
    const double v = static_cast<double>(static_cast<int>(g() % 41) - 20) / 4;
    values.push_back(v);
    dense[static_cast<std::size_t>(k)] = v;
    std::int64_t rest = k;
    const std::size_t before = flat.size();
    for (int d = shape.rank() - 1; d >= 0; --d)
      flat.insert(flat.begin() + static_cast<std::ptrdiff_t>(before), rest % shape[d]), rest /= shape[d];
  }
  const auto count = static_cast<std::int64_t>(at.size());
  return {{longs(flat, {count, shape.rank()}), doubles(values, {count}), shape}, dense};
}
bool same(const std::vector<double>& a, const std::vector<double>& b, double tolerance = 1e-12) {
  bool good = a.size() == b.size();
  for (std::size_t k = 0; good && k < a.size(); ++k) good = std::abs(a[k] - b[k]) <= tolerance * (1 + std::abs(b[k]));
  return good;
}
/// Whether s in canonical order is that dense tensor.
bool holds(const dynamic_sparse_tensor& s, const tensor_shape& shape, const std::vector<double>& dense) {
  return s.dense_shape == shape && same(list(sparse_tensor_to_dense(s)), dense);
}
dynamic_sparse_tensor with_values(const dynamic_sparse_tensor& s, const dynamic_tensor& v) {
  return {s.indices, v, s.dense_shape};
}

template <class F>
void random_cases(int per_rank, const F& body) {
  for (int rank = 1; rank <= 4; ++rank)
    for (int k = 0; k < per_rank; ++k) {
      const unsigned seed = static_cast<unsigned>(rank * 1000 + k);
      CAPTURE(seed);
      std::mt19937 g(seed);
      tensor_shape s;
      for (int d = 0; d < rank; ++d) s.push_back(1 + below(g, 5));
      if (k % 7 == 6) s[static_cast<int>(below(g, rank))] = 0;
      body(g, s);
    }
}

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
      CAPTURE(to_string(got));
      CHECK(list_of_longs(got.indices) == want.indices);
      CHECK(same(list(got.values), want.values));
      CHECK(got.dense_shape == want.shape);
    };
    const auto is_dense = [&](const dynamic_tensor& got, std::size_t k = 0) {
      CAPTURE(to_string(got));
      CHECK(same(list(got), c.out[k].values));
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

TEST_CASE("sparse: random tensors against dense ones") {
  random_cases(28, [](std::mt19937& g, const tensor_shape& shape) {
    const int rank = shape.rank();
    const sample a = random_sparse(g, shape), b = random_sparse(g, shape), u = random_sparse(g, shape, false);
    const auto dense = [](const dynamic_tensor& t) { return list(t); };
    CAPTURE(to_string(a.s));
    CHECK(holds(a.s, shape, a.dense));
    CHECK(dense(sparse_tensor_to_dense(u.s, 0, {.validate_indices = false})) == u.dense);
    CHECK(holds(sparse_reorder(u.s), shape, u.dense));
    CHECK(holds(sparse_transpose(u.s), transpose(u.whole()).shape(), dense(transpose(u.whole()))));
    axis_list perm;
    for (int d = 0; d < rank; ++d) perm.axes[perm.count++] = d;
    std::shuffle(perm.axes, perm.axes + rank, g);
    CHECK(holds(sparse_transpose(a.s, perm), transpose(a.whole(), perm).shape(), dense(transpose(a.whole(), perm))));
    if (shape.num_elements() > 0)
      CHECK(holds(sparse_reshape(a.s, {shape[rank - 1], -1}), {shape[rank - 1], shape.num_elements() / shape[rank - 1]},
                  a.dense));
    const dynamic_sparse_tensor found = dense_to_sparse(a.whole());
    CHECK(holds(found, shape, a.dense));
    for (const double v : list(found.values)) CHECK(v != 0);

    CHECK(holds(sparse_add(a.s, b.s), shape, dense(a.whole() + b.whole())));
    CHECK(holds(sparse_maximum(a.s, b.s), shape, dense(maximum(a.whole(), b.whole()))));
    CHECK(holds(sparse_minimum(a.s, b.s), shape, dense(minimum(a.whole(), b.whole()))));
    CHECK(dense(sparse_add(u.s, b.whole())) == dense(u.whole() + b.whole()));
    CHECK(dense(sparse_add(b.whole(), u.s)) == dense(u.whole() + b.whole()));
    CHECK(holds(abs(a.s), shape, dense(abs(a.whole()))));
    CHECK(holds(-a.s, shape, dense(-a.whole())));

    // a dense operand that broadcasts
    tensor_shape part;
    for (int d = static_cast<int>(below(g, rank)); d < rank; ++d) part.push_back(g() % 3 == 0 ? 1 : shape[d]);
    const dynamic_tensor w = abs(noise(part, static_cast<unsigned>(g()))) + 0.5;
    CHECK(holds(sparse_dense_cwise_mul(a.s, w), shape, dense(a.whole() * w)));
    CHECK(holds(a.s / w, shape, dense(a.whole() / w)));
    CHECK(holds(
        sparse_dense_cwise_add(a.s, w), shape,
        dense(cast_to(not_equal(sparse_tensor_to_dense(with_values(a.s, ones_like(a.s.values))), 0), dtype::float64) *
              (a.whole() + w))));

    reduce_options o;
    for (int d = 0; d < rank; ++d)
      if (g() % 2 == 0) o.axis.axes[o.axis.count++] = d;
    o.keepdims = g() % 2 == 0;
    const dynamic_tensor total = reduce_sum(u.whole(), o);
    CHECK(sparse_reduce_sum(u.s, o).shape() == total.shape());
    CHECK(same(list(sparse_reduce_sum(u.s, o)), list(total)));
    CHECK(same(list(sparse_tensor_to_dense(sparse_reduce_sum_sparse(u.s, o))), list(total)));
    CHECK(same(list(sparse_tensor_to_dense(sparse_reduce_max_sparse(u.s, o))), list(sparse_reduce_max(u.s, o))));

    tensor_shape start, size, end;
    for (int d = 0; d < rank; ++d) {
      start.push_back(below(g, shape[d] + 1)), size.push_back(below(g, shape[d] + 2));
      end.push_back(std::min(size[d], shape[d] - start[d]));
    }
    CHECK(holds(sparse_slice(a.s, start, size), end, dense(slice_from(a.whole(), start, end))));
    const auto axis = static_cast<int>(below(g, rank));
    const dynamic_tensor both = concat({a.whole(), b.whole(), a.whole()}, {.axis = axis});
    CHECK(holds(sparse_concat({u.s, b.s, u.s}, {.axis = axis}), both.shape(),
                dense(concat({u.whole(), b.whole(), u.whole()}, {.axis = axis}))));
    if (shape[axis] > 0) {
      const auto parts = sparse_split(a.s, 1 + below(g, shape[axis]), {.axis = axis});
      CHECK(holds(sparse_concat(parts, {.axis = axis}), shape, a.dense));
    }
    dynamic_tensor keep = a.s.values > 0;
    CHECK(holds(sparse_retain(a.s, keep), shape, dense(maximum(a.whole(), zeros_like(a.whole())))));
    if (shape.num_elements() > 0) {
      const auto filled = sparse_fill_empty_rows(u.s, dynamic_tensor(9.0f));
      CHECK(list(filled.sp_output.values).size() >= list(u.s.values).size());
      CHECK(same(list(gather(filled.sp_output.values, filled.reverse_index_map)), list(u.s.values)));
    }
    if (rank >= 2) {
      const dynamic_sparse_tensor y = sparse_softmax(a.s);
      const auto sums = list(sparse_reduce_sum(y, {.axis = {-1}}));
      for (const double v : sums) CHECK((v == 0 || std::abs(v - 1) < 1e-12));
    }
  });
}

TEST_CASE("sparse: products with dense matrices") {
  for (int k = 0; k < 60; ++k) {
    CAPTURE(k);
    std::mt19937 g(static_cast<unsigned>(k));
    const std::int64_t m = below(g, 9), n = below(g, 9), w = k % 3 == 0 ? 33 : below(g, 20);
    const sample a = random_sparse(g, {m, n}, k % 2 == 0);
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        const std::int64_t inner = ta ? m : n;
        const dynamic_tensor b = noise(tb ? tensor_shape{w, inner} : tensor_shape{inner, w}, 5u);
        const dynamic_tensor got = sparse_tensor_dense_matmul(a.s, b, {.adjoint_a = ta, .adjoint_b = tb});
        const std::int64_t rows = ta ? n : m;
        REQUIRE(got.shape() == tensor_shape{rows, w});
        const auto bv = list(b);
        std::vector<double> want(static_cast<std::size_t>(rows * w));
        for (std::int64_t i = 0; i < rows; ++i)
          for (std::int64_t j = 0; j < w; ++j)
            for (std::int64_t p = 0; p < inner; ++p)
              want[static_cast<std::size_t>(i * w + j)] +=
                  a.dense[static_cast<std::size_t>(ta ? p * n + i : i * n + p)] *
                  bv[static_cast<std::size_t>(tb ? j * inner + p : p * w + j)];
        CHECK(same(list(got), want));
      }
  }
  // repeated elements add up, whatever the number of threads
  std::mt19937 g(3);
  std::vector<std::int64_t> at;
  std::vector<double> v;
  for (int k = 0; k < 20000; ++k)
    at.push_back(below(g, 700)), at.push_back(below(g, 500)), v.push_back(static_cast<double>(g() % 1000) / 7);
  const dynamic_sparse_tensor s{longs(at, {20000, 2}), doubles(v, {20000}), {700, 500}};
  const dynamic_tensor b = noise({500, 40});
  dynamic_tensor one, four;
  {
    thread_limit limit(1);
    one = sparse_tensor_dense_matmul(s, b);
  }
  {
    thread_limit limit(4);
    four = sparse_tensor_dense_matmul(s, b);
  }
  CHECK(list(one) == list(four));
  CHECK(same(list(one), list(matmul(scatter_nd(s.indices, s.values, {700, 500}), b)), 1e-9));
  using z = std::complex<double>;
  const sparse_tensor<z> c({{0, 1}}, {z(1, 2)}, {2, 2});
  const tensor<z, 2, 1> right{{z(0, 0)}, {z(3, 1)}};
  CHECK(sparse_tensor_dense_matmul(c, right)(0, 0) == z(1, 2) * z(3, 1));
  CHECK(sparse_tensor_dense_matmul(c, tensor<z, 1, 2>{{z(3, 1), z(0, 0)}}, {.adjoint_a = true, .adjoint_b = true})(
            1, 0) == z(1, -2) * z(3, -1));
}

TEST_CASE("sparse: typed tensors and strings") {
  const sparse_tensor<float> s({{0, 1}, {2, 3}}, {5, 6}, {3, 4});
  CHECK(sparse_tensor_to_dense(s) == tensor<float, 3, 4>{{0, 5, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 6}});
  CHECK(sparse_tensor_to_dense(s, -1)(1, 2) == -1);
  CHECK(sparse_add(s, s) == sparse_tensor<float>({{0, 1}, {2, 3}}, {10, 12}, {3, 4}));
  CHECK(dense_to_sparse(sparse_tensor_to_dense(s)) == s);
  const auto [filled, empty, map] = sparse_fill_empty_rows(s, 7);
  CHECK(filled == sparse_tensor<float>({{0, 1}, {1, 0}, {2, 3}}, {5, 7, 6}, {3, 4}));
  CHECK(empty == tensor<bool, 3>{false, true, false});
  CHECK(map == tensor<std::int64_t, 2>{0, 2});
  CHECK((s * tensor<float, 4>{1, 2, 3, 4}) == sparse_tensor<float>({{0, 1}, {2, 3}}, {10, 24}, {3, 4}));
  CHECK(square(s) == sparse_tensor<float>({{0, 1}, {2, 3}}, {25, 36}, {3, 4}));
  CHECK(sparse_map(s, [](const auto& v) { return v * 2; }) == sparse_add(s, s));
  CHECK(sparse_tensor_dense_matmul(s, tensor<float, 4, 1>{{1}, {2}, {3}, {4}}) == tensor<float, 3, 1>{{10}, {0}, {24}});
  CHECK(sparse_reduce_sum(s, {.axis = {1}}) == tensor<float, 3>{5, 0, 6});
  CHECK(sparse_split(s, 2, {.axis = 1})[1] == sparse_tensor<float>({{2, 1}}, {6}, {3, 2}));
  // the documentation's gradient of zero_out: sparse_to_dense of one index, vector and scalar forms
  CHECK(sparse_to_dense(tensor<int, 1>{2}, {5}, tensor<float, 1>{3}) == tensor<float, 5>{0, 0, 3, 0, 0});
  CHECK(sparse_to_dense(tensor<int, 3>{0, 2, 3}, {5}, tensor<float>(1), 9) == tensor<float, 5>{1, 9, 1, 1, 9});
  CHECK(sparse_to_dense(tensor<std::int64_t>(1), {3}, tensor<int>(4)) == tensor<int, 3>{0, 4, 0});
  const tensor<bool, any_rank> hot =
      sparse_to_indicator(sparse_tensor<int>({{0, 0}, {0, 1}, {1, 0}}, {2, 2, 0}, {2, 2}), 3);
  CHECK(hot == tensor<bool, 2, 3>{{false, false, true}, {true, false, false}});

  const sparse_tensor<std::string> words(string_split(tensor<std::string, dyn>{"hello world", "", "a b c"}));
  CHECK(words.dense_shape == tensor_shape{3, 3});
  const auto table = sparse_tensor_to_dense(words, "-");
  CHECK(table(0, 1) == "world");
  CHECK(table(1, 0) == "-");
  CHECK(dense_to_sparse(sparse_tensor_to_dense(words)) == words);
  CHECK(sparse_fill_empty_rows(words, "?").sp_output.values(2) == "?");
  CHECK(sparse_concat({words, words}).size() == 10);
  CHECK(sparse_slice(words, {2, 1}, {1, 2}) == sparse_tensor<std::string>({{0, 0}, {0, 1}}, {"b", "c"}, {1, 2}));
  CHECK(sparse_reorder(sparse_tensor<std::string>({{1}, {0}}, {"b", "a"}, {2})).values(0) == "a");

  const indexed_slices<dynamic_tensor> slices{
      tensor<float, 3, 2>{{1, 2}, {3, 4}, {5, 6}}, tensor<int, 3>{7, 1, 3}, {8, 2}};
  const auto masked = sparse_mask(slices, tensor<int, 2>{3, 7});
  CHECK(masked.values.to<float, 1, 2>() == tensor<float, 1, 2>{{3, 4}});
  CHECK(masked.indices.to<int, 1>()(0) == 1);

  // tables in parts, and rows of bounded length
  const tensor<float, 5, 2> rows{{3, 4}, {1, 1}, {2, 0}, {0, 3}, {5, 5}};
  const sparse_tensor<std::int64_t> ids({{0, 0}, {0, 1}, {2, 0}}, {0, 3, 4}, {3, 2});
  const std::vector<dynamic_tensor> parts{tensor<float, 3, 2>{{3, 4}, {2, 0}, {5, 5}},
                                          tensor<float, 2, 2>{{1, 1}, {0, 3}}};
  CHECK(embedding_lookup_sparse(parts, dynamic_sparse_tensor(ids), {.combiner = sparse_combiner::sum})
            .to<float, 3, 2>() == embedding_lookup_sparse(rows, ids, {.combiner = sparse_combiner::sum}));
  const auto short_rows = embedding_lookup_sparse(rows, ids, {.combiner = sparse_combiner::sum, .max_norm = 1});
  CHECK(short_rows(0, 0) == doctest::Approx(0.6));
  CHECK(short_rows(0, 1) == doctest::Approx(1.8));
}

TEST_CASE("sparse: gradients") {
  std::mt19937 g(11);
  const sample a = random_sparse(g, {4, 5}, true, 45), b = random_sparse(g, {4, 5}, true, 45),
               u = random_sparse(g, {4, 5}, false, 45);
  const dynamic_tensor &va = a.s.values, &vb = b.s.values;
  const auto with = [](const sample& s, const auto& v) { return with_values(s.s, v); };
  check_derivatives("to_dense", [&](auto v) { return square(sparse_tensor_to_dense(with(a, v))); }, {va});
  check_derivatives("to_dense, default", [&](auto v, auto d) { return square(sparse_tensor_to_dense(with(a, v), d)); },
                    {va, noise({})});
  check_derivatives("reorder, transpose",
                    [&](auto v) { return square(sparse_transpose(sparse_reorder(with(u, v))).values); }, {u.s.values});
  check_derivatives("reshape, slice",
                    [&](auto v) {
                      return square(sparse_slice(sparse_reshape(with(a, v), {2, 10}), {0, 2}, {2, 7}).values);
                    },
                    {va});
  check_derivatives("add", [&](auto x, auto y) { return square(sparse_add(with(a, x), with(b, y)).values); }, {va, vb});
  check_derivatives("maximum", [&](auto x, auto y) { return square(sparse_maximum(with(a, x), with(b, y)).values); },
                    {noise(va.shape(), 3), noise(vb.shape(), 4)});
  check_derivatives("add dense", [&](auto x, auto y) { return square(sparse_add(with(u, x), y)); },
                    {u.s.values, noise({4, 5})});
  check_derivatives(
      "cwise",
      [&](auto x, auto y) { return sparse_dense_cwise_div(sparse_dense_cwise_mul(with(u, x), y), y + 3.0).values; },
      {u.s.values, noise({1, 5})});
  check_derivatives("concat",
                    [&](auto x, auto y) {
                      return square(sparse_concat({with(a, x), with(b, y)}, {.axis = 1}).values);
                    },
                    {va, vb});
  check_derivatives("split", [&](auto x) { return square(sparse_split(with(a, x), 2, {.axis = 1})[1].values); }, {va});
  check_derivatives("fill_empty_rows",
                    [&](auto x, auto d) { return square(sparse_fill_empty_rows(with(a, x), d).sp_output.values); },
                    {va, noise({})});
  check_derivatives("reduce_sum", [&](auto x) { return square(sparse_reduce_sum(with(u, x), {.axis = {1}})); },
                    {u.s.values});
  check_derivatives("reduce_sum_sparse",
                    [&](auto x) { return square(sparse_reduce_sum_sparse(with(u, x), {.axis = {0}}).values); },
                    {u.s.values});
  check_derivatives("reduce_max", [&](auto x) { return square(sparse_reduce_max(with(u, x), {.axis = {0}})); },
                    {noise(u.s.values.shape(), 9)});
  check_derivatives("softmax", [&](auto x) { return sparse_softmax(with(a, x)).values; }, {va});
  const dynamic_tensor w = noise({5, 3}), wt = noise({3, 4}, 2);
  check_derivatives("matmul", [&](auto x, auto y) { return square(sparse_tensor_dense_matmul(with(u, x), y)); },
                    {u.s.values, w});
  check_derivatives("adjoint matmul",
                    [&](auto x, auto y) {
                      return square(sparse_tensor_dense_matmul(with(u, x), y, {.adjoint_a = true, .adjoint_b = true}));
                    },
                    {u.s.values, wt});
  const dynamic_sparse_tensor ids{longs({0, 0, 0, 2, 2, 1, 2, 3}, {4, 2}), longs({1, 0, 1, 2}, {4}), {3, 4}};
  for (const sparse_combiner c : {sparse_combiner::sum, sparse_combiner::mean, sparse_combiner::sqrtn}) {
    check_derivatives(
        "embedding",
        [&](auto t, auto x) { return square(embedding_lookup_sparse(t, ids, with_values(ids, x), {.combiner = c})); },
        {w, abs(noise({4}, 8)) + 0.5});
    check_derivatives(
        "safe embedding",
        [&](auto t, auto x) {
          return square(safe_embedding_lookup_sparse(t, ids, with_values(ids, x), {.combiner = c, .default_id = 3}));
        },
        {w, abs(noise({4}, 8)) + 0.5});
  }
  check_derivatives("embedding in parts",
                    [&](auto t, auto r) {
                      return square(embedding_lookup_sparse(std::vector<dynamic_tensor>{t, r}, ids));
                    },
                    {noise({2, 2}), noise({1, 2})});
}

TEST_CASE("sparse: wrong input") {
  const auto make = [](const std::vector<std::int64_t>& at, std::int64_t n, const tensor_shape& shape) {
    return dynamic_sparse_tensor{longs(at, {n, shape.rank()}), noise({n}), shape};
  };
  const auto good = make({0, 1, 2, 3}, 2, {3, 4});
  check_error<out_of_range>(
      [&] {
        sparse_tensor_to_dense(make({0, 1, 3, 0}, 2, {3, 4}));
      },
      "SparseToDense: indices[1] = [3, 0] is outside of the shape [3, 4]");
  check_error<out_of_range>([&] { sparse_tensor_to_dense(make({0, -1}, 1, {3, 4})); }, "indices[0] = [0, -1]");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(make({0, 1, 0, 0}, 2, {3, 4}));
      },
      "indices[1] = [0, 0] is out of order");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(make({0, 1, 0, 1}, 2, {3, 4}));
      },
      "indices[1] = [0, 1] is repeated");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(make({}, 0, {1 << 30, 1 << 30, 1 << 30}));
      },
      "more elements than 63 bits");
  check_error<invalid_argument>([&] { sparse_tensor_to_dense(make({}, 0, {3, -4})); }, "negative");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(dynamic_sparse_tensor{longs({0, 1}, {1, 2}), noise({2}), {3, 4}});
      },
      "as many indices as values");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(dynamic_sparse_tensor{longs({0, 1}, {1, 2}), noise({1}), {3}});
      },
      "one column per axis");
  check_error<invalid_argument>(
      [&] {
        sparse_tensor_to_dense(dynamic_sparse_tensor{noise({1, 2}), noise({1}), {3, 4}});
      },
      "int64[n, rank]");
  check_error<invalid_argument>([&] { sparse_tensor_to_dense(good, dynamic_tensor(std::int64_t{1})); },
                                "scalar of the values' dtype");
  check_error<out_of_range>([&] { sparse_reorder(make({9, 9}, 1, {3, 4})); }, "SparseReorder: indices[0] = [9, 9]");
  check_error<invalid_argument>([&] { sparse_reshape(good, {5, -1}); }, "does not divide");
  check_error<invalid_argument>([&] { sparse_reshape(good, {5, 3}); }, "number of elements differs");
  check_error<invalid_argument>([&] { sparse_reshape(good, {-1, -1}); }, "at most one");
  check_error<invalid_argument>([&] { sparse_reshape(make({}, 0, {INT64_MAX, 3}), {-1}); }, "63 bits");
  check_error<invalid_argument>([&] { sparse_reset_shape(good, {3, 3}); }, "no smaller extents");
  check_error<invalid_argument>([&] { sparse_reset_shape(good, {3, 4, 5}); }, "rank");
  check_error<invalid_argument>([&] { sparse_transpose(good, {0, 0}); }, "permutation");
  check_error<invalid_argument>(
      [&] {
        sparse_concat({good, make({}, 0, {4, 4})}, {.axis = 1});
      },
      "shapes differ besides the axis");
  check_error<invalid_argument>([&] { sparse_concat({good, make({}, 0, {4})}); }, "ranks differ");
  check_error<invalid_argument>([&] { sparse_concat({good}, {.axis = 2}); }, "axis out of range");
  check_error<invalid_argument>([&] { sparse_concat({make({}, 0, {INT64_MAX}), make({}, 0, {2})}); }, "too long");
  check_error<invalid_argument>([&] { sparse_slice(good, {0}, {1}); }, "for each axis");
  check_error<invalid_argument>([&] { sparse_slice(good, {0, -1}, {1, 1}); }, "not negative");
  check_error<invalid_argument>([&] { sparse_split(good, 5, {.axis = 1}); }, "5 parts of an axis of 4");
  check_error<invalid_argument>([&] { sparse_split(good, 1, {.axis = 2}); }, "out of range");
  check_error<invalid_argument>([&] { sparse_retain(good, tensor<bool, 3>{true, true, true}); }, "bool[2]");
  check_error<invalid_argument>([&] { sparse_add(good, make({}, 0, {3, 5})); }, "float64[3, 4] and float64[3, 5]");
  check_error<invalid_argument>([&] { sparse_add(make({1, 1, 0, 0}, 2, {3, 4}), good); }, "out of order");
  check_error<invalid_argument>([&] { sparse_add(good, noise({4, 3})); }, "the shapes differ");
  check_error<out_of_range>([&] { sparse_add(make({3, 3}, 1, {3, 4}), noise({3, 4})); }, "[3, 3]");
  check_error<invalid_argument>([&] { sparse_dense_cwise_mul(good, noise({3})); }, "broadcast");
  check_error<invalid_argument>([&] { sparse_softmax(make({1, 1, 0, 0}, 2, {3, 4})); }, "out of order");
  check_error<invalid_argument>([&] { sparse_reduce_sum(good, {.axis = {2}}); }, "axis out of range");
  check_error<invalid_argument>([&] { sparse_reduce_sum_sparse(good, {.axis = {-3}}); }, "axis out of range");
  check_error<invalid_argument>([&] { sparse_tensor_dense_matmul(good, noise({3, 2})); }, "inner dimensions differ");
  check_error<invalid_argument>([&] { sparse_tensor_dense_matmul(good, noise({4})); }, "matrices");
  check_error<out_of_range>(
      [&] {
        sparse_tensor_dense_matmul(make({0, 4}, 1, {3, 4}), noise({4, 2}));
      },
      "SparseTensorDenseMatMul: indices[0] = [0, 4]");
  check_error<invalid_argument>([&] { sparse_to_dense(longs({0}, {1, 1, 1}), {3}, noise({1})); }, "at most 2 axes");
  check_error<invalid_argument>(
      [&] {
        sparse_to_dense(longs({0, 1}, {2}), {3, 3}, noise({2}));
      },
      "one column per axis");
  check_error<invalid_argument>([&] { sparse_merge(good, good, 3); }, "ids must be int32 or int64");
  check_error<out_of_range>(
      [&] {
        sparse_to_indicator(dynamic_sparse_tensor{longs({0, 0}, {1, 2}), longs({5}, {1}), {1, 1}}, 5);
      },
      "[0, 5]");
  const dynamic_sparse_tensor ids{longs({0, 0}, {1, 2}), longs({5}, {1}), {1, 1}};
  check_error<out_of_range>([&] { embedding_lookup_sparse(noise({5, 2}), ids); }, "[0, 5]");
  check_error<invalid_argument>([&] { embedding_lookup_sparse(noise({5, 2}), good); }, "ids of int32 or int64");
  check_error<invalid_argument>(
      [&] {
        embedding_lookup_sparse(noise({5, 2}), ids, good);
      },
      "one floating-point weight per id");
  check_error<invalid_argument>(
      [&] {
        sparse_fill_empty_rows(make({}, 0, {2, 0}), dynamic_tensor(1.f));
      },
      "hold no element");
  check_error<resource_exhausted>(
      [&] {
        sparse_fill_empty_rows(make({}, 0, {std::int64_t{1} << 60, 1}), dynamic_tensor(1.f));
      },
      "");
  check_error<resource_exhausted>([&] { sparse_tensor_to_dense(make({}, 0, {std::int64_t{1} << 57})); }, "");
  check_error<invalid_argument>([&] { sparse_add(dynamic_sparse_tensor(), good); }, "None");
}
