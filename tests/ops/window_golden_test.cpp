// SPDX-License-Identifier: Apache-2.0
// Convolutions, windows, pooling and morphology against what TensorFlow and XLA give (tests/oracle/windows.py).
#include "window_golden.hpp"

#include <rill/eager/conv.hpp>
#include <rill/eager/gradient.hpp>
#include <rill/eager/window.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using namespace rill;

namespace {

struct golden_case {
  std::string function;
  std::vector<std::int64_t> args;
  std::vector<dynamic_tensor> in, out;
};
dynamic_tensor read_tensor(std::istringstream& from, std::string word) {
  std::vector<double> values;
  for (; word != ","; from >> word) values.push_back(std::stod(word));
  tensor_shape s;
  for (from >> word; word != ";"; from >> word) s.push_back(std::stoll(word));
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  REQUIRE(static_cast<std::size_t>(t.size()) == values.size());
  std::copy(values.begin(), values.end(), static_cast<double*>(t.mutable_data()));
  return t;
}
golden_case read_case(const char* text) {
  std::istringstream from(text);
  golden_case c;
  from >> c.function;
  std::string word;
  while (from >> word && word != "|") c.args.push_back(std::stoll(word));
  bool results = false;
  while (from >> word) {
    if (word == ">") results = true;
    else (results ? c.out : c.in).push_back(read_tensor(from, word));
  }
  return c;
}

/// The arguments of a case, in order.
struct arguments {
  const std::vector<std::int64_t>& list;
  std::size_t at = 0;
  std::int64_t one() { return list.at(at++); }
  tensor_shape some(std::int64_t n) {
    tensor_shape s;
    while (n-- > 0) s.push_back(one());
    return s;
  }
  padding rule() { return one() != 0 ? same : valid; }
  pad_list pairs(std::int64_t n) {
    pad_list p;
    for (; n > 0; --n) {
      const std::int64_t before = one();
      p.push_back({before, one()});
    }
    return p;
  }
};

void same_values(const dynamic_tensor& got, const dynamic_tensor& want) {
  REQUIRE(got.shape() == want.shape());
  const dynamic_tensor g = cast_to(got, dtype::float64);
  for (std::size_t k = 0; k < static_cast<std::size_t>(want.size()); ++k) {
    const double a = g.span<double>()[k], b = want.span<double>()[k];
    INFO("element ", k, ": ", a, ", wanted ", b);
    REQUIRE(std::abs(a - b) <= 1e-6 * std::max(1.0, std::abs(b)));
  }
}

using operands = const std::vector<dynamic_tensor>&;
dynamic_tensor evaluate(const golden_case& c, operands in) {
  arguments a{c.args};
  const std::string& f = c.function;
  if (f == "convolution") {
    const std::int64_t n = a.one();
    convolution_options o;
    o.strides = a.some(n), o.dilations = a.some(n), o.padding = a.rule();
    if (n == 1) return conv1d(in[0], in[1], {.stride = o.strides[0], .padding = o.padding, .dilation = o.dilations[0]});
    return n == 2 ? conv2d(in[0], in[1], o) : conv3d(in[0], in[1], o);
  }
  if (f == "conv2d_explicit") {
    const tensor_shape strides = a.some(2);
    return conv2d(in[0], in[1], convolution_options{.strides = strides, .padding = a.pairs(2)});
  }
  if (f == "conv_transpose") {
    const std::int64_t n = a.one();
    convolution_options o;
    o.strides = a.some(n), o.padding = a.rule();
    tensor_shape out{2};
    for (std::int64_t k = 0; k < n; ++k) out.push_back(a.one());
    out.push_back(2);
    if (n == 1) return conv1d_transpose(in[0], in[1], out, {.stride = o.strides[0], .padding = o.padding});
    return n == 2 ? conv2d_transpose(in[0], in[1], out, o) : conv3d_transpose(in[0], in[1], out, o);
  }
  if (f == "atrous_conv2d") {
    const std::int64_t rate = a.one();
    return atrous_conv2d(in[0], in[1], rate, a.rule());
  }
  if (f == "depthwise_conv2d") {
    const std::int64_t stride = a.one(), rate = a.one();
    return depthwise_conv2d(in[0], in[1], {.strides = {stride, stride}, .padding = a.rule(), .dilations = {rate, rate}});
  }
  if (f == "separable_conv2d") {
    const std::int64_t stride = a.one();
    return separable_conv2d(in[0], in[1], in[2], {.strides = {stride, stride}, .padding = a.rule()});
  }
  if (f == "xla_conv") {
    const std::int64_t n = a.one();
    xla::conv_options o;
    o.window_strides = a.some(n), o.lhs_dilation = a.some(n), o.rhs_dilation = a.some(n), o.padding = a.pairs(n);
    o.feature_group_count = a.one(), o.batch_group_count = a.one();
    return xla::conv(in[0], in[1], o);
  }
  if (f == "reduce_window") {
    const std::int64_t which = a.one(), plain = a.one(), rank = a.one();
    xla::window_options o;
    o.window_dimensions = a.some(rank), o.window_strides = a.some(rank), o.base_dilations = a.some(rank), o.window_dilations = a.some(rank);
    o.padding = a.pairs(rank);
    const auto by = [&](auto reducer) {
      return plain != 0 ? xla::reduce_window(in[0], reducer, o) : xla::reduce_window(in[0], dynamic_tensor(tensor<double>(3.0)), reducer, o);
    };
    return which == 0 ? by(ops::sum{}) : which == 1 ? by(ops::prod{}) : which == 2 ? by(ops::max{}) : by(ops::min{});
  }
  if (f == "select_and_scatter") {
    const std::int64_t select = a.one(), scatter = a.one(), rank = a.one();
    xla::window_options o;
    o.window_dimensions = a.some(rank), o.window_strides = a.some(rank), o.padding = a.pairs(rank);
    const auto by = [&](auto s, auto c2) { return xla::select_and_scatter(in[0], s, o, in[1], dynamic_tensor(tensor<double>(2.0)), c2); };
    if (select == 1 && scatter == 0) return by(ops::first_smallest{}, ops::sum{});
    if (select == 1) return by(ops::first_smallest{}, ops::max{});
    if (scatter == 1) return by([](auto p, auto q) { return p >= q; }, [](auto p, auto q) { return p * q; });
    return by(ops::first_largest{}, ops::sum{});
  }
  if (f == "max_pool" || f == "avg_pool") {
    const std::int64_t n = a.one();
    pooling_options o;
    o.window = a.some(n), o.strides = a.some(n), o.padding = a.rule();
    if (f == "max_pool") return n == 1 ? max_pool1d(in[0], o) : n == 2 ? max_pool(in[0], o) : max_pool3d(in[0], o);
    return n == 1 ? avg_pool1d(in[0], o) : n == 2 ? avg_pool(in[0], o) : avg_pool3d(in[0], o);
  }
  if (f == "dilation2d" || f == "erosion2d") {
    morphology_options o;
    o.strides[0] = a.one(), o.strides[1] = a.one(), o.rates[0] = a.one(), o.rates[1] = a.one(), o.padding = a.rule();
    return f == "dilation2d" ? dilation2d(in[0], in[1], o) : erosion2d(in[0], in[1], o);
  }
  REQUIRE(f == "extract_image_patches");
  patch_options o;
  for (auto* list : {o.ksizes, o.strides, o.rates}) list[0] = a.one(), list[1] = a.one();
  o.padding = a.rule();
  return extract_image_patches(in[0], o);
}

}  // namespace

TEST_CASE("as TensorFlow and XLA") {
  std::map<std::string, int> seen;
  for (const char* text : test::window_golden) {
    const golden_case c = read_case(text);
    std::string head(text);
    INFO(head.substr(0, head.find('|')));
    ++seen[c.function];
    if (c.function == "max_pool_with_argmax") {
      arguments a{c.args};
      pool_options o;
      o.window[0] = a.one(), o.window[1] = a.one(), o.strides[0] = a.one(), o.strides[1] = a.one(), o.padding = a.rule();
      const auto r = max_pool_with_argmax(c.in[0], o, {.include_batch_in_index = a.one() != 0});
      CHECK(r.argmax.type() == dtype::int64);
      same_values(r.output, c.out[0]);
      same_values(r.argmax, c.out[1]);
      continue;
    }
    eager::gradient_tape tape;
    for (const dynamic_tensor& x : c.in) tape.watch(x);
    const dynamic_tensor y = evaluate(c, c.in);
    same_values(y, c.out.at(0));
    if (c.out.size() == 1) continue;
    REQUIRE(c.out.size() == c.in.size() + 1);
    const auto g = tape.gradient(reduce_sum(y * y) * 0.5, c.in);
    for (std::size_t k = 0; k < g.size(); ++k) {
      CAPTURE(k);
      same_values(g[k], c.out[k + 1]);
    }
  }
  CHECK(seen.size() == 15);
}
