// SPDX-License-Identifier: Apache-2.0
// The benchmark report: counts and sums of a small network, loops and branches, and the layout of the documented sample.
#include "rill/graph/benchmark.hpp"

#include <doctest/doctest.h>

#include <rill/graph/control_flow.hpp>
#include <rill/nn/nn.hpp>
#include <string>
#include <tuple>

using namespace rill;

namespace {

constexpr std::int64_t in = 5, hidden = 7, out = 3;
inline constexpr auto mlp = nn::sequential(nn::dense{.units = hidden, .activation = relu}, nn::dense{.units = out});
struct predict {
  constexpr auto operator()(symbol x) const { return mlp(x); }
};
tensor<float, dyn, in> x11() {
  tensor<float, dyn, in> x({11, in});
  for (float& v : x.span()) v = 0.5f;
  return x;
}

/// Doubles x until its sum is 1000 or more: one loop; then one of two branches.
struct doubling {
  constexpr auto operator()(symbol x) const {
    const auto doubled = while_loop([](symbol p) { return less(reduce_sum(p), 1000.f); }, [](symbol p) { return p * 2; }, std::tuple(x));
    const symbol power = std::get<0>(doubled);
    return cond(greater(reduce_sum(x), 0.f), [&] { return power + 1; }, [&] { return -power; });
  }
};

}  // namespace

TEST_CASE("benchmark: counts, sums and the tables of benchmark_model") {
  graph::session<predict, tensor<float, dyn, in>> s;
  const graph::benchmark_report r = graph::benchmark(s, 6, x11());
  CHECK(r.step.count == 6);
  CHECK(r.kernels.count == 6);
  CHECK(r.step.min <= r.step.avg);
  CHECK(r.step.avg <= r.step.max);
  CHECK(r.step.min > 0);
  CHECK(r.flops == 2 * 11 * (in * hidden + hidden * out));
  CHECK(r.batch == 11);
  CHECK(r.arena_bytes == s.arena_bytes());
  REQUIRE(r.rows.size() == 2);
  REQUIRE(r.types.size() == 2);
  CHECK(r.rows[0].name == "dense/MatMul+Add+Relu");
  CHECK(r.rows[0].calls == 1);
  CHECK(r.rows[0].bytes == 11 * 64);
  CHECK(r.rows[1].start_ms >= r.rows[0].start_ms + r.rows[0].avg_ms * 0.99);
  CHECK(r.rows[0].percent + r.rows[1].percent == doctest::Approx(100));
  CHECK(r.types[0].avg_ms >= r.types[1].avg_ms);
  CHECK(r.kernels.avg == doctest::Approx(1e3 * (r.rows[0].avg_ms + r.rows[1].avg_ms)));

  const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
  const auto statistic = graph::run_statistic::of(values);
  CHECK(statistic.avg == doctest::Approx(5));
  CHECK(statistic.std == doctest::Approx(2));
  CHECK(statistic.first == 2);
  CHECK(statistic.last == 9);
  CHECK(graph::run_statistic::of({}).count == 0);
  CHECK_THROWS_WITH_AS(graph::benchmark(s, 0, x11()), doctest::Contains("runs must be at least 1, got 0"), invalid_argument);

  // the documentation's numbers, which make the layout plain
  graph::benchmark_report sample;
  sample.step = {50, 330849, 274803, 232354, 415352, 275563, 44193};
  sample.kernels = {50, 275000, 275000, 275000, 275000, 275000, 0};
  sample.rows = {{"conv_4/Conv2D", "Conv2D", 22.859, 14.212, 13.700, 4.972, 3871488, 1, 0, 0}};
  sample.types = {{"Conv2D", 94, 244.899, 88.952, 35869953, 94}, {"BiasAdd", 95, 9.664, 3.510, 35873984, 95}};
  const std::string text = to_string(sample);
  CAPTURE(text);
  for (const char* line : {
           "============================== Run Order ==============================",
           "\t             [node type]\t  [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[Name]",
           "\t                  Conv2D\t   22.859\t   14.212\t   13.700\t  4.972%\t  4.972%\t  3871.488\tconv_4/Conv2D",
           "============================== Top by Computation Time ==============================",
           "============================== Top by Memory Use ==============================",
           "============================== Summary by node type ==============================",
           "\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]",
           "\t                  Conv2D\t       94\t   244.899\t    88.952%\t    88.952%\t 35869.953\t            94",
           "\t                 BiasAdd\t       95\t     9.664\t     3.510%\t    92.462%\t 35873.984\t            95",
           "Timings (microseconds): count=50 first=330849 curr=274803 min=232354 max=415352 avg=275563 std=44193",
       }) {
    CAPTURE(line);
    CHECK(("\n" + text).find("\n" + std::string(line) + "\n") != std::string::npos);
  }
  sample.kernels.avg = 22.5;  // a small model: times of a thousandth of a microsecond
  CHECK(to_string(sample).find("\t22.859000\t14.212000\t13.700000\t  4.972%") != std::string::npos);
}

TEST_CASE("entries within entries: what a loop runs belongs to it") {
  graph::trace_log log;
  const graph::graph_view& g = graph::view_of<predict, tensor<float, dyn, in>>;
  log.begin_run(g, 2);
  log.begin(0);  // given up, as by an exception
  log.begin_run(g, 2);
  log.begin(0);
  for (int k = 0; k < 2; ++k) {
    log.begin(1);
    log.end();
  }
  log.end();
  log.begin(1);
  log.end();
  log.end_run();
  REQUIRE(log.runs.size() == 1);
  const auto& e = log.runs[0].entries;
  REQUIRE(e.size() == 4);
  CHECK(e[0].parent == -1);
  CHECK(e[1].parent == 0);
  CHECK(e[2].parent == 0);
  CHECK(e[3].parent == -1);
  CHECK(e[0].start <= e[1].start);
  CHECK(e[0].start + e[0].duration >= e[2].start + e[2].duration);
  const double step[] = {1};
  const graph::benchmark_report r = graph::detail::summarize(log, step);
  CHECK(r.rows[1].calls == 3);
  CHECK(r.kernels.avg == doctest::Approx(static_cast<double>(e[0].duration + e[3].duration) * 1e-3));  // nothing twice
  CHECK(r.rows[0].percent + r.rows[1].percent == doctest::Approx(100));

  // a loop of many iterations: the first ones by themselves, the others together
  constexpr std::int64_t kept = graph::trace_log::executions_kept, many = 3 * kept;
  log.begin_run(g, 2);
  log.begin(0);
  for (int k = 0; k < many; ++k) {
    log.begin(1);
    log.end();
  }
  log.end();
  log.end_run();
  const auto& bounded = log.runs[1].entries;
  REQUIRE(bounded.size() == 1 + kept + 1);
  CHECK(bounded[1].calls == 1);
  CHECK(bounded.back().calls == many - kept);
  CHECK(bounded.back().parent == 0);
  CHECK(bounded.back().start >= bounded[kept].start + bounded[kept].duration);
  CHECK(bounded.back().start + bounded.back().duration <= bounded[0].start + bounded[0].duration);
  CHECK(bounded.back().duration >= 0);
  log.runs.erase(log.runs.begin());
  CHECK(graph::detail::summarize(log, step).rows[1].calls == many);
  const std::string chrome = to_chrome_trace(log);
  std::int64_t slices = 0;
  for (std::size_t at = 0; (at = chrome.find("\"cat\":\"kernel\"", at)) != std::string::npos; ++at) ++slices;
  CHECK(slices == 1 + kept);
}

TEST_CASE("loops and branches: their kernels are listed below them, as often as they ran") {
  graph::session<doubling, tensor<float, 3>> s;
  graph::trace_log log;
  const tensor<float, 3> x{1, 2, 4};  // 8 doublings: 7 * 128 < 1000 <= 7 * 256
  const auto y = s.run({.trace = &log}, x);
  CHECK(y == s.run(x));
  CHECK(y.data()[0] == 257);
  REQUIRE(log.runs.size() == 1);
  const graph::trace_run& run = log.runs[0];
  int inside = 0, doublings = 0, branches = 0;
  for (const graph::trace_entry& e : run.entries) {
    CAPTURE(e.kernel->name);
    doublings += e.kernel->name == "While/Mul";
    branches += e.kernel->name.rfind("Case/", 0) == 0;
    if (e.parent < 0) continue;
    ++inside;
    const graph::trace_entry& around = run.entries[static_cast<std::size_t>(e.parent)];
    CHECK(e.start >= around.start);
    CHECK(e.start + e.duration <= around.start + around.duration);
  }
  CHECK(doublings == 8);
  CHECK(branches == 1);
  CHECK(inside > 8);
  const graph::benchmark_report r = graph::benchmark(s, 2, x);
  double percent = 0;
  for (const graph::benchmark_row& row : r.rows) {
    percent += row.percent;
    if (row.name == "While/Mul") CHECK(row.calls == 8);
    if (row.name == "Case/Neg") CHECK(row.calls == 0);
  }
  CHECK(percent == doctest::Approx(100));
  for (const graph::planned_buffer& b : graph::plan_of<doubling, tensor<float, 3>>().buffers) CHECK(b.last <= 4);
}
