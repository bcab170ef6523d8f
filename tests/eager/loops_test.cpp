// SPDX-License-Identifier: Apache-2.0
// Loops and branches on tensors: the same generic functions as in models, followed by tapes.

#include <doctest/doctest.h>

#include <rill/eager/loops.hpp>
#include <rill/eager/numeric_gradient.hpp>
#include <rill/graph/control_flow.hpp>
#include <rill/graph/session.hpp>

using namespace rill;

namespace {

/// One function for tensors, tapes and models.
struct recurrence {
  constexpr auto operator()(auto x) const {
    auto [n, power] = while_loop([](auto, auto p) { return less(reduce_sum(p * p), 50.f); },
                                 [&](auto k, auto p) { return std::tuple(k + 1, p * 1.5f + reduce_sum(x)); }, std::tuple(0, index(x, 0)));
    auto sums = scan([](auto s, auto r) { return tanh(s + r); }, x, power);
    auto last = foldr([](auto s, auto r) { return s * 0.5f + r; }, x, index(x, 1));
    auto picked = cond(greater(reduce_sum(x), 0.f), [&] { return last * 2; }, [&] { return -last; });
    auto which = case_(less(reduce_sum(x), -100.f), [&] { return last; }, [&] { return picked + 1; });
    auto each = map_fn([](auto r) { return reduce_sum(r * r); }, x);
    return std::tuple(power, sums, which, each);
  }
};

}  // namespace

TEST_CASE("one function with loops and branches runs on tensors and in a model") {
  graph::session<recurrence, tensor<float, 4, 3>> model;
  for (float scale : {0.25f, -0.5f, 3.f}) {
    tensor<float, 4, 3> x;
    for (int k = 0; k < 12; ++k) x.data()[k] = scale * static_cast<float>(k % 5 - 1);
    const auto [power, sums, which, each] = recurrence{}(dynamic_tensor(x));
    const auto [power2, sums2, which2, each2] = model.run(x);
    const auto compare = [](const dynamic_tensor& a, const auto& b) {
      REQUIRE(a.shape() == b.shape());
      for (std::int64_t k = 0; k < a.size(); ++k) CHECK(static_cast<const float*>(a.data())[k] == doctest::Approx(b.data()[k]).epsilon(1e-6));
    };
    compare(power, power2), compare(sums, sums2), compare(which, which2), compare(each, each2);
  }
}

TEST_CASE("tapes follow loops") {
  const auto f = [](const dynamic_tensor& x) {
    auto [last, y] = loop_over([&](const auto& s, const auto& r) { return std::pair(sin(s * r), s); }, index(x, 2), x);
    return reduce_sum(last) + reduce_sum(y * y);
  };
  tensor<double, 4, 2> x{{0.1, 0.2}, {-0.3, 0.4}, {0.5, -0.6}, {0.7, 0.8}};
  eager::gradient_tape tape;
  const dynamic_tensor v(x);
  tape.watch(v);
  const auto loss = f(v);
  const auto g = tape.gradient(loss, v);
  for (int k = 0; k < 8; ++k) {
    auto up = x, down = x;
    up.data()[k] += 1e-6, down.data()[k] -= 1e-6;
    const double d = (f(dynamic_tensor(up)).item<double>() - f(dynamic_tensor(down)).item<double>()) / 2e-6;
    CHECK(static_cast<const double*>(g[0].data())[k] == doctest::Approx(d).epsilon(1e-3).scale(1e-2));
  }
}

TEST_CASE("typed tensors and numbers go in; what does not fit is said") {
  const tensor<float, 3, 2> x{{1, 2}, {3, 4}, {5, 6}};
  CHECK(foldl([](auto s, auto r) { return s + reduce_sum(r); }, x, 0.f).item<float>() == 21);
  CHECK(cond(true, [] { return 1; }, [] { return 2; }).item<int>() == 1);
  CHECK(switch_case(tensor<int>{7}, [&] { return x * 1; }, [&] { return x * 2; }).to<float, 3, 2>()(2, 1) == 12);
  CHECK(while_loop([](auto k) { return less(k, 10); }, [](auto k) { return k + 1; }, dynamic_tensor(0), {.maximum_iterations = 3}).item<int>() == 3);
  CHECK_THROWS_WITH_AS(foldl([](auto, auto r) { return r; }, x, 0.f),
                       "While: the body must give each state in its dtype and shape: got float32[] and float32[2]; cast or reshape it", invalid_argument);
  CHECK_THROWS_AS(map_fn([](auto r) { return r; }, tensor<float>{1}), invalid_argument);
  CHECK_THROWS_AS(cond(x, [] { return 1; }, [] { return 2; }), invalid_argument);
  CHECK_THROWS_AS(switch_case(tensor<float>{1}, [] { return 1; }), invalid_argument);
  CHECK_THROWS_AS(map_fn([](auto r) { return std::get<0>(r); }, std::tuple(x, tensor<float, 2>{1, 2})), invalid_argument);
}
