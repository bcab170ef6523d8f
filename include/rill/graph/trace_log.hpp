// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What happened in a run, kernel by kernel: `s.run({.trace = &log}, x)` appends one run to the log, with the start, duration
/// and thread of every kernel beside its name, bytes, FLOPs and memory. The results are those of an untraced run; a kernel
/// costs two readings of the clock more. Runs without a trace are the same straight line of calls as in a program that does
/// not include this file.
///
///   graph::trace_log log;
///   s.run({.trace = i % 100 == 99 ? &log : nullptr}, x, y);
///   for (const graph::trace_entry& e : log.runs.back().entries) std::cout << e.kernel->name << ' ' << e.duration << '\n';
///   io::atomic_write("timeline.json", graph::to_chrome_trace(log));        // for chrome://tracing or ui.perfetto.dev

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel_info.hpp"
#include "traced_run.hpp"

namespace rill::graph {

/// One execution of one kernel, or all the further ones of one that has run `trace_log::executions_kept` times in the run.
/// Times are nanoseconds, starts since the start of the run.
struct trace_entry {
  const kernel_info* kernel = nullptr;  ///< lives as long as the run
  int parent = -1;                      ///< the entry within which it ran (a loop's), or -1
  int thread = 0;                       ///< the system's number of the thread that ran it
  std::int64_t start = 0;               ///< of the first of them
  std::int64_t duration = 0;            ///< of all of them
  std::int64_t calls = 0;
};

struct trace_run {
  const graph_view* graph = nullptr;
  std::int64_t batch = 1;
  std::int64_t start = 0;     ///< nanoseconds since 1970
  std::int64_t duration = 0;  ///< nanoseconds
  std::shared_ptr<const std::vector<kernel_info>> kernels = {};
  std::vector<trace_entry> entries = {};  ///< in order of their starts; a loop stands before what its iterations ran
};

class trace_log final : public tracer {
 public:
  /// Finished runs, oldest first. Clear it at will between runs.
  std::vector<trace_run> runs = {};
  /// Executions of one kernel in one run that have an entry each. Of a kernel in a loop that runs more often, one more entry
  /// has the others together: what a trace takes does not depend on how often loops run.
  static constexpr std::int64_t executions_kept = 256;

  // What a traced run calls. A run that an exception ended is dropped when the next one begins.

  void begin_run(const graph_view& g, std::int64_t batch) override {
    const bool known = !runs.empty() && runs.back().graph == &g && runs.back().batch == batch;
    current_ = {&g, batch};
    current_.kernels = known ? runs.back().kernels : std::make_shared<const std::vector<kernel_info>>(kernels_of(g, batch));
    current_.entries.reserve(known ? runs.back().entries.size() : g.own_steps);
    executions_.assign(current_.kernels->size(), {});
    open_ = -1;
    using namespace std::chrono;
    current_.start = duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
    origin_ = steady_clock::now();
  }
  void begin(std::size_t kernel) override {
    thread_local const int thread = static_cast<int>(::gettid());
    executions& seen = executions_[kernel];
    if (++seen.count <= executions_kept + 1) {
      seen.last = static_cast<int>(current_.entries.size());
      current_.entries.push_back({&(*current_.kernels)[kernel], open_, thread});
    }
    trace_entry& e = current_.entries[static_cast<std::size_t>(seen.last)];
    e.parent = std::exchange(open_, seen.last);
    const std::int64_t at = now();
    if (e.calls++ == 0) e.start = at;
    e.duration -= at;
  }
  void end() override {
    const std::int64_t at = now();
    trace_entry& e = current_.entries[static_cast<std::size_t>(open_)];
    e.duration += at;
    open_ = e.parent;
  }
  void end_run() override {
    current_.duration = now();
    runs.push_back(std::move(current_));
  }
  trace_log& log() override { return *this; }

 private:
  [[nodiscard]] std::int64_t now() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - origin_).count();
  }

  struct executions {
    std::int64_t count = 0;
    int last = -1;  ///< their last entry
  };
  trace_run current_;
  std::vector<executions> executions_;  ///< of each kernel in this run
  int open_ = -1;                       ///< the innermost entry that has not ended
  std::chrono::steady_clock::time_point origin_{};
};

namespace detail {

/// The text between the quotes of a JSON string.
inline std::string json_escape(std::string_view s) {
  std::string r;
  for (char c : s) {
    if (c == '"' || c == '\\') r += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      r += code;
    } else {
      r += c;
    }
  }
  return r;
}
/// Nanoseconds as the microseconds of a trace.
inline std::string json_micros(std::int64_t ns) {
  char text[40];
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(ns / 1000), static_cast<long long>(ns % 1000));
  return text;
}

}  // namespace detail

/// All runs as one file in Chrome's trace format: a track per thread with a slice per kernel, which carries bytes, FLOPs,
/// GFLOP/s and GB/s, and a counter of the arena's bytes that are alive; what a loop runs lies below its slice, iteration for
/// iteration (its first trace_log::executions_kept ones). Times start at the first run.
inline std::string to_chrome_trace(const trace_log& log) {
  std::string out = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
  out += R"({"name":"process_name","ph":"M","pid":1,"args":{"name":"rill"}})";
  const std::int64_t origin = log.runs.empty() ? 0 : log.runs.front().start;
  std::vector<int> threads;
  std::size_t number = 0;
  for (const trace_run& run : log.runs) {
    const std::string tid = run.entries.empty() ? "0" : std::to_string(run.entries.front().thread);
    const std::int64_t base = run.start - origin;
    const auto slice = [&](const std::string& name, const char* category, const std::string& thread, std::int64_t start,
                           std::int64_t duration) {
      out += ",\n{\"name\":\"" + detail::json_escape(name) + "\",\"cat\":\"" + category + "\",\"ph\":\"X\",\"pid\":1,\"tid\":" +
             thread + ",\"ts\":" + detail::json_micros(base + start) + ",\"dur\":" + detail::json_micros(duration) + ",\"args\":{";
    };
    slice("run " + std::to_string(number++), "run", tid, 0, run.duration);
    out += "\"batch\":" + std::to_string(run.batch) + "}}";
    for (const trace_entry& e : run.entries) {
      if (std::find(threads.begin(), threads.end(), e.thread) == threads.end()) threads.push_back(e.thread);
      if (e.calls > 1) continue;  // of many iterations, which a slice cannot be
      const kernel_info& k = *e.kernel;
      slice(k.name, "kernel", std::to_string(e.thread), e.start, e.duration);
      const auto rate = [&](std::int64_t amount) {  // per nanosecond: billions per second
        char text[40];
        std::snprintf(text, sizeof text, "%.3f", e.duration == 0 ? 0.0 : static_cast<double>(amount) / static_cast<double>(e.duration));
        return std::string(text);
      };
      const std::int64_t bytes = k.bytes_read + k.bytes_written;
      out += "\"ops\":\"" + detail::json_escape(k.type) + "\",\"bytes_read\":" + std::to_string(k.bytes_read) +
             ",\"bytes_written\":" + std::to_string(k.bytes_written) + ",\"GB/s\":" + rate(bytes);
      if (k.flops > 0) out += ",\"flops\":" + std::to_string(k.flops) + ",\"GFLOP/s\":" + rate(k.flops);
      for (const kernel_result& r : k.results)
        if (r.offset >= 0) {
          out += ",\"arena_offset\":" + std::to_string(r.offset) + ",\"arena_bytes\":" + std::to_string(r.allocated);
          break;
        }
      out += "}},\n{\"name\":\"arena\",\"ph\":\"C\",\"pid\":1,\"ts\":" + detail::json_micros(base + e.start) +
             ",\"args\":{\"bytes alive\":" + std::to_string(k.live_bytes) + "}}";
    }
  }
  for (int t : threads)
    out += ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":" + std::to_string(t) +
           ",\"args\":{\"name\":\"session\"}}";
  return out + "\n]}\n";
}

}  // namespace rill::graph
