// SPDX-License-Identifier: Apache-2.0
// XLA's Map, Call, Conditional, While and Tuple on eager values: the documentation's examples, gradients through loops and
// branches, what the checks say; Map and Call inlined in a model.

#include "../ops/tensors.hpp"

#include <rill/eager/control_flow.hpp>
#include <rill/eager/gradient.hpp>
#include <rill/expr/create.hpp>
#include <rill/graph/session.hpp>

using namespace rill;
using namespace rill::test;

TEST_CASE("tuples") {
  // v = f32[10]{0..9}, s = s32 5, t = tuple(v, s)
  tensor<float, 10> v;
  for (int k = 0; k < 10; ++k) v(k) = static_cast<float>(k);
  const auto t = xla::tuple(v, 5);
  static_assert(std::is_same_v<decltype(t), const std::tuple<tensor<float, 10>, int>>);
  CHECK(xla::get_tuple_element<1>(t) == 5);
  CHECK(xla::get_tuple_element<0>(t)(9) == 9.0F);
  const auto nested = xla::tuple(t, v + 1.0F, dynamic_tensor(2.0F));
  CHECK(xla::get_tuple_element<1>(xla::get_tuple_element<0>(nested)) == 5);
  CHECK(xla::get_tuple_element<1>(nested)(0) == 1.0F);  // the expression's value
  CHECK(xla::get_tuple_element<0>(xla::tuple(v * 2.0F))(3) == 6.0F);
  // Select between tuples
  const auto other = xla::tuple(v * 10.0F, 7);
  CHECK(xla::get_tuple_element<1>(xla::select(true, t, other)) == 5);
  CHECK(xla::get_tuple_element<0>(xla::select(dynamic_tensor(false), t, other))(2) == 20.0F);
  CHECK(xla::get_tuple_element<1>(xla::select(tensor<bool>{false}, t, other)) == 7);
}

TEST_CASE("while") {
  // (int32 iteration, float[10]); a thousand times a constant vector
  const tensor<float, 10> zeros_of = full({10}, 0.0F), step = full({10}, 0.25F);
  const auto r = xla::while_loop([](const auto& s) { return xla::get_tuple_element<0>(s) < 1000; },
                                 [&](const auto& s) { return xla::tuple(xla::get_tuple_element<0>(s) + 1, xla::get_tuple_element<1>(s) + step); },
                                 xla::tuple(0, zeros_of));
  CHECK(xla::get_tuple_element<0>(r) == 1000);
  CHECK(xla::get_tuple_element<1>(r) == full({10}, 250.0F));
  // run-time-typed, the condition a tensor; nested loops
  const dynamic_tensor limit(100), one(1);
  const dynamic_tensor n = xla::while_loop([&](const dynamic_tensor& i) { return less(i, limit); }, [&](const dynamic_tensor& i) { return i + one; }, dynamic_tensor(3));
  CHECK(n.item<int>() == 100);
  const int product = xla::while_loop([](int i) { return i < 50; }, [](int i) { return xla::while_loop([&](int j) { return j < 2 * i; }, [](int j) { return j + 1; }, i); }, 1);
  CHECK(product == 64);
  CHECK(xla::while_loop([](const tensor<float, 2>&) { return false; }, [](const tensor<float, 2>& v) { return v; }, tensor<float, 2>{1, 2}) == tensor<float, 2>{1, 2});
  // a tape follows the iterations: x ** 8 by squaring
  const dynamic_tensor x(tensor<double, 1>{1.5});
  eager::gradient_tape tape;
  tape.watch(x);
  const auto power = xla::while_loop([](const auto& s) { return std::get<0>(s) < 3; },
                                     [](const auto& s) { return xla::tuple(std::get<0>(s) + 1, square(std::get<1>(s))); }, xla::tuple(0, x));
  CHECK(tape.gradient(std::get<1>(power), x)[0].item<double>() == doctest::Approx(8 * std::pow(1.5, 7)));
}

TEST_CASE("conditional and call") {
  int calls = 0;
  const auto twice = [&](const dynamic_tensor& v) { return ++calls, v * 2; };
  const auto root = [&](const dynamic_tensor& v) { return calls += 100, sqrt(v); };
  const dynamic_tensor a(tensor<float, 2>{1, 2}), b(tensor<float, 1>{9});
  CHECK(xla::conditional(true, a, twice, b, root).to<float, 2>() == tensor<float, 2>{2, 4});
  CHECK(calls == 1);
  CHECK(xla::conditional(dynamic_tensor(false), a, twice, b, root).to<float, 1>() == tensor<float, 1>{3});
  CHECK(calls == 101);  // exactly one of them ran
  const auto typed = xla::conditional(tensor<bool>{true}, tensor<int, 2>{1, 2}, [](const auto& v) { return v + 1; }, 4, [](int k) { return tensor<int, 2>{k, k}; });
  CHECK(typed == tensor<int, 2>{2, 3});
  eager::gradient_tape tape;
  tape.watch(a), tape.watch(b);
  const auto [da, db] = tape.gradient(xla::conditional(false, a, twice, b, root), a, b);
  CHECK(!da.has_value());
  CHECK(db.item<float>() == doctest::Approx(1.0 / 6));
  CHECK(xla::call([](const dynamic_tensor& u, const dynamic_tensor& w) { return u + w; }, a, a).to<float, 2>() == tensor<float, 2>{2, 4});
  CHECK(xla::call([] { return 7; }) == 7);
}

TEST_CASE("map") {
  const tensor<float, 2, 3> x{{1, -2, 3}, {-4, 5, -6}}, y{{10, 20, 30}, {40, 50, 60}};
  const tensor<int, 2, 3> k{{1, 2, 3}, {4, 5, 6}};
  const float parameter = 100;
  const auto r = xla::map([=](float a, float b, int c) { return a > 0 ? a * b + static_cast<float>(c) : parameter; }, x, y, k);
  CHECK(r == tensor<float, 2, 3>{{11, 100, 93}, {100, 255, 100}});
  const auto mask = xla::map([](float a) { return a > 0; }, x * 2.0F);
  static_assert(std::is_same_v<decltype(mask), const tensor<bool, any_rank>>);
  CHECK(mask(0, 1) == false);
  CHECK(mask(0, 2) == true);
  CHECK(xla::map([](float a, float b) { return a + b; }, x, transpose(transpose(y)))(1, 2) == 54.0F);  // operands need not lie in order
  CHECK(xla::map([](double a) { return std::sqrt(a); }, tensor<double>{16.0})() == 4.0);
  CHECK(xla::map([](float a) { return a; }, tensor<float, 0>{}).size() == 0);
  for (const std::int64_t n : {1, 4095, 4096, 4097, 100003}) {
    const auto big = xla::map([](std::int64_t a, std::int64_t b) { return 3 * a - b; }, range<std::int64_t>(0, n, 1), range<std::int64_t>(n, 2 * n, 1));
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < n; ++i) wrong += big(i) != 2 * i - n;
    CHECK(wrong == 0);
  }
  const dynamic_tensor u(x), w(y);
  const auto f = [](auto a, auto b) { return select(a > 0, a * b, a); };
  eager::gradient_tape tape;
  tape.watch(u);
  const dynamic_tensor v = xla::map(f, u, w);
  CHECK(v.to<float, 2, 3>() == tensor<float, 2, 3>{{10, -2, 90}, {-4, 250, -6}});
  CHECK(tape.gradient(v, u)[0].to<float, 2, 3>() == tensor<float, 2, 3>{{10, 1, 30}, {1, 50, 1}});
}

TEST_CASE("errors") {
  const dynamic_tensor a(tensor<float, 2>{1, 2}), b(tensor<float, 3>{1, 2, 3}), flags(tensor<bool, 2>{true, false});
  const auto itself = [](const dynamic_tensor& v) { return v; };
  check_error<invalid_argument>([&] { xla::map([](float u, float v) { return u + v; }, tensor<float, 2>{1, 2}, tensor<float, 1>{1}); },
                                "Map: operands differ in shape: got float32[2] and float32[1]");
  check_error<invalid_argument>([&] { xla::map([](auto u, auto v) { return u + v; }, a, b); }, "Map: operands differ in shape: got float32[2] and float32[3]");
  check_error<invalid_argument>([&] { xla::map([](auto u) { return reduce_sum(u); }, a); }, "Map: the function must give an element for each of the operands': got float32[2] and float32[]");
  check_error<invalid_argument>([&] { xla::conditional(flags, a, itself, b, itself); }, "Conditional: the predicate must be a scalar of dtype bool, got bool[2]");
  check_error<invalid_argument>([&] { xla::conditional(dynamic_tensor(1), a, itself, b, itself); }, "got int32[]");
  check_error<invalid_argument>([&] { xla::conditional(tensor<bool, 1>{true}, a, itself, b, itself); }, "got bool[1]");
  const auto always = [](const auto&) { return true; };
  check_error<invalid_argument>([&] { xla::while_loop([](const dynamic_tensor& v) { return v; }, itself, a); }, "While: the predicate must be a scalar of dtype bool, got float32[2]");
  check_error<invalid_argument>([&] { xla::while_loop(always, [&](const dynamic_tensor&) { return b; }, a); },
                                "While: the body gave float32[3] where float32[2] is wanted");
  check_error<invalid_argument>([&] { xla::while_loop(always, [&](const dynamic_tensor& v) { return cast_to(v, dtype::float64); }, a); },
                                "While: the body gave float64[2] where float32[2] is wanted");
  check_error<invalid_argument>([&] { xla::while_loop(always, [](const tensor<float, dyn>&) { return tensor<float, dyn>(full({3}, 1.0F)); }, tensor<float, dyn>(full({2}, 1.0F))); },
                                "While: the body gave float32[3]");
  check_error<invalid_argument>([&] { xla::while_loop(always, [&](const auto& s) { return xla::tuple(std::get<0>(s), b); }, xla::tuple(1, a)); },
                                "dtypes and shapes must stay the same");
  check_error<invalid_argument>([&] { xla::select(true, xla::tuple(1, a), xla::tuple(2, b)); }, "Select: on_false gave float32[3] where float32[2] is wanted");
  check_error<invalid_argument>([&] { xla::select(flags, xla::tuple(1, a), xla::tuple(2, a)); }, "Select: the predicate must be a scalar of dtype bool");
}

namespace {
struct model {
  constexpr auto operator()(symbol x, symbol y) const {
    const symbol z = xla::map([](auto a, auto b) { return select(a > 0, a * b, a); }, x, y);
    auto [dx] = gradients(reduce_sum(z), x);
    return outputs(fetch("z", xla::call([](symbol v) { return v + 1; }, z)), fetch("dx", dx));
  }
};
}  // namespace

TEST_CASE("map and call in a model are its own nodes") {
  graph::session<model, tensor<float, dyn>, tensor<float, dyn>> s;
  auto [z, dx] = s.run(tensor<float, dyn>(tensor<float, 3>{1, -2, 3}), tensor<float, dyn>(tensor<float, 3>{10, 20, 30}));
  CHECK(z == tensor<float, 3>{11, -1, 91});
  CHECK(dx == tensor<float, 3>{10, 1, 30});
}
