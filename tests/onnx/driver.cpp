// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

#include "rill/eager/front_end.hpp"

namespace onnx {

const attribute& call::at(std::string_view attribute) const {
  const auto found = n->attributes.find(attribute);
  if (found == n->attributes.end()) throw rill::invalid_argument(n->op + ": the attribute " + std::string(attribute) + " is missing");
  return found->second;
}

const dynamic_tensor& call::x(std::size_t k) const {
  if (k >= in.size() || !in[k].t.has_value()) throw rill::invalid_argument(n->op + ": input " + std::to_string(k) + " is missing");
  return in[k].t;
}

std::vector<std::int64_t> call::list(std::size_t k, std::string_view name) const {
  return given(k) ? integers(x(k)) : ints(name);
}

const op_table& operators() {
  static const op_table table = [] {
    op_table t;
    add_elementwise(t);
    add_elementary(t);
    add_arithmetic(t);
    add_activations(t);
    add_comparisons(t);
    add_casts(t);
    add_reductions(t);
    add_scans(t);
    add_movement(t);
    add_indexing(t);
    add_sorting(t);
    add_unique(t);
    add_linear(t);
    add_einsum(t);
    add_determinant(t);
    add_convolution(t);
    add_pooling(t);
    add_unpooling(t);
    add_normalization(t);
    add_losses(t);
    add_quantization(t);
    add_control(t);
    add_recurrent(t);
    add_signal(t);
    add_images(t);
    add_training(t);
    return t;
  }();
  return table;
}

namespace {
constexpr std::int64_t newest_opset = 17;

results apply(const call& c) {
  const auto found = operators().find(c.n->op);
  if (found == operators().end()) throw rill::unimplemented("there is no operator " + c.n->op);
  return found->second(c);
}
}  // namespace

results op(std::string_view name, std::vector<value> in, std::map<std::string, attribute, std::less<>> attributes, std::size_t outputs) {
  node n;
  n.op = name;
  n.attributes = std::move(attributes);
  n.outputs.resize(outputs, "y");
  return apply({&n, std::move(in), newest_opset, nullptr});
}
dynamic_tensor op(std::string_view name, std::initializer_list<dynamic_tensor> in) {
  return op(name, std::vector<value>(in.begin(), in.end()), {}).at(0).t;
}

dynamic_tensor scalar(double number, dtype type) { return rill::eager::detail::scalar_of(type, number); }
num calculate(std::string_view name, const num& a, const num& b) {
  return op(name, {a.t.has_value() ? a.t : scalar(a.literal, b.t.type()), b.t.has_value() ? b.t : scalar(b.literal, a.t.type())});
}

results run(const graph& g, const std::vector<value>& inputs, std::int64_t opset, const scope* outer) {
  scope s;
  s.outer = outer;
  for (const auto& [name, t] : g.initializers) s.values[name] = t;
  if (inputs.size() > g.inputs.size()) throw rill::invalid_argument("a graph is given too many inputs");
  for (std::size_t k = 0; k < inputs.size(); ++k) s.values[g.inputs[k].name] = inputs[k];
  const auto find = [&](const std::string& name) {
    if (name.empty()) return value();
    for (const scope* at = &s; at; at = at->outer)
      if (const auto found = at->values.find(name); found != at->values.end()) return found->second;
    throw rill::invalid_argument("nothing is named '" + name + "'");
  };
  for (const node& n : g.nodes) {
    call c{&n, {}, opset, &s};
    for (const std::string& name : n.inputs) c.in.push_back(find(name));
    results r = apply(c);
    if (r.size() < n.outputs.size()) throw rill::unimplemented(n.op + ": no result " + std::to_string(r.size()));
    for (std::size_t k = 0; k < n.outputs.size(); ++k)
      if (!n.outputs[k].empty()) s.values[n.outputs[k]] = std::move(r[k]);
  }
  results out;
  for (const port& p : g.outputs) out.push_back(find(p.name));
  return out;
}

std::vector<std::int64_t> integers(const dynamic_tensor& t) {
  return rill::visit_integer(t.type(), [&]<class T>(std::type_identity<T>) {
    std::vector<std::int64_t> v;
    for (const T x : t.span<T>()) v.push_back(static_cast<std::int64_t>(x));
    return v;
  });
}
dynamic_tensor from_integers(const std::vector<std::int64_t>& v) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::int64, {static_cast<std::int64_t>(v.size())});
  auto* to = static_cast<std::int64_t*>(t.mutable_data());
  for (std::size_t k = 0; k < v.size(); ++k) to[k] = v[k];
  return t;
}
tensor_shape shape_from(const std::vector<std::int64_t>& v) {
  tensor_shape s;
  for (const std::int64_t d : v) s.push_back(d);
  if (s.overflow_) throw rill::unimplemented("a shape has more than 8 axes");
  return s;
}
rill::axis_list axes_from(const std::vector<std::int64_t>& v) {
  rill::axis_list a;
  if (v.size() > rill::max_rank) throw rill::unimplemented("more than 8 axes are named");
  for (const std::int64_t d : v) a.axes[a.count++] = d;
  return a;
}
std::int64_t axis_in(std::int64_t axis, int rank, bool end_too) {
  const std::int64_t a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a > rank || (a == rank && !end_too)) throw rill::invalid_argument("axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(rank));
  return a;
}

dynamic_tensor with_axis_last(const dynamic_tensor& x, std::int64_t axis) {
  rill::axis_list order;
  for (int d = 0; d < x.rank(); ++d)
    if (d != axis) order.axes[order.count++] = d;
  order.axes[order.count++] = axis;
  return rill::transpose(x, order);
}
dynamic_tensor with_last_axis_at(const dynamic_tensor& x, std::int64_t axis) {
  rill::axis_list order;
  for (int d = 0; d < x.rank(); ++d) order.axes[order.count++] = d < axis ? d : d == axis ? x.rank() - 1 : d - 1;
  return rill::transpose(x, order);
}

}  // namespace onnx
