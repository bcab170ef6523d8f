// SPDX-License-Identifier: Apache-2.0
// Worked examples of the documentation: XLA's broadcasting with dimensions, Clamp, ConvertElementType; the arithmetic of
// TensorFlow 1.0 (division, remainder, rounding), absolute values of complex numbers, where of one and three arguments; what
// eager tensors look like in print; ranks, elements and rows of tensors.

#include <doctest/doctest.h>

#include <complex>
#include <rill/eager/debugging.hpp>
#include <rill/eager/indexing.hpp>

using namespace rill;

namespace {

using dt = dynamic_tensor;
using ints = std::vector<int>;

template <class T>
std::vector<T> list(const dt& t) {
  const auto s = t.span<T>();
  return {s.begin(), s.end()};
}
template <class F>
bool refused(const F& f) {
  try {
    f();
  } catch (const invalid_argument&) {
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("documentation: XLA's broadcasting") {
  const dt m = tensor<int, 2, 3>{{1, 2, 3}, {4, 5, 6}}, v = tensor<int, 3>{7, 8, 9}, square = dt::zeros(dtype::int32, {3, 3});
  CHECK(list<int>(add(m, xla::in_dim(v, 2, {1}))) == ints{8, 10, 12, 11, 13, 15});
  CHECK(list<int>(add(m, 7)) == ints{8, 9, 10, 11, 12, 13});
  CHECK(list<int>(add(square, xla::in_dim(v, 2, {1}))) == ints{7, 8, 9, 7, 8, 9, 7, 8, 9});
  CHECK(list<int>(add(square, xla::in_dim(v, 2, {0}))) == ints{7, 7, 7, 8, 8, 8, 9, 9, 9});
  CHECK(refused([&] { add(m, xla::in_dim(v, 2, {0})); }));  // 3 meets 2
  const auto shape = [](const tensor_shape& a, const tensor_shape& b) { return add(dt::zeros(dtype::int32, a), dt::zeros(dtype::int32, b)).shape(); };
  CHECK(add(dt::zeros(dtype::int32, {2, 3, 4}), xla::in_dim(dt::zeros(dtype::int32, {3, 4}), 3, {1, 2})).shape() == tensor_shape{2, 3, 4});
  // axes of extent 1, on one side and on both
  CHECK(shape({2, 1}, {2, 3}) == tensor_shape{2, 3});
  CHECK(shape({1, 2, 5}, {7, 2, 5}) == tensor_shape{7, 2, 5});
  CHECK(shape({7, 2, 5}, {7, 1, 5}) == tensor_shape{7, 2, 5});
  CHECK(refused([&] { shape({7, 2, 5}, {7, 2, 6}); }));
  CHECK(shape({2, 1}, {1, 3}) == tensor_shape{2, 3});
  // first into the dimensions, then along those of extent 1
  const dt four = tensor<int, 4>{1, 2, 3, 4}, row = tensor<int, 1, 2>{{5, 6}};
  CHECK(list<int>(add(xla::in_dim(four, 2, {0}), row)) == ints{6, 7, 7, 8, 8, 9, 9, 10});
  CHECK(add(xla::in_dim(row, 3, {1, 2}), dt::zeros(dtype::int32, {4, 3, 1})).shape() == tensor_shape{4, 3, 2});
  CHECK(xla::in_dim(tensor<int, 3>{7, 8, 9}, 2, {0}).shape() == tensor_shape{3, 1});
}

TEST_CASE("documentation: Clamp and ConvertElementType") {
  CHECK(list<int>(clamp(0, dt(tensor<int, 3>{-1, 5, 9}), 6)) == ints{0, 5, 6});
  CHECK(list<float>(cast_to(dt(tensor<int, 3>{0, 1, 2}), dtype::float32)) == std::vector<float>{0, 1, 2});
  CHECK(list<float>(xla::convert_element_type<float>(tensor<int, 3>{0, 1, 2})) == std::vector<float>{0, 1, 2});
  CHECK(list<float>(cast_to(dt(tensor<int, 2>{16777217, 16777219}), dtype::float32)) == std::vector<float>{16777216, 16777220});  // to even
}

TEST_CASE("documentation: division, remainder and rounding as of 1.0") {
  const auto of = [](const dt& t) { return t.item<double>(); };
  CHECK(of(div(dt(3), dt(4))) == 0);
  CHECK(of(div(dt(-3), dt(4))) == -1);
  CHECK(of(mod(dt(-3), dt(4))) == 1);
  CHECK(of(floor_div(dt(-3), dt(4))) == -1);
  CHECK(of(divide(dt(-3), dt(4))) == -0.75);
  CHECK(divide(dt(-3), dt(4)).type() == dtype::float64);
  CHECK(of(truncate_div(dt(-3), dt(4))) == 0);
  CHECK(of(truncate_mod(dt(-3), dt(4))) == -3);
  const dt halves = tensor<double, 8>{-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5};
  CHECK(list<double>(round(halves)) == std::vector<double>{-4, -2, -2, 0, 0, 2, 2, 4});
  CHECK(list<float>(round(cast_to(halves, dtype::float32))) == std::vector<float>{-4, -2, -2, 0, 0, 2, 2, 4});
}

TEST_CASE("documentation: abs of complex numbers, where") {
  const tensor<std::complex<float>, 2> z{{3, 4}, {0, -2}};
  CHECK(list<float>(abs(dt(z))) == std::vector<float>{5, 2});
  CHECK(tensor(abs(z))(1) == 2);
  const dt x = tensor<int, 3>{1, 2, 3}, y = tensor<int, 3>{10, 20, 30}, c = tensor<bool, 3>{true, false, true};
  CHECK(list<int>(where(c, x, y)) == ints{1, 20, 3});
  CHECK(list<std::int64_t>(where(c)) == std::vector<std::int64_t>{0, 2});
}

TEST_CASE("documentation: eager tensors in print") {
  const tensor<int, 2, 2> a{{1, 2}, {3, 4}};
  const dt b = add(dt(a), 1);
  CHECK(repr(a) == "Tensor([[1 2]\n [3 4]], shape=(2, 2), dtype=int32)");
  CHECK(repr(b) == "Tensor([[2 3]\n [4 5]], shape=(2, 2), dtype=int32)");
  CHECK(repr(a * b) == "Tensor([[ 2  6]\n [12 20]], shape=(2, 2), dtype=int32)");
  const dt x = tensor<float, 1, 1>{{2}};
  CHECK("hello, " + to_string(matmul(x, x)) == "hello, [[4.]]");
  CHECK(repr(x) == "Tensor([[2.]], shape=(1, 1), dtype=float32)");
  CHECK(repr(dt(tensor<std::string, 1>{"Hello"})) == "Tensor([b'Hello'], shape=(1,), dtype=string)");
  CHECK(repr(dt(tensor<float, 0, 2>())) == "Tensor([], shape=(0, 2), dtype=float32)");
  CHECK(repr(dt(true)) == "Tensor(True, shape=(), dtype=bool)");
  CHECK(repr(dt()) == "None");
}

TEST_CASE("documentation: ranks, elements, rows, columns") {
  const dt scalar = tensor<std::complex<float>>{std::complex<float>(12.3F, -4.85F)}, vector = tensor<int, 5>{2, 3, 5, 7, 11};
  const tensor<int, 3, 4> rows{{0, 1, 2, 3}, {10, 11, 12, 13}, {20, 21, 22, 23}};
  const dt matrix = rows;
  CHECK(scalar.rank() == 0);
  CHECK(scalar.type() == dtype::complex64);
  CHECK(dt(tensor<std::string>{"Elephant"}).shape() == tensor_shape{});
  CHECK(rank_of(dt::zeros(dtype::float32, {10, 299, 299, 3})).item<int>() == 4);
  CHECK(index(vector, 2).item<int>() == 5);
  CHECK(index(matrix, 1, 2).item<int>() == 12);
  CHECK(list<int>(index(matrix, 2)) == ints{20, 21, 22, 23});
  CHECK(list<int>(index(matrix, all, 3)) == ints{3, 13, 23});
  CHECK(list<int>(gather(matrix, dt(2))) == ints{20, 21, 22, 23});  // an index that was computed
  CHECK(dt::zeros(dtype::float32, {matrix.shape()[1]}).shape() == tensor_shape{4});
}
