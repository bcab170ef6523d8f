// SPDX-License-Identifier: Apache-2.0
// Sparse tensors as values: parts that agree, conversion between typed and run-time-typed ones, equality, printing as
// Python prints a SparseTensorValue.
#include <doctest/doctest.h>

#include <rill/core/sparse_tensor.hpp>
#include <sstream>

using namespace rill;

namespace {
template <class E, class F>
std::string message(const F& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing thrown";
}
}  // namespace

TEST_CASE("sparse tensors print as Python's SparseTensorValue") {
  CHECK(to_string(sparse_tensor<int>({{0, 0}, {1, 2}}, {1, 2}, {3, 4})) ==
        "SparseTensorValue(indices=array([[0, 0],\n       [1, 2]]), values=array([1, 2], dtype=int32), "
        "dense_shape=array([3, 4]))");
  CHECK(to_string(sparse_tensor<float>({{0, 1}, {2, 3}}, {5, 6}, {3, 4})) ==
        "SparseTensorValue(indices=array([[0, 1],\n       [2, 3]]), values=array([5., 6.], dtype=float32), "
        "dense_shape=array([3, 4]))");
  CHECK(to_string(sparse_tensor<double>({{7}}, {0.5}, {10})) ==
        "SparseTensorValue(indices=array([[7]]), values=array([0.5]), dense_shape=array([10]))");
  CHECK(to_string(sparse_tensor<std::string>({{0, 0}, {1, 0}}, {"a", "bc"}, {2, 1})) ==
        "SparseTensorValue(indices=array([[0, 0],\n       [1, 0]]), values=array([b'a', b'bc'], dtype=object), "
        "dense_shape=array([2, 1]))");
  const sparse_tensor<float> none({}, {}, {2, 3});
  const std::string text =
      "SparseTensorValue(indices=array([], shape=(0, 2), dtype=int64), values=array([], dtype=float32), "
      "dense_shape=array([2, 3]))";
  CHECK(to_string(none) == text);
  CHECK(to_string(dynamic_sparse_tensor(none)) == text);
  std::ostringstream out;
  out << none << dynamic_sparse_tensor();
  CHECK(out.str() == text + "None");
  // a long vector goes on in further lines, indented under the first bracket
  tensor<std::int64_t, dyn, dyn> at({16, 1});
  tensor<int, dyn> values({16});
  for (int k = 0; k < 16; ++k) at(k, 0) = k, values(k) = k * 10000;
  const std::string lines = to_string(sparse_tensor<int>(at, values, {16}));
  CHECK(lines.find("values=array([     0,  10000,  20000,  30000,  40000,  50000,  60000,  70000,\n"
                   "        80000,  90000, 100000, 110000, 120000, 130000, 140000, 150000],\n"
                   "      dtype=int32), dense_shape=array([16]))") != std::string::npos);
}

TEST_CASE("sparse tensors: conversion and equality") {
  const sparse_tensor<int> s({{0, 1}, {1, 0}}, {3, 4}, {2, 2});
  const dynamic_sparse_tensor d = s;
  CHECK(d.type() == dtype::int32);
  CHECK(d.rank() == 2);
  CHECK(d.indices.shape() == tensor_shape{2, 2});
  CHECK(sparse_tensor<int>(d) == s);
  CHECK_FALSE(s == sparse_tensor<int>({{0, 1}, {1, 0}}, {3, 5}, {2, 2}));
  CHECK_FALSE(s == sparse_tensor<int>({{0, 1}, {1, 1}}, {3, 4}, {2, 2}));
  CHECK_FALSE(s == sparse_tensor<int>({{0, 1}, {1, 0}}, {3, 4}, {2, 3}));
  CHECK_FALSE(s == sparse_tensor<int>({{0, 1}}, {3}, {2, 2}));
  CHECK_THROWS_AS(sparse_tensor<float>{d}, invalid_argument);
  const sparse_tensor<float> empty;
  CHECK(empty.rank() == 0);
  CHECK(empty.size() == 0);
  struct parts {
    tensor<std::int64_t, dyn, 2> indices;
    tensor<std::string, dyn> values;
    tensor<std::int64_t, 2> dense_shape;
  };
  const sparse_tensor<std::string> words(parts{tensor<std::int64_t, dyn, 2>{{0, 0}, {0, 1}},
                                               tensor<std::string, dyn>{"a", "b"}, tensor<std::int64_t, 2>{1, 2}});
  CHECK(words == sparse_tensor<std::string>({{0, 0}, {0, 1}}, {"a", "b"}, {1, 2}));
}

TEST_CASE("sparse tensors: parts that do not agree") {
  using s = sparse_tensor<float>;
  const tensor<std::int64_t, dyn, dyn> at{{0, 1}, {1, 0}};
  CHECK(message<invalid_argument>([&] {
          s(at, tensor<float, dyn>{1.f, 2.f, 3.f}, {2, 2});
        }) ==
        "a sparse tensor needs indices int64[n, rank], values [n] and a shape of rank (at most 8) extents >= 0: got "
        "indices int64[2, 2], values "
        "float32[3], shape [2, 2]");
  CHECK(message<invalid_argument>([&] {
          s(at, tensor<float, dyn>{1.f, 2.f}, {2, 2, 2});
        }).find("shape [2, 2, 2]") != std::string::npos);
  CHECK(message<invalid_argument>([&] {
          s(at, tensor<float, dyn>{1.f, 2.f}, {2, -1});
        }).find("extents >= 0") != std::string::npos);
  CHECK(message<invalid_argument>([&] {
          s({{0, 1}, {1}}, {1, 2}, {2, 2});
        }) == "a sparse tensor of shape [2, 2] has an index of 1 numbers");
  CHECK(message<invalid_argument>([&] { s({{0, 1}}, {1, 2}, {2, 2}); }).find("values float32[2]") != std::string::npos);
}
