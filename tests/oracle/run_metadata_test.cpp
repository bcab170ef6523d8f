// SPDX-License-Identifier: Apache-2.0
// TensorBoard and TensorFlow's timeline read the statistics of a traced run, and json its trace.
#include <doctest/doctest.h>

#include <rill/graph/control_flow.hpp>
#include <rill/graph/trace_log.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <rill/summary/event_reader.hpp>
#include <rill/summary/event_writer.hpp>
#include <rill/summary/graph.hpp>
#include <rill/summary/run_metadata.hpp>
#include <string>
#include <utility>

#include "../io/scratch.hpp"
#include "ask.hpp"

using namespace rill;
using test::ask;
using test::has;

namespace {

struct step {
  constexpr auto operator()(symbol x) const {
    const auto net = nn::sequential(nn::dense{.units = 7, .activation = relu}, nn::dense{.units = 3});
    symbol loss = reduce_mean(square(net(x)));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.1}.minimize(loss)));
  }
};
using input = tensor<float, dyn, 5>;

}  // namespace

TEST_CASE("oracle: TensorBoard reads a traced run") {
  const test::scratch_dir dir;
  graph::session<step, input> s;
  input x({11, 5});
  for (float& v : x.span()) v = 0.25f;
  graph::trace_log log;
  s.step({.trace = &log}, x);
  const graph::trace_run& run = log.runs.back();
  const std::string bytes = io::serialize(summary::run_metadata_of(run));
  {
    summary::event_writer events(dir.path());
    events.add_graph(summary::graph_of<step, input>());
    events.add_run_metadata("step99", bytes, 99);
  }

  // By our own reader: every node of the graph that is computed, the kernels' times at their roots.
  const summary::event_log written = summary::read_event_dir(dir.path());
  REQUIRE(written.events.size() == 3);
  CHECK(written.events[2].run_metadata_tag == "step99");
  CHECK(written.events[2].step == 99);
  const io::run_metadata read = io::parse_run_metadata(written.events[2].run_metadata);
  CHECK(io::serialize(read) == bytes);
  REQUIRE(read.devices.size() == 1);
  std::int64_t nanos = 0, memory = 0, timed = 0;
  for (const io::node_stats& n : read.devices[0].nodes) {
    nanos += n.all_end_rel_nanos;
    timed += n.all_end_rel_micros > 0;
    for (const io::allocator_stats& a : n.memory) memory += a.total_bytes;
    CHECK(n.all_start_micros >= run.start / 1000);
    CHECK(n.all_start_nanos + n.all_end_rel_nanos <= run.start + run.duration);
    REQUIRE(n.outputs.size() == 1);
  }
  std::int64_t kernel_nanos = 0, kernel_memory = 0;
  for (const graph::trace_entry& e : run.entries) {
    kernel_nanos += e.duration;
    for (const graph::kernel_result& r : e.kernel->results) kernel_memory += r.allocated;
  }
  CHECK(nanos == kernel_nanos);
  CHECK(memory == kernel_memory);
  CHECK(timed == static_cast<std::int64_t>(run.entries.size()));

  bool asked = false;
  const std::string out = ask("run_metadata", dir.path(), asked);
  if (!asked) return;
  CAPTURE(out);
  CHECK(has(out, "again step99 " + test::to_hex(bytes)));  // the same message, byte for byte
  CHECK(has(out, "device /job:localhost/replica:0/task:0/device:CPU:0 {" + std::to_string(run.entries[0].thread) + ": 'session'}"));
  CHECK(out.find("UNKNOWN") == std::string::npos);
  CHECK(has(out, "node Placeholder known False 0 Placeholder = Placeholder()"));
  CHECK(has(out, "node dense/kernel known False 0 dense/kernel = VariableV2()"));
  CHECK(has(out, "node dense/MatMul known True 0 dense/MatMul = MatMul+Add+Relu(Placeholder, dense/kernel)"));
  CHECK(has(out, "node dense/Relu known False 704 dense/Relu = Relu(dense/Add)"));
  CHECK(has(out, "slice MatMul+Add+Relu dense/MatMul"));
}

namespace {
/// x doubled for each row of y that sums up to more than 0.
struct loops {
  constexpr auto operator()(symbol x, symbol y) const {
    return loop_over([](symbol p, symbol row) { return std::pair(cond(greater(reduce_sum(row), 0.f), [&] { return p * 2; }, [&] { return p; }), row); }, x, y).first;
  }
};
}  // namespace

TEST_CASE("oracle: what loops and branches run is at the nodes of their functions, once") {
  const test::scratch_dir dir;
  using row = tensor<float, 3>;
  graph::session<loops, row, tensor<float, 4, 3>> s;
  graph::trace_log log;
  CHECK(s.run({.trace = &log}, row{1, 2, 3}, tensor<float, 4, 3>{{1, 0, 0}, {-1, 0, 0}, {2, 0, 0}, {1, 0, 1}}) == row{8, 16, 24});
  const graph::trace_run& run = log.runs.back();
  const io::run_metadata data = summary::run_metadata_of(run);
  std::int64_t nanos = 0, kernel_nanos = 0;
  for (const io::node_stats& n : data.devices[0].nodes) nanos += n.all_end_rel_nanos;
  for (const graph::trace_entry& e : run.entries) kernel_nanos += e.duration;
  CHECK(nanos == kernel_nanos);
  {
    summary::event_writer events(dir.path());
    events.add_graph(summary::graph_of<loops, row, tensor<float, 4, 3>>());
    events.add_run_metadata("step", io::serialize(data), 1);
  }
  bool asked = false;
  const std::string out = ask("run_metadata", dir.path(), asked);
  if (!asked) return;
  CAPTURE(out);
  CHECK(out.find("UNKNOWN") == std::string::npos);
  CHECK(has(out, "node While known True 0 While = While(Tuple)"));
  CHECK(has(out, "node __function_library__While_body/Sum known True 0 While/Sum = Sum(), 4 times"));
  CHECK(has(out, "node __function_library__While_body_Case_branch_1/Assign known True 0 While/Case/Assign = Assign(), 1 times"));
  CHECK(out.find("node __function_library__While_body_Case_branch_0/Mul known True 0 While/Case/Mul = Mul(), 3 times\n") != std::string::npos);
}

TEST_CASE("oracle: json reads Chrome's trace") {
  const test::scratch_dir dir;
  graph::session<step, input> s;
  graph::trace_log log;
  s.step({.trace = &log}, input({11, 5}));
  io::atomic_write(dir / "timeline.json", graph::to_chrome_trace(log));
  bool asked = false;
  const std::string out = ask("timeline", dir / "timeline.json", asked);
  if (!asked) return;
  CAPTURE(out);
  CHECK(has(out, "metadata process_name rill"));
  CHECK(has(out, "metadata thread_name session"));
  CHECK(has(out, "slice run 0 run True 0"));
  CHECK(has(out, "slice dense/MatMul+Add+Relu kernel True 770"));
  CHECK(out.find("counter arena {'bytes alive': ") != std::string::npos);
}
