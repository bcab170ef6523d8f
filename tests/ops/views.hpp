// SPDX-License-Identifier: Apache-2.0
// Typed views for tables: axes in any order, steps of either sign, repeated elements; their elements as plain numbers.
#pragma once

#include <algorithm>
#include <rill/core/convert.hpp>
#include <rill/expr/expression.hpp>
#include <vector>

#include "cases.hpp"

namespace rill::test::table {

using i64 = std::int64_t;

/// Small numbers, exact in every dtype and in sums and products of them.
template <class T>
tensor<T, dyn> memory_of(numbers_of& g, i64 n) {
  tensor<T, dyn> t({n});
  for (T& x : t.span()) x = static_cast<T>(std::is_unsigned_v<T> ? g.below(9) : g.below(17) - 8);
  return t;
}
/// The strides of a random walk over memory: which axis is the inner one, steps of either sign, spare rows; elements are not
/// repeated unless `repeated`. `first` is where index 0 lies and `length` how much memory the walk takes.
struct walk {
  tensor_shape strides;
  i64 first = 0, length = 1;
};
inline walk random_walk(numbers_of& g, const tensor_shape& s, bool repeated) {
  walk w{s};
  int order[max_rank] = {};
  for (int d = 0; d < s.rank(); ++d) {
    order[d] = d;
    std::swap(order[d], order[g.below(d + 1)]);
  }
  i64 stride = 1;
  for (int k = 0; k < s.rank(); ++k) {
    const int d = order[k];
    if (repeated && g.next() % 3 == 0) {
      w.strides[d] = 0;
      continue;
    }
    stride *= 1 + g.below(3);
    const bool back = g.next() % 3 == 0;
    w.strides[d] = back ? -stride : stride;
    const i64 last = s[d] > 0 ? (s[d] - 1) * stride : 0;
    if (back) w.first += last;
    w.length += last;
    stride *= std::max<i64>(s[d], 1);
  }
  return w;
}
/// The elements of a view in row-major order.
template <class V>
std::vector<double> numbers_in(const V& v) {
  std::vector<double> r;
  const auto s = v.strided_const();
  each_index(s.shape, [&](const i64* i) {
    i64 at = 0;
    for (int d = 0; d < s.shape.rank(); ++d) at += i[d] * s.strides[d];
    r.push_back(static_cast<double>(s.data[at]));
  });
  return r;
}
/// A view (of T or const T) that owns its memory, and its elements.
template <class T>
struct walked {
  view<T, any_rank> v;
  std::vector<double> real;
};
template <class T>
walked<T> make_view(numbers_of& g, const tensor_shape& s) {
  const walk w = random_walk(g, s, std::is_const_v<T>);
  auto memory = memory_of<std::remove_const_t<T>>(g, w.length);
  const auto v = view<T, any_rank>::from_pointer(memory.data() + w.first, s, w.strides, memory.owner());
  return {v, numbers_in(v)};
}

/// A whole number as T, which wraps.
template <class T>
T cut(double x) {
  return static_cast<T>(static_cast<i64>(x));
}
/// Compares a tensor with what f(k) gives for its elements in order.
template <class Y, class F>
void expect(const char* op, const Y& y, const tensor_shape& s, const F& f) {
  using T = typename Y::value_type;
  if (!(y.shape() == s)) return fail(what(op, dtype_v<T>, s) + ": got the shape " + to_string(y.shape()));
  for (i64 k = 0; k < y.size(); ++k)
    if (!(y.data()[k] == cut<T>(static_cast<double>(f(static_cast<std::size_t>(k)))))) return fail(what(op, dtype_v<T>, s) + ", element " + std::to_string(k));
}

inline const std::vector<tensor_shape>& view_shapes() {
  static const std::vector<tensor_shape> all = {{}, {0}, {1}, {7}, {33}, {65}, {3, 5}, {17, 3}, {2, 16}, {1, 9}, {4, 0}, {2, 3, 5}, {4, 1, 17}, {2, 3, 2, 7}};
  return all;
}

}  // namespace rill::test::table
