// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Simplification: one forward sweep that rewrites each node in terms of already simplified ones (identities, constant
/// folding, scalars computed once before they spread, views of views, transposes into matmul and behind element-wise ops until
/// they cancel: so are the layouts of images chosen), shares equal nodes, and drops what no output, assignment or effect needs;
/// then the same in the bodies of loops and branches.
///
/// A rule stands here only where every result is equal (==) to what it was, NaN and overflow included; of a zero the sign may
/// change. So x * 0 and x - x vanish for integers alone, x / c becomes x * (1 / c) for powers of two alone, and pow(x, 2),
/// pow(x, 0.5), log(exp(x)) and reordered sums stay what the program says.

#include <utility>
#include <vector>

#include "../ops/unary.hpp"
#include "body.hpp"
#include "trace.hpp"

namespace rill::ops {
struct slice_op;
template <int N>
struct pad_op;
}  // namespace rill::ops

namespace rill::graph {

namespace detail {

/// Whether every number of dtype a is one of dtype b.
constexpr bool holds_all(dtype a, dtype b) {
  if (a == dtype::boolean) return is_integer(b) || is_floating(b);
  if (is_integer(a)) {
    if (is_integer(b)) return size_of(b) > size_of(a) && (is_unsigned(a) || !is_unsigned(b));
    return (b == dtype::float32 && size_of(a) <= 2) || (b == dtype::float64 && size_of(a) <= 4);
  }
  return is_floating(a) && is_floating(b) && size_of(b) > size_of(a);
}

template <class = void>
class simplifier {
 public:
  constexpr explicit simplifier(builder& b) : b_(b), old_(std::move(b.nodes)) {}

  constexpr void run() {
    b_.nodes.clear();
    b_.nodes.reserve(old_.size());
    next_.reserve(old_.size());
    std::size_t size = 64;
    while (size < old_.size()) size *= 2;
    buckets_.assign(size, -1);
    map_.assign(old_.size(), -1);
    find_meetings();
    for (std::size_t id = 0; id < old_.size(); ++id) {
      node& n = old_[id];
      for (int k = 0; k < n.arity; ++k) n.in[k] = map_[static_cast<std::size_t>(n.in[k])];
      moves_ = !meets_.empty() && meets_[id] != 0;
      map_[id] = rewrite(n);
    }
    for (auto& v : b_.variables) v.node = map_[static_cast<std::size_t>(v.node)];
    for (auto& l : b_.layers) l.node = l.node < 0 ? -1 : map_[static_cast<std::size_t>(l.node)];
    for (auto& f : b_.fetches) f.node = f.is_op ? -1 : map_[static_cast<std::size_t>(f.node)];
    drop_dead();
  }

 private:
  [[nodiscard]] constexpr const node& at(int id) const { return b_.nodes[static_cast<std::size_t>(id)]; }
  [[nodiscard]] constexpr bool is_constant(int id, double v) const {
    const node& n = at(id);
    if (n.op->id == id_of<op::broadcast_in_dim>) return is_constant(n.in[0], v);
    return n.op->id == id_of<source::constant> && n.attr.f[0] == v;
  }
  /// The scalar that a node spreads, or -1.
  [[nodiscard]] constexpr int spread_scalar(int id) const {
    const node& n = at(id);
    return n.op->id == id_of<op::broadcast_in_dim> && at(n.in[0]).shape.rank() == 0 ? n.in[0] : -1;
  }

  constexpr int rewrite(node n) {
    if (n.op->identity) return n.in[0];
    if (n.op->id == id_of<op::reshape>) {
      while (at(n.in[0]).op->id == id_of<op::reshape>) n.in[0] = at(n.in[0]).in[0];
      if (at(n.in[0]).shape == n.shape) return n.in[0];
      if (const int s = spread_scalar(n.in[0]); s >= 0) return spread(n, s);
      return intern(n);
    }
    if (n.op->id == id_of<op::broadcast_in_dim>) {
      while (at(n.in[0]).op->id == id_of<op::broadcast_in_dim>) {
        const node inner = at(n.in[0]);
        attributes composed;
        for (int k = 0; k < at(inner.in[0]).shape.rank(); ++k) composed.i[k] = n.attr.i[inner.attr.i[k]];
        n.attr = composed;
        n.in[0] = inner.in[0];
      }
      return at(n.in[0]).shape == n.shape ? n.in[0] : intern(n);
    }
    if (n.op->id == id_of<op::transpose>) {
      if (const node inner = at(n.in[0]); inner.op->id == id_of<op::transpose>) {
        for (int k = 0; k < n.shape.rank(); ++k) n.attr.i[k] = inner.attr.i[n.attr.i[k]];
        n.in[0] = inner.in[0];
      }
      bool identity = true, moves_ones = true;
      std::int64_t last = -1;
      for (int k = 0; k < n.shape.rank(); ++k) {
        identity = identity && n.attr.i[k] == k;
        if (n.shape[k] == 1) continue;
        moves_ones = moves_ones && n.attr.i[k] > last;
        last = n.attr.i[k];
      }
      if (identity) return n.in[0];
      return moves_ones ? as_reshape(n) : intern(n);
    }
    if (n.op->kind == op_kind::reduction && reduces_nothing(n)) return as_reshape(n);
    if (n.op->id == id_of<ops::slice_op> || n.op->id == id_of<ops::pad_op<1>> || n.op->id == id_of<ops::pad_op<2>>) {
      bool whole = at(n.in[0]).shape == n.shape;  // of a slice from 0 on that has every element
      for (int k = 0; k < (n.op->id == id_of<ops::slice_op> ? n.shape.rank() : 12); ++k) whole = whole && n.attr.i[k] == 0;
      return whole ? n.in[0] : intern(n);
    }
    if (n.op->id == id_of<ops::matmul_op>) {
      for (int k = 0; k < 2; ++k)
        if (at(n.in[k]).op->id == id_of<op::transpose>) {
          n.attr.i[k] = n.attr.i[k] == 0;
          n.in[k] = at(n.in[k]).in[0];
        }
      return intern(n);
    }
    if (n.op->kind == op_kind::elementwise) return rewrite_elementwise(n);
    if (n.op->kind == op_kind::assign) {
      intern(n);
      return n.in[0];  // its value is the value written
    }
    return intern(n);
  }

  /// Marks the nodes whose result a transpose or a product reads, perhaps through element-wise nodes.
  constexpr void find_meetings() {
    const auto transposes = [](const node& n) { return n.op->id == id_of<op::transpose> || n.op->id == id_of<ops::matmul_op>; };
    bool any = false;
    for (const node& n : old_) any = any || n.op->id == id_of<op::transpose>;
    if (!any) return;
    meets_.assign(old_.size(), 0);
    for (std::size_t id = old_.size(); id-- > 0;)
      if (const node& n = old_[id]; transposes(n) || (n.op->kind == op_kind::elementwise && meets_[id] != 0))
        for (int k = 0; k < n.arity; ++k) meets_[static_cast<std::size_t>(n.in[k])] = 1;
  }
  /// Whether a broadcast to a transposed shape can be one to the shape before: its axes of more than one element keep their order.
  [[nodiscard]] constexpr bool turns(const node& spread, const attributes& order) const {
    std::int64_t last = -1;
    const tensor_shape& s = at(spread.in[0]).shape;
    for (int k = 0; k < s.rank(); ++k) {
      if (s[k] == 1) continue;
      const std::int64_t axis = order.i[spread.attr.i[k]];
      if (axis < last) return false;
      last = axis;
    }
    return true;
  }
  constexpr int turned(node spread, const attributes& order, const tensor_shape& shape) {
    node source = at(spread.in[0]);
    attributes axes;
    tensor_shape kept;
    for (int k = 0; k < source.shape.rank(); ++k)
      if (source.shape[k] != 1) axes.i[kept.rank()] = order.i[spread.attr.i[k]], kept.push_back(source.shape[k]);
    source.shape = kept;
    for (int& in : source.in) in = -1;  // else equal nodes would differ
    source.in[0] = spread.in[0], source.arity = 1;
    spread.in[0] = as_reshape(source), spread.attr = axes, spread.shape = shape;
    return rewrite(spread);
  }
  /// An element-wise op of transposed operands as the transpose of the op, or -1: transposes move towards each other and
  /// cancel. Networks of channels-first images become networks of channels-last images, which the kernels want.
  constexpr int behind_transpose(const node& n) {
    int first = -1;
    for (int k = 0; k < n.arity; ++k) {
      const node& x = at(n.in[k]);
      if (x.op->id == id_of<op::transpose>) {
        if (first < 0) first = k;
        else if (!(x.attr == at(n.in[first]).attr)) return -1;
      } else if (x.op->id != id_of<op::broadcast_in_dim>) {
        return -1;
      }
    }
    if (first < 0) return -1;
    node moved = at(n.in[first]), inner = n;
    inner.shape = at(moved.in[0]).shape;
    for (int k = 0; k < n.arity; ++k)
      if (at(n.in[k]).op->id == id_of<op::broadcast_in_dim> && !turns(at(n.in[k]), moved.attr)) return -1;
    for (int k = 0; k < n.arity; ++k)
      inner.in[k] = at(n.in[k]).op->id == id_of<op::transpose> ? at(n.in[k]).in[0] : turned(at(n.in[k]), moved.attr, inner.shape);
    moved.type = n.type;
    moved.in[0] = rewrite(inner);
    return rewrite(moved);
  }

  /// The same elements in the same order in another shape.
  constexpr int as_reshape(node n) {
    n.op = &info_of<op::reshape>;
    n.attr = {};
    return rewrite(n);
  }
  /// Whether all axes that a reduction removes have one element.
  [[nodiscard]] constexpr bool reduces_nothing(const node& n) const {
    const std::uint64_t id = n.op->id;
    if (id != id_of<reduce_op<ops::sum>> && id != id_of<reduce_op<ops::prod>> && id != id_of<reduce_op<ops::max>> &&
        id != id_of<reduce_op<ops::min>> && id != id_of<reduce_op<ops::any>> && id != id_of<reduce_op<ops::all>>)
      return false;
    const node& x = at(n.in[0]);
    for (int d = 0; d < x.shape.rank(); ++d)
      if (((n.attr.i[0] >> d) & 1) != 0 && x.shape[d] != 1) return false;
    return x.type == n.type;
  }
  /// 1 / c where operand k is a power of two c whose reciprocal is exact; else 0.
  [[nodiscard]] constexpr double exact_reciprocal(int id) const {
    while (at(id).op->id == id_of<op::broadcast_in_dim>) id = at(id).in[0];
    const node& n = at(id);
    if (n.op->id != id_of<source::constant> || (n.type != dtype::float32 && n.type != dtype::float64)) return 0;
    double c = n.attr.f[0] < 0 ? -n.attr.f[0] : n.attr.f[0];
    if (!(c >= 0x1p-100 && c <= 0x1p100)) return 0;
    while (c > 1) c /= 2;
    while (c < 1) c *= 2;
    return c == 1 ? 1 / n.attr.f[0] : 0;
  }
  /// A node of one or two operands that equals n and is simpler, or -1.
  constexpr int cancel(node& n) {
    const std::uint64_t id = n.op->id;
    const node& x = at(n.in[0]);
    const bool same = n.arity == 2 && n.in[0] == n.in[1];
    if (n.arity == 1) {
      if (x.op->id == id && (id == id_of<ops::neg> || id == id_of<ops::logical_not>)) return x.in[0];
      if (x.op->id == id && (id == id_of<ops::relu> || id == id_of<ops::abs> || id == id_of<ops::floor> || id == id_of<ops::ceil>)) return n.in[0];
      if (((id == id_of<ops::abs> && !is_unsigned(n.type)) || id == id_of<ops::square>) && x.op->id == id_of<ops::neg>) {
        n.in[0] = x.in[0];
      } else if (x.op->name == n.op->name && n.op->name == "Cast" && x.op->kind == op_kind::elementwise) {
        const node& source = at(x.in[0]);  // there and back
        if (source.type == n.type && holds_all(n.type, x.type)) return x.in[0];
      }
      return -1;
    }
    if (same && (id == id_of<ops::maximum> || id == id_of<ops::minimum> || id == id_of<ops::logical_and> || id == id_of<ops::logical_or>)) return n.in[0];
    if (n.arity == 3 && id == id_of<ops::select>) {
      if (n.in[1] == n.in[2] || is_constant(n.in[0], 1)) return n.in[1];
      return is_constant(n.in[0], 0) ? n.in[2] : -1;
    }
    if (is_integer(n.type)) {
      if (same && id == id_of<ops::sub>) return spread(n, fold(n, 0));
      if (id == id_of<ops::mul>)
        for (int k = 0; k < 2; ++k)
          if (is_constant(n.in[k], 0)) return n.in[k];
      return -1;
    }
    const node& y = at(n.in[1]);
    if (id == id_of<ops::div>) {
      if (const double r = exact_reciprocal(n.in[1]); r != 0) n.op = &info_of<ops::mul>, n.in[1] = spread(n, fold(at(n.in[1]), r));
    } else if (id == id_of<ops::sub> && y.op->id == id_of<ops::neg>) {
      n.op = &info_of<ops::add>, n.in[1] = y.in[0];
    } else if (id == id_of<ops::add> && y.op->id == id_of<ops::neg>) {
      n.op = &info_of<ops::sub>, n.in[1] = y.in[0];
    } else if (id == id_of<ops::add> && x.op->id == id_of<ops::neg>) {
      const int taken = x.in[0];
      n.op = &info_of<ops::sub>, n.in[0] = n.in[1], n.in[1] = taken;
    } else if (id == id_of<ops::mul> && x.op->id == id_of<ops::neg> && y.op->id == id_of<ops::neg>) {
      const int a = x.in[0], b = y.in[0];
      n.in[0] = a, n.in[1] = b;
    }
    return -1;
  }

  constexpr int rewrite_elementwise(node n) {
    if (const int simpler = cancel(n); simpler >= 0) return simpler;
    const bool is_add = n.op->id == id_of<ops::add>, is_sub = n.op->id == id_of<ops::sub>,
               is_mul = n.op->id == id_of<ops::mul>, is_div = n.op->id == id_of<ops::div>;
    if (is_add && is_constant(n.in[0], 0)) return n.in[1];
    if ((is_add || is_sub) && is_constant(n.in[1], 0)) return n.in[0];
    if (is_mul && is_constant(n.in[0], 1)) return n.in[1];
    if ((is_mul || is_div) && is_constant(n.in[1], 1)) return n.in[0];
    if (n.op->id == id_of<op::copy> || n.op->id == id_of<ops::random_uniform>) return intern(n);
    if (n.shape.rank() == 0) {
      if ((is_add || is_sub || is_mul || is_div) && at(n.in[0]).op->id == id_of<source::constant> &&
          at(n.in[1]).op->id == id_of<source::constant> && is_floating(n.type)) {
        const double x = at(n.in[0]).attr.f[0], y = at(n.in[1]).attr.f[0];
        const auto moderate = [](double v) { return v == 0 || (v >= 0x1p-60 && v <= 0x1p60) || (v <= -0x1p-60 && v >= -0x1p60); };
        if (moderate(x) && moderate(y) && (!is_div || y != 0)) return fold(n, is_add ? x + y : is_sub ? x - y : is_mul ? x * y : x / y);
      }
      return intern(n);
    }
    if (moves_)
      if (const int moved = behind_transpose(n); moved >= 0) return moved;
    int scalar[max_operands] = {};
    for (int k = 0; k < n.arity; ++k)
      if ((scalar[k] = spread_scalar(n.in[k])) < 0) return intern(n);
    node small = n;  // all operands spread scalars: compute once, then spread
    small.shape = {};
    for (int k = 0; k < n.arity; ++k) small.in[k] = scalar[k];
    return spread(n, rewrite_elementwise(small));
  }

  constexpr int fold(const node& n, double v) {
    node c;
    c.op = &info_of<source::constant>, c.type = n.type, c.scope = n.scope;
    c.attr.f[0] = n.type == dtype::float32    ? static_cast<double>(static_cast<float>(v))
                  : n.type == dtype::float16  ? static_cast<double>(half(v))
                  : n.type == dtype::bfloat16 ? static_cast<double>(bfloat16(v))
                                              : v;
    if (v >= -0x1p63 && v < 0x1p63) c.attr.i[0] = static_cast<std::int64_t>(v);
    return intern(c);
  }
  constexpr int spread(const node& like, int scalar) {
    node n;
    n.op = &info_of<op::broadcast_in_dim>, n.type = at(scalar).type, n.shape = like.shape, n.scope = like.scope;
    n.in[0] = scalar, n.arity = 1;
    return n.shape.rank() == 0 ? scalar : intern(n);
  }

  /// The node that equals n, added when there is none.
  constexpr int intern(const node& n) {
    std::size_t h = static_cast<std::size_t>(n.type) * 31 + static_cast<std::size_t>(n.arity) + n.op->name.size() * 131;
    for (int k = 0; k < n.arity; ++k) h = h * 1099511628211u + static_cast<std::size_t>(n.in[k] + 1);
    h = h * 31 + static_cast<std::size_t>(n.attr.i[0]) * 7 + static_cast<std::size_t>(n.attr.i[1]);
    h = (h ^ (h >> 17)) & (buckets_.size() - 1);
    if (n.op->kind != op_kind::assign && n.op->kind != op_kind::control && !n.op->effect)
      for (int id = buckets_[h]; id >= 0; id = next_[static_cast<std::size_t>(id)]) {
        const node& o = at(id);
        if (o.op == n.op && o.type == n.type && o.arity == n.arity && o.in[0] == n.in[0] && o.in[1] == n.in[1] &&
            o.in[2] == n.in[2] && o.in[3] == n.in[3] && o.shape == n.shape && o.attr == n.attr)
          return id;
      }
    b_.nodes.push_back(n);
    const int id = static_cast<int>(b_.nodes.size()) - 1;
    next_.push_back(buckets_[h]);
    buckets_[h] = id;
    return id;
  }

  constexpr void drop_dead() {
    std::vector<char> live(b_.nodes.size(), 0);
    const auto mark = [&](int id) {
      if (id >= 0) live[static_cast<std::size_t>(id)] = 1;
    };
    for (const auto& f : b_.fetches) mark(f.node);
    for (const auto& v : b_.variables) mark(v.node);
    std::vector<char> written(b_.variables.size(), 0);
    for (std::size_t id = b_.nodes.size(); id-- > 0;) {
      const node& n = b_.nodes[id];
      if (n.op->id == id_of<source::input>) live[id] = 1;
      if (n.op->kind == op_kind::assign) {  // of several, the last one counts
        char& done = written[static_cast<std::size_t>(n.attr.i[0])];
        live[id] = !done;
        done = 1;
      }
      if (n.has_effect()) live[id] = 1;
      if (live[id])
        for (int k = 0; k < n.arity; ++k) mark(n.in[k]);
    }
    // A fetch or an assignment that is nothing but a variable which the step writes takes a copy while it has its old value.
    std::vector<char> copied(b_.nodes.size(), 0);
    const auto reads_written = [&](int id) {
      while (at(id).op->id == id_of<op::reshape> || at(id).op->id == id_of<op::broadcast_in_dim>) id = at(id).in[0];
      return at(id).op->id == id_of<source::variable> && written[static_cast<std::size_t>(at(id).attr.i[0])] != 0;
    };
    for (std::size_t id = 0; id < b_.nodes.size(); ++id)
      if (live[id] && b_.nodes[id].op->kind == op_kind::assign && reads_written(b_.nodes[id].in[0]))
        copied[static_cast<std::size_t>(b_.nodes[id].in[0])] = 1;
    for (const auto& f : b_.fetches)
      if (f.node >= 0 && reads_written(f.node)) copied[static_cast<std::size_t>(f.node)] = 1;

    struct place {
      int moved = -1, copy = -1;
    };
    std::vector<place> places(b_.nodes.size());
    std::vector<node> kept;
    kept.reserve(b_.nodes.size());
    const auto value = [&](int id) {
      const place& p = places[static_cast<std::size_t>(id)];
      return p.copy >= 0 ? p.copy : p.moved;
    };
    for (std::size_t id = 0; id < b_.nodes.size(); ++id) {
      if (!live[id]) continue;
      node n = b_.nodes[id];
      for (int k = 0; k < n.arity; ++k)
        n.in[k] = n.op->kind == op_kind::assign ? value(n.in[k]) : places[static_cast<std::size_t>(n.in[k])].moved;
      places[id].moved = static_cast<int>(kept.size());
      kept.push_back(n);
      if (copied[id]) {
        node c;
        c.op = &info_of<op::copy>, c.type = n.type, c.shape = n.shape, c.scope = n.scope;
        c.in[0] = places[id].moved, c.arity = 1;
        places[id].copy = static_cast<int>(kept.size());
        kept.push_back(c);
      }
    }
    b_.nodes = std::move(kept);
    for (std::size_t id = 0; id < b_.nodes.size() && !b_.inputs.empty(); ++id)
      if (const node& n = b_.nodes[id]; n.op->id == id_of<source::input>) b_.inputs[static_cast<std::size_t>(n.attr.i[0])] = static_cast<int>(id);
    const auto follow = [&](int id) { return id < 0 ? -1 : places[static_cast<std::size_t>(id)].moved; };
    for (auto& v : b_.variables) v.node = follow(v.node);
    for (auto& l : b_.layers) l.node = follow(l.node);
    for (auto& f : b_.fetches) f.node = f.node < 0 ? -1 : value(f.node);
  }

  builder& b_;
  std::vector<node> old_;
  std::vector<int> map_, next_, buckets_;
  std::vector<char> meets_;
  bool moves_ = false;
};

}  // namespace detail

namespace detail {
/// Inputs of a body that stand for one value outside, where that has become one, become one: `leaves` from `next` on.
template <class = void>
constexpr void share_inputs(builder& body, const std::vector<int>& leaves, std::size_t& next) {
  std::vector<int> instead(body.nodes.size(), -1);
  for (std::size_t k = 0; k < body.inputs.size(); ++k)
    for (std::size_t j = 0; j < k; ++j)
      if (leaves[next + j] == leaves[next + k] && body.input_is_row[j] == body.input_is_row[k]) {
        instead[static_cast<std::size_t>(body.inputs[k])] = body.inputs[j];
        break;
      }
  for (node& n : body.nodes)
    for (int k = 0; k < n.arity; ++k)
      if (const int other = instead[static_cast<std::size_t>(n.in[k])]; other >= 0) n.in[k] = other;
  next += body.inputs.size();
}
template <class = void>
constexpr void share_inputs(builder& b, const node& n) {
  const std::vector<int> leaves = leaves_of(b, n);
  std::size_t next = 1;  // behind what a branch is chosen by
  if (n.op->id == id_of<op::loop>) {
    next = n.attr.i[2] == op::loop::counted ? 1 : 0;
    for (char row : b.bodies[static_cast<std::size_t>(n.attr.i[0])].variable_is_row) next += row ? 0 : 1;
  }
  for_each_body(n, [&](int k) { share_inputs(b.bodies[static_cast<std::size_t>(k)], leaves, next); });
}
}  // namespace detail

/// Simplifies the builder's graph and the bodies of its control flow in place.
template <class = void>
constexpr void simplify(builder& b) {
  detail::simplifier<>(b).run();
  for (const node& n : b.nodes)
    if (n.op->kind == op_kind::control) {
      detail::share_inputs(b, n);
      for_each_body(n, [&](int k) { simplify(b.bodies[static_cast<std::size_t>(k)]); });
    }
}

}  // namespace rill::graph
