// SPDX-License-Identifier: Apache-2.0
#include "rill/estimator/evaluation.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>

TEST_CASE("evaluation: prints the tutorial's result") {
  const rill::evaluation e{{"loss", 0.090227105}, {"global_step", 20000, true}, {"accuracy", 0.97329998}};
  std::ostringstream out;
  out << e;
  CHECK(out.str() == "{accuracy: 0.9733, global_step: 20000, loss: 0.0902}");
}

TEST_CASE("evaluation: look-up, replacement, order, small and large numbers") {
  rill::evaluation e;
  CHECK(e.to_string() == "{}");
  e.set({"b", 1.0});
  e.set({"a", 2.5e-7});
  e.set({"b", 1234567.0});
  e.set({"z", 0.0});
  CHECK(e.size() == 3);
  CHECK(e["b"] == 1234567.0);
  CHECK(e.contains("a"));
  CHECK_FALSE(e.contains("c"));
  CHECK(e.to_string() == "{a: 2.5e-07, b: 1.235e+06, z: 0.0000}");
  CHECK_THROWS_WITH_AS((void)e["acuracy"], "the evaluation has no 'acuracy', only {a: 2.5e-07, b: 1.235e+06, z: 0.0000}",
                       rill::not_found);
  std::string names;
  for (const auto& entry : e) names += entry.name;
  CHECK(names == "abz");
}
