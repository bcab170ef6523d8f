// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A model in words: `describe<Model, Inputs...>()` lists layers, output shapes, parameters, work and memory.
///
///   std::cout << graph::describe<mnist_cnn, tensor<float, dyn, 784>>();
///   // layer            kind           output              parameters        FLOPs
///   // conv2d           conv2d         [?, 28, 28, 32]            832      1.25 M
///   // ...

#include <cstdio>
#include <string>

#include "step.hpp"

namespace rill::graph {

namespace detail {

/// 3274634 as "3,274,634".
inline std::string with_commas(std::int64_t n) {
  const std::string digits = std::to_string(n);
  std::string s;
  for (std::size_t k = 0; k < digits.size(); ++k) {
    if (k > (n < 0 ? 1u : 0u) && (digits.size() - k) % 3 == 0) s += ',';
    s += digits[k];
  }
  return s;
}
/// 27804672 as "27.8 M".
inline std::string scaled(double x) {
  const char* unit = "";
  for (const char* u : {" k", " M", " G", " T"}) {
    if (x < 1000) break;
    x /= 1000;
    unit = u;
  }
  char text[32];
  std::snprintf(text, sizeof text, *unit ? "%.3g%s" : "%.0f %s", x, unit);
  return text;
}
inline std::string left(std::string s, std::size_t width) {
  if (s.size() < width) s.resize(width, ' ');
  return s;
}
inline std::string right(const std::string& s, std::size_t width) {
  return s.size() < width ? std::string(width - s.size(), ' ') + s : s;
}
/// Whether scope b is a or below it.
inline bool within(std::string_view a, std::string_view b) {
  return a.empty() || (b.size() >= a.size() && b.substr(0, a.size()) == a && (b.size() == a.size() || b[a.size()] == '/'));
}

/// Work of a node per example; of a loop, that of its iterations, of one where data decides how many there are; of branches,
/// that of the dearest. `scope` restricts it to the nodes of a scope.
template <class = void>
double flops_of(const builder& b, const node& n, const builder& root, std::string_view scope) {
  const auto magnitude = [](std::int64_t v) { return static_cast<double>(v < 0 ? -v : v); };
  if (n.op->kind == op_kind::control) {
    double all = 0;
    for_each_body(n, [&](int k) {
      const builder& body = b.bodies[static_cast<std::size_t>(k)];
      double flops = 0;
      for (const node& inside : body.nodes) flops += flops_of(body, inside, root, scope);
      if (n.op->id == id_of<op::loop>) all += flops;
      else if (flops > all) all = flops;
    });
    return n.op->id == id_of<op::loop> && op::loop::is_static(n.attr) ? all * magnitude(n.attr.i[2]) : all;
  }
  if (n.op->flops == nullptr || !within(scope, root.scopes[static_cast<std::size_t>(n.scope)])) return 0;
  signature in[max_operands];
  for (int k = 0; k < n.arity; ++k) in[k] = b.nodes[static_cast<std::size_t>(n.in[k])].sig();
  return magnitude(n.op->flops(n.attr, in));
}

template <class = void>
std::string describe(const image& im) {
  const builder& b = im.b;
  std::string r = left("layer", 18) + left("kind", 15) + left("output", 20) + right("parameters", 12) + right("FLOPs", 10) + "\n";
  for (const layer_decl& l : b.layers) {
    const std::string_view scope = b.scopes[static_cast<std::size_t>(l.scope)];
    std::int64_t parameters = 0;
    double flops = 0;
    for (const auto& v : b.variables)
      if (v.trainable && within(scope, v.name)) parameters += v.shape.num_elements();
    for (const node& n : b.nodes) flops += flops_of(b, n, b, scope);
    const std::string shape = l.node < 0 ? "" : to_string(b.nodes[static_cast<std::size_t>(l.node)].shape);
    r += left(std::string(scope), 18) + left(std::string(l.kind), 15) + left(shape, 20) + right(with_commas(parameters), 12) +
         right(flops > 0 ? scaled(flops) : "", 10) + "\n";
  }
  std::int64_t parameters = 0, bytes = 0, state = 0;
  for (const auto& v : b.variables) {
    const std::int64_t n = v.shape.num_elements();
    (v.trainable ? bytes : state) += n * static_cast<std::int64_t>(size_of(v.type));
    if (v.trainable) parameters += n;
  }
  double flops = 0;
  for (const node& n : b.nodes) flops += flops_of(b, n, b, "");
  r += "total: " + with_commas(parameters) + " parameters (" + scaled(static_cast<double>(bytes)) + "B)";
  if (state > 0) r += " and " + scaled(static_cast<double>(state)) + "B of other state";
  r += ", " + scaled(flops) + "FLOP per example, " + std::to_string(im.l.steps.size()) + " kernels for " +
       std::to_string(b.nodes.size()) + " nodes, arena of " + with_commas(im.l.fixed_bytes) + " bytes and " +
       with_commas(im.l.row_bytes) + " per example\n";
  return r;
}

}  // namespace detail

/// The model as a table; a model that does not fit gives the sentence that says why.
template <class Model, class... Inputs>
std::string describe() {
  const image im = run_passes(trace<Model, Inputs...>());
  if (im.b.first_failure) return to_string(im.b.first_failure, std::string(im.b.failed_op->name).c_str()) + "\n";
  return detail::describe(im);
}

}  // namespace rill::graph
