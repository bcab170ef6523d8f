// SPDX-License-Identifier: Apache-2.0
// Loops and branches in a GraphDef: TensorFlow imports it, every function on its own as well, and computes what Rill computes.
#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <rill/graph/control_flow.hpp>
#include <rill/graph/session.hpp>
#include <rill/io/graph_def_reader.hpp>
#include <rill/summary/graph.hpp>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "../io/scratch.hpp"
#include "ask.hpp"

using namespace rill;

namespace {

/// Doubles x until its sum is 1000 or more, adds the rows of y up from the last to the first, twice the positive ones, then
/// takes one of two branches, and one of three.
struct program {
  constexpr auto operator()(symbol x, symbol y) const {
    const auto doubled = while_loop([](symbol p) { return less(reduce_sum(p), 1000.f); }, [](symbol p) { return p * 2; }, std::tuple(x));
    const symbol power = std::get<0>(doubled);
    const auto summed = loop_over(
        [&](symbol total, symbol row) {
          const symbol next = total + cond(greater(reduce_sum(row), 0.f), [&] { return row * 2 + x; }, [&] { return row; });
          return std::pair(next, next);
        },
        x, y, {.reverse = true});
    const symbol sum = summed.first, sums = summed.second;
    const symbol chosen = cond(greater(reduce_sum(x), 0.f), [&] { return power + sum; }, [&] { return -power; });
    return outputs(fetch("chosen", chosen), fetch("sums", sums),
                   fetch("case", switch_case(cast<std::int32_t>(reduce_sum(x)) - 6, [&] { return power; }, [&] { return sum * 3; }, [&] { return x; })));
  }
};
using row = tensor<float, 3>;
using rows = tensor<float, 4, 3>;

/// The nodes that a function's node or result reads: arguments, or "node:result:number".
bool reads_what_is_there(const io::function_def& f) {
  std::set<std::string> known, values;
  for (const auto& a : f.arguments)
    if (!values.insert(a.name).second || !known.insert(a.name).second) return false;
  for (const io::node_def& n : f.nodes)
    if (!known.insert(n.name).second) return false;
  const auto there = [&](const std::string& input) {
    const auto colon = input.find(':');
    return colon == std::string::npos ? values.count(input) == 1 : known.count(input.substr(0, colon)) == 1 && values.count(input.substr(0, colon)) == 0;
  };
  for (const io::node_def& n : f.nodes)
    for (const std::string& in : n.inputs)
      if (!there(in)) return false;
  for (const auto& r : f.results)
    if (f.ret.count(r.name) != 1 || !there(f.ret.at(r.name))) return false;
  return f.ret.size() == f.results.size();
}

}  // namespace

TEST_CASE("oracle: TensorFlow imports loops and branches as functions, and runs them") {
  const io::graph_def g = summary::graph_of<program, row, rows>();
  const std::vector<io::function_def>& list = io::functions_of(g);
  std::map<std::string, const io::function_def*> functions;
  for (const io::function_def& f : list) {
    CAPTURE(f.name);
    CHECK(functions.emplace(f.name, &f).second);
    CHECK(reads_what_is_there(f));
  }
  int controls = 0;
  const auto check = [&](const io::node_def& n) {
    controls += n.op == "While" || n.op == "If" || n.op == "Case";
    CHECK(n.op != "Tuple");
    for (const auto& [key, a] : n.attrs)
      if (a.kind == io::attr_value::kind_type::func) CHECK(functions.count(a.s) == 1);
  };
  for (const io::node_def& n : g.nodes) check(n);
  for (const io::function_def& f : list)
    for (const io::node_def& n : f.nodes) check(n);
  CHECK(controls == 5);
  CHECK(list.size() == 2 + 2 + 2 + 2 + 3);
  REQUIRE(functions.count("While_body") == 1);
  CHECK(functions["While_body"]->arguments.size() == 3);  // the iteration, the same as the loop counts it, x
  const io::graph_def again = io::parse_graph_def(io::serialize(g));
  CHECK(io::to_pbtxt(again) == io::to_pbtxt(g));

  graph::session<program, row, rows> s;
  const row x{1, 2, 4};
  const rows y{{1, 2, 3}, {-1, -2, -3}, {0.5f, 0.25f, 1}, {-4, 1, 1}};
  const test::scratch_dir dir;
  io::atomic_write(dir / "graph.pb", io::serialize(g));
  bool asked = false;
  const std::string out = test::ask("functions", dir / "graph.pb", asked);
  if (!asked) return;
  CAPTURE(out);
  const auto [chosen, sums, third] = s.run(x, y);
  const auto line = [](const auto& t) {
    std::string text;
    for (float v : t.span()) {
      char number[32];
      std::snprintf(number, sizeof number, " %.9g", static_cast<double>(v));
      text += number;
    }
    return text + '\n';
  };
  CHECK(out.find(line(chosen)) != std::string::npos);
  CHECK(out.find(line(sums)) != std::string::npos);
  CHECK(out.find(line(third)) != std::string::npos);
  for (const auto& [name, f] : functions) CHECK(test::has(out, "function " + name + " valid"));
}
