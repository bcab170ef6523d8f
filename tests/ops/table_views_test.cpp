// SPDX-License-Identifier: Apache-2.0
// Typed views as operands of element-wise ops, casts and reductions, against plain loops.

#include <rill/core/dynamic_tensor.hpp>
#include <rill/expr/reduction.hpp>

#include "views.hpp"

using namespace rill;
using namespace rill::test::table;

namespace {

template <class T>
void elementwise_case(const tensor_shape& s) {
  numbers_of g = next_case();
  const auto a = make_view<const T>(g, s), b = make_view<const T>(g, s), c = make_view<const T>(g, s);
  // float: all of it; a narrow and a wide integer: less, so that the file compiles in bearable time
  if constexpr (!std::is_same_v<T, std::uint8_t>) expect("a * b + c", tensor<T, any_rank>(a.v * b.v + c.v), s, [&](std::size_t k) { return a.real[k] * b.real[k] + c.real[k]; });
  if constexpr (std::is_same_v<T, float>) expect("maximum", tensor<T, any_rank>(maximum(a.v, b.v)), s, [&](std::size_t k) { return std::max(a.real[k], b.real[k]); });
  if constexpr (!std::is_same_v<T, std::int32_t>) expect("less", tensor<bool, any_rank>(a.v < b.v), s, [&](std::size_t k) { return a.real[k] < b.real[k]; });
  expect("select", tensor<T, any_rank>(select(a.v >= b.v, c.v, b.v)), s, [&](std::size_t k) { return a.real[k] >= b.real[k] ? c.real[k] : b.real[k]; });
  expect("cast", tensor<double, any_rank>(cast<double>(a.v)), s, [&](std::size_t k) { return a.real[k]; });
  expect("copy", tensor<T, any_rank>(a.v), s, [&](std::size_t k) { return a.real[k]; });
  const dynamic_tensor copy(a.v);
  for (std::size_t k = 0; k < a.real.size(); ++k)
    if (static_cast<double>(copy.span<T>()[k]) != a.real[k]) return fail(what("dynamic_tensor", dtype_v<T>, s));
  // into a destination that is a walk itself
  auto to = make_view<T>(g, s);
  to.v = a.v - b.v;
  const auto got = numbers_in(to.v);
  for (std::size_t k = 0; k < got.size(); ++k)
    if (got[k] != static_cast<double>(cut<T>(a.real[k] - b.real[k]))) return fail(what("a view = a - b", dtype_v<T>, s));
}

template <class T>
void reduction_case(const tensor_shape& s, unsigned mask) {
  numbers_of g = next_case();
  const auto a = make_view<const T>(g, s);
  reduce_options o;
  tensor_shape left, out_strides = s;
  for (int d = 0; d < s.rank(); ++d) {
    if ((mask >> d & 1U) != 0) o.axis.axes[o.axis.count++] = d;
    else left.push_back(s[d]);
  }
  i64 stride = 1;
  for (int d = s.rank() - 1; d >= 0; --d) {
    out_strides[d] = (mask >> d & 1U) != 0 ? 0 : stride;
    if (out_strides[d] != 0) stride *= s[d];
  }
  const auto n = static_cast<std::size_t>(left.num_elements());
  std::vector<double> sum(n), most(n, -1e9), least(n, 1e9);
  std::size_t k = 0;
  each_index(s, [&](const i64* i) {
    i64 at = 0;
    for (int d = 0; d < s.rank(); ++d) at += i[d] * out_strides[d];
    const double x = a.real[k++];
    auto& total = sum[static_cast<std::size_t>(at)];
    total += x;
    most[static_cast<std::size_t>(at)] = std::max(most[static_cast<std::size_t>(at)], x);
    least[static_cast<std::size_t>(at)] = std::min(least[static_cast<std::size_t>(at)], x);
  });
  expect("reduce_sum", tensor<T, any_rank>(reduce_sum(a.v, o)), left, [&](std::size_t i) { return sum[i]; });
  if constexpr (!std::is_same_v<T, float>) return;
  expect("reduce_sum of an expression", tensor<T, any_rank>(reduce_sum(a.v + a.v, o)), left, [&](std::size_t i) { return 2 * sum[i]; });
  if (s.num_elements() == 0) return;
  expect("reduce_max", tensor<T, any_rank>(reduce_max(a.v, o)), left, [&](std::size_t i) { return most[i]; });
  expect("reduce_min", tensor<T, any_rank>(reduce_min(a.v, o)), left, [&](std::size_t i) { return least[i]; });
}

}  // namespace

TEST_CASE("table: views as operands of element-wise ops, casts and reductions") {
  const long before = count().cases;
  const auto run = [&]<class T>(std::type_identity<T>) {
    for (int turn = 0; turn < 60; ++turn)
      for (const tensor_shape& s : view_shapes()) {
        elementwise_case<T>(s);
        if constexpr (!std::is_same_v<T, std::uint8_t>) reduction_case<T>(s, static_cast<unsigned>(turn) % (1U << s.rank()) | (s.rank() > 0 && turn % 2 == 0 ? 1U : 0U));
      }
  };
  run(std::type_identity<float>{});
  run(std::type_identity<std::int32_t>{});
  run(std::type_identity<std::uint8_t>{});
  MESSAGE((count().cases - before), " cases");
  CHECK(count().cases - before >= 4000);
  CHECK(count().told == 0);
}
