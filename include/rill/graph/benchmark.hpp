// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Where the time of a model goes: what TensorFlow's benchmark_model prints, from a library call.
///
///   graph::benchmark_report r = graph::benchmark(s, 50, images, labels);
///   std::cout << to_string(r);            // by run order, by time, by memory, by type of kernel, totals
///   if (r.step.avg > 20'000) ...          // microseconds
///
/// A row is a kernel, that is a group of nodes that were fused. The session makes 2 * runs steps: a training step trains.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "trace_log.hpp"

namespace rill::graph {

/// A number measured once per run.
struct run_statistic {
  std::int64_t count = 0;
  double first = 0, last = 0, min = 0, max = 0, avg = 0, std = 0;

  static run_statistic of(std::span<const double> values) {
    run_statistic s;
    if (values.empty()) return s;
    s.count = static_cast<std::int64_t>(values.size());
    s.first = values.front(), s.last = values.back();
    s.min = *std::min_element(values.begin(), values.end());
    s.max = *std::max_element(values.begin(), values.end());
    const auto n = static_cast<double>(values.size());
    for (double v : values) s.avg += v / n;
    double squares = 0;
    for (double v : values) squares += (v - s.avg) * (v - s.avg);
    s.std = std::sqrt(squares / n);
    return s;
  }
};

/// One kernel; times are averages over the traced runs, per run. That of a loop or branch is without what it runs.
struct benchmark_row {
  std::string name, type;
  double start_ms = 0;      ///< when it starts
  double first_ms = 0;      ///< in the first run
  double avg_ms = 0;
  double percent = 0;       ///< of the time of all kernels
  std::int64_t bytes = 0;   ///< that its results take in the arena
  double calls = 0;
  std::int64_t bytes_moved = 0, flops = 0;  ///< read and written, computed; per call
};

/// All kernels of the same ops, per run.
struct benchmark_type {
  std::string type;
  std::int64_t count = 0;
  double avg_ms = 0, percent = 0;
  std::int64_t bytes = 0;
  double calls = 0;
};

struct benchmark_report {
  run_statistic step;     ///< microseconds of a step without a trace
  run_statistic kernels;  ///< microseconds that all kernels of a traced step take together
  std::vector<benchmark_row> rows = {};    ///< in order of execution
  std::vector<benchmark_type> types = {};  ///< the dearest first
  std::int64_t batch = 1;
  std::int64_t nodes = 0;        ///< of the graph
  std::int64_t flops = 0;        ///< of a step
  std::int64_t arena_bytes = 0;  ///< memory of all results together, which share it
};

namespace detail {

/// From the runs of one session over one batch, all of the same kernels.
inline benchmark_report summarize(const trace_log& log, std::span<const double> step_micros) {
  benchmark_report r;
  r.step = run_statistic::of(step_micros);
  if (log.runs.empty()) return r;
  const trace_run& first = log.runs.front();
  const auto runs = static_cast<double>(log.runs.size());
  std::vector<double> totals;
  for (const kernel_info& k : *first.kernels) {
    benchmark_row row{k.name, k.type};
    for (const kernel_result& result : k.results) row.bytes += result.allocated;
    row.bytes_moved = k.bytes_read + k.bytes_written;
    row.flops = k.flops;
    r.rows.push_back(std::move(row));
  }
  for (const trace_run& run : log.runs) {
    std::int64_t total = 0;
    std::vector<char> seen(r.rows.size(), 0);
    std::vector<std::int64_t> own(run.entries.size(), 0);
    for (std::size_t k = 0; k < run.entries.size(); ++k) {
      const trace_entry& e = run.entries[k];
      own[k] += e.duration;
      if (e.parent >= 0) own[static_cast<std::size_t>(e.parent)] -= e.duration;
    }
    for (std::size_t k = 0; k < run.entries.size(); ++k) {
      const trace_entry& e = run.entries[k];
      const auto index = static_cast<std::size_t>(e.kernel - run.kernels->data());
      benchmark_row& row = r.rows[index];
      const double ms = static_cast<double>(own[k]) * 1e-6;
      if (!seen[index]) row.start_ms += static_cast<double>(e.start) * 1e-6 / runs;
      seen[index] = 1;
      row.avg_ms += ms / runs;
      row.calls += static_cast<double>(e.calls) / runs;
      if (&run == &first) row.first_ms += ms;
      if (e.parent < 0) total += e.duration;
    }
    totals.push_back(static_cast<double>(total) * 1e-3);
  }
  r.kernels = run_statistic::of(totals);
  std::map<std::string, benchmark_type> types;
  for (benchmark_row& row : r.rows) {
    row.percent = r.kernels.avg > 0 ? 100 * row.avg_ms * 1e3 / r.kernels.avg : 0;
    row.calls = std::round(row.calls * 1e6) * 1e-6;
    r.flops += row.flops * std::llround(row.calls);
    benchmark_type& t = types[row.type];
    t.type = row.type;
    ++t.count;
    t.avg_ms += row.avg_ms, t.percent += row.percent, t.bytes += row.bytes, t.calls += row.calls;
  }
  for (auto& [type, t] : types) r.types.push_back(std::move(t));
  std::stable_sort(r.types.begin(), r.types.end(), [](const auto& a, const auto& b) { return a.avg_ms > b.avg_ms; });
  r.batch = first.batch;
  r.nodes = static_cast<std::int64_t>(first.graph->nodes.size());
  r.arena_bytes = first.graph->fixed_bytes + first.graph->row_bytes * first.batch;
  return r;
}

template <class... N>
std::string formatted(const char* format, N... n) {
  char text[160];
  std::snprintf(text, sizeof text, format, n...);
  return text;
}
inline std::string title(const char* name) {
  return "============================== " + std::string(name) + " ==============================\n";
}

/// The first `limit` rows under a title, times with so many decimals; percentages add up from the top.
inline std::string benchmark_table(const char* name, const std::vector<const benchmark_row*>& rows, std::size_t limit, int decimals) {
  std::string text = title(name) +
                     formatted("\t%24s\t%9s\t%9s\t%9s\t%8s\t%8s\t%10s\t[Name]\n", "[node type]", "[start]", "[first]", "[avg ms]",
                               "[%]", "[cdf%]", "[mem KB]");
  double sum = 0;
  for (std::size_t k = 0; k < rows.size() && k < limit; ++k) {
    const benchmark_row& r = *rows[k];
    sum += r.percent;
    std::string type = r.type;
    if (type.size() < 24) type.insert(0, 24 - type.size(), ' ');
    text += '\t' + type +
            formatted("\t%9.*f\t%9.*f\t%9.*f\t%7.3f%%\t%7.3f%%\t%10.3f\t", decimals, r.start_ms, decimals, r.first_ms,
                      decimals, r.avg_ms, r.percent, sum, static_cast<double>(r.bytes) / 1000) +
            r.name + '\n';
  }
  return text + '\n';
}

/// "count=50 first=330849 curr=274803 min=232354 max=415352 avg=275563 std=44193", with decimals below 1000.
inline std::string line_of(const run_statistic& s) {
  const auto number = [](double v) { return formatted(v < 1000 ? "%.3f" : "%.0f", v); };
  return "count=" + std::to_string(s.count) + " first=" + number(s.first) + " curr=" + number(s.last) + " min=" + number(s.min) +
         " max=" + number(s.max) + " avg=" + number(s.avg) + " std=" + number(s.std) + "\n";
}

}  // namespace detail

/// Runs the session `runs` times with a trace, the first of them cold, then as often without.
/// invalid_argument when `runs` is below 1.
template <class Model, class... Inputs>
benchmark_report benchmark(session<Model, Inputs...>& s, int runs, const std::type_identity_t<Inputs>&... x) {
  if (runs < 1) throw invalid_argument("benchmark: runs must be at least 1, got " + std::to_string(runs));
  trace_log log;
  for (int k = 0; k < runs; ++k) s.step({.trace = &log}, x...);
  std::vector<double> micros;
  for (int k = 0; k < runs; ++k) {
    const auto from = std::chrono::steady_clock::now();
    s.step(x...);
    micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - from).count());
  }
  return detail::summarize(log, micros);
}

/// The tables of TensorFlow's benchmark_model, separated by tabs for a spreadsheet, then totals.
inline std::string to_string(const benchmark_report& r) {
  std::vector<const benchmark_row*> rows;
  for (const benchmark_row& row : r.rows) rows.push_back(&row);
  const int decimals = r.kernels.avg < 1000 ? 6 : 3;  // of milliseconds: a small model takes less than one
  std::string text = detail::benchmark_table("Run Order", rows, rows.size(), decimals);
  std::stable_sort(rows.begin(), rows.end(), [](const auto* a, const auto* b) { return a->avg_ms > b->avg_ms; });
  text += detail::benchmark_table("Top by Computation Time", rows, 10, decimals);
  std::stable_sort(rows.begin(), rows.end(), [](const auto* a, const auto* b) { return a->bytes > b->bytes; });
  text += detail::benchmark_table("Top by Memory Use", rows, 10, decimals);
  text += detail::title("Summary by node type") +
          detail::formatted("\t%24s\t%9s\t%10s\t%11s\t%11s\t%10s\t%14s\n", "[Node type]", "[count]", "[avg ms]", "[avg %]",
                            "[cdf %]", "[mem KB]", "[times called]");
  double sum = 0;
  std::int64_t memory = 0;
  for (const benchmark_type& t : r.types) {
    sum += t.percent;
    memory += t.bytes;
    std::string type = t.type;
    if (type.size() < 24) type.insert(0, 24 - type.size(), ' ');
    text += '\t' + type +
            detail::formatted("\t%9lld\t%10.*f\t%10.3f%%\t%10.3f%%\t%10.3f\t%14.6g\n", static_cast<long long>(t.count), decimals,
                              t.avg_ms, t.percent, sum, static_cast<double>(t.bytes) / 1000, t.calls);
  }
  text += "\nTimings (microseconds): " + detail::line_of(r.step);
  text += "Kernels (microseconds): " + detail::line_of(r.kernels);
  text += "Memory (bytes): count=" + std::to_string(r.kernels.count) + " curr=" + std::to_string(memory) +
          "(all same), in an arena of " + std::to_string(r.arena_bytes) + "\n";
  text += std::to_string(r.nodes) + " nodes in " + std::to_string(r.rows.size()) + " kernels\n";
  if (r.flops > 0) {
    text += "FLOPs estimate: " + detail::formatted("%.4g", static_cast<double>(r.flops)) + "\n";
    if (r.step.avg > 0)
      text += "FLOPs/second: " + detail::formatted("%.4g", static_cast<double>(r.flops) / r.step.avg * 1e6) + "\n";
  }
  return text;
}

}  // namespace rill::graph
