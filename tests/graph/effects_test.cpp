// SPDX-License-Identifier: Apache-2.0
// print, assert_that, check_numerics in models and at once; reads after writes; fed values; nested fetches.

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <rill/eager/debugging.hpp>
#include <rill/graph/control_flow.hpp>
#include <rill/graph/session.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <string>

using namespace rill;

namespace {

/// What f writes to the standard error output.
template <class F>
std::string written_by(F&& f) {
  std::fflush(stderr);
  std::FILE* file = std::tmpfile();
  const int before = dup(2);
  dup2(fileno(file), 2);
  f();
  std::fflush(stderr);
  dup2(before, 2);
  close(before);
  std::rewind(file);
  std::string text;
  char part[256];
  while (const std::size_t n = std::fread(part, 1, sizeof part, file)) text.append(part, n);
  std::fclose(file);
  return text;
}

struct talks {
  constexpr auto operator()(symbol x) const {
    print(x, {.message = "all of x: ", .summarize = -1});  // its result goes nowhere: printed all the same
    symbol y = print(x * 2, x + 1, {.message = "x + 1 = "});
    auto [dy] = gradients(reduce_sum(y * y), x);
    symbol z = cond(greater(reduce_sum(x), 0.f), [&] { return print(y, {.message = "positive "}); }, [&] { return y; });
    return outputs(fetch("z", z), fetch("dy", dy));
  }
};
struct careful {
  constexpr auto operator()(symbol x) const {
    assert_less(x, 10.f, "x must be small");
    assert_that(reduce_all(greater(x, -10.f)), x);
    return check_numerics(log(x), "log of x");
  }
};

}  // namespace

TEST_CASE("print writes what it is given, also when nobody reads its result, and only in the branch that runs") {
  graph::session<talks, tensor<float, 5>> s;
  const std::string text = written_by([&] {
    auto [z, dy] = s.run(tensor<float, 5>{1, 2, -0.5f, 4, 8});
    CHECK(z(2) == -1);
    CHECK(dy(3) == 32);
  });
  CHECK(text == "all of x: [1 2 -0.5 4 8]\nx + 1 = [2 3 0.5...]\npositive [2 4 -1...]\n");
  const std::string quiet = written_by([&] { s.run(tensor<float, 5>{-1, -2, -3, -4, -5}); });
  CHECK(quiet == "all of x: [-1 -2 -3 -4 -5]\nx + 1 = [0 -1 -2...]\n");
  CHECK(written_by([] { print(tensor<std::int32_t, 2>{7, 8}, {.message = "eager "}); }) == "eager [7 8]\n");
}

TEST_CASE("assertions and check_numerics throw what does not hold") {
  graph::session<careful, tensor<float, 3>> s;
  CHECK(s.run(tensor<float, 3>{1, 2, 3})(0) == 0);
  CHECK_THROWS_WITH_AS(s.run(tensor<float, 3>{1, 20, 30}), "Assert: x must be small (2 of 3 elements): [1 20 30] and [10]", invalid_argument);
  CHECK_THROWS_WITH_AS(s.run(tensor<float, 3>{1, 2, -30}), "Assert: the condition does not hold (1 of 1 elements): [1 2 -30]", invalid_argument);
  CHECK_THROWS_WITH_AS(s.run(tensor<float, 3>{1, 2, -3}), "log of x : Tensor had NaN values", invalid_argument);
  CHECK_THROWS_WITH_AS(s.run(tensor<float, 3>{1, 2, 0}), "log of x : Tensor had Inf values", invalid_argument);
  CHECK(s.run(tensor<float, 3>{1, 2, 3})(0) == 0);  // goes on after an error

  const tensor<double, 2> x{1, NAN};
  CHECK_THROWS_WITH_AS(check_numerics(x, "x"), "x : Tensor had NaN values", invalid_argument);
  CHECK_THROWS_AS(assert_equal(x, x), invalid_argument);
  CHECK_THROWS_AS(assert_positive(tensor<int, 2>{0, 1}), invalid_argument);
  CHECK_NOTHROW(assert_non_negative(tensor<int, 2>{0, 1}));
  CHECK_NOTHROW(assert_less_equal(tensor<int, 2>{0, 1}, tensor<int, 2>{0, 2}));
  CHECK_THROWS_AS(assert_greater(tensor<int, 2>{0, 1}, 1, "greater"), invalid_argument);
}

namespace {

struct counts {
  constexpr auto operator()(symbol x) const {
    symbol v = variable(x, {.name = "v", .shape = {}, .initializer = constant(1)});
    symbol before = read_value(v) * 1;
    assign_add(v, reduce_sum(x));
    symbol between = read_value(v) * 1;
    assign(v, read_value(v) * 2);
    symbol after = read_value(v) * 1;
    return std::tuple(before, std::array{between, after}, outputs(fetch("start", v * 1), fetch("all", group(operation{}, operation{}))));
  }
};
struct net {
  constexpr auto operator()(symbol x) const {
    symbol hidden = named("hidden", nn::dense{.units = 3, .activation = relu}(x));
    return outputs(fetch("hidden", hidden), fetch("twice", hidden * 2));
  }
};

}  // namespace

TEST_CASE("read_value reads what was written before it in the program; fetches nest") {
  graph::session<counts, tensor<float, 2>> s;
  float v = 1;
  for (int k = 0; k < 3; ++k) {
    const auto [before, written, more] = s.run(tensor<float, 2>{1, 2});
    CHECK(before() == v);
    CHECK(std::get<0>(written)() == v + 3);
    CHECK(std::get<1>(written)() == (v + 3) * 2);
    CHECK(std::get<0>(more)() == v);
    v = (v + 3) * 2;
  }
}

TEST_CASE("any named value can be fed: what only it needed is not even there") {
  graph::session<graph::feeding<net, "hidden">, tensor<float, dyn, 4>, tensor<float, dyn, 3>> s;
  const auto [hidden, twice] = s.run(tensor<float, dyn, 4>({2, 4}), tensor<float, 2, 3>{{1, 2, 3}, {4, 5, 6}});
  CHECK(hidden(1, 2) == 6);
  CHECK(twice(0, 1) == 4);
  graph::session<net, tensor<float, dyn, 4>> whole;
  CHECK(std::get<0>(whole.run(tensor<float, dyn, 4>({2, 4})))(1, 2) == 0);
}
