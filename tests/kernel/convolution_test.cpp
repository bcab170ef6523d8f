// SPDX-License-Identifier: Apache-2.0
// convolution.hpp against naive double-precision loops: forward and both gradients over strides, paddings, odd sizes
// and channel counts round the vector width; evaluated operands; thread counts. And depthwise.hpp.
#include <rill/kernel/depthwise.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

namespace {

using rill::kernel::conv2d;
using rill::kernel::conv2d_backprop_filter;
using rill::kernel::conv2d_backprop_input;
using rill::kernel::conv2d_dims;
using rill::kernel::plain_operand;
using rill::kernel::store_epilogue;

constexpr unsigned seed = 1804;

template <class T>
std::vector<T> random_vector(std::int64_t n, std::mt19937& generator) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<T> v(static_cast<std::size_t>(n));
  for (T& x : v) x = static_cast<T>(uniform(generator));
  return v;
}

/// Reads through the scratch, and negates.
template <class T>
struct negated_operand {
  const T* source;
  std::int64_t pitch;
  const T* segment(std::int64_t outer, std::int64_t inner0, std::int64_t n, T* scratch) const {
    for (std::int64_t i = 0; i < n; ++i) scratch[i] = -source[outer * pitch + inner0 + i];
    return scratch;
  }
};

template <class T>
struct add_epilogue {
  T* data;
  std::int64_t ld;
  template <class V>
  void operator()(std::int64_t i, std::int64_t j, V acc) const {
    tail(i, j, acc, static_cast<std::int64_t>(V::size));
  }
  template <class V>
  void tail(std::int64_t i, std::int64_t j, V acc, std::int64_t n) const {
    alignas(64) T lane[V::size];
    acc.store_aligned(lane);
    for (std::int64_t q = 0; q < n; ++q) data[i * ld + j + q] += lane[q];
  }
};

template <class T>
struct problem {
  conv2d_dims d;
  std::vector<T> x, w, dy;

  problem(const conv2d_dims& dims, std::mt19937& generator)
      : d(dims),
        x(random_vector<T>(d.batch * d.in_h * d.in_w * d.in_c, generator)),
        w(random_vector<T>(d.k_h * d.k_w * d.in_c * d.out_c, generator)),
        dy(random_vector<T>(d.batch * d.out_h * d.out_w * d.out_c, generator)) {}

  struct results {
    std::vector<T> y, dx, dw;
  };
  template <template <class> class Operand>
  [[nodiscard]] results run() const {
    results r{std::vector<T>(dy.size()), std::vector<T>(x.size()), std::vector<T>(w.size())};
    const Operand<T> xs{x.data(), d.in_w * d.in_c}, dys{dy.data(), d.out_w * d.out_c}, ws{w.data(), d.out_c};
    conv2d<T>(d, xs, ws, add_epilogue<T>{r.y.data(), d.out_c});
    conv2d_backprop_input<T>(d, dys, ws, add_epilogue<T>{r.dx.data(), d.in_c});
    conv2d_backprop_filter<T>(d, xs, dys, add_epilogue<T>{r.dw.data(), d.out_c});
    return r;
  }

  /// Largest error of the three results, relative to the size of the sums.
  [[nodiscard]] double error(const results& r) const {
    std::vector<double> y(dy.size()), dx(x.size()), dw(w.size());
    for (std::int64_t b = 0; b < d.batch; ++b)
      for (std::int64_t oy = 0; oy < d.out_h; ++oy)
        for (std::int64_t ox = 0; ox < d.out_w; ++ox)
          for (std::int64_t ky = 0; ky < d.k_h; ++ky)
            for (std::int64_t kx = 0; kx < d.k_w; ++kx) {
              const std::int64_t iy = oy * d.stride_h + ky - d.pad_top, ix = ox * d.stride_w + kx - d.pad_left;
              if (iy < 0 || ix < 0 || iy >= d.in_h || ix >= d.in_w) continue;
              for (std::int64_t c = 0; c < d.in_c; ++c)
                for (std::int64_t o = 0; o < d.out_c; ++o) {
                  const auto yi = static_cast<std::size_t>(((b * d.out_h + oy) * d.out_w + ox) * d.out_c + o);
                  const auto xi = static_cast<std::size_t>(((b * d.in_h + iy) * d.in_w + ix) * d.in_c + c);
                  const auto wi = static_cast<std::size_t>(((ky * d.k_w + kx) * d.in_c + c) * d.out_c + o);
                  y[yi] += static_cast<double>(x[xi]) * static_cast<double>(w[wi]);
                  dx[xi] += static_cast<double>(dy[yi]) * static_cast<double>(w[wi]);
                  dw[wi] += static_cast<double>(x[xi]) * static_cast<double>(dy[yi]);
                }
            }
    double worst = 0;
    const auto compare = [&](const std::vector<double>& want, const std::vector<T>& got) {
      for (std::size_t i = 0; i < want.size(); ++i) {
        const double e = std::abs(want[i] - static_cast<double>(got[i])) / (4 + std::abs(want[i]));
        if (!(e <= worst)) worst = e;
      }
    };
    compare(y, r.y);
    compare(dx, r.dx);
    compare(dw, r.dw);
    return worst;
  }
};

template <class T>
constexpr double tolerance = std::is_same_v<T, float> ? 2e-5 : 1e-13;

template <class T>
void check(const conv2d_dims& d, std::mt19937& generator, bool evaluated, double slack = 1) {
  CAPTURE(seed);
  CAPTURE(d.batch);
  CAPTURE(d.in_h);
  CAPTURE(d.in_w);
  CAPTURE(d.in_c);
  CAPTURE(d.k_h);
  CAPTURE(d.k_w);
  CAPTURE(d.out_h);
  CAPTURE(d.out_w);
  CAPTURE(d.out_c);
  CAPTURE(d.stride_h);
  CAPTURE(d.stride_w);
  CAPTURE(d.pad_top);
  CAPTURE(d.pad_left);
  const problem<T> p(d, generator);
  auto r = p.template run<plain_operand>();
  CHECK(p.error(r) < slack * tolerance<T>);
  if (evaluated) {
    // One factor negated twice over: both operands of each product change sign.
    const auto twice = p.template run<negated_operand>();
    CHECK(twice.y == r.y);
    CHECK(twice.dx == r.dx);
    CHECK(twice.dw == r.dw);
  }
}

conv2d_dims same(std::int64_t batch, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t kh, std::int64_t kw,
                 std::int64_t out_c, std::int64_t sh, std::int64_t sw) {
  const std::int64_t oh = (h + sh - 1) / sh, ow = (w + sw - 1) / sw;
  return {batch,
          h,
          w,
          c,
          kh,
          kw,
          oh,
          ow,
          out_c,
          sh,
          sw,
          std::max<std::int64_t>(0, (oh - 1) * sh + kh - h) / 2,
          std::max<std::int64_t>(0, (ow - 1) * sw + kw - w) / 2};
}

}  // namespace

TEST_CASE("convolution: the two layers of the MNIST network") {
  std::mt19937 generator(seed);
  check<float>(same(3, 28, 28, 1, 5, 5, 32, 1, 1), generator, true, 5);
  check<float>(same(2, 14, 14, 32, 5, 5, 64, 1, 1), generator, true, 5);
}

TEST_CASE("convolution: images of one channel, whose filter's gradient takes rows in pairs") {
  std::mt19937 generator(seed);
  check<float>(same(20, 30, 31, 1, 7, 7, 17, 1, 1), generator, true, 5);
  check<float>(same(5, 33, 40, 1, 4, 3, 9, 2, 1), generator, true, 5);
  check<double>(same(3, 40, 41, 1, 3, 2, 5, 1, 2), generator, true, 5);
}

TEST_CASE("convolution: a filter that counts") {
  // Nine ones over an image of ones: the result is the number of pixels under the window.
  const conv2d_dims d = same(1, 4, 5, 1, 3, 3, 1, 1, 1);
  const std::vector<float> x(20, 1.0f), w(9, 1.0f);
  std::vector<float> y(20);
  conv2d<float>(d, plain_operand<float>{x.data(), 5}, plain_operand<float>{w.data(), 1},
                store_epilogue<float>{y.data(), 1});
  CHECK(y == std::vector<float>{4, 6, 6, 6, 4, 6, 9, 9, 9, 6, 6, 9, 9, 9, 6, 4, 6, 6, 6, 4});
}

TEST_CASE("convolution: random shapes, strides and paddings") {
  std::mt19937 generator(seed);
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(generator() % static_cast<unsigned>(high - low + 1));
  };
  const std::int64_t channels[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 33};
  for (int round = 0; round < 250; ++round) {
    conv2d_dims d = same(pick(1, 3), pick(1, 9), pick(1, 33), channels[pick(0, 9)], pick(1, 5), pick(1, 6),
                         channels[pick(0, 9)], pick(1, 3), pick(1, 4));
    if (round % 2 == 1) {  // paddings and output sizes that no rule would give, windows beyond the image among them
      d.pad_top = pick(0, 3);
      d.pad_left = pick(0, 3);
      d.out_h = pick(1, 8);
      d.out_w = pick(1, 20);
    }
    if (round % 3 == 0) check<double>(d, generator, round % 4 == 0);
    else check<float>(d, generator, round % 4 == 0);
  }
}

TEST_CASE("convolution: filters of 5 x 5 and 3 x 3 by minimal filtering") {
  std::mt19937 generator(seed);
  check<float>(same(10, 14, 14, 32, 5, 5, 64, 1, 1), generator, true, 5);
  check<float>(same(9, 11, 13, 16, 5, 5, 32, 1, 1), generator, false,
               5);  // tiles that hang over, a last group not full
  check<float>({8, 16, 18, 32, 5, 5, 12, 14, 16, 1, 1, 0, 0}, generator, true, 5);
  check<double>({8, 12, 12, 64, 5, 5, 14, 12, 16, 1, 1, 3, 1}, generator, false, 5);
  check<float>(same(8, 14, 14, 32, 3, 3, 64, 1, 1), generator, true, 5);
  check<float>(same(9, 19, 13, 64, 3, 3, 32, 1, 1), generator, false, 5);
  check<float>({8, 14, 17, 32, 3, 3, 13, 16, 32, 1, 1, 0, 1}, generator, true, 5);
  check<double>({16, 12, 12, 32, 3, 3, 13, 13, 64, 1, 1, 2, 1}, generator, false, 5);
  // Few images, cut into parts, the last of which may be short.
  check<float>(same(1, 29, 30, 32, 3, 3, 32, 1, 1), generator, true, 5);
  check<float>({2, 25, 24, 32, 3, 3, 27, 23, 64, 1, 1, 2, 0}, generator, false, 5);
  check<float>(same(1, 15, 14, 32, 5, 5, 16, 1, 1), generator, true, 5);
  for (std::int64_t k : {3, 5}) {
    const conv2d_dims d = same(10, 12, 12, 32, k, k, 32, 1, 1);
    CHECK(rill::kernel::detail::wino_pays<float>(
        {k, d.batch, d.in_h, d.in_w, d.in_c, d.out_h, d.out_w, d.out_c, d.pad_top, d.pad_left}));
  }
}

// An infinite pixel reaches the nine results, and taps, that see it; with minimal filtering all of a tile.
TEST_CASE("convolution: infinities with and without minimal filtering") {
  std::mt19937 generator(seed);
  problem<float> p(same(10, 12, 12, 32, 3, 3, 32, 1, 1), generator);
  const auto not_finite = [](const std::vector<float>& v) { return std::count_if(v.begin(), v.end(), [](float a) { return !std::isfinite(a); }); };
  const std::size_t inner = (2 * 12 * 12 + 5 * 12 + 6) * 32;
  p.x[inner] = p.dy[inner] = INFINITY;
  const auto minimal = p.run<plain_operand>();
  p.d.direct = true;
  const auto direct = p.run<plain_operand>();
  CHECK(not_finite(direct.y) == 9 * 32);
  CHECK(not_finite(direct.dx) == 9 * 32);
  CHECK(not_finite(direct.dw) == 9 * (32 + 32) - 9);
  CHECK(not_finite(minimal.y) == 16 * 32);
  CHECK(not_finite(minimal.dx) == 16 * 32);
  CHECK(not_finite(minimal.dw) == 9 * (32 + 32) - 9);
}

// What convolution.hpp says of it: the root mean square of the errors beside that of the results.
TEST_CASE("convolution: accuracy with and without minimal filtering") {
  for (std::int64_t k : {3, 5}) {
    std::mt19937 generator(seed);
    problem<double> exact(same(8, 16, 16, 128, k, k, 32, 1, 1), generator);
    problem<float> p(exact.d, generator);
    p.x.assign(exact.x.begin(), exact.x.end()), p.w.assign(exact.w.begin(), exact.w.end()), p.dy.assign(exact.dy.begin(), exact.dy.end());
    exact.x.assign(p.x.begin(), p.x.end()), exact.w.assign(p.w.begin(), p.w.end()), exact.dy.assign(p.dy.begin(), p.dy.end());
    exact.d.direct = true;
    const auto want = exact.template run<plain_operand>();
    const auto error = [](const auto& got, const auto& reference) {
      double off = 0, all = 0;
      for (std::size_t i = 0; i < got.size(); ++i) off += (got[i] - reference[i]) * (got[i] - reference[i]), all += reference[i] * reference[i];
      return std::sqrt(off / all);
    };
    for (const bool direct : {false, true}) {
      CAPTURE(k);
      CAPTURE(direct);
      p.d.direct = direct;
      const auto got = p.template run<plain_operand>();
      const double bound = direct ? 1e-6 : 4e-6;
      CHECK(error(got.y, want.y) < bound);
      CHECK(error(got.dx, want.dx) < bound);
      CHECK(error(got.dw, want.dw) < bound);
    }
  }
}

TEST_CASE("convolution: images that are cut into blocks of rows") {
  std::mt19937 generator(seed);
  check<float>(same(1, 67, 70, 33, 3, 3, 17, 1, 1), generator, false);
  check<float>(same(1, 90, 64, 16, 3, 5, 24, 2, 1), generator, false);
}

TEST_CASE("convolution: nothing to sum gives zeros, nothing to compute gives nothing") {
  conv2d_dims d = same(2, 3, 3, 2, 3, 3, 5, 1, 1);
  std::vector<float> w(3 * 3 * 2 * 5, 1.0f), dw(w.size(), 9.0f), dx(2 * 3 * 3 * 2, 9.0f);
  const float nothing = 0;
  const plain_operand<float> empty{&nothing, 0};
  d.batch = 0;
  conv2d<float>(d, empty, plain_operand<float>{w.data(), 5}, store_epilogue<float>{nullptr, 5});
  conv2d_backprop_input<float>(d, empty, plain_operand<float>{w.data(), 5}, store_epilogue<float>{nullptr, 2});
  conv2d_backprop_filter<float>(d, empty, empty, store_epilogue<float>{dw.data(), 5});
  for (float v : dw) CHECK(v == 0.0f);
  d.batch = 2;
  d.out_h = 0;
  conv2d_backprop_input<float>(d, empty, plain_operand<float>{w.data(), 5}, store_epilogue<float>{dx.data(), 2});
  for (float v : dx) CHECK(v == 0.0f);
}

TEST_CASE("convolution: bit-identical for any number of threads") {
  std::mt19937 generator(seed);
  for (const conv2d_dims& d : {same(20, 14, 14, 32, 5, 5, 64, 1, 1), same(1, 29, 30, 32, 3, 3, 32, 1, 1), same(2, 30, 30, 96, 1, 1, 64, 1, 1)}) {
    const problem<float> p(d, generator);
    const auto run = [&](int threads) {
      const rill::thread_limit limit(threads);
      return p.run<plain_operand>();
    };
    const auto one = run(1);
    for (int threads : {2, 4}) {
      const auto many = run(threads);
      CHECK(one.y == many.y);
      CHECK(one.dx == many.dx);
      CHECK(one.dw == many.dw);
    }
  }
}

namespace {

/// y, dx and dw of a depthwise convolution.
template <class T>
std::array<std::vector<T>, 3> depthwise(const problem<T>& p) {
  std::array<std::vector<T>, 3> r{std::vector<T>(p.dy.size(), T(9)), std::vector<T>(p.x.size(), T(9)), std::vector<T>(p.w.size(), T(9))};
  rill::kernel::depthwise_conv2d(p.d, p.x.data(), p.w.data(), r[0].data());
  rill::kernel::depthwise_conv2d_backprop_input(p.d, p.dy.data(), p.w.data(), r[1].data());
  rill::kernel::depthwise_conv2d_backprop_filter(p.d, p.x.data(), p.dy.data(), r[2].data());
  return r;
}

/// The same by loops over single numbers.
template <class T>
std::array<std::vector<double>, 3> naive_depthwise(const problem<T>& p) {
  const conv2d_dims& d = p.d;
  std::array<std::vector<double>, 3> r{std::vector<double>(p.dy.size()), std::vector<double>(p.x.size()), std::vector<double>(p.w.size())};
  for (std::int64_t row = 0; row < d.batch * d.out_h; ++row)
    for (std::int64_t ox = 0; ox < d.out_w; ++ox)
      for (std::int64_t tap = 0; tap < d.k_h * d.k_w; ++tap) {
        const std::int64_t iy = row % d.out_h * d.stride_h + tap / d.k_w - d.pad_top, ix = ox * d.stride_w + tap % d.k_w - d.pad_left;
        if (iy < 0 || ix < 0 || iy >= d.in_h || ix >= d.in_w) continue;
        for (std::int64_t c = 0; c < d.in_c; ++c) {
          const auto yi = static_cast<std::size_t>((row * d.out_w + ox) * d.in_c + c), wi = static_cast<std::size_t>(tap * d.in_c + c);
          const auto xi = static_cast<std::size_t>(((row / d.out_h * d.in_h + iy) * d.in_w + ix) * d.in_c + c);
          r[0][yi] += static_cast<double>(p.x[xi]) * static_cast<double>(p.w[wi]);
          r[1][xi] += static_cast<double>(p.dy[yi]) * static_cast<double>(p.w[wi]);
          r[2][wi] += static_cast<double>(p.x[xi]) * static_cast<double>(p.dy[yi]);
        }
      }
  return r;
}

template <class T>
void check_depthwise(conv2d_dims d, std::mt19937& generator) {
  const std::int64_t channels = d.in_c;
  d.in_c = 1;  // of a filter
  problem<T> p(d, generator);
  p.d.in_c = channels;
  p.x = random_vector<T>(d.batch * d.in_h * d.in_w * channels, generator);
  CAPTURE(seed);
  INFO("batch ", d.batch, ", image ", d.in_h, " x ", d.in_w, " x ", channels, ", filter ", d.k_h, " x ", d.k_w, ", result ", d.out_h, " x ", d.out_w,
       ", stride ", d.stride_h, ' ', d.stride_w, ", padding ", d.pad_top, ' ', d.pad_left);
  const auto got = depthwise(p);
  const auto want = naive_depthwise(p);
  double worst = 0;
  for (std::size_t k = 0; k < 3; ++k)
    for (std::size_t i = 0; i < want[k].size(); ++i) {
      const double e = std::abs(want[k][i] - static_cast<double>(got[k][i])) / (4 + std::abs(want[k][i]));
      if (!(e <= worst)) worst = e;
    }
  CHECK(worst < tolerance<T>);
  const rill::thread_limit limit(1);
  CHECK(depthwise(p) == got);
}

}  // namespace

TEST_CASE("depthwise convolution: filters, strides, paddings and widths round those of the blocks") {
  std::mt19937 generator(seed);
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(generator() % static_cast<unsigned>(high - low + 1));
  };
  const std::int64_t channels[] = {1, 5, 8, 15, 16, 17, 40};
  for (int round = 0; round < 160; ++round) {
    const std::int64_t c = channels[pick(0, 6)], stride = pick(1, 2);
    const bool three = round % 4 != 0;
    conv2d_dims d = same(pick(1, 3), pick(1, 9), pick(1, 32), c, three ? 3 : pick(1, 7), three ? 3 : pick(1, 7), c, stride, three ? stride : pick(1, 3));
    if (round % 2 == 1) d.pad_top = pick(0, 4), d.pad_left = pick(0, 4), d.out_h = pick(1, 8), d.out_w = pick(1, 23);
    if (round % 5 == 0) check_depthwise<double>(d, generator);
    else check_depthwise<float>(d, generator);
  }
  check_depthwise<float>(same(4, 28, 29, 130, 3, 3, 130, 1, 1), generator);  // several threads
  check_depthwise<float>(same(4, 57, 56, 64, 3, 3, 64, 2, 2), generator);
}
