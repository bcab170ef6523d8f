// SPDX-License-Identifier: Apache-2.0
// The passes against two interpreters: random graphs are evaluated node by node as they were traced, and again from the
// lowered tables (steps, strides, slots in one arena at their planned offsets, variables written where a step says so).
// Results and variables must agree, and what the tables promise to the kernels must hold: memory is written before it is
// read, nothing is read past its end, overlaps are in place, nothing reads a variable that the run has written.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <rill/graph/step.hpp>
#include <rill/graph/compile.hpp>
#include <string>
#include <vector>

using namespace rill;
using graph::builder;
using graph::image;
using graph::info_of;
using graph::memory_ref;
using graph::node;
using graph::op_info;

namespace {

using values = std::vector<double>;  // the elements of a tensor of any dtype

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// ---- ops as plain functions ------------------------------------------------------------------------------------------

using function = double (*)(const double*);

template <class Op>
double call(const double* a) {
  if constexpr (Op::arity == 1) return static_cast<double>(Op::eval(a[0]));
  else if constexpr (Op::arity == 2) return static_cast<double>(Op::eval(a[0], a[1]));
  else return static_cast<double>(Op::eval(a[0] != 0, a[1], a[2]));
}
template <class Op>
double call_logical(const double* a) {
  if constexpr (Op::arity == 1) return Op::eval(a[0] != 0);
  else return Op::eval(a[0] != 0, a[1] != 0);
}
template <class... Op>
void plain(std::map<const op_info*, function>& m) {
  ((m[&info_of<Op>] = &call<Op>), ...);
}
template <class... Op>
void logical(std::map<const op_info*, function>& m) {
  ((m[&info_of<Op>] = &call_logical<Op>), ...);
}
function function_of(const op_info* op) {
  static const std::map<const op_info*, function> table = [] {
    std::map<const op_info*, function> m;
    plain<ops::add, ops::sub, ops::mul, ops::div, ops::maximum, ops::minimum, ops::pow, ops::squared_difference, ops::neg,
          ops::abs, ops::sign, ops::square, ops::sqrt, ops::exp, ops::log, ops::sin, ops::cos, ops::tanh, ops::sigmoid,
          ops::relu, ops::floor, ops::equal, ops::not_equal, ops::less, ops::less_equal, ops::greater, ops::greater_equal,
          ops::select, ops::cast<float>, ops::cast<double>, ops::cast<std::int32_t>, ops::cast<std::int64_t>,
          ops::cast<bool>, graph::op::copy>(m);
    logical<ops::logical_and, ops::logical_or, ops::logical_not>(m);
    return m;
  }();
  const auto found = table.find(op);
  REQUIRE_MESSAGE(found != table.end(), "no function for " << op->name);
  return found->second;
}

/// What memory of a dtype keeps of a number.
double rounded(dtype t, double x) {
  switch (t) {
    case dtype::float32: return static_cast<double>(static_cast<float>(x));
    case dtype::float64: return x;
    case dtype::boolean: return x != 0 ? 1 : 0;
    default: return static_cast<double>(static_cast<std::int64_t>(x));
  }
}

double apply_op(const op_info* op, function f, dtype type, const double* a, std::int64_t index) {
  if (op == &info_of<ops::random_uniform>)
    return static_cast<double>(philox_uniform(
        static_cast<std::uint64_t>(index), static_cast<std::uint64_t>(a[2]),
        ops::random_uniform::key(static_cast<std::int64_t>(a[0]), static_cast<std::int64_t>(a[1]))));
  return rounded(type, f(a));
}

void add_up(values& to, std::size_t i, double x) { to[i] += x; }

/// A reduction of `x` into `to`, element number `to_index`; both in double.
double combined(const op_info* op, double a, double x) {
  if (op == &info_of<graph::reduce_op<ops::sum>>) return a + x;
  if (op == &info_of<graph::reduce_op<ops::prod>>) return a * x;
  if (op == &info_of<graph::reduce_op<ops::max>>) return ops::max::combine(a, x);
  if (op == &info_of<graph::reduce_op<ops::min>>) return ops::min::combine(a, x);
  if (op == &info_of<graph::reduce_op<ops::any>>) return a != 0 || x != 0;
  REQUIRE(op == &info_of<graph::reduce_op<ops::all>>);
  return a != 0 && x != 0;
}
double identity_of(const op_info* op) {
  if (op == &info_of<graph::reduce_op<ops::prod>> || op == &info_of<graph::reduce_op<ops::all>>) return 1;
  if (op == &info_of<graph::reduce_op<ops::max>>) return ops::max::identity<double>();
  if (op == &info_of<graph::reduce_op<ops::min>>) return ops::min::identity<double>();
  return 0;
}

struct convolution {
  std::int64_t n, h, w, ci, kh, kw, co, oh, ow, sh, sw, ph, pw;
  convolution(const tensor_shape& x, const tensor_shape& f, const attributes& a) {
    const auto vertical = ops::conv2d_attributes::height(a, x, f), horizontal = ops::conv2d_attributes::width(a, x, f);
    n = x[0], h = x[1], w = x[2], ci = x[3], kh = f[0], kw = f[1], co = f[3];
    oh = vertical.out, ow = horizontal.out, sh = a.i[0], sw = a.i[1], ph = vertical.pad_before, pw = horizontal.pad_before;
  }
  template <class F>
  void each(F&& f) const {  // f(image element, filter element, result element)
    for (std::int64_t b = 0; b < n; ++b)
      for (std::int64_t y = 0; y < oh; ++y)
        for (std::int64_t x = 0; x < ow; ++x)
          for (std::int64_t i = 0; i < kh; ++i)
            for (std::int64_t j = 0; j < kw; ++j) {
              const std::int64_t r = y * sh + i - ph, c = x * sw + j - pw;
              if (r < 0 || r >= h || c < 0 || c >= w) continue;
              for (std::int64_t p = 0; p < ci; ++p)
                for (std::int64_t q = 0; q < co; ++q)
                  f(at(((b * h + r) * w + c) * ci + p), at(((i * kw + j) * ci + p) * co + q), at(((b * oh + y) * ow + x) * co + q));
            }
  }
};

/// For each result of a pooling: the element of x that it takes.
values pool_sources(const tensor_shape& x, const attributes& a, const values& v) {
  const auto hh = ops::pool_attributes::height(a, x), ww = ops::pool_attributes::width(a, x);
  values from;
  for (std::int64_t b = 0; b < x[0]; ++b)
    for (std::int64_t y = 0; y < hh.out; ++y)
      for (std::int64_t z = 0; z < ww.out; ++z)
        for (std::int64_t c = 0; c < x[3]; ++c) {
          std::int64_t best = -1;
          for (std::int64_t i = 0; i < a.i[0]; ++i)
            for (std::int64_t j = 0; j < a.i[1]; ++j) {
              const std::int64_t r = y * a.i[2] + i - hh.pad_before, s = z * a.i[3] + j - ww.pad_before;
              if (r < 0 || r >= x[1] || s < 0 || s >= x[2]) continue;
              const std::int64_t e = ((b * x[1] + r) * x[2] + s) * x[3] + c;
              if (best < 0 || v[at(e)] > v[at(best)]) best = e;
            }
          from.push_back(static_cast<double>(best));
        }
  return from;
}

/// Ops with kernels of their own. Shapes have their batch; `second` is cross-entropy's other result.
void run_root(const op_info* op, const attributes& a, const tensor_shape* shape, const values* in, const tensor_shape& out_shape,
              values& out, values* second = nullptr) {
  out.assign(at(out_shape.num_elements()), 0);
  if (op == &info_of<ops::matmul_op>) {
    const bool ta = a.i[0] != 0, tb = a.i[1] != 0;
    const std::int64_t m = out_shape[0], n = out_shape[1], k = shape[0][ta ? 0 : 1];
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t p = 0; p < k; ++p)
          out[at(i * n + j)] += in[0][at(ta ? p * m + i : i * k + p)] * in[1][at(tb ? j * k + p : p * n + j)];
  } else if (op == &info_of<ops::conv2d_op>) {
    convolution(shape[0], shape[1], a).each([&](std::size_t x, std::size_t f, std::size_t y) { add_up(out, y, in[0][x] * in[1][f]); });
  } else if (op == &info_of<ops::conv2d_backprop_input_op>) {
    convolution(out_shape, shape[0], a).each([&](std::size_t x, std::size_t f, std::size_t y) { add_up(out, x, in[0][f] * in[1][y]); });
  } else if (op == &info_of<ops::conv2d_backprop_filter_op>) {
    convolution(shape[0], out_shape, a).each([&](std::size_t x, std::size_t f, std::size_t y) { add_up(out, f, in[0][x] * in[1][y]); });
  } else if (op == &info_of<ops::max_pool_op>) {
    const values from = pool_sources(shape[0], a, in[0]);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = in[0][static_cast<std::size_t>(from[i])];
  } else if (op == &info_of<ops::max_pool_grad_op>) {
    const values from = pool_sources(shape[0], a, in[0]);
    for (std::size_t i = 0; i < from.size(); ++i) out[static_cast<std::size_t>(from[i])] += in[2][i];
  } else if (op == &info_of<ops::softmax_op> || op == &info_of<ops::sparse_softmax_cross_entropy_op>) {
    const std::int64_t columns = shape[0][shape[0].rank() - 1], rows = columns == 0 ? 0 : shape[0].num_elements() / columns;
    if (second) second->assign(in[0].size(), 0);
    for (std::int64_t r = 0; r < rows; ++r) {
      double largest = in[0][at(r * columns)], sum = 0;
      for (std::int64_t j = 0; j < columns; ++j) largest = std::fmax(largest, in[0][at(r * columns + j)]);
      for (std::int64_t j = 0; j < columns; ++j) sum += std::exp(in[0][at(r * columns + j)] - largest);
      if (op == &info_of<ops::softmax_op>) {
        for (std::int64_t j = 0; j < columns; ++j) out[at(r * columns + j)] = std::exp(in[0][at(r * columns + j)] - largest) / sum;
        continue;
      }
      const auto label = static_cast<std::int64_t>(in[1][at(r)]);
      out[at(r)] = std::log(sum) - (in[0][at(r * columns + label)] - largest);
      if (second)
        for (std::int64_t j = 0; j < columns; ++j)
          (*second)[at(r * columns + j)] = std::exp(in[0][at(r * columns + j)] - largest) / sum - (j == label);
    }
  } else if (op == &info_of<graph::op::transpose>) {
    const int rank = out_shape.rank();
    std::int64_t step[max_rank] = {}, k = 1;
    for (int d = rank - 1; d >= 0; --d) step[d] = k, k *= shape[0][d];
    for (std::int64_t i = 0; i < out_shape.num_elements(); ++i) {
      std::int64_t rest = i, from = 0;
      for (int d = rank - 1; d >= 0; --d) {
        from += rest % out_shape[d] * step[a.i[d]];
        rest /= out_shape[d];
      }
      out[at(i)] = in[0][at(from)];
    }
  } else if (op == &info_of<ops::softmax_grad_op>) {
    const std::int64_t n = shape[0][shape[0].rank() - 1];
    for (std::int64_t i = 0; i < out_shape.num_elements(); ++i) {
      double dot = 0;
      for (std::int64_t j = i / n * n; j < (i / n + 1) * n; ++j) dot += in[0][at(j)] * in[1][at(j)];
      out[at(i)] = (in[1][at(i)] - dot) * in[0][at(i)];
    }
  } else if (op == &info_of<ops::product_of_others_op>) {  // of the gradient of a product: [1, rows, n]
    const std::int64_t n = shape[0][2];
    for (std::int64_t i = 0; i < out_shape.num_elements(); ++i) {
      out[at(i)] = 1;
      for (std::int64_t j = 0; j < n; ++j)
        if (j != i % n) out[at(i)] *= in[0][at(i / n * n + j)];
    }
  } else {
    const bool largest = op == &info_of<graph::arg_reduce_op<ops::argmax>>;
    REQUIRE_MESSAGE((largest || op == &info_of<graph::arg_reduce_op<ops::argmin>>), "no loop for " << op->name);
    const int axis = static_cast<int>(a.i[0]);
    std::int64_t inner = 1;
    for (int d = axis + 1; d < shape[0].rank(); ++d) inner *= shape[0][d];
    const std::int64_t n = shape[0][axis];
    for (std::int64_t i = 0; i < out_shape.num_elements(); ++i) {
      const std::int64_t base = i / inner * n * inner + i % inner;
      std::int64_t best = 0;
      for (std::int64_t j = 1; j < n; ++j) {
        const double x = in[0][at(base + j * inner)], y = in[0][at(base + best * inner)];
        if (largest ? x > y : x < y) best = j;
      }
      out[at(i)] = static_cast<double>(best);
    }
  }
}

// ---- what a run starts from --------------------------------------------------------------------------------------------

constexpr std::int64_t run_seed = 77, run_step = 5;

struct world {
  std::int64_t batch = 1;
  std::vector<values> feeds, variables;
};

double parameter_value(std::int64_t which, std::int64_t scale, std::int64_t batch) {
  if (which == -1) return static_cast<double>(run_seed);
  if (which == -2) return static_cast<double>(run_step);
  if (which == -3) return static_cast<double>(scale * batch);
  return 0.25 + 0.125 * static_cast<double>(which);
}

// ---- the traced graph, node by node ------------------------------------------------------------------------------------

struct outcome {
  std::vector<values> fetches, variables;
};

outcome evaluate(const builder& b, const world& w) {
  std::vector<values> v(b.nodes.size());
  outcome o;
  o.variables = w.variables;
  for (std::size_t id = 0; id < b.nodes.size(); ++id) {
    const node& n = b.nodes[id];
    const tensor_shape shape = n.shape.with_batch(w.batch);
    const auto count = at(shape.num_elements());
    const auto operand = [&](int k) -> const values& { return v[at(n.in[k])]; };
    values& r = v[id];
    if (n.op == &info_of<graph::source::input>) r = w.feeds[at(n.attr.i[0])];
    else if (n.op == &info_of<graph::source::variable>) r = w.variables[at(n.attr.i[0])];
    else if (n.op == &info_of<graph::source::constant>) r = {rounded(n.type, n.attr.f[0])};
    else if (n.op == &info_of<graph::source::parameter>) r = {rounded(n.type, parameter_value(n.attr.i[0], n.attr.i[1], w.batch))};
    else if (n.op == &info_of<graph::source::range>)
      for (std::size_t i = 0; i < count; ++i) r.push_back(static_cast<double>(i));
    else if (n.op == &info_of<graph::op::reshape> || n.op == &info_of<graph::op::stop_gradient>) r = operand(0);
    else if (n.op == &info_of<graph::op::assign>) r = o.variables[at(n.attr.i[0])] = operand(0);
    else if (n.op == &info_of<graph::op::broadcast_in_dim>) {
      const tensor_shape from = b.nodes[at(n.in[0])].shape.with_batch(w.batch);
      r.resize(count);
      for (std::size_t i = 0; i < count; ++i) {
        std::int64_t index[max_rank] = {}, rest = static_cast<std::int64_t>(i), e = 0;
        for (int d = shape.rank() - 1; d >= 0; --d) index[d] = rest % shape[d], rest /= shape[d];
        for (int d = 0; d < from.rank(); ++d) e = e * from[d] + (from[d] == 1 ? 0 : index[n.attr.i[d]]);
        r[i] = operand(0)[at(e)];
      }
    } else if (n.op == &info_of<ops::softmax_cross_entropy_backprop_op>) {
      const node& loss = b.nodes[at(n.in[0])];
      const tensor_shape shapes[2] = {b.nodes[at(loss.in[0])].shape.with_batch(w.batch), loss.shape.with_batch(w.batch)};
      const values in[2] = {v[at(loss.in[0])], v[at(loss.in[1])]};
      values unused;
      run_root(loss.op, loss.attr, shapes, in, shapes[1], unused, &r);
    } else if (n.op->kind == op_kind::elementwise) {
      r.resize(count);
      const function f = n.op == &info_of<ops::random_uniform> ? nullptr : function_of(n.op);
      for (std::size_t i = 0; i < count; ++i) {
        double a[graph::max_operands] = {};
        for (int k = 0; k < n.arity; ++k) a[k] = operand(k)[i];
        r[i] = apply_op(n.op, f, n.type, a, static_cast<std::int64_t>(i));
      }
    } else if (n.op->kind == op_kind::reduction) {
      const tensor_shape from = b.nodes[at(n.in[0])].shape.with_batch(w.batch);
      r.assign(count, identity_of(n.op));
      for (std::size_t i = 0; i < operand(0).size(); ++i) {
        std::int64_t rest = static_cast<std::int64_t>(i), to = 0, step = 1;
        for (int d = from.rank() - 1; d >= 0; --d) {
          if (((n.attr.i[0] >> d) & 1) == 0) to += rest % from[d] * step, step *= from[d];
          rest /= from[d];
        }
        r[at(to)] = combined(n.op, r[at(to)], operand(0)[i]);
      }
    } else {
      tensor_shape shapes[graph::max_operands];
      values in[graph::max_operands];
      for (int k = 0; k < n.arity; ++k) shapes[k] = b.nodes[at(n.in[k])].shape.with_batch(w.batch), in[k] = operand(k);
      run_root(n.op, n.attr, shapes, in, shape, r);
    }
    REQUIRE(r.size() == count);
  }
  for (const auto& f : b.fetches) o.fetches.push_back(f.node < 0 ? values{} : v[at(f.node)]);
  return o;
}

// ---- the lowered tables ------------------------------------------------------------------------------------------------

/// Runs steps as the kernels do, element by element, and complains of what the tables must never ask for.
class machine {
 public:
  machine(const image& im, const world& w) : im_(im), l_(im.l), batch_(w.batch) {
    fixed_.assign(at(l_.fixed_bytes) + 64, 0xff);
    rows_.assign(at(l_.row_bytes * batch_) + 64, 0xff);
    slot_written_.assign(l_.slots.size(), 0);
    variable_written_.assign(w.variables.size(), 0);
    for (std::size_t k = 0; k < w.feeds.size(); ++k) feeds_.push_back(bytes_of(w.feeds[k], feed_type(static_cast<int>(k))));
    for (std::size_t k = 0; k < w.variables.size(); ++k)
      variables_.push_back(bytes_of(w.variables[k], im.b.variables[k].type));
    for (const auto& s : l_.scalars)
      scalars_.push_back(bytes_of({s.is_parameter ? parameter_value(s.parameter, s.scale, batch_)
                                   : is_floating(s.type) ? s.value : static_cast<double>(s.integer)}, s.type));
    for (const auto& r : l_.ranges) {
      values v;
      for (std::int64_t i = 0; i < r.extent; ++i) v.push_back(static_cast<double>(i));
      ranges_.push_back(bytes_of(v, r.type));
    }
  }

  outcome run() {
    std::vector<std::size_t> order;  // of two steps side by side the second one first: any order must do
    for (std::size_t k = 0; k < l_.steps.size(); ++k) {
      if (l_.steps[k].beside) order.push_back(k + 1);
      order.push_back(k);
      if (l_.steps[k].beside) ++k;
    }
    for (std::size_t k : order) {
      const graph::step_desc& s = l_.steps[k];
      written_here_.clear();
      if (s.kind == graph::group_kind::map) run_map(s);
      else if (s.kind == graph::group_kind::reduce) run_reduce(s);
      else run_rooted(s);
      for (const memory_ref& m : written_here_) {
        if (m.kind == memory_ref::slot) slot_written_[at(m.index)] = 1;
        else variable_written_[at(m.index)] = 1;
      }
    }
    outcome o;
    for (std::size_t k = 0; k < im_.b.fetches.size(); ++k) {
      values v;
      if (const int id = im_.b.fetches[k].node; id >= 0) {
        const node& n = im_.b.nodes[at(id)];
        const graph::input_desc& d = l_.fetch_operand[k];
        if (d.memory.kind == memory_ref::none) complain("a fetch has no memory");
        reading(d.memory);
        for (std::int64_t i = 0; i < n.shape.with_batch(batch_).num_elements(); ++i) v.push_back(load(d.memory, n.type, i));
      }
      o.fetches.push_back(v);
    }
    for (std::size_t k = 0; k < variables_.size(); ++k) {
      values v;
      for (std::int64_t i = 0; i < im_.b.variables[k].shape.num_elements(); ++i)
        v.push_back(get(variables_[k].data(), im_.b.variables[k].type, i));
      o.variables.push_back(v);
    }
    return o;
  }
  [[nodiscard]] const std::string& complaint() const { return complaint_; }

 private:
  struct range {
    const unsigned char* p = nullptr;
    std::int64_t bytes = 0;
  };

  void complain(const std::string& what) {
    if (complaint_.empty()) complaint_ = what;
  }
  [[nodiscard]] dtype feed_type(int k) const {
    for (const node& n : im_.b.nodes)
      if (n.op == &info_of<graph::source::input> && n.attr.i[0] == k) return n.type;
    return dtype::float64;
  }
  static double get(const unsigned char* p, dtype t, std::int64_t i) {
    const unsigned char* e = p + i * static_cast<std::int64_t>(size_of(t));
    const auto as = [&](auto x) {
      std::memcpy(&x, e, sizeof x);
      return static_cast<double>(x);
    };
    switch (t) {
      case dtype::float32: return as(0.f);
      case dtype::float64: return as(0.0);
      case dtype::int32: return as(std::int32_t{});
      case dtype::int64: return as(std::int64_t{});
      default: return as(std::uint8_t{});
    }
  }
  static void put(unsigned char* p, dtype t, std::int64_t i, double v) {
    unsigned char* e = p + i * static_cast<std::int64_t>(size_of(t));
    const auto as = [&](auto x) { std::memcpy(e, &x, sizeof x); };
    switch (t) {
      case dtype::float32: return as(static_cast<float>(v));
      case dtype::float64: return as(v);
      case dtype::int32: return as(static_cast<std::int32_t>(v));
      case dtype::int64: return as(static_cast<std::int64_t>(v));
      default: return as(static_cast<std::uint8_t>(v != 0));
    }
  }
  static std::vector<unsigned char> bytes_of(const values& v, dtype t) {
    std::vector<unsigned char> r(v.size() * size_of(t) + 1);
    for (std::size_t i = 0; i < v.size(); ++i) put(r.data(), t, static_cast<std::int64_t>(i), v[i]);
    r.pop_back();
    return r;
  }
  [[nodiscard]] std::int64_t extent(std::int64_t n) const { return n < 0 ? -n * batch_ : n; }

  range memory(const memory_ref& m) {
    const auto whole = [](std::vector<unsigned char>& v) { return range{v.data(), static_cast<std::int64_t>(v.size())}; };
    switch (m.kind) {
      case memory_ref::slot: {
        const auto& s = l_.slots[at(m.index)];
        const node& n = im_.b.nodes[at(s.node)];
        const std::int64_t bytes = n.shape.with_batch(batch_).num_elements() * static_cast<std::int64_t>(size_of(n.type));
        const std::int64_t begin = s.per_row ? s.offset * batch_ : s.offset;
        const std::int64_t end = s.per_row ? l_.row_bytes * batch_ : l_.fixed_bytes;
        if (s.offset < 0 || begin + bytes > end) {
          complain("a slot lies outside of the arena");
          return {};
        }
        return {(s.per_row ? rows_ : fixed_).data() + begin, bytes};
      }
      case memory_ref::variable: return whole(variables_[at(m.index)]);
      case memory_ref::feed: return whole(feeds_[at(m.index)]);
      case memory_ref::scalar: return whole(scalars_[at(m.index)]);
      case memory_ref::range: return whole(ranges_[at(m.index)]);
      default: complain("an operand has no memory"); return {};
    }
  }
  double load(const memory_ref& m, dtype t, std::int64_t i) {
    const range r = memory(m);
    if (i < 0 || (i + 1) * static_cast<std::int64_t>(size_of(t)) > r.bytes) {
      complain("an operand is read at element " + std::to_string(i) + ", outside of its memory");
      return 0;
    }
    return get(r.p, t, i);
  }
  void store(const memory_ref& m, dtype t, std::int64_t i, double v) {
    const range r = memory(m);
    if (i < 0 || (i + 1) * static_cast<std::int64_t>(size_of(t)) > r.bytes) return complain("a result is written outside of its memory");
    put(const_cast<unsigned char*>(r.p), t, i, v);
  }
  void reading(const memory_ref& m) {
    if (m.kind == memory_ref::slot && !slot_written_[at(m.index)]) complain("slot " + std::to_string(m.index) + " is read before it is written");
    if (m.kind == memory_ref::variable && variable_written_[at(m.index)]) complain("variable " + std::to_string(m.index) + " is read after it was written");
  }
  static bool overlap(const range& a, const range& b) {
    return a.bytes > 0 && b.bytes > 0 && a.p < b.p + b.bytes && b.p < a.p + a.bytes;
  }
  /// Results may lie over an operand only where both are walked alike; `in_place[k]` says so for input k.
  void check_overlaps(const std::vector<graph::output_desc>& outputs, const graph::program_desc& p, std::size_t first,
                      const std::vector<char>& in_place, const std::vector<memory_ref>& others) {
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      const range r = memory(outputs[o].memory);
      for (std::size_t q = 0; q < o; ++q)
        if (overlap(r, memory(outputs[q].memory))) complain("two results of a step overlap");
      for (std::size_t k = first; k < p.inputs.size(); ++k) {
        const range i = memory(p.inputs[k].memory);
        if (!overlap(r, i)) continue;
        if (!(in_place[k] && i.p == r.p && size_of(p.inputs[k].type) == size_of(outputs[o].type)))
          complain("a result lies over an operand that is walked otherwise");
      }
      for (const memory_ref& m : others)
        if (overlap(r, memory(m))) complain("a result lies over an operand of the kernel's own");
      written_here_.push_back(outputs[o].memory);
    }
  }
  template <class Input>
  void run_program(const graph::program_desc& p, std::int64_t index, std::vector<double>& in, std::vector<double>& lets, Input&& input) {
    in.resize(p.inputs.size());
    lets.resize(p.lets.size());
    for (std::size_t k = 0; k < p.inputs.size(); ++k) in[k] = input(k);
    for (std::size_t k = 0; k < p.lets.size(); ++k) {
      const auto& l = p.lets[k];
      double a[graph::max_operands] = {};
      for (int j = 0; j < l.arity; ++j) {
        if (l.args[j] >= static_cast<int>(k)) complain("a value is used before it is computed");
        a[j] = value(l.args[j], in, lets);
      }
      lets[k] = apply_op(l.op, l.op == &info_of<ops::random_uniform> ? nullptr : functions_of(l.op), l.type, a, index);
    }
  }
  function functions_of(const op_info* op) {
    function& f = functions_[op];
    if (f == nullptr) f = function_of(op);
    return f;
  }
  double value(int v, const std::vector<double>& in, const std::vector<double>& lets) {
    if (v >= static_cast<int>(lets.size()) || ~v >= static_cast<int>(in.size())) {
      complain("a program names a value that it does not have");
      return 0;
    }
    return v >= 0 ? lets[at(v)] : in[at(~v)];
  }

  /// Calls f(position, offsets of the inputs, index per axis) over the merged axes.
  template <class F>
  void nest(const graph::step_desc& s, F&& f) {
    std::int64_t total = 1, extents[max_rank] = {};
    for (int d = 0; d < s.rank; ++d) total *= extents[d] = extent(s.extents[d]);
    std::vector<std::int64_t> offset(s.program.inputs.size());
    for (std::int64_t i = 0; i < total; ++i) {
      std::int64_t index[max_rank] = {}, rest = i;
      for (int d = s.rank - 1; d >= 0; --d) index[d] = rest % extents[d], rest /= extents[d];
      for (std::size_t k = 0; k < offset.size(); ++k) {
        offset[k] = 0;
        for (int d = 0; d < s.rank; ++d) offset[k] += index[d] * extent(s.program.inputs[k].strides[d]);
      }
      f(i, offset, index);
    }
  }

  /// Each part of a step with several as a step of its own, the last one first: their order must not matter.
  void run_map(const graph::step_desc& s) {
    if (s.parts == 1) return run_part(s);
    const auto parts = static_cast<std::size_t>(s.parts), in = s.program.inputs.size() / parts, out = s.program.outputs.size() / parts;
    if (in * parts != s.program.inputs.size() || out * parts != s.program.outputs.size()) return complain("the parts of a step differ");
    for (std::size_t p = parts; p-- > 0;) {
      graph::step_desc part = s;
      const auto slice = [&](auto& all, std::size_t n) {
        const auto first = all.begin() + static_cast<std::ptrdiff_t>(p * n);
        all = {first, first + static_cast<std::ptrdiff_t>(n)};
      };
      slice(part.program.inputs, in), slice(part.program.outputs, out);
      part.extents[0] = part.program.outputs[0].elements;
      run_part(part);
    }
  }
  void run_part(const graph::step_desc& s) {
    if (s.program.inputs.size() + s.program.outputs.size() > 40) complain("a kernel has more than 40 operands");
    if (s.program.outputs.empty()) complain("a step has no result");
    std::vector<char> in_place(s.program.inputs.size(), 1);
    for (std::size_t k = 0; k < in_place.size(); ++k) {
      reading(s.program.inputs[k].memory);
      std::int64_t step = 1;
      for (int d = s.rank - 1; d >= 0; --d) {
        if (extent(s.extents[d]) > 1 && extent(s.program.inputs[k].strides[d]) != step) in_place[k] = 0;
        step *= extent(s.extents[d]);
      }
    }
    check_overlaps(s.program.outputs, s.program, 0, in_place, {});
    std::vector<double> in, lets;
    nest(s, [&](std::int64_t i, const auto& offset, const std::int64_t*) {
      run_program(s.program, i, in, lets, [&](std::size_t k) { return load(s.program.inputs[k].memory, s.program.inputs[k].type, offset[k]); });
      for (const auto& o : s.program.outputs) store(o.memory, o.type, i, value(o.value, in, lets));
    });
  }

  void run_reduce(const graph::step_desc& s) {
    if (s.program.inputs.size() + 1 > 40) complain("a kernel has more than 40 operands");
    if (s.program.outputs.size() != 1) return complain("a reduction's program has one result");
    const memory_ref result = s.operands[graph::max_operands - 1].memory;
    std::vector<memory_ref> reads;
    for (const auto& d : s.program.inputs) reading(d.memory), reads.push_back(d.memory);
    graph::output_desc to;
    to.memory = result, to.type = s.type;
    check_overlaps({to}, {}, 0, {}, reads);
    values acc(at(s.out.shape.with_batch(batch_).num_elements()), identity_of(s.op));
    std::vector<double> in, lets;
    nest(s, [&](std::int64_t i, const auto& offset, const std::int64_t* index) {
      run_program(s.program, i, in, lets, [&](std::size_t k) { return load(s.program.inputs[k].memory, s.program.inputs[k].type, offset[k]); });
      std::int64_t e = 0;
      for (int d = 0; d < s.rank; ++d)
        if (((s.reduced >> d) & 1) == 0) e = e * extent(s.extents[d]) + index[d];
      if (at(e) >= acc.size()) return complain("a reduction writes outside of its result");
      acc[at(e)] = combined(s.op, acc[at(e)], value(s.program.outputs[0].value, in, lets));
    });
    for (std::size_t i = 0; i < acc.size(); ++i) store(result, s.type, static_cast<std::int64_t>(i), acc[i]);
  }

  values prologue(const graph::program_desc& p, const signature& of, std::vector<memory_ref>& reads) {
    for (const auto& d : p.inputs) reading(d.memory), reads.push_back(d.memory);
    if (p.outputs.size() != 1) complain("a prologue has one result");
    values r;
    std::vector<double> in, lets;
    for (std::int64_t i = 0; i < of.shape.with_batch(batch_).num_elements(); ++i) {
      run_program(p, i, in, lets, [&](std::size_t k) { return load(p.inputs[k].memory, p.inputs[k].type, p.inputs[k].linear ? i : 0); });
      r.push_back(value(p.outputs[0].value, in, lets));
    }
    return r;
  }

  void run_rooted(const graph::step_desc& s) {
    tensor_shape shapes[graph::max_operands];
    values in[graph::max_operands];
    std::vector<memory_ref> reads;
    for (int k = 0; k < s.n_operands; ++k) {
      shapes[k] = s.in[k].shape.with_batch(batch_);
      if (k == 0 && s.has_prologue_a) in[k] = prologue(s.prologue_a, s.in[k], reads);
      else if (k == 1 && s.has_prologue_b) in[k] = prologue(s.prologue_b, s.in[k], reads);
      else {
        reading(s.operands[k].memory);
        reads.push_back(s.operands[k].memory);
        for (std::int64_t i = 0; i < shapes[k].num_elements(); ++i) in[k].push_back(load(s.operands[k].memory, s.in[k].type, i));
      }
    }
    if (!complaint_.empty()) return;
    values result, second;
    const tensor_shape shape = s.out.shape.with_batch(batch_);
    run_root(s.op, s.attr, shapes, in, shape, result, s.op == &info_of<ops::sparse_softmax_cross_entropy_op> ? &second : nullptr);
    if (s.program.outputs.empty()) complain("a step has no result");
    if (s.kind == graph::group_kind::opaque) {
      check_overlaps(s.program.outputs, {}, 0, {}, reads);
      for (const auto& o : s.program.outputs) {
        const values& v = o.node == s.root ? result : second;
        for (std::size_t i = 0; i < v.size(); ++i) store(o.memory, o.type, static_cast<std::int64_t>(i), v[i]);
      }
      return;
    }
    const std::int64_t columns = shape[shape.rank() - 1];
    std::vector<char> in_place(s.program.inputs.size(), 1);
    for (std::size_t k = 1; k < in_place.size(); ++k) {
      const auto& d = s.program.inputs[k];
      reading(d.memory);
      in_place[k] = (extent(d.strides[1]) == 1 || columns <= 1) && (extent(d.strides[0]) == columns || shape.num_elements() <= columns);
      if (extent(d.strides[1]) != 0 && extent(d.strides[1]) != 1) complain("an epilogue's operand is strided along the columns");
    }
    check_overlaps(s.program.outputs, s.program, 1, in_place, reads);
    std::vector<double> args, lets;
    for (std::int64_t i = 0; i < shape.num_elements(); ++i) {
      run_program(s.program, i, args, lets, [&](std::size_t k) {
        const auto& d = s.program.inputs[k];
        return k == 0 ? result[at(i)] : load(d.memory, d.type, i / columns * extent(d.strides[0]) + i % columns * extent(d.strides[1]));
      });
      for (const auto& o : s.program.outputs) store(o.memory, o.type, i, value(o.value, args, lets));
    }
  }

  const image& im_;
  const graph::lowered& l_;
  std::int64_t batch_;
  std::vector<unsigned char> fixed_, rows_;
  std::vector<std::vector<unsigned char>> feeds_, variables_, scalars_, ranges_;
  std::vector<char> slot_written_, variable_written_;
  std::vector<memory_ref> written_here_;
  std::map<const op_info*, function> functions_;
  std::string complaint_;
};

// ---- random graphs -----------------------------------------------------------------------------------------------------

class generator {
 public:
  builder b;
  std::vector<signature> inputs;

  explicit generator(std::uint64_t seed, int ops = -1) : state_(seed * 0x9e3779b97f4a7c15u + 1) {
    zero_sizes_ = chance(12);
    const int n_inputs = 1 + below(3), n_variables = below(5);
    for (int k = 0; k < n_inputs; ++k) feed(random_shape(below(5), true));
    for (int k = 0; k < n_variables; ++k) make_variable(random_shape(below(5), false));
    if (pool_.empty()) feed({dyn, 3});
    const int count = ops >= 0 ? ops : 3 + below(chance(10) ? 80 : 25);
    for (int k = 0; k < count; ++k) step();
    if (!variables_.empty() && chance(2)) train();
    for (int k = below(4); k > 0 && !variables_.empty(); --k) assign_something();
    if (chance(3))
      for (int k = below(5); k > 0; --k) step();
    const int fetches = 1 + below(4);
    for (int k = 0; k < fetches; ++k) {
      const symbol s = chance(8) && !bools_.empty() ? pick(bools_) : chance(10) && !ints_.empty() ? pick(ints_) : chance(2) ? pool_.back() : pick(pool_);
      b.fetches.push_back({graph::name_buffer("f"), s.id, false});
    }
    if (chance(4) && !variables_.empty()) b.fetches.push_back({graph::name_buffer("v"), pick(variables_).id, false});
    if (chance(6)) b.fetches.push_back({graph::name_buffer("op"), -1, true});
  }

  std::uint64_t bits() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int below(int n) { return static_cast<int>(bits() % static_cast<std::uint64_t>(n)); }
  bool chance(int n) { return below(n) == 0; }
  double number() { return static_cast<double>(static_cast<std::int64_t>(bits() % 2001) - 1000) / 500; }

  world make_world(std::int64_t batch) {
    world w;
    w.batch = batch;
    for (const signature& s : inputs) {
      values v;
      for (std::int64_t i = 0; i < s.shape.with_batch(batch).num_elements(); ++i) v.push_back(s.type == dtype::int32 ? static_cast<double>(below(3)) : number());
      w.feeds.push_back(v);
    }
    for (const auto& d : b.variables) {
      values v;
      for (std::int64_t i = 0; i < d.shape.num_elements(); ++i) v.push_back(number());
      w.variables.push_back(v);
    }
    return w;
  }

 private:
  std::int64_t extent() {
    constexpr std::int64_t sizes[] = {1, 1, 2, 3, 5, 7, 2, 3};
    return zero_sizes_ && chance(6) ? 0 : sizes[below(8)];
  }
  static std::int64_t volume(const tensor_shape& s) { return std::abs(s.num_elements()); }
  static bool good(const tensor_shape& s) { return s.valid() && s.rank() <= 5 && volume(s) <= 300; }
  tensor_shape random_shape(int rank, bool batch) {
    tensor_shape s;
    const int dynamic = batch && rank > 0 && !chance(3) ? (chance(4) ? below(rank) : 0) : -1;
    for (int k = 0; k < rank; ++k) s.push_back(k == dynamic ? dyn : extent());
    return s;
  }
  symbol pick(const std::vector<symbol>& v) { return v[at(below(static_cast<int>(v.size())))]; }
  symbol some() { return chance(3) ? pick(pool_) : pool_[pool_.size() - 1 - at(below(static_cast<int>(pool_.size() < 4 ? pool_.size() : 4)))]; }
  void keep(symbol s) {
    if (b.first_failure || s.id < 0) {  // an op that refused: go on without it
      b.first_failure = {};
      return;
    }
    if (!good(s.shape())) return;
    if (s.type() == dtype::float64) pool_.push_back(s);
    else if (s.type() == dtype::boolean) bools_.push_back(s);
    else ints_.push_back(s);
  }
  symbol feed(const tensor_shape& s, dtype t = dtype::float64) {
    attributes a;
    a.i[0] = static_cast<std::int64_t>(inputs.size());
    inputs.push_back({t, s});
    symbol x = b.add(&info_of<graph::source::input>, {t, s}, {}, a);
    keep(x);
    return x;
  }
  symbol make_variable(const tensor_shape& s) {
    graph::name_buffer name("v");
    name.append_number(static_cast<std::int64_t>(b.variables.size()));
    symbol v = variable(symbol{&b, -1}, {.name = name.view(), .shape = s, .type = dtype::float64});
    keep(v);
    variables_.push_back(v);
    return v;
  }
  /// A shape that broadcasts to s.
  tensor_shape narrower(const tensor_shape& s) {
    tensor_shape r;
    for (int k = s.rank() == 0 ? 0 : below(s.rank() + 1); k < s.rank(); ++k) r.push_back(chance(2) ? 1 : s[k]);
    return r;
  }
  symbol partner(symbol x) {
    for (int tries = 0; tries < 6; ++tries) {
      symbol y = some();
      bool ok = true;
      const tensor_shape s = graph::broadcast_shape(x.shape(), y.shape(), ok);
      if (ok && good(s)) return y;
    }
    const tensor_shape s = narrower(x.shape());
    if (chance(2) && s.is_static()) return make_variable(s);
    if (chance(3)) return feed(s);
    if (chance(3)) {  // a part of x itself
      reduce_options o{.axis = {}, .keepdims = true};
      for (int d = 0; d < x.rank(); ++d)
        if (chance(2)) o.axis.axes[o.axis.count++] = d;
      return chance(2) ? reduce_mean(x, o) : reduce_max(x, o);
    }
    return graph::constant_of(&b, dtype::float64, chance(2) ? below(3) - 1 : number());
  }
  /// A symbol of exactly this shape, of which there need not be one yet.
  symbol shaped(const tensor_shape& s) {
    std::vector<symbol> same;
    for (symbol x : pool_)
      if (x.shape() == s) same.push_back(x);
    if (!same.empty() && !chance(4)) return pick(same);
    for (int tries = 0; tries < 4; ++tries) {
      symbol x = some();
      bool ok = true;
      if (graph::broadcast_shape(x.shape(), s, ok) == s && ok) return rill::broadcast_to(x, s);
      if (x.shape().num_elements() == s.num_elements()) return reshape(x, s);
    }
    symbol scalar = chance(2) ? graph::constant_of(&b, dtype::float64, number()) : graph::parameter(&b, dtype::float64, below(3));
    if (chance(2)) scalar = scalar * reduce_mean(some());
    return rill::broadcast_to(scalar, s);
  }
  symbol condition(symbol x) {
    if (chance(3) && !bools_.empty()) {
      symbol c = pick(bools_);
      bool ok = true;
      if (good(graph::broadcast_shape(c.shape(), x.shape(), ok)) && ok) return c;
    }
    symbol c;
    symbol y = chance(2) ? graph::constant_of(&b, dtype::float64, number()) : partner(x);
    switch (below(6)) {
      case 0: c = x > y; break;
      case 1: c = x >= y; break;
      case 2: c = x < y; break;
      case 3: c = equal(x, y); break;
      case 4: c = less_equal(y, x); break;
      default: c = not_equal(x, y); break;
    }
    keep(c);
    return c;
  }
  tensor_shape reshaped(const tensor_shape& s) {
    const std::int64_t total = s.num_elements();
    tensor_shape r;
    if (total == 0) return r.push_back(0), r;
    std::int64_t rest = std::abs(total);
    std::vector<std::int64_t> dims;
    while (rest > 1 && dims.size() < 3) {
      std::int64_t d = rest;
      for (int tries = 0; tries < 4; ++tries) {
        const std::int64_t c = 2 + below(6);
        if (rest % c == 0) d = c;
      }
      if (chance(4)) d = rest;
      dims.push_back(d);
      rest /= d;
    }
    if (rest > 1) dims.push_back(rest);
    if (total < 0) {
      if (dims.empty() || chance(2)) dims.insert(dims.begin(), -1);
      else {
        auto& d = dims[at(below(static_cast<int>(dims.size())))];
        d = -d;
      }
    }
    while (dims.size() < 5 && chance(3)) dims.insert(dims.begin() + below(static_cast<int>(dims.size()) + 1), 1);
    for (std::int64_t d : dims) r.push_back(d);
    return r;
  }
  symbol image_of() {  // [n, h, w, c] from something
    for (int tries = 0; tries < 8; ++tries) {
      symbol x = some();
      if (x.rank() == 4 && x.shape()[1] > 0 && x.shape()[2] > 0 && x.shape()[3] > 0) return x;
    }
    return feed({chance(3) ? 2 : dyn, 1 + below(5), 1 + below(5), 1 + below(3)});
  }
  symbol matrix() {
    for (int tries = 0; tries < 8; ++tries) {
      symbol x = some();
      if (x.rank() == 2) return x;
      if (x.rank() > 2 && chance(2)) return flatten(x);
    }
    return feed({chance(3) ? extent() : dyn, extent()});
  }
  void step() {
    symbol x = some();
    switch (below(27)) {
      case 0: return keep(tanh(x));
      case 1: return keep(chance(2) ? sin(x) : cos(x));
      case 2: return keep(chance(2) ? relu(x) : -x);
      case 3: return keep(chance(2) ? sigmoid(x) : square(tanh(x)));
      case 4: return keep(chance(3) ? exp(tanh(x)) : chance(2) ? abs(x) : sqrt(abs(x)));
      case 5: return keep(x + partner(x));
      case 6: return keep(chance(2) ? x * partner(x) : partner(x) * x);
      case 7: return keep(chance(2) ? x - partner(x) : partner(x) - x);
      case 8: return keep(chance(2) ? maximum(x, partner(x)) : x / (1 + square(partner(x))));
      case 9: return keep(select(condition(x), x, chance(2) ? zeros_like(x) : shaped(x.shape())));
      case 10: return keep(cast<double>(condition(x)));
      case 11: {
        reduce_options o;
        for (int d = 0; d < x.rank(); ++d)
          if (chance(2)) o.axis.axes[o.axis.count++] = chance(2) ? d : d - x.rank();
        o.keepdims = chance(2);
        switch (below(6)) {
          case 0: return keep(reduce_max(x, o));
          case 1: return keep(reduce_min(x, o));
          case 2: return keep(reduce_mean(x, o));
          case 3: return keep(reduce_prod(tanh(x), o));
          default: return keep(reduce_sum(chance(2) ? square(x) : x, o));
        }
      }
      case 12: return keep(reshape(x, reshaped(x.shape())));
      case 13: return keep(rill::reshape_to(rill::reshape_to(x, reshaped(x.shape())), reshaped(x.shape())));
      case 14: {
        tensor_shape s = x.shape();
        for (int d = 0; d < s.rank(); ++d)
          if (s[d] == 1 && chance(2)) s[d] = s.is_static() && chance(3) ? dyn : 1 + below(3);
        tensor_shape wide;
        if (chance(2)) wide.push_back(s.is_static() && chance(3) ? dyn : 1 + below(3));
        for (std::int64_t d : s) wide.push_back(d);
        return good(wide) ? keep(rill::broadcast_to(x, wide)) : void();
      }
      case 15: {
        axis_list perm;
        for (int d = 0; d < x.rank(); ++d) perm.axes[perm.count++] = d;
        for (int d = x.rank() - 1; d > 0; --d) std::swap(perm.axes[d], perm.axes[below(d + 1)]);
        return keep(chance(3) ? transpose(x) : transpose(x, perm));
      }
      case 16:
      case 17: {
        symbol a = matrix();
        if (chance(6)) a = transpose(a, chance(3) ? axis_list{0, 1} : axis_list{1, 0});
        const bool ta = chance(3), tb = chance(3);
        const std::int64_t k = a.shape()[ta ? 0 : 1];
        symbol c;
        for (int tries = 0; tries < 6 && !c.g; ++tries)
          if (symbol y = some(); y.rank() == 2 && y.shape()[tb ? 1 : 0] == k) c = y;
        if (chance(5) && a.shape()[0] >= 0 && ta != tb) c = a;
        if (!c.g) {
          const std::int64_t n = extent();
          const tensor_shape s = tb ? tensor_shape{n, k} : tensor_shape{k, n};
          c = s.is_static() ? make_variable(s) : feed(s);
        }
        if (chance(6)) c = tanh(c) * 2;
        if (chance(6)) a = a + partner(a);
        if (a.rank() != 2) return;
        const std::int64_t rows = a.shape()[ta ? 1 : 0], columns = c.shape()[tb ? 0 : 1];
        if (a.shape()[ta ? 0 : 1] != k || (rows < 0 && columns < 0)) return;
        symbol y = matmul(a, c, {ta, tb});
        if (y.id >= 0 && chance(2)) y = relu(y + partner(y));
        return keep(y);
      }
      case 18: return x.rank() > 0 ? keep(softmax(x)) : void();
      case 19: {
        symbol i = image_of();
        if (chance(2)) {
          const pool_options o{.window = {1 + below(3), 1 + below(3)}, .strides = {1 + below(2), 1 + below(2)}, .padding = chance(2) ? same : valid};
          return keep(max_pool(chance(2) ? relu(i) : i, o));
        }
        symbol f = make_variable({1 + below(3), 1 + below(3), i.shape()[3], 1 + below(3)});
        if (chance(4)) f = f * 0.5;
        if (chance(4)) i = tanh(i);
        symbol y = conv2d(i, f, {.strides = {1 + below(2), 1 + below(2)}, .padding = chance(2) ? same : valid});
        if (y.id >= 0 && chance(2)) y = relu(y + make_variable({y.shape()[3]}));
        return keep(y);
      }
      case 20: {
        symbol u = cast<double>(random_uniform(x, x.shape()));
        return keep(chance(2) ? u : select(greater_equal(u, 0.5), x * 2, zeros_like(x)));
      }
      case 21: {
        if (x.rank() != 2 || x.shape()[1] < 3) return;
        symbol labels = feed({x.shape()[0]}, dtype::int32);
        return keep(sparse_softmax_cross_entropy_with_logits(labels, x));
      }
      case 22: {
        if (x.rank() == 0) return;
        const int axis = below(x.rank());
        if (x.shape()[axis] == 0) return;
        symbol i = chance(2) ? argmax(x, {.axis = axis}) : argmin(x, {.axis = axis});
        keep(i);
        if (i.id >= 0 && chance(2)) return keep(one_hot<double>(i, 1 + below(4)));
        return keep(cast<double>(i));
      }
      case 23:
        if (!bools_.empty() && chance(2)) {
          symbol c = pick(bools_);
          return keep(chance(2) ? logical_not(c) : reduce_any(c));
        }
        return keep(stop_gradient(x));
      case 24: return keep(chance(2) ? make_variable(random_shape(below(4), false)) : feed(random_shape(below(4), true)));
      case 25: {  // broadcasts with reshapes between, which strides may not express, each read on its own
        if (x.rank() > 2 || volume(x.shape()) > 40) return;
        tensor_shape wide{2};
        for (std::int64_t d : x.shape()) wide.push_back(d);
        symbol y = rill::broadcast_to(x, wide);
        keep(y);
        symbol z = rill::reshape_to(y, reshaped(wide));
        if (chance(2)) keep(chance(2) ? z * z : tanh(z));
        tensor_shape wider{1 + below(3)};
        for (std::int64_t d : z.shape()) wider.push_back(d);
        if (!good(wider)) return keep(z);
        z = rill::broadcast_to(chance(3) ? z * 2 : z, wider);
        keep(z);
        return keep(chance(2) ? z + 1 : reduce_sum(z, {.axis = {0}}));
      }
      default: {  // a value used twice, and its identity
        symbol y = tanh(x);
        keep(y * 1 + 0);
        return keep(chance(2) ? y * y : y - x);
      }
    }
  }
  void train() {
    symbol loss = reduce_mean(some());
    if (chance(2)) loss = loss + reduce_sum(square(tanh(some())));
    if (loss.id < 0) return;
    std::vector<int> targets;
    for (symbol v : variables_) targets.push_back(v.id);
    const std::vector<int> g = graph::gradients(b, loss, targets);
    if (b.first_failure) {
      b.first_failure = {};
      return;
    }
    const int rule = below(3);
    for (std::size_t k = 0; k < targets.size(); ++k) {
      if (g[k] < 0) continue;
      symbol v{&b, targets[k]}, d{&b, g[k]};
      keep(d);
      if (rule == 0) assign_sub(v, graph::parameter(&b, dtype::float64, 0) * d);
      if (rule == 1) {
        symbol m = make_variable(v.shape());
        symbol next = rill::assign(m, 0.9 * m + d);
        assign_sub(v, 0.1 * next);
      }
    }
    keep(loss);
  }
  void assign_something() {
    symbol v = pick(variables_);
    switch (below(7)) {
      case 0: {  // swapped, also behind an identity
        symbol w = pick(variables_);
        if (!(w.shape() == v.shape())) return;
        keep(rill::assign(v, chance(2) ? w : w * 1));
        keep(rill::assign(w, chance(2) ? v : v + 0));
        return;
      }
      case 1: return keep(rill::assign(v, zeros_like(v)));
      case 2: return keep(assign_sub(v, 0.5 * shaped(v.shape())));
      case 3: return keep(assign_add(v, rill::broadcast_to(reduce_mean(some()), v.shape())));
      case 4: return keep(rill::assign(v, rill::reshape_to(shaped(v.shape()), v.shape())));
      default: return keep(rill::assign(v, shaped(v.shape())));
    }
  }

  std::uint64_t state_;
  bool zero_sizes_ = false;
  std::vector<symbol> pool_, bools_, ints_, variables_;
};

bool agree(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::fabs(a - b) <= 1e-9 * std::fmax(1, std::fmax(std::fabs(a), std::fabs(b)));
}

std::string differences(const char* what, const std::vector<values>& wanted, const std::vector<values>& got) {
  if (wanted.size() != got.size()) return std::string("another number of ") + what;
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    if (wanted[k].size() != got[k].size()) return std::string(what) + " " + std::to_string(k) + " has another size";
    for (std::size_t i = 0; i < wanted[k].size(); ++i)
      if (!agree(wanted[k][i], got[k][i]))
        return std::string(what) + " " + std::to_string(k) + "[" + std::to_string(i) + "] is " + std::to_string(got[k][i]) +
               " instead of " + std::to_string(wanted[k][i]);
  }
  return {};
}

/// Slots that are alive in one step share no bytes, unless one ends and the other begins there (checked when it is run).
std::string overlapping_slots(const graph::lowered& l) {
  for (std::size_t a = 0; a < l.slots.size(); ++a)
    for (std::size_t c = a + 1; c < l.slots.size(); ++c) {
      const auto &s = l.slots[a], &o = l.slots[c];
      if (s.per_row != o.per_row || s.first > o.last || o.first > s.last || s.last == o.first || o.last == s.first) continue;
      if (s.offset < o.offset + o.bytes && o.offset < s.offset + s.bytes) return "two slots overlap";
    }
  return {};
}

/// The first complaint about a graph, run with these batches; empty when there is none.
std::string check(const builder& traced, const image& im, const world& w) {
  if (im.b.first_failure) return "the passes fail";
  if (const std::string s = overlapping_slots(im.l); !s.empty()) return s;
  machine m(im, w);
  const outcome got = m.run();
  if (!m.complaint().empty()) return m.complaint();
  const outcome wanted = evaluate(traced, w);
  if (const std::string s = differences("output", wanted.fetches, got.fetches); !s.empty()) return s;
  return differences("variable", wanted.variables, got.variables);
}

}  // namespace

TEST_CASE("random graphs mean after the passes what they meant before") {
  constexpr std::int64_t batches[] = {1, 2, 3, 5};
  int failures = 0;
  constexpr std::uint64_t seeds = 10000;
  for (std::uint64_t seed = 1; seed <= seeds && failures < 20; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    const image im = graph::run_passes(g.b, seed % 2 == 0 ? graph::shortest_side : 0);
    for (int run = 0; run < 2; ++run) {
      const std::int64_t batch = g.chance(16) ? 0 : batches[g.below(4)];
      const std::string wrong = check(g.b, im, g.make_world(batch));
      CHECK_MESSAGE(wrong.empty(), "seed " << seed << ", batch " << batch << ", " << g.b.nodes.size() << " nodes: " << wrong);
      if (wrong.empty()) continue;
      ++failures;
      break;
    }
  }
}

namespace {

/// A graph built by hand: inputs, and fetches of what it makes.
struct small {
  builder b;
  std::vector<values> feeds;
  small() {
  }
  symbol input(const tensor_shape& s) {
    attributes a;
    a.i[0] = static_cast<std::int64_t>(feeds.size());
    values v;
    for (std::int64_t i = 0; i < s.with_batch(3).num_elements(); ++i)
      v.push_back(std::sin(static_cast<double>(i + 1) * (1 + 0.37 * static_cast<double>(feeds.size()))));
    feeds.push_back(v);
    return b.add(&info_of<graph::source::input>, {dtype::float64, s}, {}, a);
  }
  symbol parameter_variable(const tensor_shape& s) {
    graph::name_buffer name("v");
    name.append_number(static_cast<std::int64_t>(b.variables.size()));
    return variable(symbol{&b, -1}, {.name = name.view(), .shape = s, .type = dtype::float64});
  }
  void fetch(symbol s) { b.fetches.push_back({graph::name_buffer("f"), s.id, false}); }
  image run() {
    world w;
    w.batch = 3;
    w.feeds = feeds;
    for (const auto& d : b.variables) {
      values v;
      for (std::int64_t i = 0; i < d.shape.num_elements(); ++i) v.push_back(std::cos(static_cast<double>(i + 3 * d.node)));
      w.variables.push_back(v);
    }
    const image im = graph::run_passes(b);
    const std::string wrong = check(b, im, w);
    CHECK_MESSAGE(wrong.empty(), wrong);
    return im;
  }
};

}  // namespace

TEST_CASE("no kernel gets more operands than it may have") {
  SUBCASE("a sum of many inputs") {
    small s;
    symbol sum = s.input({dyn, 3});
    for (int k = 0; k < 100; ++k) sum = sum + s.input({dyn, 3});
    s.fetch(sum);
    s.run();
  }
  SUBCASE("a tree of many inputs") {
    small s;
    std::vector<symbol> level;
    for (int k = 0; k < 81; ++k) level.push_back(s.input({5}));
    while (level.size() > 1) {
      std::vector<symbol> next;
      for (std::size_t k = 0; k < level.size(); k += 3) next.push_back(select(level[k] > 0, level[k + 1], level[k + 2]));
      level = next;
    }
    s.fetch(level[0]);
    s.run();
  }
  SUBCASE("many results of one space") {
    small s;
    symbol x = s.input({dyn, 7});
    symbol y = reduce_sum(x, {.axis = {1}, .keepdims = true});
    for (int k = 0; k < 90; ++k) s.fetch(y = tanh(y * 2));
    s.run();
  }
  SUBCASE("many scalars, all written") {
    small s;
    std::vector<symbol> v;
    for (int k = 0; k < 70; ++k) v.push_back(s.parameter_variable({}));
    for (int k = 0; k < 70; ++k) assign_sub(v[at(k)], v[at((k + 1) % 70)] * v[at(k)]);
    s.fetch(v[3]);
    s.run();
  }
  SUBCASE("one value for many variables") {
    small s;
    symbol x = s.input({4});
    symbol y = reduce_max(x) * x;
    for (int k = 0; k < 60; ++k) rill::assign(s.parameter_variable({4}), y);
    s.fetch(y);
    s.run();
  }
  SUBCASE("an epilogue of many operands") {
    small s;
    symbol x = s.input({dyn, 3});
    symbol y = matmul(x, s.parameter_variable({3, 4}));
    for (int k = 0; k < 60; ++k) y = y * s.parameter_variable({4});
    s.fetch(y);
    s.run();
  }
}

TEST_CASE("long chains and shared operands take no more than linear work") {
  small s;
  symbol x = s.input({dyn, 2}), y = x, z = x;
  for (int k = 0; k < 60; ++k) y = 0.5 * (y + y * y);  // 2^60 paths lead back to the input
  for (int k = 0; k < 1000; ++k) z = tanh(z + 0.125);
  symbol w = reduce_sum(x, {.axis = {1}});
  for (int k = 0; k < 60; ++k) w = w * w + w;
  s.fetch(y);
  s.fetch(z);
  s.fetch(w * 0);
  s.run();
}

TEST_CASE("what a step fetches or assigns has memory of its own and its old value") {
  small s;
  symbol v = s.parameter_variable({2, 3}), w = s.parameter_variable({2, 3}), row = s.parameter_variable({3});
  symbol x = s.input({dyn, 3});
  s.fetch(v);                              // before it is written
  s.fetch(zeros_like(x));                  // a constant, spread
  s.fetch(rill::broadcast_to(row, {2, 3}));
  s.fetch(x);
  s.fetch(reshape(v, {6}));
  rill::assign(v, w * 1);  // swapped, behind identities
  rill::assign(w, v + 0);
  rill::assign(row, reduce_mean(x, {.axis = {0}}));
  rill::assign(row, row * 2);  // the last one counts
  s.run();
}

TEST_CASE("transposes of matrices that change nothing") {
  small s;
  symbol a = s.input({2, 3}), c = s.input({3, 4});
  s.fetch(matmul(transpose(a, {0, 1}), c));
  s.fetch(matmul(transpose(transpose(a)), c));
  s.fetch(matmul(transpose(a), transpose(c), {.transpose_a = true, .transpose_b = true}));
  s.run();
}

TEST_CASE("two axes that depend on the batch are refused") {
  small s;
  symbol x = s.input({dyn, 3}), column = s.input({dyn, 1}), row = s.input({dyn});
  CHECK(matmul(x, x, {.transpose_b = true}).poisoned());
  CHECK(s.b.first_failure);
  s.b.first_failure = {};
  CHECK((column * row).poisoned());
  CHECK(s.b.first_failure);
  s.b.first_failure = {};
  CHECK(rill::broadcast_to(row, {2, 2, 2, 2, 2, 2, 2, 2, dyn}).poisoned());
  CHECK(s.b.first_failure);
}

TEST_CASE("scopes and variables are numbered and found by name") {
  builder b;
  const auto entered = [&](std::string_view name) {
    const int parent = b.enter(name);
    const std::string full(b.scopes[at(b.scope)].view());
    b.scope = parent;
    return full;
  };
  CHECK(entered("dense") == "dense");
  CHECK(entered("dense_1") == "dense_1");  // given by hand
  CHECK(entered("dense") == "dense_2");
  CHECK(entered("conv") == "conv");
  CHECK(entered("dense") == "dense_3");
  const int parent = b.enter("block");
  CHECK(entered("dense") == "block/dense");
  CHECK(entered("dense") == "block/dense_1");
  b.scope = parent;
  symbol context{&b, -1};
  symbol v = variable(context, {.name = "w", .shape = {2}});
  CHECK(graph::shared_variable(b, "w", {.shape = {2}}).id == v.id);
  CHECK(variable(context, {.name = "w", .shape = {2}}).poisoned());
}
