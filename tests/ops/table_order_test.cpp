// SPDX-License-Identifier: Apache-2.0
// Running sums and sorts of tensors of random shapes, against plain loops over indices.

#include "table.hpp"

#include <rill/eager/scan.hpp>
#include <rill/eager/sort.hpp>

#include <algorithm>

using namespace rill;
using namespace rill::test::table;

namespace {

using i64 = std::int64_t;

dtype any_number(numbers_of& g) { return reals_and_bool[g.below(12)]; }
const tensor_shape& any_shape(numbers_of& g) { return shapes()[static_cast<std::size_t>(g.below(static_cast<i64>(shapes().size())))]; }
const tensor_shape& any_ranked(numbers_of& g) {
  for (;;)
    if (const tensor_shape& s = any_shape(g); s.rank() > 0) return s;
}
place any_place(numbers_of& g) { return static_cast<place>(g.below(3)); }

void running_sums(numbers_of g) {
  const tensor_shape s = any_ranked(g);
  const dtype type = any_number(g);
  const input x = make(g, type, s, 0, 20, any_place(g));
  const int axis = static_cast<int>(g.below(s.rank()));
  const bool exclusive = g.next() % 2 == 0, back = g.next() % 2 == 0;
  const dt y = cumsum(x.t, {.axis = g.next() % 2 == 0 ? axis : axis - s.rank(), .exclusive = exclusive, .reverse = back});
  if (!fits("cumsum", y, type, s)) return;
  i64 k = 0;
  each_index(s, [&](const i64* i) {
    i64 at[max_rank];
    std::copy(i, i + max_rank, at);
    double sum = 0;
    for (at[axis] = 0; at[axis] < s[axis]; ++at[axis])
      if ((back ? at[axis] > i[axis] : at[axis] < i[axis]) || (at[axis] == i[axis] && !exclusive)) sum += x.real[static_cast<std::size_t>(offset(s, at))];
    if (integral(type)) check_whole("cumsum", y, k, static_cast<i64>(sum));
    else check_real("cumsum", y, k, sum, 4, sum * epsilon_of(type) * static_cast<double>(s[axis]));
    ++k;
  });
}

void sorts(numbers_of g) {
  const tensor_shape s = any_ranked(g);
  const dtype type = any_number(g);
  const input x = make(g, type, s, -20, 20, any_place(g));
  const int axis = static_cast<int>(g.below(s.rank()));
  const bool down = g.next() % 2 == 0;
  const sort_options o{.axis = g.next() % 2 == 0 ? axis : axis - s.rank(), .direction = down ? sort_direction::descending : sort_direction::ascending};
  const dt y = sort(x.t, o), order = argsort(x.t, o);
  next_case();
  if (!fits("sort", y, type, s) || !fits("argsort", order, dtype::int32, s)) return;
  i64 k = 0;
  each_index(s, [&](const i64* i) {  // the element with i[axis] others before it, equal ones in order
    i64 at[max_rank];
    std::copy(i, i + max_rank, at);
    at[axis] = whole_at(order, k);
    const bool there = at[axis] >= 0 && at[axis] < s[axis];
    i64 before = 0;
    if (there) {
      const double v = x.real[static_cast<std::size_t>(offset(s, at))];
      if (element_at(y, k) != v) fail(what("sort", type, s) + ", element " + std::to_string(k));
      const i64 place_of_v = at[axis];
      for (at[axis] = 0; at[axis] < s[axis]; ++at[axis]) {
        const double w = x.real[static_cast<std::size_t>(offset(s, at))];
        before += (down ? w > v : w < v) || (w == v && at[axis] < place_of_v);
      }
    }
    if (!there || before != i[axis]) fail(what("argsort", type, s) + ", element " + std::to_string(k));
    ++k;
  });
}

void repeat(void (*f)(numbers_of), int times) {
  for (int k = 0; k < times; ++k) f(next_case());
}

}  // namespace

TEST_CASE("table: running sums and sorts") {
  const long before = count().cases;
  repeat(running_sums, 1200);
  repeat(sorts, 1200);
  MESSAGE((count().cases - before), " cases");
  CHECK(count().cases - before >= 3600);
  CHECK(count().told == 0);
}
