// SPDX-License-Identifier: Apache-2.0
// The programs of the eager guide print what the guide says, within the spread of their random data.
#include "../../examples/eager/programs.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

using namespace programs;

TEST_CASE("fizzbuzz") {
  std::ostringstream out;
  CHECK(fizzbuzz(out, 15).item<int>() == 15);
  CHECK(out.str() == "1\n2\nFizz\n4\nBuzz\nFizz\n7\n8\nFizz\nBuzz\n11\nFizz\n13\n14\nFizzBuzz\n");
}

// For infinite data the loss after k updates is 1 + 68 * 0.98^(2k): (2^2 + 8^2) and the noise's variance.
TEST_CASE("linear fits A and B follow the expected curve") {
  const auto check = [](const fit_result& r, int steps, double spread) {
    REQUIRE(r.losses.size() == static_cast<std::size_t>(steps / 20 + 2));
    CHECK(r.losses.front() == doctest::Approx(69).epsilon(spread));
    for (int i = 0; i < steps; i += 20) {
      const double expected = 1 + 68 * std::pow(0.98, 2 * (i + 1));
      CHECK(r.losses[static_cast<std::size_t>(i / 20 + 1)] == doctest::Approx(expected).epsilon(spread));
    }
    CHECK(r.losses.back() == doctest::Approx(1).epsilon(0.12));
    CHECK(r.weight == doctest::Approx(3).epsilon(0.05));
    CHECK(r.bias == doctest::Approx(2).epsilon(0.1));
  };
  std::ostringstream out;
  check(linear_fit_a(out), 200, 0.15);
  CHECK(out.str().find("Loss at step 180: ") != std::string::npos);
  check(linear_fit_b(out), 300, 0.12);
}

TEST_CASE("line search") {
  const auto r = line_search_step([](const dynamic_tensor& x) { return x * x; }, 3.f);
  CHECK(r.x.item<float>() == 0.f);
  CHECK(r.value.item<float>() == 0.f);
  CHECK(r.iterations == 2);
}

TEST_CASE("log1pexp") {
  const auto at = [](const auto& f, float x) { return eager::gradients_function(f)(x)[0].template item<float>(); };
  CHECK(at(log1pexp, 0.f) == 0.5f);
  CHECK(std::isnan(at(log1pexp, 100.f)));
  CHECK(at(stable_log1pexp, 0.f) == 0.5f);
  CHECK(at(stable_log1pexp, 100.f) == 1.f);
}
