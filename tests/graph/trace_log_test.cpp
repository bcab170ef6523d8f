// SPDX-License-Identifier: Apache-2.0
// Traced runs: names, FLOPs, bytes and memory of the kernels against numbers by hand, times that nest, results that do not
// change; the memory plan, and Chrome's trace.
#include "rill/graph/trace_log.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <rill/losses/mean_squared_error.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <string>
#include <vector>

using namespace rill;

namespace {

constexpr std::int64_t in = 5, hidden = 7, out = 3;
inline constexpr auto mlp = nn::sequential(nn::dense{.units = hidden, .activation = relu}, nn::dense{.units = out});

struct predict {
  constexpr auto operator()(symbol x) const { return mlp(x); }
};
struct train_step {
  constexpr auto operator()(symbol x, symbol y) const {
    symbol loss = losses::mean_squared_error(y, mlp(x));
    return outputs(fetch("loss", loss), fetch("train", optimizers::gradient_descent{0.1}.minimize(loss)));
  }
};
using predict_session = graph::session<predict, tensor<float, dyn, in>>;
using train_session = graph::session<train_step, tensor<float, dyn, in>, tensor<float, dyn, out>>;

template <std::int64_t Columns>
tensor<float, dyn, Columns> ramp(std::int64_t rows, float from) {
  tensor<float, dyn, Columns> x({rows, Columns});
  float v = from;
  for (float& e : x.span()) e = v += 0.03125f;
  return x;
}
tensor<float, dyn, in> x11() { return ramp<in>(11, -0.5f); }
tensor<float, dyn, out> y11() { return ramp<out>(11, 0.25f); }

/// Whether the text is one JSON value; counts the objects in it.
class json_checker {
 public:
  explicit json_checker(const std::string& s) : s_(s) {}
  bool valid() { return value() && (space(), at_ == s_.size()); }
  int objects = 0;

 private:
  void space() {
    while (at_ < s_.size() && (s_[at_] == ' ' || s_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    space();
    if (at_ == s_.size() || s_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool text() {
    if (!take('"')) return false;
    for (; at_ < s_.size() && s_[at_] != '"'; ++at_) {
      if (static_cast<unsigned char>(s_[at_]) < 0x20) return false;
      if (s_[at_] != '\\') continue;
      const char* escapes = "\"\\/bfnrtu";
      if (++at_ == s_.size() || std::strchr(escapes, s_[at_]) == nullptr) return false;
      if (s_[at_] == 'u') {
        for (int k = 0; k < 4; ++k)
          if (++at_ == s_.size() || std::isxdigit(static_cast<unsigned char>(s_[at_])) == 0) return false;
      }
    }
    return take('"');
  }
  bool list(char end, bool keys) {
    if (take(end)) return true;
    do {
      if (keys && !(space(), text() && take(':'))) return false;
      if (!value()) return false;
    } while (take(','));
    return take(end);
  }
  bool value() {
    space();
    if (take('{')) return ++objects, list('}', true);
    if (take('[')) return list(']', false);
    if (at_ < s_.size() && s_[at_] == '"') return text();
    const std::size_t from = at_;
    while (at_ < s_.size() && std::strchr("+-.eE0123456789", s_[at_]) != nullptr) ++at_;
    return at_ > from && s_[at_ - 1] != '.' && s_[from] != '.';
  }
  const std::string& s_;
  std::size_t at_ = 0;
};

const graph::kernel_info* find(const std::vector<graph::kernel_info>& kernels, std::string_view name) {
  for (const graph::kernel_info& k : kernels)
    if (k.name == name) return &k;
  return nullptr;
}

}  // namespace

TEST_CASE("kernels of a forward pass: names, FLOPs, bytes and places by hand") {
  for (const std::int64_t n : {1, 11, 64}) {
    CAPTURE(n);
    const auto kernels = graph::kernels_of<predict, tensor<float, dyn, in>>(n);
    REQUIRE(kernels.size() == 2);
    CHECK(kernels[0].name == "dense/MatMul+Add+Relu");
    CHECK(kernels[0].type == "MatMul+Add+Relu");
    CHECK(kernels[0].flops == 2 * n * in * hidden);
    CHECK(kernels[0].bytes_read == 4 * (n * in + in * hidden + hidden));
    CHECK(kernels[0].bytes_written == 4 * n * hidden);
    CHECK(kernels[1].name == "dense_1/MatMul+Add");
    CHECK(kernels[1].flops == 2 * n * hidden * out);
    CHECK(kernels[1].bytes_read == 4 * (n * hidden + hidden * out + out));
    CHECK(kernels[1].bytes_written == 4 * n * out);
    // two buffers of 64 bytes a row, both alive in the second kernel
    const graph::memory_plan plan = graph::plan_of<predict, tensor<float, dyn, in>>(n);
    REQUIRE(plan.buffers.size() == 2);
    CHECK(plan.peak_bytes == n * 128);
    CHECK(plan.lower_bound == n * 128);
    CHECK(plan.fullest == 1);
    CHECK(plan.live == std::vector<std::int64_t>{n * 64, n * 128, n * 64});
    for (std::size_t k = 0; k < 2; ++k) {
      REQUIRE(kernels[k].results.size() == 1);
      const graph::kernel_result& r = kernels[k].results[0];
      CHECK(r.offset == plan.buffers[k].offset);
      CHECK(r.allocated == n * 64);
      CHECK(r.bytes == kernels[k].bytes_written);
      CHECK(r.node == plan.buffers[k].node);
      CHECK(kernels[k].live_bytes == plan.live[k]);
    }
    CHECK(plan.buffers[0].name == "dense/Relu");
    CHECK(to_string(plan).find("dense_1/Add\n") != std::string::npos);
  }
}

TEST_CASE("kernels of a training step: every multiplication is counted, every variable written") {
  const std::int64_t n = 11;
  const auto kernels = graph::kernels_of<train_step, tensor<float, dyn, in>, tensor<float, dyn, out>>(n);
  const graph::graph_view& g = graph::view_of<train_step, tensor<float, dyn, in>, tensor<float, dyn, out>>;
  const std::vector<std::string> names = graph::node_names(g);
  std::int64_t products = 0, sums = 0;
  std::vector<std::string> written;
  std::vector<int> computed(g.nodes.size(), 0);
  for (const graph::kernel_info& k : kernels) {
    CAPTURE(k.name);
    (k.type.find("MatMul") != std::string::npos ? products : sums) += k.flops;
    std::int64_t bytes = 0;
    for (const graph::kernel_result& r : k.results) {
      bytes += r.bytes;
      REQUIRE(r.node >= 0);
      if (r.offset < 0) written.push_back(std::string(g.variables[static_cast<std::size_t>(g.nodes[static_cast<std::size_t>(r.node)].i)].name.view()));
    }
    CHECK(bytes == k.bytes_written);
    CHECK(k.bytes_read > 0);
    CHECK(std::find(k.nodes.begin(), k.nodes.end(), k.node) != k.nodes.end());
    for (int id : k.nodes) ++computed[static_cast<std::size_t>(id)];
    CHECK(std::count_if(kernels.begin(), kernels.end(), [&](const auto& o) { return o.name == k.name; }) == 1);
  }
  // forward; gradients of both weights; gradient of the hidden layer
  CHECK(products == 2 * n * (in * hidden + hidden * out) * 2 + 2 * n * hidden * out);
  // gradients of both biases, and the loss
  CHECK(sums == n * (hidden + out) + n * out);
  std::sort(written.begin(), written.end());
  CHECK(written == std::vector<std::string>{"dense/bias", "dense/kernel", "dense_1/bias", "dense_1/kernel", "global_step"});
  for (std::size_t id = 0; id < g.nodes.size(); ++id) {
    CAPTURE(names[id]);
    const bool runs = g.nodes[id].kind != op_kind::source && g.nodes[id].kind != op_kind::broadcast && g.nodes[id].kind != op_kind::alias;
    CHECK(computed[id] == runs);
    CHECK(std::count(names.begin(), names.end(), names[id]) == 1);
  }
  // the update of a weight matrix is part of the product that makes its gradient
  const graph::kernel_info* update = find(kernels, "dense/MatMul+Mul+Sub+Assign");
  REQUIRE(update != nullptr);
  CHECK(update->flops == 2 * n * in * hidden);
  CHECK(update->bytes_written == 4 * in * hidden);
}

TEST_CASE("memory plan: no two live buffers overlap, and the bound is what is alive") {
  for (const std::int64_t n : {1, 13}) {
    const graph::memory_plan p = graph::plan_of<train_step, tensor<float, dyn, in>, tensor<float, dyn, out>>(n);
    CHECK(p.lower_bound <= p.peak_bytes);
    CHECK(p.lower_bound == *std::max_element(p.live.begin(), p.live.end()));
    CHECK(p.live[static_cast<std::size_t>(p.fullest)] == p.lower_bound);
    for (std::size_t a = 0; a < p.buffers.size(); ++a) {
      CHECK(p.buffers[a].offset % 64 == 0);
      CHECK(p.buffers[a].offset + p.buffers[a].bytes <= p.peak_bytes);
      for (std::size_t b = 0; b < a; ++b) {
        const graph::planned_buffer &s = p.buffers[a], &t = p.buffers[b];
        const bool apart = s.offset >= t.offset + t.bytes || t.offset >= s.offset + s.bytes;
        const bool together = s.first <= t.last && t.first <= s.last;
        const bool handed_over = (s.in_place && t.last == s.first) || (t.in_place && s.last == t.first);
        CHECK((apart || !together || handed_over));
      }
    }
  }
}

TEST_CASE("a traced run gives the results of an untraced one, bit for bit") {
  train_session plain, traced;
  graph::trace_log log;
  for (int i = 0; i < 5; ++i) {
    const auto [a, none] = plain.run(x11(), y11());
    const auto [b, nothing] = traced.run({.trace = i % 2 == 0 ? &log : nullptr}, x11(), y11());
    CHECK(std::memcmp(a.data(), b.data(), sizeof(float)) == 0);
  }
  CHECK(log.runs.size() == 3);
  for (const auto& v : plain.store()->variables()) {
    CAPTURE(v->name);
    CHECK(std::memcmp(v->data, traced.store()->find(v->name)->data, v->bytes) == 0);
  }
}

TEST_CASE("a trace has every kernel once, in order, one after the other, within the run") {
  train_session s;
  graph::trace_log log;
  s.step({.trace = &log}, x11(), y11());
  s.step({.trace = &log}, x11(), y11());
  s.step({.trace = &log}, ramp<in>(4, 1), ramp<out>(4, 1));
  REQUIRE(log.runs.size() == 3);
  CHECK(log.runs[0].kernels == log.runs[1].kernels);  // of one batch, described once
  CHECK(log.runs[0].kernels != log.runs[2].kernels);
  CHECK(log.runs[2].batch == 4);
  std::int64_t since = 1'500'000'000'000'000'000;  // a clock that is right shows a later time than 2017
  for (const graph::trace_run& run : log.runs) {
    CHECK(run.start >= since);
    since = run.start + run.duration / 2;  // the two clocks may drift a little
    REQUIRE(run.entries.size() == run.kernels->size());
    std::int64_t end = 0;
    for (std::size_t k = 0; k < run.entries.size(); ++k) {
      const graph::trace_entry& e = run.entries[k];
      CHECK(e.kernel == &(*run.kernels)[k]);
      CHECK(e.start >= end);
      CHECK(e.duration >= 0);
      CHECK(e.parent == -1);
      CHECK(e.thread > 0);
      CHECK(e.thread == run.entries[0].thread);
      end = e.start + e.duration;
    }
    CHECK(end <= run.duration);
  }
}

TEST_CASE("Chrome's trace is valid JSON with a slice for every kernel") {
  train_session s;
  graph::trace_log log;
  CHECK(json_checker(to_chrome_trace(log)).valid());
  for (int k = 0; k < 2; ++k) s.step({.trace = &log}, x11(), y11());
  const std::string text = to_chrome_trace(log);
  json_checker json(text);
  CHECK(json.valid());
  const auto kernels = static_cast<int>(log.runs[0].entries.size());
  // the file, both metadata, two runs, and a slice and a counter per kernel, each with its arguments
  CHECK(json.objects == 1 + 2 * (2 + 2 * (1 + 2 * kernels)));
  CHECK(text.find("{\"name\":\"dense/MatMul+Add+Relu\",\"cat\":\"kernel\",\"ph\":\"X\",\"pid\":1,\"tid\":" +
                  std::to_string(log.runs[0].entries[0].thread)) != std::string::npos);
  CHECK(text.find("\"bytes_read\":" + std::to_string(4 * (11 * in + in * hidden + hidden))) != std::string::npos);
  CHECK(text.find("\"flops\":" + std::to_string(2 * 11 * in * hidden)) != std::string::npos);
  CHECK(graph::detail::json_escape("a\"b\\c\n") == "a\\\"b\\\\c\\u000a");
  CHECK(graph::detail::json_micros(1234567) == "1234.567");
  CHECK(graph::detail::json_micros(5) == "0.005");
  for (const char* wrong : {"", "{", "{\"a\":}", "[1,]", "{\"a\" 1}", "[1] 2", "\"\n\"", "[1.]"})
    CHECK_FALSE(json_checker(wrong).valid());
}
