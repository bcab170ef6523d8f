// SPDX-License-Identifier: Apache-2.0
// pooling.hpp against naive loops: ties, overlaps, padding, channel counts round the vector width, evaluated operands.
#include <rill/kernel/pooling.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace {

using rill::kernel::plain_operand;
using rill::kernel::pool2d_dims;
using rill::kernel::store_epilogue;

constexpr unsigned seed = 77;

/// Small integers, so that ties are common and sums exact.
template <class T>
std::vector<T> random_vector(std::int64_t n, std::mt19937& generator) {
  std::vector<T> v(static_cast<std::size_t>(n));
  for (T& x : v) x = static_cast<T>(static_cast<int>(generator() % 7u) - 3);
  return v;
}

template <class T>
struct copied_operand {
  const T* source;
  std::int64_t pitch;
  const T* segment(std::int64_t outer, std::int64_t inner0, std::int64_t n, T* scratch) const {
    for (std::int64_t i = 0; i < n; ++i) scratch[i] = source[outer * pitch + inner0 + i];
    return scratch;
  }
};

template <class T>
struct add_epilogue {
  T* data;
  std::int64_t ld;
  int* calls;
  template <class V>
  void operator()(std::int64_t i, std::int64_t j, V acc) const {
    tail(i, j, acc, static_cast<std::int64_t>(V::size));
  }
  template <class V>
  void tail(std::int64_t i, std::int64_t j, V acc, std::int64_t n) const {
    alignas(64) T lane[V::size];
    acc.store_aligned(lane);
    for (std::int64_t q = 0; q < n; ++q) {
      data[i * ld + j + q] = lane[q];
      ++calls[i * ld + j + q];
    }
  }
};

template <class T, template <class> class Operand>
void check(const pool2d_dims& d, std::mt19937& generator) {
  CAPTURE(seed);
  CAPTURE(d.batch);
  CAPTURE(d.in_h);
  CAPTURE(d.in_w);
  CAPTURE(d.c);
  CAPTURE(d.win_h);
  CAPTURE(d.win_w);
  CAPTURE(d.out_h);
  CAPTURE(d.out_w);
  CAPTURE(d.stride_h);
  CAPTURE(d.stride_w);
  CAPTURE(d.pad_top);
  CAPTURE(d.pad_left);
  const auto x = random_vector<T>(d.batch * d.in_h * d.in_w * d.c, generator);
  const auto dy = random_vector<T>(d.batch * d.out_h * d.out_w * d.c, generator);
  std::vector<T> largest(dy.size()), mean(dy.size()), largest_dx(x.size()), mean_dx(x.size());
  for (std::int64_t b = 0; b < d.batch; ++b)
    for (std::int64_t oy = 0; oy < d.out_h; ++oy)
      for (std::int64_t ox = 0; ox < d.out_w; ++ox)
        for (std::int64_t c = 0; c < d.c; ++c) {
          const auto o = static_cast<std::size_t>(((b * d.out_h + oy) * d.out_w + ox) * d.c + c);
          std::vector<std::size_t> window;
          for (std::int64_t ky = 0; ky < d.win_h; ++ky)
            for (std::int64_t kx = 0; kx < d.win_w; ++kx) {
              const std::int64_t y = oy * d.stride_h + ky - d.pad_top, xx = ox * d.stride_w + kx - d.pad_left;
              if (y >= 0 && xx >= 0 && y < d.in_h && xx < d.in_w)
                window.push_back(static_cast<std::size_t>(((b * d.in_h + y) * d.in_w + xx) * d.c + c));
            }
          largest[o] = std::numeric_limits<T>::lowest();
          if (window.empty()) continue;
          std::size_t at = window[0];
          T sum = 0;
          for (std::size_t i : window) {
            if (x[i] > x[at]) at = i;
            sum += x[i];
          }
          largest[o] = x[at];
          largest_dx[at] += dy[o];
          const T scale = T(1) / static_cast<T>(window.size());
          mean[o] = sum * scale;
          for (std::size_t i : window) mean_dx[i] += dy[o] * scale;
        }
  std::vector<T> got(dy.size()), got_dx(x.size());
  std::vector<int> calls(dy.size()), calls_dx(x.size());
  const Operand<T> xs{x.data(), d.in_w * d.c}, dys{dy.data(), d.out_w * d.c};
  const add_epilogue<T> out{got.data(), d.c, calls.data()}, out_dx{got_dx.data(), d.c, calls_dx.data()};
  const auto once = [](std::vector<int>& n) {
    const bool all = std::all_of(n.begin(), n.end(), [](int c) { return c == 1; });
    std::fill(n.begin(), n.end(), 0);
    return all;
  };
  const auto near = [](const std::vector<T>& a, const std::vector<T>& b) {
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!(std::abs(a[i] - b[i]) <= T(1e-5) * (1 + std::abs(a[i])))) return false;
    return true;
  };
  rill::kernel::max_pool2d<T>(d, xs, out);
  CHECK(got == largest);
  CHECK(once(calls));
  rill::kernel::avg_pool2d<T>(d, xs, out);
  CHECK(near(got, mean));
  CHECK(once(calls));
  rill::kernel::max_pool2d_grad<T>(d, xs, dys, out_dx);
  CHECK(got_dx == largest_dx);
  CHECK(once(calls_dx));
  rill::kernel::avg_pool2d_grad<T>(d, dys, out_dx);
  CHECK(near(got_dx, mean_dx));
  CHECK(once(calls_dx));
}

}  // namespace

TEST_CASE("pooling: 2 x 2 windows side by side") {
  std::mt19937 generator(seed);
  for (std::int64_t c : {1, 3, 8, 16, 32, 33, 64})
    for (std::int64_t h : {2, 3, 5, 8}) {
      const std::int64_t w = h + c % 3;
      check<float, plain_operand>({2, h, w, c, 2, 2, h / 2, w / 2, 2, 2, 0, 0}, generator);
      check<double, copied_operand>({3, h, w, c, 2, 2, h / 2, w / 2, 2, 2, 0, 0}, generator);
    }
}

TEST_CASE("pooling: any window, stride and padding") {
  std::mt19937 generator(seed);
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(generator() % static_cast<unsigned>(high - low + 1));
  };
  const std::int64_t channels[] = {1, 2, 3, 7, 15, 16, 17, 33};
  for (int round = 0; round < 200; ++round) {
    const pool2d_dims d{pick(1, 3), pick(1, 9), pick(1, 9), channels[pick(0, 7)], pick(1, 4), pick(1, 4),
                        pick(1, 6), pick(1, 6), pick(1, 3), pick(1, 3),           pick(0, 2), pick(0, 2)};
    if (round % 2 == 0) check<float, plain_operand>(d, generator);
    else check<double, copied_operand>(d, generator);
  }
}

TEST_CASE("pooling: equal elements send the gradient to the first") {
  const pool2d_dims d{1, 2, 2, 1, 2, 2, 1, 1, 2, 2, 0, 0};
  const std::vector<float> x{1, 4, 4, 4}, dy{5};
  std::vector<float> dx(4);
  rill::kernel::max_pool2d_grad<float>(d, plain_operand<float>{x.data(), 2}, plain_operand<float>{dy.data(), 1},
                                       store_epilogue<float>{dx.data(), 1});
  CHECK(dx == std::vector<float>{0, 5, 0, 0});
}

TEST_CASE("pooling: empty batches compute nothing") {
  const pool2d_dims d{0, 4, 4, 3, 2, 2, 2, 2, 2, 2, 0, 0};
  const plain_operand<float> empty{nullptr, 0};
  rill::kernel::max_pool2d<float>(d, empty, store_epilogue<float>{nullptr, 3});
  rill::kernel::max_pool2d_grad<float>(d, empty, empty, store_epilogue<float>{nullptr, 3});
  CHECK(true);
}
