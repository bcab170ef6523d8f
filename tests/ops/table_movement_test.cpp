// SPDX-License-Identifier: Apache-2.0
// Slices, paddings, joins, gathers, reversals, repetitions of tensors of random shapes, against plain loops over indices.

#include "table.hpp"

#include <rill/eager/indexing.hpp>
#include <rill/eager/movement.hpp>

#include <algorithm>

using namespace rill;
using namespace rill::test::table;

namespace {

using i64 = std::int64_t;

dtype any_type(numbers_of& g) { return reals_and_bool[g.below(13)]; }
const tensor_shape& any_shape(numbers_of& g) { return shapes()[static_cast<std::size_t>(g.below(static_cast<i64>(shapes().size())))]; }
const tensor_shape& any_ranked(numbers_of& g) {
  for (;;)
    if (const tensor_shape& s = any_shape(g); s.rank() > 0) return s;
}
place any_place(numbers_of& g) { return static_cast<place>(g.below(3)); }

/// Checks y(i) == x(from(i)), where `from` writes an index of x, or says that there is none (then y is `fill`).
template <class F>
void check_moved(const char* op, const dt& y, const tensor_shape& result, const input& x, double fill, const F& from) {
  if (!fits(op, y, x.t.type(), result)) return;
  i64 k = 0;
  each_index(result, [&](const i64* i) {
    i64 at[max_rank] = {};
    const double want = from(i, at) ? x.real[static_cast<std::size_t>(offset(x.t.shape(), at))] : fill;
    if (element_at(y, k) != want) fail(what(op, x.t.type(), x.t.shape()) + ", element " + std::to_string(k));
    ++k;
  });
}

void slices(numbers_of g) {
  const tensor_shape s = any_shape(g);
  const input x = make(g, any_type(g), s, 0, 100, any_place(g));
  tensor_shape begin, size, start, end, step, result;
  for (int d = 0; d < s.rank(); ++d) {
    begin.push_back(g.below(s[d] + 1));
    size.push_back(g.next() % 4 == 0 ? -1 : g.below(s[d] - begin[d] + 1));
    const i64 by = g.below(3) + 1, n = s[d];
    const bool back = g.next() % 2 == 0;
    step.push_back(back ? -by : by);
    start.push_back(g.below(2 * n + 3) - n - 1);  // also before and behind the axis
    end.push_back(g.below(2 * n + 3) - n - 1);
  }
  for (int d = 0; d < s.rank(); ++d) result.push_back(size[d] < 0 ? s[d] - begin[d] : size[d]);
  check_moved("slice_from", slice_from(x.t, begin, size), result, x, 0, [&](const i64* i, i64* at) {
    for (int d = 0; d < s.rank(); ++d) at[d] = begin[d] + i[d];
    return true;
  });
  next_case();
  std::vector<std::vector<i64>> picked(static_cast<std::size_t>(s.rank()));
  tensor_shape strided;
  for (int d = 0; d < s.rank(); ++d) {  // NumPy's rule, position by position
    const i64 n = s[d];
    i64 b = start[d] < 0 ? start[d] + n : start[d], e = end[d] < 0 ? end[d] + n : end[d];
    auto& list = picked[static_cast<std::size_t>(d)];
    if (step[d] > 0) {
      b = std::clamp(b, i64{0}, n), e = std::clamp(e, i64{0}, n);
      for (i64 k = b; k < e; k += step[d]) list.push_back(k);
    } else {
      b = std::clamp(b, i64{-1}, n - 1), e = std::clamp(e, i64{-1}, n - 1);
      for (i64 k = b; k > e; k += step[d]) list.push_back(k);
    }
    strided.push_back(static_cast<i64>(list.size()));
  }
  check_moved("strided_slice", strided_slice(x.t, start, end, step), strided, x, 0, [&](const i64* i, i64* at) {
    for (int d = 0; d < s.rank(); ++d) at[d] = picked[static_cast<std::size_t>(d)][static_cast<std::size_t>(i[d])];
    return true;
  });
}

void paddings(numbers_of g) {
  const tensor_shape s = any_shape(g);
  const dtype type = any_type(g);
  const input x = make(g, type, s, 0, 100, any_place(g));
  const auto mode = s.num_elements() == 0 ? pad_mode::constant : static_cast<pad_mode>(g.below(3));  // nothing to reflect
  pad_list p;
  tensor_shape result;
  for (int d = 0; d < s.rank(); ++d) {
    const i64 most = mode == pad_mode::constant ? 3 : mode == pad_mode::symmetric ? s[d] : std::max(s[d] - 1, i64{0});
    p.push_back({g.below(std::min(most, i64{3}) + 1), g.below(std::min(most, i64{3}) + 1)});
    result.push_back(s[d] + p.axes[d].before + p.axes[d].after);
  }
  check_moved("pad", pad(x.t, p, {.mode = mode, .constant_values = 1}), result, x, 1, [&](const i64* i, i64* at) {
    for (int d = 0; d < s.rank(); ++d) {
      i64 k = i[d] - p.axes[d].before;
      if (mode == pad_mode::constant && (k < 0 || k >= s[d])) return false;
      const i64 edge = mode == pad_mode::symmetric ? 1 : 0;
      if (k < 0) k = -k - edge;
      if (k >= s[d]) k = 2 * s[d] - 2 + edge - k;
      at[d] = k;
    }
    return true;
  });
}

void joins(numbers_of g) {
  const tensor_shape s = any_ranked(g);
  const dtype type = any_type(g);
  const int axis = static_cast<int>(g.below(s.rank()));
  const auto n = static_cast<std::size_t>(g.below(6)) + 1;
  std::vector<input> parts;
  std::vector<dt> given;
  tensor_shape result = s;
  result[axis] = 0;
  for (std::size_t k = 0; k < n; ++k) {
    tensor_shape part = s;
    part[axis] = k > 0 && g.next() % 3 == 0 ? g.below(4) : s[axis];
    result[axis] += part[axis];
    parts.push_back(make(g, type, part, 0, 100, any_place(g)));
    given.push_back(parts.back().t);
  }
  const dt y = concat(given, {.axis = g.next() % 2 == 0 ? axis : axis - s.rank()});
  if (!fits("concat", y, type, result)) return;
  i64 k = 0;
  each_index(result, [&](const i64* i) {
    i64 at[max_rank];
    std::copy(i, i + max_rank, at);
    std::size_t part = 0;
    while (at[axis] >= given[part].shape()[axis]) at[axis] -= given[part++].shape()[axis];
    if (element_at(y, k) != parts[part].real[static_cast<std::size_t>(offset(given[part].shape(), at))])
      fail(what("concat", type, result) + ", element " + std::to_string(k));
    ++k;
  });
}

void gathers(numbers_of g) {
  tensor_shape s = any_ranked(g);
  const int axis = static_cast<int>(g.below(s.rank()));
  const tensor_shape indices = s[axis] == 0 ? tensor_shape{0} : g.next() % 3 == 0 ? tensor_shape{} : g.next() % 2 == 0 ? tensor_shape{5} : tensor_shape{2, 3};
  if (s.rank() + indices.rank() > max_rank) return;
  const input x = make(g, any_type(g), s, 0, 100, any_place(g));
  const input at_x = make(g, g.next() % 2 == 0 ? dtype::int32 : dtype::int64, indices, 0, static_cast<double>(std::max(s[axis] - 1, i64{0})));
  tensor_shape result;
  for (int d = 0; d < axis; ++d) result.push_back(s[d]);
  for (int d = 0; d < indices.rank(); ++d) result.push_back(indices[d]);
  for (int d = axis + 1; d < s.rank(); ++d) result.push_back(s[d]);
  check_moved("gather", gather(x.t, at_x.t, {.axis = axis}), result, x, 0, [&](const i64* i, i64* at) {
    for (int d = 0; d < axis; ++d) at[d] = i[d];
    at[axis] = at_x.whole[static_cast<std::size_t>(offset(indices, i + axis))];
    for (int d = axis + 1; d < s.rank(); ++d) at[d] = i[d + indices.rank() - 1];
    return true;
  });
}

void reversals(numbers_of g) {
  const tensor_shape s = any_ranked(g);
  const input x = make(g, any_type(g), s, 0, 100, any_place(g));
  axis_list axes;
  bool turned[max_rank] = {};
  for (int d = 0; d < s.rank(); ++d)
    if (g.next() % 2 == 0) axes.axes[axes.count++] = d, turned[d] = true;
  if (axes.count == 0) axes = {0}, turned[0] = true;
  check_moved("reverse", reverse(x.t, axes), s, x, 0, [&](const i64* i, i64* at) {
    for (int d = 0; d < s.rank(); ++d) at[d] = turned[d] ? s[d] - 1 - i[d] : i[d];
    return true;
  });
  next_case();
  tensor_shape times, result;
  for (int d = 0; d < s.rank(); ++d) times.push_back(g.below(3)), result.push_back(s[d] * times[d]);
  check_moved("tile", tile(x.t, times), result, x, 0, [&](const i64* i, i64* at) {
    for (int d = 0; d < s.rank(); ++d) at[d] = i[d] % s[d];
    return true;
  });
  next_case();
  const int axis = static_cast<int>(g.below(s.rank()));
  const i64 by = g.below(21) - 10;
  check_moved("roll", roll(x.t, {.shift = {by}, .axis = {axis}}), s, x, 0, [&](const i64* i, i64* at) {
    for (int d = 0; d < s.rank(); ++d) at[d] = i[d];
    at[axis] = ((i[axis] - by) % s[axis] + s[axis]) % s[axis];
    return true;
  });
}

void repeat(void (*f)(numbers_of), int times) {
  for (int k = 0; k < times; ++k) f(next_case());
}

}  // namespace

TEST_CASE("table: slices, paddings, joins, gathers, reversals") {
  const long before = count().cases;
  repeat(slices, 1000);
  repeat(paddings, 1000);
  repeat(joins, 1000);
  repeat(gathers, 1000);
  repeat(reversals, 700);
  MESSAGE((count().cases - before), " cases");
  CHECK(count().cases - before >= 7000);
  CHECK(count().told == 0);
}
