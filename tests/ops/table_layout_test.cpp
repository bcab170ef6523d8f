// SPDX-License-Identifier: Apache-2.0
// Transpositions, broadcasts and products of matrices, against plain loops.

#include "table.hpp"

#include <algorithm>
#include <numeric>

using namespace rill;
using namespace rill::test::table;

namespace {

using i64 = std::int64_t;

void expect_equal(const char* op, const dt& y, i64 k, double want) {
  if (element_at(y, k) != want) fail(what(op, y.type(), y.shape()) + ", element " + std::to_string(k));
}

void run_transpose(dtype type, const tensor_shape& shape, const std::vector<int>& order, place where) {
  numbers_of g = next_case();
  const input x = make(g, type, shape, 0, 100, where);
  axis_list perm;
  tensor_shape result;
  for (const int d : order) perm.axes[perm.count++] = d, result.push_back(shape[d]);
  const dt y = transpose(x.t, perm);
  if (!fits("transpose", y, type, result)) return;
  i64 k = 0;
  each_index(result, [&](const i64* i) {
    i64 from[max_rank] = {};
    for (std::size_t d = 0; d < order.size(); ++d) from[order[d]] = i[d];
    expect_equal("transpose", y, k++, x.real[static_cast<std::size_t>(offset(shape, from))]);
  });
}
void run_broadcast(dtype type, const tensor_shape& from, const tensor_shape& to, place where) {
  numbers_of g = next_case();
  const input x = make(g, type, from, 0, 100, where);
  const dt y = broadcast_to(x.t, to);
  if (!fits("broadcast_to", y, type, to)) return;
  i64 k = 0;
  each_index(to, [&](const i64* i) { expect_equal("broadcast_to", y, k++, x.real[source_of(from, to, i)]); });
}

/// `batch` leads both shapes; where `shared`, the second operand has no batch of its own.
void run_matmul(dtype type, const tensor_shape& batch, bool shared, i64 m, i64 k, i64 n, bool ta, bool tb, place where) {
  numbers_of g = next_case();
  tensor_shape sa = batch, sb = shared ? tensor_shape{} : batch, sc = batch;
  sa.push_back(ta ? k : m), sa.push_back(ta ? m : k);
  sb.push_back(tb ? n : k), sb.push_back(tb ? k : n);
  sc.push_back(m), sc.push_back(n);
  const input a = make(g, type, sa, -4, 4, where), b = make(g, type, sb, -4, 4);
  const dt c = matmul(a.t, b.t, {.transpose_a = ta, .transpose_b = tb});
  if (!fits("matmul", c, type, sc)) return;
  i64 e = 0;
  const i64 batches = batch.num_elements();
  for (i64 z = 0; z < batches; ++z)
    for (i64 i = 0; i < m; ++i)
      for (i64 j = 0; j < n; ++j, ++e) {
        double s = 0, size = 0;
        for (i64 l = 0; l < k; ++l) {
          const double p = a.real[static_cast<std::size_t>(z * m * k + (ta ? l * m + i : i * k + l))] *
                           b.real[static_cast<std::size_t>((shared ? 0 : z * k * n) + (tb ? j * k + l : l * n + j))];
          s += p, size += std::fabs(p);
        }
        if (integral(type)) check_whole("matmul", c, e, static_cast<i64>(s));
        else check_real("matmul", c, e, s, 1, 2 * epsilon_of(type) * size);
      }
}

}  // namespace

TEST_CASE("table: transpositions and broadcasts") {
  const long before = count().cases;
  std::size_t turn = 0;
  for (const dtype type : reals_and_bool)
    for (const tensor_shape& s : shapes()) {
      std::vector<int> order(static_cast<std::size_t>(s.rank()));
      std::iota(order.begin(), order.end(), 0);
      do {
        if (s.rank() < 5 || turn % 29 == 0) run_transpose(type, s, order, static_cast<place>(turn % 3));
        ++turn;
      } while (std::next_permutation(order.begin(), order.end()));
      for (const shape_pair& p : pairs_of(s)) run_broadcast(type, p.b, s.rank() == 0 ? s : joined(p.a, p.b), static_cast<place>(turn++ % 3));
    }
  run_transpose(dtype::float32, {701, 857}, {1, 0}, place::own);
  MESSAGE((count().cases - before), " cases");
  CHECK(count().cases - before >= 5000);
  CHECK(count().told == 0);
}

TEST_CASE("table: products of matrices") {
  const long before = count().cases;
  const i64 sizes[] = {0, 1, 3, 16, 17, 33};
  std::size_t turn = 0;
  for (const dtype type : {dtype::float32, dtype::float64, dtype::float16, dtype::bfloat16, dtype::int32, dtype::int64})
    for (const i64 m : sizes)
      for (const i64 k : sizes)
        for (const i64 n : sizes) {
          ++turn;
          const bool ta = turn % 2 != 0, tb = turn / 2 % 2 != 0;
          run_matmul(type, {}, false, m, k, n, ta, tb, static_cast<place>(turn % 3));
          if (m < 20 && n < 20) run_matmul(type, turn % 5 == 0 ? tensor_shape{2, 3} : tensor_shape{turn % 7 == 0 ? 0 : 2}, turn % 3 == 0, m, k, n, tb, ta, place::own);
        }
  run_matmul(dtype::float32, {}, false, 129, 257, 131, false, true, place::shifted);
  MESSAGE((count().cases - before), " cases");
  CHECK(count().cases - before >= 2000);
  CHECK(count().told == 0);
}
