// SPDX-License-Identifier: Apache-2.0
// Reductions over every subset of axes, and positions of the largest and smallest element, against plain loops.

#include "table.hpp"

#include <limits>

using namespace rill;
using namespace rill::test::table;

namespace {

using i64 = std::int64_t;

struct reducer {
  const char* name;
  dt (*f)(const dt&, const reduce_options&);
  double start;
  double (*real)(double, double);
  i64 (*whole)(i64, i64);
  double low, high;
  bool mean = false, special = false;
};
i64 product(i64 a, i64 b) { return static_cast<i64>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b)); }

const reducer reducers[] = {
    {"reduce_sum", [](const dt& x, const reduce_options& o) { return reduce_sum(x, o); }, 0, [](double a, double b) { return a + b; }, [](i64 a, i64 b) { return a + b; }, -100, 100},
    {"reduce_prod", [](const dt& x, const reduce_options& o) { return reduce_prod(x, o); }, 1, [](double a, double b) { return a * b; }, product, 0.7, 3},
    {"reduce_max", [](const dt& x, const reduce_options& o) { return reduce_max(x, o); }, -HUGE_VAL, [](double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : a < b ? b : a; },
     [](i64 a, i64 b) { return a < b ? b : a; }, -100, 100, false, true},
    {"reduce_min", [](const dt& x, const reduce_options& o) { return reduce_min(x, o); }, HUGE_VAL, [](double a, double b) { return std::isnan(a) ? a : std::isnan(b) ? b : b < a ? b : a; },
     [](i64 a, i64 b) { return b < a ? b : a; }, -100, 100, false, true},
    {"reduce_mean", [](const dt& x, const reduce_options& o) { return reduce_mean(x, o); }, 0, [](double a, double b) { return a + b; }, nullptr, -100, 100, true},
};
const reducer logical[] = {
    {"reduce_any", [](const dt& x, const reduce_options& o) { return reduce_any(x, o); }, 0, nullptr, [](i64 a, i64 b) { return i64{a != 0 || b != 0}; }, 0, 1},
    {"reduce_all", [](const dt& x, const reduce_options& o) { return reduce_all(x, o); }, 1, nullptr, [](i64 a, i64 b) { return i64{a != 0 && b != 0}; }, 0, 1},
};

/// The identity of a maximum or minimum of integers.
i64 limit_of(dtype d, bool lowest) {
  return visit_dtype(d, [&]<class T>(std::type_identity<T>) -> i64 {
    if constexpr (std::is_integral_v<T>) return static_cast<i64>(lowest ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max());
    else return 0;
  });
}

void run(const reducer& r, dtype type, const tensor_shape& shape, unsigned mask, place where) {
  numbers_of g = next_case();
  const input x = make(g, type, shape, r.low, r.high, where, r.special);
  reduce_options o;
  o.keepdims = g.next() % 2 == 0;
  for (int d = 0; d < shape.rank(); ++d)
    if (mask >> d & 1U) o.axis.axes[o.axis.count++] = g.next() % 2 == 0 ? d : d - shape.rank();
  const unsigned gone = mask == 0 ? (1U << shape.rank()) - 1 : mask;  // no axes are all axes
  tensor_shape kept, result;  // `kept` keeps the rank
  for (int d = 0; d < shape.rank(); ++d) {
    const bool reduced = (gone >> d & 1U) != 0;
    kept.push_back(reduced ? 1 : shape[d]);
    if (!reduced || o.keepdims) result.push_back(reduced ? 1 : shape[d]);
  }
  const dt y = r.f(x.t, o);
  if (!fits(r.name, y, type, result)) return;
  const auto n = static_cast<std::size_t>(kept.num_elements());
  std::size_t k = 0;
  if (integral(type)) {
    i64 start = static_cast<i64>(std::isinf(r.start) ? 0 : r.start);
    if (std::isinf(r.start)) start = limit_of(type, r.start < 0);
    if (type == dtype::uint64 && start < 0 && shape.num_elements() > 0) start = INT64_MAX;  // the values are small
    std::vector<i64> want(n, start);
    each_index(shape, [&](const i64* i) {
      i64& w = want[source_of(kept, shape, i)];
      w = r.whole(w, x.whole[k++]);
    });
    for (std::size_t j = 0; j < n; ++j) check_whole(r.name, y, static_cast<i64>(j), want[j]);
    return;
  }
  std::vector<double> want(n, r.start), size(n);
  each_index(shape, [&](const i64* i) {
    const std::size_t j = source_of(kept, shape, i);
    want[j] = r.real(want[j], x.real[k]);
    size[j] += std::fabs(x.real[k++]);
  });
  const double count = static_cast<double>(shape.num_elements()) / static_cast<double>(n);
  for (std::size_t j = 0; j < n; ++j) {
    const bool exact = r.special, is_product = r.start == 1;
    const double slack = exact ? 0 : (is_product ? std::fabs(want[j]) * std::sqrt(count) : size[j] / (r.mean ? count : 1)) * 4 * epsilon_of(type);
    check_real(r.name, y, static_cast<i64>(j), r.mean ? want[j] / count : want[j], 1, slack);
  }
}

void run_arg(bool largest, dtype type, const tensor_shape& shape, int axis, place where) {
  numbers_of g = next_case();
  const input x = make(g, type, shape, 0, 7, where);
  const dt y = largest ? argmax(x.t, {.axis = axis}) : argmin(x.t, {.axis = axis - shape.rank()});
  tensor_shape kept = shape, result;
  kept[axis] = 1;
  for (int d = 0; d < shape.rank(); ++d)
    if (d != axis) result.push_back(shape[d]);
  if (!fits("argmax", y, dtype::int64, result)) return;
  std::vector<double> best(static_cast<std::size_t>(kept.num_elements()), largest ? -HUGE_VAL : HUGE_VAL);
  std::vector<i64> at(best.size());
  std::size_t k = 0;
  each_index(shape, [&](const i64* i) {
    const std::size_t j = source_of(kept, shape, i);
    const double v = x.real[k++];
    if (largest ? v > best[j] : v < best[j]) best[j] = v, at[j] = i[axis];
  });
  for (std::size_t j = 0; j < at.size(); ++j) check_whole(largest ? "argmax" : "argmin", y, static_cast<i64>(j), at[j]);
}

}  // namespace

TEST_CASE("table: reductions over every subset of axes") {
  const long before = count().cases;
  std::size_t turn = 0;
  const auto subsets = [&](const reducer& r, dtype type) {
    for (const tensor_shape& s : shapes())
      for (unsigned mask = 0; mask < 1U << s.rank(); ++mask) run(r, type, s, mask, static_cast<place>(turn++ % 3));
  };
  for (const reducer& r : reducers)
    for (const dtype type : reals_and_bool)
      if (type != dtype::boolean && (!integral(type) || r.whole)) subsets(r, type);
  for (const reducer& r : logical) subsets(r, dtype::boolean);
  for (unsigned mask = 0; mask < 4; ++mask) {
    run(reducers[0], dtype::float32, {701, 857}, mask, place::shifted);
    run(reducers[2], dtype::float32, {701, 857}, mask, place::own);
  }
  for (const dtype type : reals_and_bool)
    for (const tensor_shape& s : shapes())
      for (int axis = 0; axis < s.rank(); ++axis)
        if (s[axis] > 0 && type != dtype::boolean)
          for (const bool largest : {false, true}) run_arg(largest, type, s, axis, static_cast<place>(turn++ % 3));
  MESSAGE((count().cases - before), " cases");
  CHECK(count().cases - before >= 18000);
  CHECK(count().told == 0);
}
