// SPDX-License-Identifier: Apache-2.0
// Sorts, selections, searches, sets and histograms against std::stable_sort and plain loops; NaN, ties, threads, errors.

#include "tensors.hpp"

#include <algorithm>
#include <rill/eager/sort.hpp>
#include <rill/expr/create.hpp>

using namespace rill;
using test::between;
using test::check_error;
using test::holds;
using test::made;
using test::noise;
using test::numbers;
using test::random_shape;
using test::tensor_of;

namespace {

/// The stable order along an axis: for each place, where its element comes from.
numbers ordered(const numbers& x, int axis, bool descending) {
  numbers y(x.shape);
  const std::int64_t n = x.shape[axis];
  y.each([&](const tensor_shape& index) {
    if (index[axis] != 0) return;
    std::vector<std::int64_t> row(static_cast<std::size_t>(n));
    for (std::int64_t k = 0; k < n; ++k) row[static_cast<std::size_t>(k)] = k;
    tensor_shape a = index, b = index;
    std::stable_sort(row.begin(), row.end(), [&](std::int64_t i, std::int64_t j) {
      a[axis] = i, b[axis] = j;
      return descending ? x(a) > x(b) : x(a) < x(b);
    });
    for (std::int64_t k = 0; k < n; ++k) {
      a[axis] = k;
      y(a) = row[static_cast<std::size_t>(k)];
    }
  });
  return y;
}
numbers taken(const numbers& x, const numbers& from, int axis) {
  return made(from.shape, [&](const tensor_shape& index) {
    tensor_shape at = index;
    at[axis] = from(index);
    return x(at);
  });
}
numbers first(const numbers& x, std::int64_t k) {
  tensor_shape s = x.shape;
  s[s.rank() - 1] = k;
  return made(s, [&](const tensor_shape& index) { return x(index); });
}
template <class T>
std::vector<T> list(const dynamic_tensor& t) {
  const auto s = t.span<T>();
  return {s.begin(), s.end()};
}

}  // namespace

TEST_CASE("sort, argsort, top_k and nth_element of every dtype, rank and axis") {
  std::mt19937 g(5);
  for (const dtype type : {dtype::float32, dtype::float64, dtype::float16, dtype::bfloat16, dtype::int8, dtype::int16, dtype::int32, dtype::int64,
                           dtype::uint8, dtype::uint16, dtype::uint32, dtype::uint64, dtype::boolean})
    for (int rank = 1; rank <= 5; ++rank)
      for (int round = 0; round < 5; ++round) {
        const tensor_shape s = random_shape(g, rank);
        const int axis = static_cast<int>(g() % static_cast<unsigned>(rank));
        const bool descending = g() % 2 == 0, has_sign = is_signed(type);
        INFO(std::string(name_of(type)), to_string(s), " axis ", axis, " descending ", descending);
        const numbers x = made(s, [&](const tensor_shape&) { return type == dtype::boolean ? between(g, 0, 1) : between(g, has_sign ? -9 : 0, 9); });
        const dynamic_tensor v = tensor_of(type, x);
        const sort_options o{g() % 2 == 0 ? axis : axis - rank, descending ? sort_direction::descending : sort_direction::ascending};
        const numbers order = ordered(x, axis, descending);
        REQUIRE(holds(argsort(v, o), dtype::int32, order));
        REQUIRE(holds(sort(v, o), type, taken(x, order, axis)));
        if (type == dtype::boolean) continue;
        const numbers falling = ordered(x, rank - 1, true), rising = ordered(x, rank - 1, false);
        const std::int64_t n = s[rank - 1], k = between(g, 0, n);
        const auto top = top_k(v, k);
        REQUIRE(holds(top.indices, dtype::int32, first(falling, k)));
        REQUIRE(holds(top.values, type, first(taken(x, falling, rank - 1), k)));
        if (n == 0) continue;
        const std::int64_t nth = between(g, 0, n - 1);
        tensor_shape rows;
        for (int d = 0; d < rank - 1; ++d) rows.push_back(s[d]);
        const auto pick = [&](const numbers& from) {
          const numbers every = taken(x, from, rank - 1);
          return made(rows, [&](tensor_shape index) {
            index.push_back(nth);
            return every(index);
          });
        };
        REQUIRE(holds(nth_element(v, nth), type, pick(rising)));
        REQUIRE(holds(nth_element(v, nth, true), type, pick(falling)));
      }
}

TEST_CASE("long rows, with and without ties, on one thread and several") {
  for (const std::int64_t n : {200, 201, 5000, 40000, 70001, 300007})
    for (const bool ties : {false, true}) {
      INFO("n = ", n, " ties ", ties);
      dynamic_tensor x = cast_to(noise({n}, 9) * (ties ? 50 : 1e9), ties ? dtype::int16 : dtype::float32);
      const dynamic_tensor wide = cast_to(x, dtype::float64);
      const auto w = wide.span<double>();
      std::vector<std::int32_t> want(static_cast<std::size_t>(n));
      for (std::size_t k = 0; k < want.size(); ++k) want[k] = static_cast<std::int32_t>(k);
      auto down = want;
      std::stable_sort(want.begin(), want.end(), [&](auto i, auto j) { return w[static_cast<std::size_t>(i)] < w[static_cast<std::size_t>(j)]; });
      std::stable_sort(down.begin(), down.end(), [&](auto i, auto j) { return w[static_cast<std::size_t>(i)] > w[static_cast<std::size_t>(j)]; });
      for (const int threads : {1, 3}) {
        thread_limit limit(threads);
        for (const dynamic_tensor& v : {x, wide}) {
          CHECK(list<std::int32_t>(argsort(v)) == want);
          for (const std::int64_t k : {1, 17, 1000}) {
            if (k > n) continue;
            const auto top = list<std::int32_t>(top_k(v, k).indices);
            CHECK(std::equal(top.begin(), top.end(), down.begin()));
          }
          const auto sorted = list<double>(cast_to(sort(v), dtype::float64));
          bool right = true;
          for (std::size_t k = 0; k < sorted.size(); ++k) right = right && sorted[k] == w[static_cast<std::size_t>(want[k])];
          CHECK(right);
        }
      }
    }
}

TEST_CASE("NaN, infinities, signed zeros") {
  const float inf = INFINITY;
  const tensor<float, 7> x{3, NAN, -inf, -0.0F, inf, -NAN, 0};
  CHECK((argsort(x) == tensor<std::int32_t, 7>{2, 3, 6, 0, 4, 1, 5}));
  CHECK((argsort(x, {.direction = sort_direction::descending}) == tensor<std::int32_t, 7>{1, 5, 4, 0, 3, 6, 2}));
  const auto up = sort(x), down = sort(x, {.direction = sort_direction::descending});
  CHECK(up(0) == -inf);
  CHECK(std::signbit(up(1)));
  CHECK(up(4) == inf);
  CHECK((up(5) != up(5) && up(6) != up(6)));
  CHECK((down(0) != down(0) && down(1) != down(1)));
  CHECK(down(2) == inf);
  CHECK(down(6) == -inf);
  CHECK((top_k(x, 4).indices == tensor<std::int32_t, 4>{1, 5, 4, 0}));
  tensor<double, dyn> many(full({4000}, 1.0));
  many(1234) = NAN;
  many(77) = NAN;
  many(3999) = 2;
  CHECK((top_k(many, 4).indices == tensor<std::int32_t, 4>{77, 1234, 3999, 0}));
  CHECK((sort(tensor<std::int64_t, 4>{INT64_MAX, INT64_MIN, -1, 0}) == tensor<std::int64_t, 4>{INT64_MIN, -1, 0, INT64_MAX}));
  CHECK((sort(tensor<std::uint64_t, 3>{UINT64_MAX, 0, 5}, {.direction = sort_direction::descending}) == tensor<std::uint64_t, 3>{UINT64_MAX, 5, 0}));
}

TEST_CASE("strings") {
  const tensor<std::string, 2, 3> x{{"pear", "", "fig"}, {"apple", "fig", "Fig"}};
  CHECK((sort(x) == tensor<std::string, 2, 3>{{"", "fig", "pear"}, {"Fig", "apple", "fig"}}));
  CHECK((argsort(x, {.axis = 0, .direction = sort_direction::descending}) == tensor<std::int32_t, 2, 3>{{0, 1, 0}, {1, 0, 1}}));
  const auto u = unique_with_counts(tensor<std::string, 5>{"b", "a", "b", "", "a"});
  CHECK((u.y == tensor<std::string, 3>{"b", "a", ""}));
  CHECK((u.idx == tensor<std::int32_t, 5>{0, 1, 0, 2, 1}));
  CHECK((u.count == tensor<std::int32_t, 3>{2, 2, 1}));
  CHECK((setdiff1d(tensor<std::string, 3>{"b", "a", "b"}, tensor<std::string, 2>{"a", "c"}).out == tensor<std::string, 2>{"b", "b"}));
  CHECK((searchsorted(tensor<std::string, 3>{"a", "b", "b"}, tensor<std::string, 2>{"b", "aa"}) == tensor<std::int32_t, 2>{1, 1}));
}

TEST_CASE("unique, setdiff1d, bincount") {
  const auto u = unique_with_counts<std::int64_t>(tensor<int, 9>{1, 1, 2, 4, 4, 4, 7, 8, 8});
  CHECK((u.y == tensor<int, 5>{1, 2, 4, 7, 8}));
  CHECK((u.idx == tensor<std::int64_t, 9>{0, 0, 1, 2, 2, 2, 3, 4, 4}));
  CHECK((u.count == tensor<std::int64_t, 5>{2, 1, 3, 1, 2}));
  const auto f = unique(tensor<float, 6>{NAN, 0, -0.0F, 2, NAN, 2});
  CHECK(f.y.size() == 4);
  CHECK((f.idx == tensor<std::int32_t, 6>{0, 1, 1, 2, 3, 2}));
  CHECK(unique(tensor<half, 3>{half(1), half(1), half(2)}).y.size() == 2);
  CHECK(unique(tensor<int, 0>()).y.shape() == tensor_shape{0});
  const auto d = setdiff1d(tensor<int, 6>{1, 2, 3, 4, 5, 6}, tensor<int, 3>{1, 3, 5});
  CHECK((d.out == tensor<int, 3>{2, 4, 6}));
  CHECK((d.idx == tensor<std::int32_t, 3>{1, 3, 5}));
  CHECK((bincount(tensor<int, 5>{1, 1, 2, 3, 1}) == tensor<int, 4>{0, 3, 1, 1}));
  CHECK((bincount(tensor<int, 5>{1, 1, 2, 3, 1}, {.minlength = 6}) == tensor<int, 6>{0, 3, 1, 1, 0, 0}));
  CHECK((bincount<std::int64_t>(tensor<int, 2, 2>{{1, 1}, {2, 3}}, {.maxlength = 2}) == tensor<std::int64_t, 2>{0, 2}));
  CHECK((bincount(tensor<int, 4>{0, 2, 2, 5}, tensor<double, 4>{0.5, 1, 2, 4}, {.maxlength = 3}) == tensor<double, 3>{0.5, 0, 3}));
  CHECK(bincount(tensor<int, 0>()).size() == 0);
  const tensor<std::int64_t, 2> largest{INT64_MAX, 1};
  CHECK((bincount(largest, {.maxlength = 3}) == tensor<int, 3>{0, 1, 0}));
  CHECK_THROWS_AS(bincount(largest), resource_exhausted);
}

TEST_CASE("in_top_k, searchsorted, histogram_fixed_width") {
  const tensor<float, 4, 4> p{{0.1F, 0.5F, 0.3F, 0.5F}, {0.1F, 0.5F, 0.3F, 0.5F}, {1, 2, NAN, 0}, {1, 2, 3, 4}};
  CHECK((in_top_k(p, tensor<int, 4>{3, 2, 1, 4}, 1) == tensor<bool, 4>{true, false, false, false}));
  CHECK((in_top_k(p, tensor<std::int64_t, 4>{1, 2, 1, -1}, 3) == tensor<bool, 4>{true, true, false, false}));
  const tensor<int, 2, 5> rows{{0, 3, 9, 9, 10}, {1, 2, 3, 4, 5}};
  const tensor<int, 2, 3> v{{2, 4, 9}, {0, 2, 6}};
  CHECK((searchsorted(rows, v) == tensor<int, 2, 3>{{1, 2, 2}, {0, 1, 5}}));
  CHECK((searchsorted<std::int64_t>(rows, v, search_side::right) == tensor<std::int64_t, 2, 3>{{1, 2, 4}, {0, 2, 5}}));
  CHECK((lower_bound(rows, v) == searchsorted(rows, v)));
  CHECK((upper_bound(rows, v) == searchsorted(rows, v, search_side::right)));
  CHECK((searchsorted(tensor<float, 3>{1, 2, NAN}, tensor<float, 2>{NAN, 5}) == tensor<int, 2>{2, 2}));
  CHECK((searchsorted(tensor<float, 0>(), tensor<float, 1>{5}) == tensor<int, 1>{0}));
  CHECK((histogram_fixed_width(tensor<float, 6>{-1, 0, 1.5F, 2, 5, 15}, {0, 5}, 5) == tensor<int, 5>{2, 1, 1, 0, 2}));
  CHECK((histogram_fixed_width<std::int64_t>(tensor<int, 2, 2>{{3, 3}, {9, -9}}, {0, 4}, 2) == tensor<std::int64_t, 2>{1, 3}));
  CHECK((histogram_fixed_width(tensor<float, 2>{NAN, INFINITY}, {0, 1}, 2) == tensor<int, 2>{0, 1}));
}

TEST_CASE("XLA's Sort with a comparator") {
  const tensor<float, 2, 3> keys{{3, 1, 2}, {1, 1, 0}};
  const tensor<int, 2, 3> values{{10, 20, 30}, {40, 50, 60}};
  const bool up = true;
  const auto [k, v] = xla::sort([&](float a, float b, int, int) { return up ? a < b : b < a; }, 1, keys, values);
  CHECK((k == tensor<float, 2, 3>{{1, 2, 3}, {0, 1, 1}}));
  CHECK((v == tensor<int, 2, 3>{{20, 30, 10}, {60, 40, 50}}));
  // by the second operand where the first are equal, along the first dimension
  const auto [a, b] = xla::sort([](int x, int y, int p, int q) { return x != y ? x < y : p > q; }, 0, tensor<int, 3>{1, 1, 0}, tensor<int, 3>{5, 6, 7});
  CHECK((a == tensor<int, 3>{0, 1, 1}));
  CHECK((b == tensor<int, 3>{7, 6, 5}));
  const auto d = xla::sort<float, int>([](float x, float y, int, int) { return x > y; }, -1, dynamic_tensor(keys), dynamic_tensor(values));
  CHECK(d[0].to<float, 2, 3>() == tensor<float, 2, 3>{{3, 2, 1}, {1, 1, 0}});
  CHECK(d[1].to<int, 2, 3>() == tensor<int, 2, 3>{{10, 30, 20}, {40, 50, 60}});
  CHECK((xla::sort(tensor<int, 3>{3, 1, 2}) == tensor<int, 3>{1, 2, 3}));
}

TEST_CASE("errors say what is wrong") {
  const dynamic_tensor x = noise({2, 3}), z = tensor<std::complex<float>, 2>{1.F, 2.F}, i = tensor<int, 2>{0, 1};
  check_error<invalid_argument>([&] { sort(x, {.axis = 2}); }, "Sort: axis out of range: got float64[2, 3]");
  check_error<invalid_argument>([&] { sort(z); }, "Sort: elements of this dtype have no order: got complex64[2]");
  check_error<invalid_argument>([&] { sort(dynamic_tensor(1)); }, "Sort: axis out of range: got int32[]");
  check_error<invalid_argument>([&] { argsort(x, {.axis = -3}); }, "ArgSort: axis out of range");
  check_error<invalid_argument>([&] { top_k(x, 4); }, "TopKV2: k is larger than the last axis, or negative: got float64[2, 3]");
  check_error<invalid_argument>([&] { top_k(x, -1); }, "TopKV2: k is larger");
  check_error<invalid_argument>([&] { top_k(dynamic_tensor(2.0F)); }, "TopKV2: needs at least one axis");
  check_error<invalid_argument>([&] { top_k(z); }, "TopKV2: takes real numbers");
  check_error<invalid_argument>([&] { nth_element(x, 3); }, "NthElement: n is not an index of the last axis");
  check_error<invalid_argument>([&] { nth_element(x, -1); }, "NthElement: n is not an index");
  check_error<invalid_argument>([&] { nth_element(dynamic_tensor(tensor<bool, 1>{true}), 0); }, "NthElement: takes real numbers");
  check_error<invalid_argument>([&] { in_top_k(x, dynamic_tensor(tensor<int, 3>{0, 1, 1}), 1); }, "InTopK: needs one target, int32 or int64, per row of predictions");
  check_error<invalid_argument>([&] { in_top_k(i, i, 1); }, "InTopK: needs floating-point predictions");
  check_error<invalid_argument>([&] { searchsorted(x, noise({3, 3})); }, "SearchSorted: shapes differ besides the last axis: got float64[2, 3] and float64[3, 3]");
  check_error<invalid_argument>([&] { searchsorted(x, i); }, "SearchSorted: dtypes differ");
  check_error<invalid_argument>([&] { searchsorted(x, noise({2})); }, "SearchSorted: operands must be of one rank");
  const dynamic_tensor range = tensor<double, 2>{1, 1};
  check_error<invalid_argument>([&] { histogram_fixed_width(x, range); }, "HistogramFixedWidth: value_range must ascend, got [1.000000, 1.000000]");
  check_error<invalid_argument>([&] { histogram_fixed_width(x, range, {.nbins = 0}); }, "HistogramFixedWidth: nbins must be positive");
  check_error<invalid_argument>([&] { histogram_fixed_width(x, i); }, "HistogramFixedWidth: value_range must be [low, high]");
  check_error<invalid_argument>([&] { unique(x); }, "Unique: needs a vector");
  check_error<invalid_argument>([&] { unique(z); }, "Unique: needs a vector");
  check_error<invalid_argument>([&] { unique_with_counts(i, dtype::float32); }, "UniqueWithCounts: indices must be int32 or int64, not float32");
  check_error<invalid_argument>([&] { setdiff1d(i, dynamic_tensor(tensor<float, 1>{1})); }, "ListDiff: dtypes differ: got int32 and float32");
  check_error<invalid_argument>([&] { setdiff1d(i, dynamic_tensor(3)); }, "ListDiff: needs a vector");
  check_error<invalid_argument>([&] { setdiff1d(i, i, dtype::int8); }, "ListDiff: indices must be int32 or int64");
  check_error<invalid_argument>([&] { bincount(dynamic_tensor(tensor<int, 3>{0, -2, 1})); }, "Bincount: numbers must not be negative: element 1 is -2");
  check_error<invalid_argument>([&] { bincount(x); }, "Bincount: needs int32 or int64");
  check_error<invalid_argument>([&] { bincount(i, x); }, "Bincount: weights of shape [2, 3]");
  const auto less = [](double a, double b) { return a < b; };
  check_error<invalid_argument>([&] { xla::sort<float>([](float a, float b) { return a < b; }, 0, x); }, "Sort: an operand is of another dtype than the comparator takes");
  check_error<invalid_argument>([&] { xla::sort<double>(less, 2, x); }, "Sort: dimension out of range");
  check_error<invalid_argument>([&] { xla::sort(less, 3, tensor<double, 2>{1, 2}); }, "Sort: dimension 3 is out of range for the shape [2]");
  check_error<invalid_argument>([&] { xla::sort([](int a, int b, int, int) { return a < b; }, 0, tensor<int, 2>{1, 2}, tensor<int, 3>{1, 2, 3}); }, "Sort: operands must be of one shape: got [2] and [3]");
}
