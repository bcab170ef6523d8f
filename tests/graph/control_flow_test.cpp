// SPDX-License-Identifier: Apache-2.0
// Control flow in models against plain loops: while_loop, cond, case_, switch_case, map_fn, scan, foldl, foldr, nested in each
// other, over batches, with random numbers; what it says about wrong ones.

#include <doctest/doctest.h>

#include <cmath>
#include <rill/graph/control_flow.hpp>
#include <rill/graph/session.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <set>
#include <vector>

using namespace rill;

namespace {

struct loops {
  constexpr auto operator()(symbol x, symbol limit) const {
    // powers of x until they pass the limit: data decides how often
    auto [n, power] = while_loop([&](symbol, symbol p) { return less(p, limit); },
                                 [&](symbol k, symbol p) { return std::tuple(k + 1, p * x); }, std::tuple(0, x));
    // a loop in a loop, with a single loop variable and a limit to the iterations
    symbol grown = while_loop([&](symbol v) { return less(v, limit); },
                              [&](symbol v) {
                                auto [i, w] = while_loop([](symbol j, symbol) { return less(j, 3); },
                                                         [&](symbol j, symbol u) { return std::tuple(j + 1, u + x * cast<float>(j)); },
                                                         std::tuple(0, v));
                                return w + cast<float>(i);
                              },
                              x, {.maximum_iterations = 5});
    symbol never = while_loop([](symbol v) { return less(v, -1e30f); }, [](symbol v) { return v * 2; }, x);
    return outputs(fetch("n", n), fetch("power", power), fetch("grown", grown), fetch("never", never));
  }
};

struct branches {
  constexpr auto operator()(symbol x, symbol k) const {
    symbol total = reduce_sum(x);
    symbol either = cond(greater(total, 0.f), [&] { return x * 2; }, [&] { return matmul(x, x); });
    // a tuple from branches that hold a branch and a loop
    auto [a, b] = cond(less(k, 2),
                       [&] {
                         symbol deeper = cond(less(k, 1), [&] { return x + 1; }, [&] { return x; });
                         return std::tuple(deeper, total);
                       },
                       [&] {
                         auto [i, v] = while_loop([&](symbol j, symbol) { return less(j, k); },
                                                  [](symbol j, symbol y) { return std::tuple(j + 1, y + y); }, std::tuple(0, x));
                         return std::tuple(v, cast<float>(i));
                       });
    symbol which = switch_case(k, [&] { return total * 10; }, [&] { return total * 20; }, [&] { return total * 30; });
    symbol first = case_(greater(total, 5.f), [&] { return total - 5; }, greater(total, 0.f), [&] { return total * 100; },
                         [&] { return -total; });
    return outputs(fetch("either", either), fetch("a", a), fetch("b", b), fetch("which", which), fetch("first", first));
  }
};

struct over_rows {
  constexpr auto operator()(symbol x, symbol batched) const {  // [5, 3] and [4, batch]
    symbol squares = map_fn([](symbol r) { return reduce_sum(r * r); }, x);
    symbol sums = scan([](symbol s, symbol r) { return s + r; }, x, zeros_like(reduce_sum(x, {.axis = {0}})));
    symbol back = scan([](symbol s, symbol r) { return s + r; }, x, zeros_like(reduce_sum(x, {.axis = {0}})), {.reverse = true});
    symbol left = foldl([](symbol s, symbol r) { return s * 2 + reduce_sum(r); }, x, 1.f);
    symbol right = foldr([](symbol s, symbol r) { return s * 2 + reduce_sum(r); }, x, 1.f);
    symbol unrolled = foldl([](symbol s, symbol r) { return s * 2 + reduce_sum(r); }, x, 1.f, {.unroll = 8});
    auto [last, both] = loop_over([](symbol s, const auto& r) {
      const auto& [p, q] = r;
      symbol next = s + reduce_sum(p * q);
      return std::pair(next, std::tuple(p - q, next));
    }, 0.f, std::tuple(x, x * 2));
    symbol cumulative = scan([](symbol s, symbol r) { return s + r; }, batched, zeros_like(reduce_sum(batched, {.axis = {0}})), {.unroll = 2});
    return outputs(fetch("squares", squares), fetch("sums", sums), fetch("back", back), fetch("left", left), fetch("right", right),
                   fetch("unrolled", unrolled), fetch("last", last), fetch("differences", std::get<0>(both)),
                   fetch("partial", std::get<1>(both)), fetch("cumulative", cumulative));
  }
};

struct over_batch {  // each example by itself, and loops that swap and count states
  constexpr auto operator()(symbol x) const {
    symbol y = map_fn([](symbol r) { return reduce_max(r); }, x);
    auto [a, b, n] = foldl([](const auto& s, symbol) {
      const auto& [p, q, k] = s;
      return std::tuple(q, p + q, k + 1);
    }, x, std::tuple(1.f, 1.f, 0));
    return outputs(fetch("max", y), fetch("a", a), fetch("b", b), fetch("n", n));
  }
};

struct draws {
  static constexpr bool training = true;
  constexpr auto operator()(symbol x) const {
    symbol u = map_fn([](symbol r) { return random_uniform(r, {4}); }, x);
    symbol nested = map_fn([](symbol r) {
      return map_fn([](symbol e) { return random_uniform(e, {2}); }, r);
    }, x);
    return outputs(fetch("u", u), fetch("nested", nested));
  }
};

struct shares_a_layer {  // variables named inside are the model's own, and are trained
  constexpr auto operator()(symbol x, symbol y) const {
    symbol w = variable(x, {.name = "w", .shape = {3}, .initializer = constant(0.5)});
    symbol h = foldl([&](symbol s, symbol r) {
      symbol b = variable(r, {.name = "bias", .shape = {}, .initializer = constant(0.25)});
      return s + reduce_sum(w * r) + b;
    }, x, 0.f);
    symbol loss = square(h - y);
    return outputs(fetch("h", h), fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.01}.minimize(loss)));
  }
};

}  // namespace

TEST_CASE("while_loop: data decides how often, loops in loops, a limit, none at all") {
  graph::session<loops, tensor<float>, tensor<float>> s;
  for (float x : {1.5f, 2.f, 7.f, 300.f}) {
    auto [n, power, grown, never] = s.run(tensor<float>{x}, tensor<float>{100.f});
    std::int32_t k = 0;
    float p = x;
    for (; p < 100.f; p *= x) ++k;
    CHECK(n() == k);
    CHECK(power() == p);
    float g = x;
    for (int i = 0; i < 5 && g < 100.f; ++i) {
      for (int j = 0; j < 3; ++j) g = g + x * static_cast<float>(j);
      g += 3;
    }
    CHECK(grown() == doctest::Approx(g));
    CHECK(never() == x);
  }
}

TEST_CASE("cond, switch_case, case_: one branch runs, tuples, branches and loops inside") {
  graph::session<branches, tensor<float, 2, 2>, tensor<std::int32_t>> s;
  const tensor<float, 2, 2> up{{1, 2}, {3, -1}}, down{{-1, 2}, {-3, 1}}, high{{3, 3}, {3, 3}};
  for (std::int32_t k : {-1, 0, 1, 2, 3, 7})
    for (const auto& x : {up, down, high}) {
      CAPTURE(k);
      auto [either, a, b, which, first] = s.run(x, tensor<std::int32_t>{k});
      float total = 0;
      for (int i = 0; i < 4; ++i) total += x.data()[i];
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
          CHECK(either(i, j) == (total > 0 ? x(i, j) * 2 : x(i, 0) * x(0, j) + x(i, 1) * x(1, j)));
          CHECK(a(i, j) == (k < 1 ? x(i, j) + 1 : k < 2 ? x(i, j) : x(i, j) * static_cast<float>(1 << k)));
        }
      CHECK(b() == (k < 2 ? total : static_cast<float>(k)));
      CHECK(which() == total * (k == 0 ? 10.f : k == 1 ? 20.f : 30.f));
      CHECK(first() == (total > 5 ? total - 5 : total > 0 ? total * 100 : -total));
    }
}

TEST_CASE("map_fn, scan, foldl, foldr, loop_over: over rows, forwards, backwards, unrolled") {
  graph::session<over_rows, tensor<float, 5, 3>, tensor<float, 4, dyn>> s;
  tensor<float, 5, 3> x;
  for (int k = 0; k < 15; ++k) x.data()[k] = static_cast<float>(k % 7) - 2;
  for (std::int64_t batch : {1, 3, 8}) {
    tensor<float, 4, dyn> wide({4, batch});
    for (std::int64_t k = 0; k < 4 * batch; ++k) wide.data()[k] = static_cast<float>(k % 5);
    auto [squares, sums, back, left, right, unrolled, last, differences, partial, cumulative] = s.run(x, wide);
    float l = 1, r = 1, running = 0;
    for (int i = 0; i < 5; ++i) {
      float square = 0, row = 0, other = 0;
      for (int j = 0; j < 3; ++j) {
        square += x(i, j) * x(i, j), row += x(i, j), other += x(4 - i, j);
        float above = 0, below = 0;
        for (int k = 0; k <= i; ++k) above += x(k, j);
        for (int k = i; k < 5; ++k) below += x(k, j);
        CHECK(sums(i, j) == above);
        CHECK(back(i, j) == below);
        CHECK(differences(i, j) == -x(i, j));
      }
      CHECK(squares(i) == square);
      l = l * 2 + row, r = r * 2 + other, running += 2 * square;
      CHECK(partial(i) == running);
    }
    CHECK(left() == l);
    CHECK(unrolled() == l);
    CHECK(right() == r);
    CHECK(last() == running);
    for (std::int64_t j = 0; j < batch; ++j) {
      float sum = 0;
      for (int i = 0; i < 4; ++i) CHECK(cumulative(i, j) == (sum += wide(i, j)));
    }
  }
}

TEST_CASE("a loop over the batch has as many iterations as it has examples") {
  graph::session<over_batch, tensor<float, dyn, 3>> s;
  for (std::int64_t batch : {1, 2, 7, 0}) {
    tensor<float, dyn, 3> x({batch, 3});
    for (std::int64_t k = 0; k < 3 * batch; ++k) x.data()[k] = static_cast<float>((k * 5) % 7);
    auto [most, a, b, n] = s.run(x);
    CHECK(most.extent(0) == batch);
    float p = 1, q = 1;
    for (std::int64_t i = 0; i < batch; ++i) {
      CHECK(most(i) == std::max(x(i, 0), std::max(x(i, 1), x(i, 2))));
      std::swap(p, q), q += p;
    }
    CHECK(a() == p);
    CHECK(b() == q);
    CHECK(n() == batch);
  }
}

TEST_CASE("random numbers differ from iteration to iteration and are the same for the same seed") {
  graph::session<draws, tensor<float, 3, 2>> s({}, {.seed = 7}), again({}, {.seed = 7});
  const auto [u, nested] = s.run(tensor<float, 3, 2>{});
  const auto [v, nested_too] = again.run(tensor<float, 3, 2>{});
  std::set<float> seen;
  for (int k = 0; k < 12; ++k) {
    CHECK(u.data()[k] == v.data()[k]);
    CHECK(nested.data()[k] == nested_too.data()[k]);
    seen.insert(u.data()[k]), seen.insert(nested.data()[k]);
  }
  CHECK(seen.size() == 24);
}

TEST_CASE("a loop reads variables that it names, and trains them") {
  graph::session<shares_a_layer, tensor<float, 4, 3>, tensor<float>> s;
  tensor<float, 4, 3> x;
  for (int k = 0; k < 12; ++k) x.data()[k] = static_cast<float>(k % 5) * 0.25f;
  float before = 1e9f;
  for (int k = 0; k < 50; ++k) {
    const auto [h, loss, trained] = s.run(x, tensor<float>{3.f});
    CHECK(loss() <= before);
    before = loss();
  }
  CHECK(before < 1e-4f);
  CHECK(s.store()->find("bias") != nullptr);
}

namespace {

struct grows {
  constexpr auto operator()(symbol x) const {
    return while_loop([](symbol v) { return less(reduce_sum(v), 1.f); }, [](symbol v) { return reduce_sum(v); }, x);
  }
};
struct disagrees {
  constexpr auto operator()(symbol x) const { return cond(greater(reduce_sum(x), 0.f), [&] { return x; }, [&] { return cast<double>(x); }); }
};
struct no_truth {
  constexpr auto operator()(symbol x) const { return cond(reduce_sum(x), [&] { return x; }, [&] { return x; }); }
};
struct condition_writes {
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {}});
    return while_loop([&](symbol v) { return less(assign_add(w, reduce_sum(v)), 1.f); }, [](symbol v) { return v + 1; }, x);
  }
};
struct uneven {
  constexpr auto operator()(symbol x) const {
    return map_fn([](const auto& r) { return std::get<0>(r); }, std::tuple(x, concat({x, x}, {.axis = 0})));
  }
};
struct miscounts {
  constexpr auto operator()(symbol x) const {
    return loop_over([](symbol s, symbol r) { return std::pair(std::tuple(s + r, r), r); }, 0.f, x).first;
  }
};
struct gives_nothing {  // in one of its branches
  constexpr auto operator()(symbol x) const {
    cond(greater(reduce_sum(x), 0.f), [&] { return std::tuple(x); }, [&] { return std::tuple<>(); });
    return x;
  }
};
template <class M>
std::string complaint() {
  const graph::builder b = graph::trace<M, tensor<float, 3>>();
  REQUIRE(b.first_failure);
  return to_string(b.first_failure, std::string(b.failed_op->name).c_str());
}

}  // namespace

TEST_CASE("control flow that does not fit is named with its shapes") {
  CHECK(complaint<grows>() == "While: the body must give each state in its dtype and shape: got float32[3] and float32[]; cast or reshape it");
  CHECK(complaint<disagrees>() == "Case: the branches must give values of the same dtypes and shapes: got float32[3] and float64[3]; cast, reshape or broadcast one");
  CHECK(complaint<no_truth>() == "Case: the predicate must be a scalar of dtype bool: got float32[]; compare, or reduce_all");
  CHECK(complaint<condition_writes>() == "While: the condition of a loop cannot assign a variable: got invalid[]; let the body do it");
  CHECK(complaint<miscounts>() == "While: the body must give as many values as it takes: got int64[1] and int64[2]");
  CHECK(complaint<gives_nothing>() == "Case: the branches must give values of the same dtypes and shapes: got float32[3] and invalid[]; cast, reshape or broadcast one");
  CHECK(complaint<uneven>() == "While: first axes differ: got float32[3] and float32[6]; they are looped over together");
}

namespace {

constexpr symbol number(symbol x, const char* name, double first) {
  return variable(x, {.name = name, .shape = {}, .initializer = constant(first), .trainable = false});
}
/// Sums gradients and applies them at every third step.
struct accumulates {
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {3}, .initializer = constant(1.)});
    symbol sum = variable(x, {.name = "sum", .shape = {3}, .initializer = constant(0.), .trainable = false});
    symbol count = number(x, "count", 0);
    assign_add(count, count * 0 + 1);
    symbol total = assign_add(sum, x);
    cond(equal(read_value(count), 3.f),
         [&] {
           assign_sub(w, total * 0.1);
           assign(sum, total * 0);
           assign(count, number_like(count, 0));
           return std::tuple();
         },
         [&] { return std::tuple(); });
    return outputs(fetch("w", read_value(w)), fetch("sum", read_value(sum)), fetch("count", read_value(count)));
  }
  static constexpr symbol number_like(symbol v, double n) { return v * 0 + n; }
};
/// Loops and branches in each other that write what is around them.
struct counts {
  constexpr auto operator()(symbol x) const {
    symbol even = number(x, "even", 10), odd = number(x, "odd", 100), last = number(x, "last", -1), twice = number(x, "twice", 0);
    assign(even, even + 0.5);  // what the loop goes on from
    symbol n = while_loop([](symbol k) { return less(k, 7.f); },
                          [&](symbol k) {
                            cond(equal(k - 2 * floor(k * 0.5), 0.f), [&] { return assign_add(even, k); }, [&] { return assign_add(odd, k); });
                            return k + 1;
                          },
                          symbol(x * 0));
    symbol seen = scan([&](symbol s, symbol k) {
      symbol before = read_value(last);
      assign(last, k);
      return s + before;
    }, stack({x + 1, x + 2, x + 3}), symbol(x * 0));
    assign_add(twice, x + 1), assign_add(twice, x + 2);
    return outputs(fetch("n", n), fetch("even", read_value(even)), fetch("odd", read_value(odd)), fetch("last", read_value(last)),
                   fetch("seen", seen), fetch("twice", read_value(twice)));
  }
};
/// A loop whose body notes something while gradients go through it.
struct notes {
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {}, .initializer = constant(2.), .type = dtype::float64});
    symbol largest = variable(x, {.name = "largest", .shape = {}, .initializer = constant(0.), .trainable = false, .type = dtype::float64});
    symbol y = foldl([&](symbol s, symbol row) {
      symbol next = s * w + row;
      assign(largest, maximum(read_value(largest), next));
      return next;
    }, x, symbol(reduce_sum(x) * 0));
    return outputs(fetch("y", y), fetch("largest", read_value(largest)), fetch("gradient", gradients(y, w)[0]));
  }
};

/// Loops that read a variable without writing it, one of them in the condition of another; a gradient of what a loop wrote.
struct reads_only {
  constexpr auto operator()(symbol x) const {
    symbol v = variable(x, {.name = "v", .shape = {}, .initializer = constant(2.)});
    symbol a = foldl([&](symbol s, symbol r) { return s + r * read_value(v); }, x, 0.f);
    symbol b = foldl([&](symbol s, symbol r) { return s + r * r * read_value(v); }, x, 0.f);
    symbol y = while_loop([&](symbol s) { return less(foldl([&](symbol t, symbol r) { return t + r * read_value(v); }, x, s), 100.f); },
                          [&](symbol s) { return s * 2 + 1; }, symbol(v * 0 + 1));
    return outputs(fetch("gradient", gradients(a + b, v)[0]), fetch("y", y));
  }
};
struct through_assigned {
  constexpr auto operator()(symbol x) const {
    symbol v = number(x, "v", 2), w = variable(x, {.name = "w", .shape = {}, .initializer = constant(3.)});
    foldl([&](symbol s, symbol r) {
      assign(v, read_value(v) * w + r);
      return s + 1;
    }, x, 0.f);
    return outputs(fetch("gradient", gradients(read_value(v) * 2, w)[0]));
  }
};
struct differentiates_inside {
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {}});
    symbol loss = reduce_sum(x * w);
    return cond(greater(loss, 0.f), [&] { return gradients(loss, w)[0]; }, [&] { return w * 1; });
  }
};

}  // namespace

TEST_CASE("a variable that loops only read is not written, and gradients go through what they read or wrote") {
  const graph::builder b = graph::trace<reads_only, tensor<float, 3>>();
  for (const graph::node& n : b.nodes) CHECK(n.op->kind != op_kind::assign);
  graph::session<reads_only, tensor<float, 3>> reads;
  const auto [gradient, y] = reads.run(tensor<float, 3>{1.f, 2.f, 3.f});
  CHECK(gradient() == 20);
  CHECK(y() == 127);
  graph::session<through_assigned, tensor<float, 3>> writes;
  CHECK(std::get<0>(writes.run(tensor<float, 3>{1.f, 2.f, 3.f}))() == 124);
  CHECK(complaint<differentiates_inside>() == "Case: a branch or loop cannot take the gradient of a value outside of it: got float32[]; take it before, and use it there");
}

TEST_CASE("a branch assigns variables when it runs, and leaves them alone when another one does") {
  graph::session<accumulates, tensor<float, 3>> s;
  float w[3] = {1, 1, 1}, sum[3] = {};
  int count = 0;
  for (int step = 0; step < 10; ++step) {
    const tensor<float, 3> x{static_cast<float>(step), 1.f, -2.f};
    const auto [w_now, sum_now, count_now] = s.run(x);
    ++count;
    for (int k = 0; k < 3; ++k) sum[k] += x(k);
    if (count == 3) {
      for (int k = 0; k < 3; ++k) w[k] -= 0.1f * sum[k], sum[k] = 0;
      count = 0;
    }
    CAPTURE(step);
    CHECK(count_now() == static_cast<float>(count));
    for (int k = 0; k < 3; ++k) {
      CHECK(w_now(k) == doctest::Approx(w[k]));
      CHECK(sum_now(k) == doctest::Approx(sum[k]));
    }
  }
}

TEST_CASE("loops assign variables in every iteration, and read what the one before wrote") {
  graph::session<counts, tensor<float>> s;
  float even = 10, odd = 100, last = -1, twice = 0;
  for (int step = 0; step < 3; ++step) {
    const auto x = static_cast<float>(step);
    const auto [n, even_now, odd_now, last_now, seen, twice_now] = s.run(tensor<float>(x));
    even += 0.5f + 0 + 2 + 4 + 6, odd += 1 + 3 + 5, twice += 2 * x + 3;
    CAPTURE(step);
    CHECK(n() == 7);
    CHECK(even_now() == even);
    CHECK(odd_now() == odd);
    CHECK(twice_now() == twice);
    float sum = 0;
    for (int k = 0; k < 3; ++k) {
      sum += last, last = x + static_cast<float>(k + 1);
      CHECK(seen(k) == sum);
    }
    CHECK(last_now() == last);
  }
}

TEST_CASE("gradients go through a loop that assigns variables") {
  graph::session<notes, tensor<double, 4>> s;
  const tensor<double, 4> x{1., -2., 5., 0.5};
  const auto [y, largest, gradient] = s.run(x);
  double value = 0, slope = 0, top = 0;
  for (int k = 0; k < 4; ++k) {
    slope = slope * 2 + value, value = value * 2 + x(k);
    if (value > top) top = value;
  }
  CHECK(y() == doctest::Approx(value));
  CHECK(gradient() == doctest::Approx(slope));
  CHECK(largest() == doctest::Approx(top));
}
