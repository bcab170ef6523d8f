// SPDX-License-Identifier: Apache-2.0
#include <rill/core/print.hpp>
#include <rill/core/tensor.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <sstream>

using namespace rill;

TEST_CASE("tensor: construction") {
  const tensor<int, 2, 2> a{{1, 2}, {3, 4}};
  CHECK(a(0, 0) == 1);
  CHECK(a(1, 0) == 3);
  const tensor<float, 3> v{1, 2, 3};
  CHECK(v(2) == 3);
  const tensor<float> s{1.5f};
  CHECK(static_cast<float>(s) == 1.5f);
  const tensor<float, dyn, 784> x({100, 784});
  CHECK(x.shape() == tensor_shape{100, 784});
  CHECK(x.size() == 78400);
  for (const float e : x) REQUIRE(e == 0);
  const tensor<float, dyn> five({5});
  CHECK(five.size() == 5);
  const tensor<float, dyn> one{5};
  CHECK(one.size() == 1);
  const tensor<double, dyn, dyn, dyn> cube{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}, {{9, 10}, {11, 12}}};
  CHECK(cube.shape() == tensor_shape{3, 2, 2});
  CHECK(cube(2, 0, 1) == 10);
  const tensor<int, 4, 5> zeros;
  CHECK(std::accumulate(zeros.begin(), zeros.end(), 0) == 0);
  const tensor<float, dyn> empty;
  CHECK(empty.size() == 0);
  CHECK(tensor<float, any_rank>(tensor_shape{2, 3}).rank() == 2);
  const tensor<bool, 3> flags{true, false, true};
  CHECK(flags(2));
}

TEST_CASE("tensor: bad construction is an error with both shapes") {
  CHECK_THROWS_WITH_AS((tensor<int, 2, 2>{{1, 2}, {3}}), "the braces of a tensor hold rows of shapes [2] and [1]", invalid_argument);
  CHECK_THROWS_AS((tensor<int, 2, 2>{{1, 2}, {3, 4}, {5, 6}}), invalid_argument);
  CHECK_THROWS_AS((tensor<float, dyn, 3>({2, 4})), invalid_argument);
  CHECK_THROWS_AS((tensor<float, dyn>({-2})), invalid_argument);
  CHECK_THROWS_AS((tensor<float, dyn, dyn>({INT64_MAX, 3})), invalid_argument);
  CHECK_THROWS_AS((tensor<double, dyn>({INT64_MAX})), resource_exhausted);
  const tensor<int, any_rank> r(tensor_shape{2, 3});
  CHECK_THROWS_WITH_AS((tensor<int, dyn, 4>(r)), "cannot assign a value of shape [2, 3] to a tensor of shape [?, 4]", invalid_argument);
}

TEST_CASE("tensor: copies are independent, moves keep the memory") {
  for (const std::int64_t n : {3, 1000}) {
    tensor<float, dyn> a({n});
    a.fill(2);
    tensor<float, dyn> b = a;
    b(0) = 7;
    CHECK(a(0) == 2);
    const float* p = b.data();
    tensor<float, dyn> c = std::move(b);
    CHECK(c.data() == p);
    CHECK(c(0) == 7);
    b = a;  // assignable again
    CHECK(b == a);
    c = std::move(a);
    CHECK(c(0) == 2);
  }
  tensor<int, 2, 2> small{{1, 2}, {3, 4}};
  static_assert(tensor<int, 2, 2>::is_inline && !tensor<int, 17>::is_inline && !tensor<int, dyn>::is_inline);
  static_assert(std::is_nothrow_move_constructible_v<tensor<int, 2, 2>>);
  static_assert(std::is_nothrow_move_assignable_v<tensor<float, dyn, 3>>);
  const tensor<int, 2, 2> moved = std::move(small);
  CHECK(moved(1, 1) == 4);
  tensor<float, 100> big;
  CHECK(reinterpret_cast<std::uintptr_t>(big.data()) % 64 == 0);
}

TEST_CASE("tensor: conversion between more and less static shapes") {
  const tensor<int, 2, 3> a{{1, 2, 3}, {4, 5, 6}};
  const tensor<int, dyn, 3> b = a;
  tensor<int, any_rank> c = b;
  const int* p = c.data();
  CHECK(c.shape() == tensor_shape{2, 3});
  CHECK(c(1, 2) == 6);
  const tensor<int, dyn, dyn> d = std::move(c);
  CHECK(d.data() == p);
  const tensor<int, 2, 3> e = d;
  CHECK(e == a);
  CHECK(a == d);
  CHECK_FALSE(a == tensor<int, 3, 2>{{1, 2}, {3, 4}, {5, 6}});
}

TEST_CASE("tensor: elements are checked") {
  tensor<int, 3, 4> t;
  t(2, -1) = 9;
  CHECK(t(2, 3) == 9);
  CHECK(t(-1, 3) == 9);
  CHECK_THROWS_WITH_AS(t(3, 0), "index 3 is outside axis 0 of shape [3, 4]", out_of_range);
  CHECK_THROWS_WITH_AS(t(0, -5), "index -5 is outside axis 1 of shape [3, 4]", out_of_range);
  tensor<int, any_rank> r(tensor_shape{3});
  CHECK_THROWS_AS(r(0, 0), invalid_argument);
  CHECK_THROWS_AS(static_cast<void>(static_cast<int>(r)), invalid_argument);
  CHECK(static_cast<int>(tensor<int, any_rank>(tensor_shape{1, 1})) == 0);
}

TEST_CASE("tensor: streams") {
  std::ostringstream out;
  out << tensor<int, 2, 2>{{2, 6}, {12, 20}};
  CHECK(out.str() == "[[ 2  6]\n [12 20]]");
}
