// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <sstream>

#include <rill/core/tensor.hpp>
#include <rill/cuda/tensor.cuh>
#include <rill/expr/eager.hpp>

#include "device.hpp"

namespace {

using namespace rill;
using cuda::to;
using rill::to;

template <class T, std::int64_t... E>
using on_device = cuda::basic_tensor<test::device, T, E...>;

tensor<float, dyn, dyn> numbers(std::int64_t rows, std::int64_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> d(-2, 2);
  tensor<float, dyn, dyn> t({rows, columns});
  for (float& v : t) v = d(random);
  return t;
}
double distance(const tensor<float, any_rank>& a, const tensor<float, any_rank>& b) {
  CHECK(a.shape() == b.shape());
  double most = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
  return most;
}

TEST_CASE("expressions of device tensors are one kernel and give the host's elements") {
  test::device device;
  const auto a = numbers(7, 33, 1), b = numbers(7, 33, 2);
  const tensor<float, 33> row = reduce_sum(numbers(5, 33, 3), axis<0>);
  const auto x = to(a, device), y = to(b, device);
  const auto r = to(row, device);
  const std::int64_t before = device.launches();
  on_device<float, dyn, dyn> z = relu(x * 2 + y) - tanh(x) * r;
  CHECK(device.launches() == before + 1);
  const tensor<float, dyn, dyn> want = relu(a * 2 + b) - tanh(a) * row;
  CHECK(test::same(to(z, cpu), want));
  z += x;
  CHECK(test::same(to(z, cpu), tensor<float, dyn, dyn>(want + a)));
  CHECK(to(x < y, cpu) == tensor<bool, dyn, dyn>(a < b));
  CHECK(to(cast<double>(x) * 0.5, cpu) == tensor<double, dyn, dyn>(cast<double>(a) * 0.5));
  CHECK(to(where(x > 0, x, 0 - y), cpu) == tensor<float, dyn, dyn>(where(a > 0, a, 0 - b)));
  std::ostringstream text, wanted;
  text << x, wanted << a;
  CHECK(text.str() == wanted.str());
}

TEST_CASE("a device tensor owns its elements") {
  test::device device;
  {
    auto x = to(tensor<float, 3>{1, 2, 3}, device);
    auto copy = x;
    copy += 1;
    CHECK(to(x, cpu) == tensor<float, 3>{1, 2, 3});
    CHECK(to(copy, cpu) == tensor<float, 3>{2, 3, 4});
    const auto lazy = x * 10;  // holds the elements
    x = to(tensor<float, 3>{7, 8, 9}, device);
    CHECK(to(lazy, cpu) == tensor<float, 3>{10, 20, 30});
    on_device<float, dyn> d = x;
    CHECK(d.shape() == tensor_shape{3});
    on_device<float, 2, 2> m(device, {2, 2});
    CHECK(to(m, cpu) == tensor<float, 2, 2>{{0, 0}, {0, 0}});
    // a column is read while other columns are written: through a temporary
    on_device<float, dyn, dyn> square = to(tensor<float, dyn, dyn>{{1, 2}, {3, 4}}, device);
    square = square + reduce_sum(square, axis<0>);
    CHECK(to(square, cpu) == tensor<float, dyn, dyn>{{5, 8}, {7, 10}});
    CHECK(static_cast<float>(reduce_max(x)) == 9);
    CHECK_THROWS_WITH_AS(static_cast<void>(static_cast<float>(x)), "a tensor of shape [3] is not one element", invalid_argument);
    CHECK_THROWS_AS((on_device<float, 4>(d * 2)), invalid_argument);
    test::device other;
    const auto far = to(tensor<float, 3>{1, 1, 1}, other);
    CHECK_THROWS_WITH_AS(eval(x + far), "operands live on different devices: bring them together with to(x, gpu(k))", invalid_argument);
    CHECK(to(eval(x + to(far, device)), cpu) == tensor<float, 3>{8, 9, 10});
    on_device<float, dyn> none(device, {0});
    CHECK(to(none + 1, cpu).size() == 0);
  }
  CHECK(device.blocks() == 0);
}

TEST_CASE("reductions, products and the like of device tensors") {
  test::device device;
  const auto a = numbers(9, 34, 1), b = numbers(34, 5, 2);
  const auto x = to(a, device), y = to(b, device);
  CHECK(distance(to(reduce_sum(x * x, axis<1>), cpu), tensor<float, dyn>(reduce_sum(a * a, axis<1>))) < 1e-4);
  CHECK(distance(to(reduce_mean(x, axis<0>, keepdims), cpu), tensor<float, 1, dyn>(reduce_mean(a, axis<0>, keepdims))) < 1e-5);
  CHECK(to(reduce_max(x, {.axis = {-1}}), cpu) == reduce_max(a, {.axis = {-1}}));
  CHECK(to(argmax(x, {.axis = 1}), cpu) == argmax(a, {.axis = 1}));
  CHECK(distance(to(matmul(x, y), cpu), tensor<float, dyn, dyn>(matmul(a, b))) < 1e-4);
  CHECK(distance(to(matmul(y, x, {.transpose_a = true, .transpose_b = true}), cpu), tensor<float, dyn, dyn>(transpose(tensor<float, dyn, dyn>(matmul(a, b))))) < 1e-4);
  CHECK(distance(to(softmax(x), cpu), tensor<float, dyn, dyn>(softmax(a))) < 1e-6);
  CHECK(to(transpose(x), cpu) == tensor<float, any_rank>(transpose(a)));
  CHECK_THROWS_WITH_AS(matmul(x, x), "matmul: shapes [9, 34] and [9, 34] are no matrices that can be multiplied", invalid_argument);
  CHECK_THROWS_AS(transpose(x, {0, 0}), invalid_argument);
  CHECK_THROWS_AS(reduce_sum(x, {.axis = {2}}), invalid_argument);
  CHECK_THROWS_AS(argmax(x, {.axis = 5}), invalid_argument);
}

}  // namespace
