// SPDX-License-Identifier: Apache-2.0
// Window reductions, selection and pooling: the documentation's examples, all dtypes, layouts, odd sizes against loops, a
// caller's functions, messages.
#include <rill/eager/window.hpp>

#include "array.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace rill;
using test::array;
using test::values;

namespace {

dynamic_tensor make(const tensor_shape& s, std::mt19937& g, dtype type = dtype::float64) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  auto* p = static_cast<double*>(t.mutable_data());
  for (std::int64_t k = 0; k < t.size(); ++k) p[k] = static_cast<double>(static_cast<int>(g() % 13)) - (is_integer(type) && !is_signed(type) ? 0 : 6);
  return cast_to(t, type);
}
dynamic_tensor number_of(double x, dtype type = dtype::float64) { return cast_to(dynamic_tensor(tensor<double>(x)), type); }

/// The elements of each window in row-major order, handed to f(result, elements, their places).
template <class F>
void loop(const tensor_shape& in, const tensor_shape& out, const xla::window_options& o, const tensor_shape& before, F&& f) {
  const auto entry = [](const tensor_shape& list, int k) { return list.rank() == 0 ? std::int64_t{1} : list[k]; };
  std::int64_t taps = 1;
  for (const std::int64_t w : o.window_dimensions) taps *= w;
  for (std::int64_t q = 0; q < out.num_elements(); ++q) {
    std::vector<std::int64_t> places;
    for (std::int64_t t = 0; t < taps; ++t) {
      std::int64_t rest = q, left = t, step = 1, place = 0;
      bool inside = true;
      for (int d = in.rank() - 1; d >= 0; --d) {
        const std::int64_t at = rest % out[d] * entry(o.window_strides, d) + left % o.window_dimensions[d] * entry(o.window_dilations, d) - before[d];
        const std::int64_t base = entry(o.base_dilations, d);
        rest /= out[d], left /= o.window_dimensions[d];
        inside = inside && at >= 0 && at % base == 0 && at / base < in[d];
        place += at / base * step, step *= in[d];
      }
      if (inside) places.push_back(place);
    }
    f(static_cast<std::size_t>(q), places);
  }
}

}  // namespace

TEST_CASE("the documentation's windows") {
  tensor<float, 4, 6> x;
  for (int k = 0; k < 24; ++k) x(k / 6, k % 6) = static_cast<float>(k * 7 % 24);
  const xla::window_options o{.window_dimensions = {2, 3}, .window_strides = {2, 3}};
  const auto largest = xla::reduce_window(x, std::numeric_limits<float>::lowest(), ops::max{}, o);
  REQUIRE(largest.shape() == tensor_shape{2, 2});
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      float want = -1;
      for (int a = 0; a < 2; ++a)
        for (int b = 0; b < 3; ++b) want = std::max(want, x(2 * i + a, 3 * j + b));
      CHECK(largest(i, j) == want);
    }
  // an associative function of the caller's, with state
  int calls = 0;
  const auto counted = xla::reduce_window(x, std::numeric_limits<float>::lowest(), [&](float a, float b) { return ++calls, a > b ? a : b; }, o);
  CHECK(values(dynamic_tensor(counted)) == values(dynamic_tensor(largest)));
  CHECK(calls == 24);
  // neighbouring windows are one element apart; padding holds the initial value
  const tensor<double, 5> line{1, 2, 3, 4, 5};
  CHECK(values(dynamic_tensor(xla::reduce_window(line, ops::sum{}, {.window_dimensions = {3}}))) == array{6, 9, 12});
  CHECK(values(dynamic_tensor(xla::reduce_window(line, ops::sum{}, {.window_dimensions = {3}, .padding = same}))) == array{3, 6, 9, 12, 9});
  CHECK(values(dynamic_tensor(xla::reduce_window(line, ops::prod{}, {.window_dimensions = {2}, .window_strides = {2}, .padding = same}))) == array{2, 12, 5});
  CHECK(values(dynamic_tensor(xla::reduce_window(line, ops::min{}, {.window_dimensions = {2}, .padding = {{1, -1}}}))) == array{1, 1, 2, 3});
  CHECK(values(dynamic_tensor(xla::reduce_window(line, 3., ops::min{}, {.window_dimensions = {2}, .window_strides = {3}}))) == array{1, 3});
  CHECK(values(dynamic_tensor(xla::reduce_window(line, ops::sum{}, {.window_dimensions = {2}, .base_dilations = {2}, .window_dilations = {2}}))) == array{3, 0, 5, 0, 7, 0, 9});

  // SelectAndScatter: 9 is the largest of the two upper windows, so 2 and 6 meet there
  const tensor<float, 4, 5> operand{{7, 2, 5, 3, 8}, {3, 8, 9, 3, 4}, {1, 5, 7, 5, 6}, {0, 6, 2, 10, 2}};
  const tensor<float, 2, 2> source{{2, 6}, {3, 1}};
  const xla::window_options overlapping{.window_dimensions = {2, 3}, .window_strides = {2, 2}};
  const auto add = xla::select_and_scatter(operand, [](auto a, auto b) { return a >= b; }, overlapping, source, 0.f, [](auto a, auto b) { return a + b; });
  CHECK(values(dynamic_tensor(add)) == array{0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 1, 0});
  CHECK(values(dynamic_tensor(xla::select_and_scatter(operand, ops::first_largest{}, overlapping, source, 0.f, ops::sum{}))) == values(dynamic_tensor(add)));
  // the first of equal elements
  const tensor<int, 4> equals{5, 5, 5, 5};
  CHECK(values(dynamic_tensor(xla::select_and_scatter(equals, ops::first_largest{}, {.window_dimensions = {2}}, tensor<int, 3>{1, 2, 4}, 0, ops::sum{}))) == array{1, 2, 4, 0});
}

TEST_CASE("random windows against loops, all dtypes") {
  constexpr dtype types[] = {dtype::float64, dtype::float32, dtype::int32, dtype::float16, dtype::uint8, dtype::int64, dtype::bfloat16, dtype::int8, dtype::uint64, dtype::int16, dtype::uint32, dtype::uint16};
  int filled = 0;
  for (unsigned seed = 0; seed < 240; ++seed) {
    CAPTURE(seed);
    std::mt19937 g(seed);
    const auto pick = [&](int low, int high) { return low + static_cast<int>(g() % static_cast<unsigned>(high - low + 1)); };
    const int rank = pick(1, 4);
    xla::window_options o;
    tensor_shape in, out, before;
    pad_list pads;
    for (int d = 0; d < rank; ++d) {
      const bool moves = pick(0, 2) != 0;
      in.push_back(pick(seed % 10 == 0 ? 0 : 1, 6));
      o.window_dimensions.push_back(moves ? pick(1, 3) : 1), o.window_strides.push_back(moves ? pick(1, 3) : 1);
      o.window_dilations.push_back(moves ? pick(1, 2) : 1), o.base_dilations.push_back(moves ? pick(1, 2) : 1);
      pads.push_back(moves ? pad_width{pick(-1, 3), pick(-1, 3)} : pad_width{});
    }
    o.padding = pads;
    for (int d = 0; d < rank; ++d) {
      const std::int64_t wide = in[d] == 0 ? 0 : (in[d] - 1) * o.base_dilations[d] + 1;
      const std::int64_t room = wide + pads.axes[d].before + pads.axes[d].after - (o.window_dimensions[d] - 1) * o.window_dilations[d] - 1;
      out.push_back(room < 0 ? 0 : room / o.window_strides[d] + 1);
      before.push_back(pads.axes[d].before);
    }
    const dtype type = types[seed % 12];
    const dynamic_tensor x = make(in, g, type);
    const array v = values(x);
    const int which = pick(0, 2);
    const double start = which == 0 ? 1 : which == 1 ? -3 : 4;
    const dynamic_tensor init = number_of(is_integer(type) && !is_signed(type) ? 3 : start, type);
    const dynamic_tensor y = which == 0   ? xla::reduce_window(x, init, ops::sum{}, o)
                             : which == 1 ? xla::reduce_window(x, init, ops::max{}, o)
                                          : xla::reduce_window(x, init, ops::min{}, o);
    REQUIRE(y.shape() == out);
    const array got = values(y);
    filled += y.size() > 0;
    const dynamic_tensor source = make(out, g, type);
    bool selects = true;
    for (const std::int64_t d : o.base_dilations) selects = selects && d == 1;
    const array added = selects ? values(xla::select_and_scatter(x, ops::first_largest{}, o, source, number_of(1, type), ops::sum{})) : array{};
    array want(v.size(), 1);
    const array s = values(source);
    loop(in, out, o, before, [&](std::size_t q, const std::vector<std::int64_t>& places) {
      double total = values(init)[0];
      std::int64_t best = -1;
      for (const std::int64_t p : places) {
        const double e = v[static_cast<std::size_t>(p)];
        total = which == 0 ? total + e : which == 1 ? std::max(total, e) : std::min(total, e);
        if (best < 0 || e > v[static_cast<std::size_t>(best)]) best = p;
      }
      if (which == 0 && is_integer(type)) total = values(number_of(total, dtype::float64))[0];
      REQUIRE(got[q] == values(cast_to(number_of(total), type))[0]);
      if (best >= 0) want[static_cast<std::size_t>(best)] += s[q];
    });
    if (selects) REQUIRE(added == want);
  }
  CHECK(filled > 150);
}

TEST_CASE("integers wrap, NaN is largest, booleans") {
  const tensor<std::uint8_t, 3> bytes{200, 100, 3};
  CHECK(values(dynamic_tensor(xla::reduce_window(bytes, ops::sum{}, {.window_dimensions = {2}}))) == array{44, 103});
  CHECK(values(dynamic_tensor(xla::reduce_window(bytes, ops::prod{}, {.window_dimensions = {2}}))) == array{200 * 100 % 256, 300 % 256});
  const tensor<std::int64_t, 2> wide{std::numeric_limits<std::int64_t>::max(), 1};
  CHECK(xla::reduce_window(wide, ops::sum{}, {.window_dimensions = {2}})(0) == std::numeric_limits<std::int64_t>::min());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const tensor<double, 4> x{1, nan, 2, 3};
  const auto y = xla::reduce_window(x, ops::max{}, {.window_dimensions = {2}});
  CHECK((std::isnan(y(0)) && std::isnan(y(1)) && y(2) == 3));
  CHECK(values(dynamic_tensor(xla::select_and_scatter(x, ops::first_largest{}, {.window_dimensions = {2}}, tensor<double, 3>{1, 2, 4}, 0., ops::sum{}))) == array{0, 3, 0, 4});
  const tensor<bool, 4> b{false, true, false, false};
  const auto some = xla::reduce_window(b, ops::any{}, {.window_dimensions = {2}}), every = xla::reduce_window(b, ops::all{}, {.window_dimensions = {2}, .padding = {{1, 1}}});
  CHECK(values(dynamic_tensor(some)) == array{1, 1, 0});
  CHECK(values(dynamic_tensor(every)) == array{0, 0, 0, 0, 0});
  CHECK_THROWS_WITH_AS(xla::reduce_window(x, ops::any{}, {.window_dimensions = {2}}), doctest::Contains("any and all combine booleans"), invalid_argument);
}

TEST_CASE("pooling in both layouts") {
  std::mt19937 g(3);
  for (const auto rule : {same, valid})
    for (const dtype type : {dtype::float64, dtype::float32, dtype::float16}) {
      const dynamic_tensor x = make({2, 7, 5, 3}, g, type);
      const pooling_options o{.window = {3, 2}, .strides = {2, 1}, .padding = rule};
      pooling_options channels_first = o;
      channels_first.data_format = image_layout::nchw;
      const dynamic_tensor t = transpose(x, {0, 3, 1, 2});
      CHECK(values(transpose(max_pool(t, channels_first), {0, 2, 3, 1})) == values(max_pool(x, o)));
      CHECK(values(transpose(avg_pool(t, channels_first), {0, 2, 3, 1})) == values(avg_pool(x, o)));
      CHECK(values(avg_pool(x, pool_options{.window = {3, 2}, .strides = {2, 1}, .padding = rule})) == values(avg_pool(x, o)));
      CHECK(values(pool(x, {3, 2}, pooling_type::max, {.strides = {2, 1}, .padding = rule})) == values(max_pool(x, o)));
      CHECK(values(pool(x, {3, 2}, pooling_type::avg, {.strides = {2, 1}, .padding = rule})) == values(avg_pool(x, o)));
    }
  const tensor<float, 1, 2, 2, 1> image{{{{1}, {2}}, {{3}, {6}}}};
  CHECK(values(dynamic_tensor(avg_pool(image))) == array{3});
  const auto r = max_pool_with_argmax(image);
  CHECK((r.output(0, 0, 0, 0) == 6 && r.argmax(0, 0, 0, 0) == 3));
  // the padding counts for nothing in a mean; a window outside gives 0; an empty batch is fine
  const tensor<float, 1, 3, 1> line{{{2}, {4}, {9}}};
  CHECK(values(dynamic_tensor(avg_pool1d(line, {.window = {2}, .strides = {2}, .padding = {{1, 3}}}))) == array{2, 6.5, 0});
  CHECK(values(dynamic_tensor(max_pool1d(line, {.window = {2}, .dilations = {2}}))) == array{9});
  CHECK(max_pool3d(dynamic_tensor::zeros(dtype::float32, {0, 4, 4, 4, 2}), {.window = {2, 2, 2}}).shape() == tensor_shape{0, 3, 3, 3, 2});
  CHECK(values(dynamic_tensor(extract_image_patches(image, {.ksizes = {2, 2}}))) == array{1, 2, 3, 6});
  CHECK(values(dynamic_tensor(dilation2d(image, tensor<float, 1, 2, 1>{{{0}, {10}}}))) == array{12, 16});
  CHECK(values(dynamic_tensor(erosion2d(image, tensor<float, 1, 2, 1>{{{0}, {10}}}))) == array{-9, -7});
}

TEST_CASE("wrong windows") {
  const dynamic_tensor x = dynamic_tensor::zeros(dtype::float32, {2, 5, 5, 3}), v = dynamic_tensor::zeros(dtype::float32, {6});
  const auto throws = [](auto&& f, const char* part) {
    INFO(part);
    CHECK_THROWS_WITH_AS(f(), doctest::Contains(part), invalid_argument);
  };
  throws([&] { return xla::reduce_window(v, ops::sum{}, {.window_dimensions = {2, 2}}); }, "ReduceWindow: windows, strides, dilations and paddings need one entry per axis: got float32[6]");
  throws([&] { return xla::reduce_window(v, ops::sum{}, {.window_dimensions = {0}}); }, "must be at least 1");
  throws([&] { return xla::reduce_window(v, ops::sum{}, {.window_dimensions = {2}, .window_strides = {1 << 20}}); }, "too large");
  throws([&] { return xla::reduce_window(v, ops::sum{}, {.window_dimensions = {2}, .padding = {{INT64_MAX, 0}}}); }, "a padding is out of range");
  throws([&] { return xla::reduce_window(cast_to(v, dtype::complex64), ops::sum{}, {.window_dimensions = {2}}); }, "needs an operand of a real dtype");
  throws([&] { return xla::reduce_window(v, v, ops::sum{}, {.window_dimensions = {2}}); }, "the initial value must be a scalar of the operand's dtype");
  const auto scatter = [&](const dynamic_tensor& source, const dynamic_tensor& init, xla::window_options o) {
    return xla::select_and_scatter(v, ops::first_largest{}, o, source, init, ops::sum{});
  };
  throws([&] { return scatter(v, number_of(0, dtype::float32), {.window_dimensions = {2}}); }, "SelectAndScatter: the source must have one element of the operand's dtype per window: got float32[6] and float32[5]");
  throws([&] { return scatter(dynamic_tensor::zeros(dtype::float32, {5}), number_of(0), {.window_dimensions = {2}}); }, "the initial value must be a scalar");
  throws([&] { return scatter(v, number_of(0, dtype::float32), {.window_dimensions = {2}, .base_dilations = {2}}); }, "cannot select in a dilated base");
  throws([&] { return max_pool(v, pooling_options{.window = {2, 2}}); }, "the batch of images has another number of axes");
  throws([&] { return max_pool(x, pooling_options{.window = {2}}); }, "one entry per spatial axis");
  throws([&] { return max_pool(x, pooling_options{.window = {9, 9}}); }, "the window is larger than the image");
  throws([&] { return avg_pool(cast_to(x, dtype::int32), pooling_options{.window = {2, 2}}); }, "means need a floating dtype");
  throws([&] { return avg_pool3d(x, {.window = {2, 2, 2}}); }, "another number of axes");
  throws([&] { return pool(x, {2}, pooling_type::avg); }, "another number of axes");
  throws([&] { return max_pool_with_argmax(v); }, "another number of axes");
  throws([&] { return max_pool_with_argmax(cast_to(x, dtype::complex64)); }, "real dtype");
  throws([&] { return max_pool_with_argmax(x, {.window = {0, 1}}); }, "at least 1");
  throws([&] { return extract_image_patches(v, {.ksizes = {2, 2}}); }, "needs a batch of images");
  throws([&] { return extract_image_patches(x, {.ksizes = {0, 2}}); }, "must be at least 1");
  throws([&] { return extract_image_patches(x, {.ksizes = {9, 2}}); }, "the patch is larger than the image");
  const dynamic_tensor filter = dynamic_tensor::zeros(dtype::float32, {2, 2, 3});
  throws([&] { return dilation2d(x, x); }, "Dilation2D: needs images [b, h, w, c] and a filter [h, w, c]");
  throws([&] { return dilation2d(x, dynamic_tensor::zeros(dtype::float32, {2, 2, 4})); }, "channels differ");
  throws([&] { return dilation2d(x, cast_to(filter, dtype::float64)); }, "one real dtype");
  throws([&] { return dilation2d(x, filter, {.strides = {0, 1}}); }, "must be at least 1");
  throws([&] { return erosion2d(x, x); }, "a filter [h, w, c]");
  throws([&] { return erosion2d(cast_to(x, dtype::uint8), cast_to(filter, dtype::uint8)); }, "unsigned images cannot be negated");
}
