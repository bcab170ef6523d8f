// SPDX-License-Identifier: Apache-2.0
// Norms of vectors and matrices: values of NumPy, orders and axes that are refused.

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <rill/eager/linalg.hpp>

#include "linalg_matrices.hpp"

using namespace rill;
using namespace rill::test;

TEST_CASE("norms are NumPy's") {
  const tensor<double, 2, 3> a{{1, -2, 3}, {-4, 5, -6}};  // numpy.linalg.norm(a, ord, axis)
  const auto number = [](const auto& t) { return t.data()[0]; };
  constexpr double infinity = std::numeric_limits<double>::infinity();
  CHECK(number(norm(a)) == doctest::Approx(9.539392014169456));
  CHECK(number(norm(a, {.ord = 1})) == 21);
  CHECK(number(norm(a, {.ord = infinity})) == 6);
  CHECK(number(norm(a, {.ord = 3})) == doctest::Approx(std::cbrt(441.0)));
  CHECK(to_string(norm(a, {.ord = 1, .axis = {1}})) == "[ 6. 15.]");
  CHECK(to_string(norm(a, {.ord = norms::infinity, .axis = {0}, .keepdims = true})) == "[[4. 5. 6.]]");
  CHECK(number(norm(a, {.axis = {0, 1}})) == doctest::Approx(9.539392014169456));
  CHECK(number(norm(a, {.ord = norms::fro, .axis = {-2, -1}})) == doctest::Approx(9.539392014169456));
  CHECK(number(norm(a, {.ord = 1, .axis = {0, 1}})) == 9);
  CHECK(number(norm(a, {.ord = 1, .axis = {1, 0}})) == 15);
  CHECK(number(norm(a, {.ord = infinity, .axis = {0, 1}})) == 15);
  CHECK(to_string(norm(a, {.ord = infinity, .axis = {0, 1}, .keepdims = true})) == "[[15.]]");
  const tensor<std::complex<float>, 2> c{{3, 4}, {0, 12}};
  CHECK(number(norm(c)) == 13.0f);
  CHECK(number(norm(c, {.ord = 1})) == 17.0f);
  const tensor<double, 2, 2> b{{3, 0}, {4, 5}};  // singular values 3 sqrt 5 and sqrt 5
  CHECK(norm(b, {.ord = 2, .axis = {0, 1}}).data()[0] == doctest::Approx(3 * std::sqrt(5.0)));
  CHECK(norm(b, {.ord = norms::nuclear, .axis = {0, 1}, .keepdims = true}).data()[0] == doctest::Approx(4 * std::sqrt(5.0)));
}

TEST_CASE("orders and axes that no norm has are refused") {
  const dynamic_tensor wide = random_matrices<double>({2, 3}, 1);
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  CHECK(has(message_of([&] { norm(wide, {.ord = norms::fro}); }), "norms of matrices"));
  CHECK(has(message_of([&] { norm(wide, {.ord = -1}); }), "positive"));
  CHECK(has(message_of([&] { norm(wide, {.axis = {2}}); }), "axis out of range"));
  CHECK(has(message_of([&] { norm(wide, {.ord = 3, .axis = {0, 1}}); }), "norms of matrices have"));
  CHECK(has(message_of([&] { norm(wide, {.axis = {0, 0}}); }), "two different axes"));
}
