// SPDX-License-Identifier: Apache-2.0
// Scans, reductions by functions, moments: every dtype and axis against plain loops, long rows on several threads, the
// documentation's examples, errors.

#include "tensors.hpp"

#include <rill/eager/gradient.hpp>
#include <rill/eager/scan.hpp>
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

/// The scan of integers along an axis by a plain loop.
template <class F>
numbers scanned(const numbers& x, int axis, scan_options o, std::int64_t none, const F& f) {
  return made(x.shape, [&](const tensor_shape& index) {
    std::int64_t total = none;
    for (std::int64_t j = 0; j < x.shape[axis]; ++j) {
      const std::int64_t i = index[axis];
      if (o.reverse ? j < i : j > i) continue;
      if (o.exclusive && j == i) continue;
      tensor_shape at = index;
      at[axis] = j;
      total = f(total, x(at));
    }
    return total;
  });
}

dynamic_tensor naive(const dynamic_tensor& x, bool product) {
  dynamic_tensor y = dynamic_tensor::uninitialized(x.type(), x.shape());
  visit_real(x.type(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_arithmetic_v<T>) {
      std::conditional_t<std::is_integral_v<T>, std::uint64_t, long double> total = product;
      auto* p = static_cast<T*>(y.mutable_data());
      for (const T v : x.span<T>()) {
        total = product ? total * static_cast<decltype(total)>(v) : total + static_cast<decltype(total)>(v);
        *p++ = static_cast<T>(total);
      }
    }
  });
  return y;
}

}  // namespace

TEST_CASE("scans of every dtype, rank and axis against plain loops") {
  std::mt19937 g(7);
  int cases = 0;
  for (const dtype type : {dtype::float32, dtype::float64, dtype::float16, dtype::bfloat16, dtype::int8, dtype::int16, dtype::int32,
                           dtype::int64, dtype::uint8, dtype::uint16, dtype::uint32, dtype::uint64, dtype::complex64, dtype::complex128})
    for (int rank = 1; rank <= 5; ++rank)
      for (int round = 0; round < 6; ++round) {
        const tensor_shape s = random_shape(g, rank);
        const int axis = static_cast<int>(g() % static_cast<unsigned>(rank));
        const scan_options o{g() % 2 == 0 ? axis : axis - rank, g() % 2 == 0, g() % 2 == 0};
        INFO(std::string(name_of(type)), to_string(s), " axis ", axis, " exclusive ", o.exclusive, " reverse ", o.reverse);
        const numbers x = made(s, [&](const tensor_shape&) { return between(g, 0, 3); });
        const numbers sums = scanned(x, axis, o, 0, [](auto a, auto b) { return a + b; });
        REQUIRE(holds(cumsum(tensor_of(type, x), o), type, sums));
        const numbers ones = made(s, [&](const tensor_shape&) { return g() % 9 == 0 ? between(g, 0, 2) : 1; });
        const numbers products = scanned(ones, axis, o, 1, [](auto a, auto b) { return a * b; });
        if (!is_complex(type)) REQUIRE(holds(cumprod(tensor_of(type, ones), o), type, products));
        cases += 2;
        if (is_complex(type) || o.exclusive) continue;
        REQUIRE(holds(cummax(tensor_of(type, x), o), type, scanned(x, axis, o, -99, [](auto a, auto b) { return a > b ? a : b; })));
        REQUIRE(holds(cummin(tensor_of(type, x), o), type, scanned(x, axis, o, 99, [](auto a, auto b) { return a < b ? a : b; })));
        cases += 2;
      }
  CHECK(cases > 1000);
  const std::complex<float> i(0, 1);
  const auto turns = cumprod(tensor<std::complex<float>, 3>{i, i, i});
  CHECK(turns(1) == std::complex<float>(-1, 0));
  CHECK(turns(2) == -i);
}

TEST_CASE("long rows: rounding, threads, directions") {
  for (const std::int64_t n : {1, 3, 4, 7, 63, 64, 1023, 2047, 2048, 2049, 4099, 300007}) {
    INFO("n = ", n);
    const dynamic_tensor x = noise({n}, 3), single = cast_to(x, dtype::float32);
    const dynamic_tensor exact = naive(x, false), integers = cast_to(x * 1e6, dtype::int32);
    dynamic_tensor one;
    {
      thread_limit limit(1);
      one = cumsum(single);
    }
    thread_limit limit(4);
    const dynamic_tensor y = cumsum(single), back = cumsum(single, {.reverse = true}), shifted = cumsum(single, {.exclusive = true});
    const auto a = y.span<float>(), b = one.span<float>(), e = shifted.span<float>(), r = back.span<float>();
    double error = 0, reverse_error = 0;
    bool equal_bits = true;
    const double total = exact.span<double>()[static_cast<std::size_t>(n - 1)];
    for (std::size_t k = 0; k < a.size(); ++k) {
      error = std::max(error, std::fabs(static_cast<double>(a[k]) - exact.span<double>()[k]));
      const double before = k == 0 ? 0 : exact.span<double>()[k - 1];
      reverse_error = std::max(reverse_error, std::fabs(static_cast<double>(r[k]) - (total - before)));
      equal_bits = equal_bits && a[k] == b[k] && e[k] == (k == 0 ? 0.0F : a[k - 1]);
    }
    CHECK(equal_bits);
    CHECK(error < 1e-6 * std::sqrt(static_cast<double>(n)) + 1e-6);
    CHECK(reverse_error < 1e-6 * std::sqrt(static_cast<double>(n)) + 1e-6);
    const dynamic_tensor counted = cumsum(integers), wanted = naive(integers, false);
    CHECK(std::equal(counted.span<std::int32_t>().begin(), counted.span<std::int32_t>().end(), wanted.span<std::int32_t>().begin()));
  }
  // down the columns
  const auto wide = cumsum(tensor<float, dyn, dyn>(full({3, 1100}, 1.5F)));
  CHECK(wide(2, 1099) == 4.5F);
  CHECK(wide(1, 512) == 3.0F);
}

TEST_CASE("infinities and NaN") {
  const float inf = INFINITY;
  const tensor<float, 5> x{1, -inf, NAN, 5, inf};
  const auto m = cummax(x);
  CHECK(m(1) == 1.0F);
  CHECK(m(2) != m(2));
  CHECK(m(4) != m(4));
  const auto low = cummin(x, {.reverse = true});
  CHECK(low(4) == inf);
  CHECK(low(3) == 5.0F);
  CHECK(low(2) != low(2));
  CHECK(cummax(x, {.exclusive = true})(0) == -inf);
  const auto l = cumulative_logsumexp(tensor<double, 4>{-inf, -inf, 1000, 1000});
  CHECK(l(0) == -inf);
  CHECK(l(1) == -inf);
  CHECK(l(2) == 1000);
  CHECK(l(3) == doctest::Approx(1000 + std::log(2.0)).epsilon(1e-15));
  CHECK(cumulative_logsumexp(tensor<float, 2>{inf, 3})(1) == inf);
  const auto n = cumulative_logsumexp(tensor<float, 3>{1, NAN, 3});
  CHECK(n(0) == 1.0F);
  CHECK(n(1) != n(1));
  CHECK(n(2) != n(2));
  const auto e = cumulative_logsumexp(tensor<double, 3>{1, 2, 3}, {.exclusive = true, .reverse = true});
  CHECK(e(2) == -inf);
  CHECK(e(1) == doctest::Approx(3.0));
  CHECK(e(0) == doctest::Approx(std::log(std::exp(2.0) + std::exp(3.0))));
}

TEST_CASE("shift and linear_recurrence") {
  const tensor<int, 2, 3> x{{1, 2, 3}, {4, 5, 6}};
  CHECK((shift(x, 1) == tensor<int, 2, 3>{{0, 1, 2}, {0, 4, 5}}));
  CHECK((shift(x, 1, true, 7) == tensor<int, 2, 3>{{2, 3, 7}, {5, 6, 7}}));
  CHECK((shift(x, 0) == tensor<int, 2, 3>{{0, 0, 0}, {1, 2, 3}}));
  CHECK(shift(tensor<float, 0, 3>(), 0).shape() == tensor_shape{0, 3});
  const tensor<double, 4> a{9, 2, 0.5, -1}, b{1, 1, 1, 1};
  CHECK((linear_recurrence(a, b, 0) == tensor<double, 4>{1, 3, 2.5, -1.5}));
  CHECK((linear_recurrence(a, b, 0, true) == tensor<double, 4>{37, 4, 1.5, 1}));
}

TEST_CASE("reductions") {
  const tensor<float, 2, 3> x{{0, 1, 2}, {1000, 1000, -INFINITY}};
  const auto l = reduce_logsumexp(x, {.axis = {1}});
  CHECK(l(0) == doctest::Approx(std::log(1 + std::exp(1.0) + std::exp(2.0))));
  CHECK(l(1) == doctest::Approx(1000 + std::log(2.0)));
  CHECK(reduce_logsumexp(x, {.axis = {0, 1}, .keepdims = true}).shape() == tensor_shape{1, 1});
  CHECK(reduce_logsumexp(tensor<float, 2>{-INFINITY, -INFINITY})() == -INFINITY);
  CHECK(reduce_logsumexp(tensor<float, 2>{INFINITY, 1})() == INFINITY);
  CHECK(reduce_logsumexp(tensor<float, 0>())() == -INFINITY);
  CHECK(count_nonzero(tensor<int, 2, 3>{{0, 1, 0}, {1, 1, 0}})() == 3);
  CHECK((count_nonzero(tensor<int, 2, 3>{{0, 1, 0}, {1, 1, 0}}, {.axis = {0}}) == tensor<std::int64_t, 3>{1, 2, 0}));
  CHECK((count_nonzero<std::int32_t>(tensor<bool, 3>{true, false, true}, {.axis = {0}, .keepdims = true}) == tensor<std::int32_t, 1>{2}));
  const tensor<double, 2, 2> v{{1, 2}, {3, 6}};
  CHECK(reduce_variance(v)() == doctest::Approx(3.5));
  CHECK((reduce_std(v, {.axis = {1}}) == tensor<double, 2>{0.5, 1.5}));
  CHECK(reduce_euclidean_norm(tensor<double, 2>{3, 4})() == 5);
}

TEST_CASE("add_n: the towers of the documentation") {
  const dynamic_tensor a = tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}}, b = reshape(a, {3, 2}), product = matmul(a, b);
  CHECK(to_string(product) == "[[22. 28.]\n [49. 64.]]");
  CHECK(to_string(add_n({product, product})) == "[[ 44.  56.]\n [ 98. 128.]]");
  CHECK((add_n({tensor<int, 2>{1, 2}, tensor<int, 2>{3, 4}, tensor<int, 2>{5, 6}}) == tensor<int, 2>{9, 12}));
  CHECK((add_n(std::vector{tensor<double, 1>{7}}) == tensor<double, 1>{7}));
  eager::gradient_tape tape;
  tape.watch(a);
  const auto g = tape.gradient(add_n({a, square(a), a}), a);
  CHECK(to_string(g[0]) == "[[ 4.  6.  8.]\n [10. 12. 14.]]");
  check_error<invalid_argument>([&] { add_n({a, b}); }, "AddN: tensors must be of one dtype and shape: got float32[2, 3] and float32[3, 2]");
  check_error<invalid_argument>([&] { add_n({a, cast_to(a, dtype::int32)}); }, "AddN: tensors must be of one dtype and shape");
  check_error<invalid_argument>([&] { add_n({dynamic_tensor(tensor<bool, 1>{true})}); }, "AddN: tensors must be of numbers: got bool[1]");
  check_error<invalid_argument>([&] { add_n(std::vector<dynamic_tensor>{}); }, "AddN: the list holds no tensor");
}

TEST_CASE("moments") {
  const dynamic_tensor x = noise({4, 5, 3});
  const auto loop = [&](std::int64_t c, bool weighted) {
    double n = 0, s = 0, q = 0;
    for (std::int64_t k = 0; k < 20; ++k) {
      const double w = weighted ? static_cast<double>(k / 5 % 4) : 1, v = x.span<double>()[static_cast<std::size_t>(k * 3 + c)];
      n += w, s += w * v, q += w * v * v;
    }
    return std::pair(s / n, q / n - s / n * (s / n));
  };
  const auto m = moments(x, {0, 1});
  CHECK(m.mean.shape() == tensor_shape{3});
  const auto kept = moments(x, {0, 1}, {.keep_dims = true});
  CHECK(kept.variance.shape() == tensor_shape{1, 1, 3});
  const auto shifted = moments(x, {0, 1}, dynamic_tensor(tensor<double, 3>{0.1, 0.2, 0.3}));
  dynamic_tensor w = tensor<double, 4, 1, 1>{{{0}}, {{1}}, {{2}}, {{3}}};
  const auto weighted = weighted_moments(x, {0, 1}, w);
  const auto [count, sums, squares] = sufficient_statistics(x, {0, 1});
  CHECK(count.item<double>() == 20);
  const auto again = normalize_moments(count, sums, squares);
  for (std::int64_t c = 0; c < 3; ++c) {
    const auto k = static_cast<std::size_t>(c);
    const auto [mean, variance] = loop(c, false);
    for (const auto& r : {m, kept, shifted, again}) {
      CHECK(r.mean.span<double>()[k] == doctest::Approx(mean));
      CHECK(r.variance.span<double>()[k] == doctest::Approx(variance));
    }
    CHECK(weighted.mean.span<double>()[k] == doctest::Approx(loop(c, true).first));
    CHECK(weighted.variance.span<double>()[k] == doctest::Approx(loop(c, true).second));
  }
  // 70000 is no half, but the mean of the squares is not rounded to one on the way
  const auto narrow = moments(tensor<half, 2>{half(300), half(100)}, {0});
  CHECK(static_cast<float>(narrow.variance()) == 10000.0F);
}

TEST_CASE("XLA's Reduce: the documentation's example") {
  tensor<int, 4, 2, 3> x;
  for (int p = 0; p < 4; ++p)
    for (int k = 0; k < 6; ++k) x.data()[p * 6 + k] = k + 1;
  const auto add = [](int a, int b) { return a + b; };
  CHECK((xla::reduce(x, 0, add, {0}) == tensor<int, 2, 3>{{4, 8, 12}, {16, 20, 24}}));
  CHECK((xla::reduce(x, 0, add, {2}) == tensor<int, 4, 2>{{6, 15}, {6, 15}, {6, 15}, {6, 15}}));
  CHECK((xla::reduce(x, 0, add, {0, 1}) == tensor<int, 3>{20, 28, 36}));
  CHECK(xla::reduce(x, 0, add, {0, 1, 2})() == 84);
  CHECK((xla::reduce(x, 0, add, {0, 2}) == tensor<int, 2>{24, 60}));
  CHECK((xla::reduce(x, 5, add, {}) == x + 5));
  CHECK((xla::reduce(tensor<float, 0, 2>(), 7.F, [](float a, float b) { return std::max(a, b); }, {0}) == tensor<float, 2>{7, 7}));
  int calls = 0;
  CHECK(xla::reduce(tensor<int, 3>{1, 2, 3}, 0, [&](int a, int b) { return ++calls, 10 * a + b; }, {0})() == 123);
  CHECK(calls == 3);
  for (int k = 0; k < 24; ++k) x.data()[k] = k % 5 == 0 ? 3 : 1 + k % 2;
  const dynamic_tensor d = x;
  const auto product = [](const dynamic_tensor& a, const dynamic_tensor& b) { return a * b; };
  for (const axis_list& axes : {axis_list{0}, axis_list{1, 2}, axis_list{0, 1, 2}, axis_list{0, 2}})
    CHECK(xla::reduce(d, dynamic_tensor(1), product, axes).to<int, any_rank>() == xla::reduce(x, 1, [](int a, int b) { return a * b; }, axes));
}

TEST_CASE("XLA's Reduce of several operands: the largest element and its index") {
  const tensor<float, 2, 3> x{{1, 7, 7}, {4, 2, 9}};
  const tensor<int, 2, 3> places{{0, 1, 2}, {0, 1, 2}};
  const auto larger = [](float a, int i, float b, int j) { return a < b ? std::pair(b, j) : std::pair(a, i); };
  const auto [values, indices] = xla::reduce(std::tuple(x, places), std::tuple(-1.F, -1), larger, {1});
  CHECK((values == tensor<float, 2>{7, 9}));
  CHECK((indices == tensor<int, 2>{1, 2}));
  const auto [down, rows] = xla::reduce<float, int>(larger, {0}, dynamic_tensor(x), dynamic_tensor(places), dynamic_tensor(-1.F), dynamic_tensor(-1));
  CHECK((down.to<float, 3>() == tensor<float, 3>{4, 7, 9}));
  CHECK((rows.to<int, 3>() == tensor<int, 3>{0, 1, 2}));
  const auto [none, no_index] = xla::reduce(std::tuple(tensor<float, 0, 2>(), tensor<int, 0, 2>()), std::tuple(-1.F, -1), larger, {0});
  CHECK((none == tensor<float, 2>{-1, -1}));
  const dynamic_tensor v = x, i = places, one = dynamic_tensor(1.F), two = dynamic_tensor(2);
  check_error<invalid_argument>([&] { xla::reduce<float, int>(larger, {2}, v, i, one, two); }, "Reduce: an axis is out of range or named twice");
  check_error<invalid_argument>([&] { xla::reduce<float, int>(larger, {0}, v, v, one, two); }, "Reduce: an operand is of another dtype than the function takes");
  check_error<invalid_argument>([&] { xla::reduce<float, int>(larger, {0}, v, i, one, one); }, "Reduce: the initial values must be scalars");
  check_error<invalid_argument>([&] { xla::reduce(std::tuple(tensor<float, 2>{1, 2}, tensor<int, 1>{1}), std::tuple(0.F, 0), larger, {0}); },
                                "Reduce: operands must be of one shape: got [2] and [1]");
}

TEST_CASE("argmax and argmin: the first of equals, the first NaN") {
  const dynamic_tensor x = tensor<float, 3, 4>{{1, 5, 5, 0}, {NAN, 2, NAN, 9}, {-1, -1, -3, -3}};
  const tensor<std::int64_t, 3> largest{1, 0, 0}, smallest{3, 0, 2};
  CHECK((argmax(x, {.axis = 1}).to<std::int64_t, 3>() == largest));
  CHECK((argmin(x, {.axis = -1}).to<std::int64_t, 3>() == smallest));
  CHECK((argmax(x.to<float, 3, 4>(), {.axis = 1}) == largest));
  CHECK((argmin(x.to<float, 3, 4>(), {.axis = 1}) == smallest));
  CHECK((argmax(x).to<std::int64_t, 4>() == tensor<std::int64_t, 4>{1, 0, 1, 1}));
  check_error<invalid_argument>([&] { argmax(x, {.axis = 2}); }, "ArgMax: axis out of range");
  check_error<invalid_argument>([&] { argmin(x, {.axis = -3}); }, "ArgMin: axis out of range");
  check_error<invalid_argument>([&] { argmin(dynamic_tensor(tensor<float, 0, 2>())); }, "the axis is empty");
}

TEST_CASE("errors say what is wrong") {
  const dynamic_tensor x = noise({2, 3}), text = tensor<std::string, 2>{"a", "b"}, none = tensor<float, 0, 2>();
  check_error<invalid_argument>([&] { cumsum(x, {.axis = 2}); }, "Cumsum: axis out of range: got float64[2, 3]");
  check_error<invalid_argument>([&] { cumsum(dynamic_tensor(1.0F)); }, "Cumsum: axis out of range: got float32[]");
  check_error<invalid_argument>([&] { cumsum(text); }, "Cumsum: does not take operands of this dtype: got string[2]");
  check_error<invalid_argument>([&] { cumprod(x, {.axis = -3}); }, "Cumprod: axis out of range");
  check_error<invalid_argument>([&] { cummax(dynamic_tensor(tensor<std::complex<float>, 1>{1.F})); }, "Cummax: does not take operands of this dtype");
  check_error<invalid_argument>([&] { cummin(dynamic_tensor(tensor<bool, 1>{true})); }, "Cummin: does not take operands of this dtype");
  check_error<invalid_argument>([&] { cumulative_logsumexp(dynamic_tensor(tensor<int, 1>{1})); }, "CumulativeLogsumexp: does not take");
  check_error<invalid_argument>([&] { linear_recurrence(x, noise({3, 2}), 0); }, "LinearRecurrence: operands must be of one dtype and shape: got float64[2, 3] and float64[3, 2]");
  check_error<invalid_argument>([&] { linear_recurrence(x, x, 5); }, "LinearRecurrence: axis out of range");
  check_error<invalid_argument>([&] { shift(x, 2); }, "Shift: axis out of range");
  check_error<invalid_argument>([&] { reduce_logsumexp(x, {.axis = {2}}); }, "axis out of range");
  check_error<invalid_argument>([&] { moments(x, {0, 2}); }, "axis out of range");
  check_error<invalid_argument>([&] { weighted_moments(x, {0}, noise({5})); }, "shapes do not broadcast");
  const auto add = [](const dynamic_tensor& a, const dynamic_tensor& b) { return a + b; };
  check_error<invalid_argument>([&] { xla::reduce(x, dynamic_tensor(0), add, {0}); }, "Reduce: the initial value must be a scalar of the operand's dtype");
  check_error<invalid_argument>([&] { xla::reduce(x, noise({}), add, {0, 0}); }, "Reduce: an axis is out of range or named twice");
  check_error<invalid_argument>([&] { xla::reduce(x, noise({}), add, {4}); }, "Reduce: an axis is out of range");
}
