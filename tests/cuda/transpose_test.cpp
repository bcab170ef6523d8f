// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include <rill/cuda/transpose.cuh>

#include "device.hpp"

namespace {

using namespace rill;

struct alignas(16) wide {
  std::uint64_t v[2];
  bool operator==(const wide&) const = default;
};
template <class T>
T number(std::size_t i) {
  if constexpr (sizeof(T) == 16) return {{i, ~i}};
  else return static_cast<T>(i * 2654435761u >> 3);
}

template <class T>
void check(const tensor_shape& shape, const std::vector<int>& order, std::size_t shift = 0) {
  test::device device;
  const auto size = static_cast<std::size_t>(shape.num_elements());
  std::vector<T> x(size + shift), y(size + shift + 1, number<T>(7)), want(y);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = number<T>(i);
  std::vector<std::int64_t> at(order.size(), 0);  // of y
  for (std::size_t o = 0; o < size; ++o) {
    std::int64_t from = 0, step = 1;
    for (int a = shape.rank() - 1; a >= 0; --a) {
      const auto d = static_cast<std::size_t>(std::find(order.begin(), order.end(), a) - order.begin());
      from += at[d] * step, step *= shape[a];
    }
    want[o + shift] = x[static_cast<std::size_t>(from) + shift];
    for (std::size_t d = order.size(); d-- > 0;) {
      if (++at[d] < shape[order[d]]) break;
      at[d] = 0;
    }
  }
  cuda::transpose(device, sizeof(T), shape, order.data(), x.data() + shift, y.data() + shift);
  CHECK(device.launches() == (size > 0 ? 1 : 0));
  CHECK((y == want));
}
template <class T>
void check_all() {
  check<T>({33, 65}, {1, 0});
  check<T>({1000, 3}, {1, 0});                       // flat tiles
  check<T>({5, 700}, {1, 0}, 1);
  check<T>({3, 6, 7, 5}, {0, 3, 1, 2});              // NHWC -> NCHW
  check<T>({3, 5, 6, 8}, {0, 2, 1, 3});              // runs stay together
  check<T>({3, 5, 6, 8}, {0, 2, 1, 3}, 1);           // at odd places
  check<T>({2, 3, 4, 3, 2, 3, 2, 5}, {7, 3, 1, 0, 2, 6, 4, 5});
}

TEST_CASE("transposes of all widths move every element to its place") {
  check_all<std::uint8_t>();
  check_all<std::uint16_t>();
  check_all<std::uint32_t>();
  check_all<std::uint64_t>();
  check_all<wide>();
  check<float>({}, {});
  check<float>({17}, {0});
  check<float>({4, 0, 3}, {2, 1, 0});
  check<float>({1, 9, 1, 4}, {2, 1, 3, 0});
}

TEST_CASE("nests with strides that broadcast, reverse and skip") {
  test::device device;
  std::vector<std::int32_t> x(60), y(200, -1), want(200, -1);
  std::iota(x.begin(), x.end(), 0);
  kernel::copy_nest n;  // [3, 4, 5] with its middle reversed, every second of the last, twice in front
  n.axis(2, 0, 50), n.axis(3, 20, 14), n.axis(4, -5, 3), n.axis(3, 2, 1);
  const auto each = [&](const std::int32_t* from, std::vector<std::int32_t>& to) {
    for (int a = 0; a < 2; ++a)
      for (int b = 0; b < 3; ++b)
        for (int c = 0; c < 4; ++c)
          for (int d = 0; d < 3; ++d) to[static_cast<std::size_t>(a * 50 + b * 14 + c * 3 + d)] = from[b * 20 - c * 5 + d * 2];
  };
  each(x.data() + 15, want);
  cuda::copy(device, 4, n, x.data() + 15, y.data());
  CHECK(y == want);
}

}  // namespace
