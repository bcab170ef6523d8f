// SPDX-License-Identifier: Apache-2.0
// Each pass on small tables: which nodes are left, what a dump says.

#include <doctest/doctest.h>

#include <rill/graph/control_flow.hpp>
#include <rill/graph/dump.hpp>
#include <rill/ops/movement.hpp>

using namespace rill;

namespace {

struct scaled_product {
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {2, 3}});
    return relu(matmul(x, w) * 1 + 0.5);
  }
};
using rows = tensor<float, dyn, 2>;

/// The graph of one fetch over x: float32[?, 3], i: int32[4] and v, a variable of float64[2, 1, 3].
struct small {
  graph::builder b;
  int inputs_ = 0;
  symbol x = input({dtype::float32, {dyn, 3}}), i = input({dtype::int32, {4}});
  symbol v = variable(x, {.name = "v", .shape = {2, 1, 3}, .type = dtype::float64});

  /// Its nodes when it is simplified, but for those three; "x", "i" or "v" where it became one of them.
  std::string simplified(symbol y) {
    REQUIRE(!b.first_failure);
    b.fetches.push_back({graph::name_buffer("y"), y.id, false});
    graph::simplify(b);
    std::string ops;
    for (std::size_t k = 0; k < b.nodes.size(); ++k) {
      const graph::node& n = b.nodes[k];
      const bool given = n.op->id == graph::id_of<graph::source::input> || n.op->id == graph::id_of<graph::source::variable>;
      if (!given) ops += (ops.empty() ? "" : " ") + std::string(n.op->name);
      else if (static_cast<int>(k) == b.fetches[0].node) return n.op->id == graph::id_of<graph::source::variable> ? "v" : n.attr.i[0] == 0 ? "x" : "i";
    }
    return ops;
  }

 private:
  symbol input(const signature& s) {
    attributes a;
    a.i[0] = inputs_++;
    return b.add(&graph::info_of<graph::source::input>, s, {}, a);
  }
};
template <class F>
std::string simplified(F&& f) {
  small s;
  return s.simplified(f(s));
}

}  // namespace

#define RILL_RULE(expression, left) CHECK_MESSAGE(simplified([](small& s) { return expression; }) == left, #expression)

TEST_CASE("what has no effect on any result vanishes") {
  RILL_RULE(s.x * 1, "x");
  RILL_RULE(1 * s.x + 0, "x");
  RILL_RULE((s.x - 0) / 1, "x");
  RILL_RULE(-(-s.x), "x");
  RILL_RULE(logical_not(logical_not(s.x > 0)), "Const BroadcastInDim Greater");
  RILL_RULE(relu(relu(s.x)), "Relu");
  RILL_RULE(abs(abs(-s.x)), "Abs");
  RILL_RULE(square(-s.x), "Square");
  RILL_RULE(maximum(s.x, s.x), "x");
  RILL_RULE(s.x - -s.x, "Add");
  RILL_RULE(s.x + -s.x, "Sub");
  RILL_RULE(-s.x + tanh(s.x), "Tanh Sub");
  RILL_RULE(-s.x * -s.x, "Mul");
  RILL_RULE(select(s.x > 0, s.x, s.x), "x");
  RILL_RULE(s.i * 0, "Const BroadcastInDim");
  RILL_RULE(s.i - s.i, "Const BroadcastInDim");
  RILL_RULE(s.x / 4, "Const BroadcastInDim Mul");
  RILL_RULE(s.x / 0x1p-70f, "Const BroadcastInDim Mul");
  RILL_RULE(stop_gradient(s.x), "x");
}

TEST_CASE("what would round another way, or hide NaN, stays") {
  RILL_RULE(s.x * 0, "Const BroadcastInDim Mul");
  RILL_RULE(s.x - s.x, "Sub");
  RILL_RULE(s.x / 3, "Const BroadcastInDim RealDiv");
  RILL_RULE(log(exp(s.x)), "Exp Log");
  RILL_RULE(pow(s.x, 2), "Const BroadcastInDim Pow");
  RILL_RULE(sqrt(square(s.x)), "Square Sqrt");
  RILL_RULE(abs(-cast<std::uint32_t>(s.i)), "Cast Neg Abs");  // -1 is 2^32 - 1
  RILL_RULE(cast<float>(cast<std::int32_t>(s.x)), "Cast Cast");
  RILL_RULE(cast<std::int32_t>(cast<float>(s.i)), "Cast Cast");  // 24 bits
}

TEST_CASE("views of views are one view, those of everything none") {
  RILL_RULE(cast<float>(cast<double>(s.x)), "x");
  RILL_RULE(cast<std::int32_t>(cast<double>(s.i)), "i");
  RILL_RULE(reshape(reshape(s.v, {6}), {3, 2}), "Reshape");
  RILL_RULE(reshape(reshape(s.v, {6}), {2, 1, 3}), "v");
  RILL_RULE(transpose(transpose(s.v, {2, 0, 1}), {1, 2, 0}), "v");
  RILL_RULE(transpose(transpose(s.v, {2, 1, 0}), {1, 0, 2}), "Transpose");
  RILL_RULE(transpose(s.v, {1, 0, 2}), "Reshape");
  RILL_RULE(reduce_max(s.v, {.axis = {1}}), "Reshape");
  RILL_RULE(reduce_sum(s.v, {.axis = {1}, .keepdims = true}), "v");
  RILL_RULE(slice_from(s.v, {0, 0, 0}, {2, 1, 3}), "v");
  RILL_RULE(slice_from(s.v, {0, 0, 1}, {2, 1, 2}), "StridedSlice");
  RILL_RULE(pad(s.v, {{0, 0}, {0, 0}, {0, 0}}), "v");
  RILL_RULE(rill::broadcast_to(rill::broadcast_to(reshape(s.i, {1, 4}), {2, 4}), {3, 2, 4}), "Reshape BroadcastInDim");
  RILL_RULE(matmul(transpose(s.x), s.x), "MatMul");
}

TEST_CASE("transposes meet behind element-wise ops and cancel; one alone stays where it is") {
  RILL_RULE(transpose(relu(transpose(s.v, {2, 1, 0})) * 2, {2, 1, 0}), "Relu Const BroadcastInDim Mul");
  RILL_RULE(transpose(tanh(transpose(s.v, {2, 1, 0}) + transpose(abs(s.v), {2, 1, 0})), {2, 1, 0}), "Abs Add Tanh");
  RILL_RULE(transpose(transpose(s.v, {2, 1, 0}) + reshape(cast<double>(slice_from(s.i, {0}, {3})), {3, 1, 1}), {2, 1, 0}),
            "StridedSlice Cast BroadcastInDim Add");
  RILL_RULE(([&] {
              const symbol turned = transpose(s.v, {2, 1, 0});
              return transpose(turned * reshape(s.v, {3, 1, 2}), {2, 1, 0});
            }()),
            "Transpose Reshape Mul Transpose");
  RILL_RULE(relu(transpose(s.v, {2, 1, 0})), "Transpose Relu");
  RILL_RULE(matmul(relu(transpose(s.x)), transpose(relu(transpose(s.x)))), "Relu MatMul");
}

TEST_CASE("numbers are computed once, before they spread") {
  RILL_RULE(s.x * (zeros_like(s.x) + 2) * 0 + 0, "Const BroadcastInDim Const BroadcastInDim Mul Mul");
  RILL_RULE(s.x + exp(ones_like(s.x)), "Const Exp BroadcastInDim Add");
  RILL_RULE(ones_like(s.x) * 3 + 4, "Const BroadcastInDim");
}

TEST_CASE("equal nodes are one, also those that bodies of control flow read") {
  RILL_RULE(exp(s.x) * exp(s.x), "Exp Mul");
  small s;
  const symbol a = exp(s.x), b = exp(s.x);
  const symbol y = cond(greater(reduce_sum(s.x), 0), [&] { return a * b + b * a; }, [&] { return tanh(a) + tanh(b); });
  CHECK(s.simplified(y) == "Exp Sum Const Greater Tuple Tuple Case GetTupleElement");
  std::string inside;
  for (const graph::builder& body : s.b.bodies)
    for (const graph::node& n : body.nodes) inside += std::string(n.op->name) + " ";
  CHECK(inside == "Placeholder Placeholder Mul Add VariableV2 Assign Placeholder Tanh Placeholder Add VariableV2 Assign ");
}

TEST_CASE("dead code goes, assignments and what fetches need stay") {
  small s;
  const symbol unused = tanh(exp(s.x));
  static_cast<void>(unused);
  assign(s.v, s.v * 2);
  assign(s.v, s.v * 3);  // of two, the last one counts
  CHECK(s.simplified(reduce_sum(s.x)) == "Const BroadcastInDim Mul Assign Sum");
}

TEST_CASE("a dump has one line for each node or kernel of a pass") {
  using graph::pass;
  const std::string traced = graph::dump<scaled_product, rows>(pass::traced);
  CHECK(traced.find("%0 = Placeholder float32[?, 2]\n%1 = VariableV2 float32[2, 3]  w\n%2 = MatMul float32[?, 3] (%0, %1)\n") != std::string::npos);
  CHECK(graph::dump<scaled_product, rows>(pass::simplified) ==
        "simplified: 7 nodes, before 10; fewer: 1 Const, 1 BroadcastInDim, 1 Mul\n"
        "%0 = Placeholder float32[?, 2]\n%1 = VariableV2 float32[2, 3]  w\n%2 = MatMul float32[?, 3] (%0, %1)\n"
        "%3 = Const float32[] 0.5\n%4 = BroadcastInDim float32[?, 3] (%3)\n%5 = Add float32[?, 3] (%2, %4)\n%6 = Relu float32[?, 3] (%5)\n");
  CHECK(graph::dump<scaled_product, rows>(pass::fused).find("%6 = Relu float32[?, 3] (%5)  in kernel 1\n") != std::string::npos);
  const std::string kernels = "kernel 0: tile MatMul(feed 0, variable 0) Add(the result, scalar 0) Relu(.0) -> slot 0\n";
  CHECK(graph::dump<scaled_product, rows>(pass::lowered) == "lowered: 7 nodes, 1 kernels\n" + kernels);
  CHECK(graph::dump<scaled_product, rows>(pass::planned) ==
        "planned: 7 nodes, 1 kernels\n" + kernels + "slot 0: 64 bytes a row at 0, kernels 0..1, %6\narena: 0 bytes and 64 a row\n");
  CHECK(graph::to_dot<scaled_product, rows>(pass::simplified).find("subgraph") == std::string::npos);
  CHECK(graph::to_dot<scaled_product, rows>(pass::fused).find("subgraph cluster_n1") != std::string::npos);
}
