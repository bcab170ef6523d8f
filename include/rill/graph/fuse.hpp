// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Fusion: nodes become groups, each of which is one kernel. One forward sweep: an op with a kernel of its own starts a
/// group; an element-wise node joins the group of its latest operand when it covers the same elements and everything else
/// it reads is there by then, so chains end up in the epilogue of the contraction that feeds them, and an optimizer's
/// update in that of the weight gradient. Views (reshape, broadcast) are never computed: they become strides. What a later
/// group reads is stored, and nothing else is.

#include <vector>

#include "simplify.hpp"

namespace rill::graph {

enum class group_kind : std::uint8_t {
  map,     ///< an element-wise program over a space
  reduce,  ///< a program, then a reduction over some axes of its space
  tile,    ///< a contraction, convolution or pooling with a program on its result
  opaque   ///< a kernel that stands alone (softmax, cross-entropy, transpose, argmax)
};

/// Where a kernel reads an operand, and how it walks over the group's space (element strides per axis; `-k` is k times
/// the batch).
struct operand_ref {
  int base = -1;  ///< the node whose memory is read
  std::int64_t strides[max_rank] = {};
  bool linear = false;  ///< the space's own row-major order
  friend constexpr bool operator==(const operand_ref& a, const operand_ref& b) {
    if (a.base != b.base) return false;
    for (int k = 0; k < max_rank; ++k)
      if (a.strides[k] != b.strides[k]) return false;
    return true;
  }
};

struct group {
  group_kind kind = group_kind::map;
  int root = -1;
  tensor_shape space;
  std::vector<int> members;  ///< element-wise nodes, in order
  std::vector<int> stores;   ///< nodes whose values go to memory
  std::vector<int> assigns;  ///< assign nodes whose variables are written here
  std::vector<int> prologue_of_a, prologue_of_b;  ///< element-wise nodes evaluated while reading the root's operands
};

struct fusion {
  std::vector<group> groups;   ///< in order of execution; groups[0] computes the scalars that depend on no data
  std::vector<int> group_of;   ///< per node: the group that computes it, or -1 for a source or view
};

namespace detail {

constexpr bool is_tile_op(const op_info* op) {
  return op == &info_of<ops::matmul_op> || op == &info_of<ops::conv2d_op> ||
         op == &info_of<ops::conv2d_backprop_input_op> || op == &info_of<ops::conv2d_backprop_filter_op> ||
         op == &info_of<ops::max_pool_op> || op == &info_of<ops::max_pool_grad_op>;
}

constexpr void row_major(const tensor_shape& s, std::int64_t* strides) {
  std::int64_t k = 1;
  for (int d = s.rank() - 1; d >= 0; --d) {
    strides[d] = s[d] == 1 ? 0 : k;
    k *= s[d];
  }
}

/// Follows views from a node to the memory that holds its elements. Fails (base = the node itself, ok = false) where two
/// broadcasts are separated by a reshape that strides cannot express.
constexpr operand_ref resolve(const builder& b, int id, const tensor_shape& space, bool& ok) {
  operand_ref r;
  row_major(space, r.strides);
  r.linear = true;
  bool matches = true;  // r.strides index the current node's own shape, axis by axis
  ok = true;
  for (;;) {
    const node& n = b.nodes[static_cast<std::size_t>(id)];
    if (n.op == &info_of<op::reshape>) {
      const node& below = b.nodes[static_cast<std::size_t>(n.in[0])];
      matches = matches && r.linear && below.shape == space;
      id = n.in[0];
    } else if (n.op == &info_of<op::broadcast_in_dim>) {
      const node& below = b.nodes[static_cast<std::size_t>(n.in[0])];
      if (below.shape.num_elements() == 1) {
        for (std::int64_t& s : r.strides) s = 0;
        r.linear = false;
        matches = false;
        id = n.in[0];
        continue;
      }
      if (!(r.linear && (matches || n.shape == space))) {
        ok = false;
        break;
      }
      std::int64_t from[max_rank] = {};
      row_major(below.shape, from);
      for (std::int64_t& s : r.strides) s = 0;
      for (int k = 0; k < below.shape.rank(); ++k)
        if (below.shape[k] == n.shape[static_cast<int>(n.attr.i[k])]) r.strides[n.attr.i[k]] = from[k];
      r.linear = false;
      matches = false;
      id = n.in[0];
    } else {
      break;
    }
  }
  r.base = id;
  if (b.nodes[static_cast<std::size_t>(id)].shape.num_elements() == 1 && space.num_elements() != 1) r.linear = false;
  return r;
}

/// The (rows, columns) view of a strided operand over a space whose last axis is the column; false if there is none.
constexpr bool as_rows_columns(const operand_ref& r, const tensor_shape& space, std::int64_t& row, std::int64_t& column) {
  const int rank = space.rank();
  column = rank == 0 ? 0 : r.strides[rank - 1];
  row = 0;
  std::int64_t expected = 0;
  bool first = true;
  for (int d = rank - 2; d >= 0; --d) {
    if (space[d] == 1) continue;
    if (first) {
      row = r.strides[d];
      first = false;
    } else if (r.strides[d] != expected) {
      return false;
    }
    expected = r.strides[d] * space[d];
  }
  return column == 0 || column == 1;
}

class fuser {
 public:
  constexpr explicit fuser(builder& b) : b_(b) {}

  constexpr fusion run() {
    f_.groups.emplace_back();
    const auto n = b_.nodes.size();
    f_.group_of.assign(n, -1);
    materialized_.assign(n, 0);
    find_kept();
    for (std::size_t id = 0; id < n; ++id) place(static_cast<int>(id));
    for (std::size_t id = 0; id < n; ++id)
      if (b_.nodes[id].op->kind == op_kind::assign) settle(contiguous_base(b_.nodes[id].in[0]));
    for (const auto& fe : b_.fetches)
      if (fe.node >= 0) settle(contiguous_base(fe.node));
    collect_reads();
    merge_prologues();
    place_assigns();
    collect_stores();
    return f_;
  }

 private:
  [[nodiscard]] constexpr const node& at(int id) const { return b_.nodes[static_cast<std::size_t>(id)]; }
  [[nodiscard]] constexpr int group_of(int id) const { return f_.group_of[static_cast<std::size_t>(id)]; }

  /// Like resolve, but stops at views that were given memory of their own.
  constexpr operand_ref operand(int id, const tensor_shape& space) {
    bool ok = true;
    operand_ref r = resolve(b_, id, space, ok);
    for (int v = id; v != r.base;) {
      if (materialized_[static_cast<std::size_t>(v)]) {
        ok = false;
        break;
      }
      v = at(v).in[0];
    }
    if (ok) return r;
    return materialize_inner(id, space);
  }
  /// Gives memory to the view nearest to `id` that makes the rest expressible.
  constexpr operand_ref materialize_inner(int id, const tensor_shape& space) {
    // Walk down to the first broadcast that can no longer be expressed and store its result.
    std::vector<int> chain;
    for (int v = id;; v = at(v).in[0]) {
      chain.push_back(v);
      if (at(v).op != &info_of<op::reshape> && at(v).op != &info_of<op::broadcast_in_dim>) break;
    }
    for (std::size_t k = 0; k < chain.size(); ++k) {
      const int v = chain[k];
      const bool broken = materialized_[static_cast<std::size_t>(v)] != 0;
      if (!broken && k + 1 < chain.size()) {
        bool ok = true;
        partial(id, v, space, ok);
        if (ok) {
          bool next = true;
          partial(id, chain[k + 1], space, next);
          if (next) continue;
        }
      }
      if (!broken) {
        store_view(v);
      }
      bool ok = true;
      return partial(id, v, space, ok);
    }
    return {};
  }
  /// resolve from `id` down to `stop`, which is taken as memory.
  constexpr operand_ref partial(int id, int stop, const tensor_shape& space, bool& ok) {
    operand_ref r;
    row_major(space, r.strides);
    r.linear = true;
    ok = true;
    bool matches = true;
    while (id != stop) {
      const node& n = at(id);
      const node& below = at(n.in[0]);
      if (n.op == &info_of<op::reshape>) {
        matches = matches && r.linear && below.shape == space;
      } else {
        if (!(r.linear && (matches || n.shape == space))) ok = false;
        std::int64_t from[max_rank] = {};
        row_major(below.shape, from);
        for (std::int64_t& s : r.strides) s = 0;
        for (int k = 0; k < below.shape.rank(); ++k)
          if (below.shape[k] == n.shape[static_cast<int>(n.attr.i[k])]) r.strides[n.attr.i[k]] = from[k];
        r.linear = false;
        matches = false;
      }
      id = n.in[0];
    }
    r.base = stop;
    return r;
  }
  constexpr void store_view(int v) {
    settle(contiguous_base(at(v).in[0]));
    materialized_[static_cast<std::size_t>(v)] = 1;
    group g;
    g.kind = group_kind::map;
    g.space = at(v).shape;
    g.members.push_back(v);  // a view among the members is lowered to a copy
    f_.group_of[static_cast<std::size_t>(v)] = static_cast<int>(f_.groups.size());
    f_.groups.push_back(g);
  }
  /// An operand of a root must lie in memory in row-major order.
  constexpr int contiguous(int id) {
    bool ok = true;
    operand_ref r = resolve(b_, id, at(id).shape, ok);
    for (int v = id; ok && v != r.base; v = at(v).in[0])
      if (materialized_[static_cast<std::size_t>(v)]) return v;
    if (ok && (r.linear || at(r.base).shape.num_elements() == at(id).shape.num_elements())) return r.base;
    if (!materialized_[static_cast<std::size_t>(id)]) store_view(id);
    return id;
  }

  constexpr void place(int id) {
    const node n = at(id);
    switch (n.op->kind) {
      case op_kind::source:
      case op_kind::broadcast:
      case op_kind::assign: return;
      case op_kind::alias:
        if (n.op == &info_of<ops::softmax_cross_entropy_backprop_op>)
          f_.group_of[static_cast<std::size_t>(id)] = group_of(n.in[0]);
        return;
      case op_kind::opaque:
      case op_kind::reduction: {
        for (int k = 0; k < n.arity; ++k) settle(contiguous(n.in[k]));
        group g;
        g.root = id;
        g.kind = n.op->kind == op_kind::reduction ? group_kind::reduce
                 : is_tile_op(n.op)               ? group_kind::tile
                                                  : group_kind::opaque;
        g.space = g.kind == group_kind::reduce ? at(n.in[0]).shape : n.shape;
        f_.group_of[static_cast<std::size_t>(id)] = static_cast<int>(f_.groups.size());
        f_.groups.push_back(g);
        return;
      }
      case op_kind::elementwise: place_elementwise(id, n); return;
    }
  }

  static constexpr int floating = -2;

  /// A node that needs nothing computed before it (a random mask, a slot times its decay, a scaled input) has no place of
  /// its own: it floats until something reads it, and is then computed there.
  ///
  /// A comparison floats too when what it compares stays in memory anyway: reading that again is cheaper than keeping a
  /// mask (which is kept where only the mask is needed later).
  constexpr void place_elementwise(int id, const node& n) {
    int latest = -1;
    bool floats = n.shape.rank() > 0;
    operand_ref refs[max_operands];
    for (int k = 0; k < n.arity; ++k) {
      refs[k] = operand(n.in[k], n.shape);
      const int g = group_of(refs[k].base);
      if (g == floating && !(refs[k].linear && at(refs[k].base).shape == n.shape)) settle(refs[k].base);
      if (const int r = ready(refs[k].base); r > latest) latest = r;
      const bool at_hand = n.type == dtype::boolean && refs[k].linear && kept_[static_cast<std::size_t>(refs[k].base)] &&
                           at(refs[k].base).shape == n.shape;
      floats = floats && (group_of(refs[k].base) == floating || at(refs[k].base).shape.num_elements() == 1 || at_hand ||
                          at(refs[k].base).op->kind == op_kind::source);
    }
    if (floats) {
      f_.group_of[static_cast<std::size_t>(id)] = floating;
      return;
    }
    int target = -1;
    if (latest <= 0 && n.shape.rank() == 0) target = 0;
    else if (latest > 0 && can_join(f_.groups[static_cast<std::size_t>(latest)], latest, n, refs)) target = latest;
    for (int k = 0; k < n.arity; ++k)
      if (target > 0 && !can_land(refs[k].base, target)) target = -1;
    if (target < 0) target = open_group(n.shape);
    for (int k = 0; k < n.arity; ++k) land(refs[k].base, target);
    land_here(id, target);
  }
  /// The group after which a value can be computed or read.
  constexpr int ready(int id) {
    if (group_of(id) != floating) return group_of(id);
    const node n = at(id);
    int latest = -1;
    for (int k = 0; k < n.arity; ++k)
      if (const int r = ready(operand(n.in[k], n.shape).base); r > latest) latest = r;
    return latest;
  }
  /// Marks what lies in memory after its group in any case: operands of roots, and inputs.
  constexpr void find_kept() {
    kept_.assign(b_.nodes.size(), 0);
    for (const node& n : b_.nodes) {
      const bool root = n.op->kind == op_kind::opaque || n.op->kind == op_kind::reduction;
      for (int k = 0; k < n.arity && root; ++k) {
        int v = n.in[k];
        while (at(v).op == &info_of<op::reshape>) v = at(v).in[0];
        kept_[static_cast<std::size_t>(v)] = 1;
      }
    }
  }
  constexpr int open_group(const tensor_shape& space) {
    group g;
    g.space = space;
    f_.groups.push_back(g);
    return static_cast<int>(f_.groups.size()) - 1;
  }
  constexpr void land_here(int id, int target) {
    f_.groups[static_cast<std::size_t>(target)].members.push_back(id);
    f_.group_of[static_cast<std::size_t>(id)] = target;
  }
  /// Places a floating node, operands first, in a group of its shape.
  constexpr void land(int id, int target) {
    if (group_of(id) != floating) return;
    const node n = at(id);
    for (int k = 0; k < n.arity; ++k) land(operand(n.in[k], n.shape).base, target);
    land_here(id, target);
  }
  [[nodiscard]] constexpr bool can_land(int id, int target) {
    if (group_of(id) != floating) return true;
    const node n = at(id);
    operand_ref refs[max_operands];
    for (int k = 0; k < n.arity; ++k) {
      refs[k] = operand(n.in[k], n.shape);
      if (!can_land(refs[k].base, target)) return false;
    }
    const group& g = f_.groups[static_cast<std::size_t>(target)];
    return n.shape == g.space && can_join(g, target, n, refs);
  }
  constexpr void settle(int id) {
    if (group_of(id) == floating) land(id, open_group(at(id).shape));
  }

  constexpr bool can_join(const group& g, int index, const node& n, const operand_ref* refs) const {
    if (g.kind == group_kind::reduce || g.kind == group_kind::opaque) return false;
    if (g.members.size() + 1 > 48) return false;  // keep kernels within registers and compile time
    if (n.shape.num_elements() != g.space.num_elements()) return false;
    const bool same_shape = n.shape == g.space;
    for (int k = 0; k < n.arity; ++k) {
      const bool scalar = at(refs[k].base).shape.num_elements() == 1;
      if (group_of(refs[k].base) == index && !(refs[k].linear || (scalar && n.shape.num_elements() == 1))) return false;
      if (!same_shape && !refs[k].linear && !scalar) return false;
      if (n.op->kind == op_kind::elementwise && n.op == &info_of<ops::random_uniform> && !same_shape) return false;
      std::int64_t row = 0, column = 0;
      if (g.kind == group_kind::tile && !refs[k].linear && !scalar && !as_rows_columns(refs[k], g.space, row, column))
        return false;
    }
    return true;
  }

  constexpr int contiguous_base(int id) {
    if (materialized_[static_cast<std::size_t>(id)]) return id;
    bool ok = true;
    operand_ref r = resolve(b_, id, at(id).shape, ok);
    for (int v = id; v != r.base; v = at(v).in[0])
      if (materialized_[static_cast<std::size_t>(v)]) return v;
    return r.base;
  }

  /// Who reads what: one entry per operand of a root or member, kept by user and chained by base.
  struct read {
    int user = -1, base = -1;
    bool linear = false, by_root = false;
    int next = -1;  ///< the next read of the same base
  };
  constexpr void collect_reads() {
    first_read_.assign(b_.nodes.size(), -1);
    reads_by_.assign(b_.nodes.size(), -1);
    prologue_.assign(b_.nodes.size(), 0);
    uses_.assign(b_.nodes.size(), 0);
    for (const group& g : f_.groups) {
      if (g.root >= 0) {
        reads_by_[static_cast<std::size_t>(g.root)] = static_cast<int>(reads_.size());
        for (int k = 0; k < at(g.root).arity; ++k) add_read(g.root, contiguous_base(at(g.root).in[k]), true, true);
      }
      for (int m : g.members) {
        const node n = at(m);
        reads_by_[static_cast<std::size_t>(m)] = static_cast<int>(reads_.size());
        for (int k = 0; k < arity_of(n); ++k) {
          const operand_ref r = operand(n.in[k], n.shape);
          add_read(m, r.base, r.linear, false);
        }
      }
    }
    for (const auto& fe : b_.fetches)
      if (fe.node >= 0) uses_[static_cast<std::size_t>(contiguous_base(fe.node))] += 2;
    for (const node& n : b_.nodes)
      if (n.op->kind == op_kind::assign) uses_[static_cast<std::size_t>(contiguous_base(n.in[0]))] += 2;
  }
  static constexpr int arity_of(const node& n) { return n.op->kind == op_kind::elementwise ? n.arity : 1; }
  constexpr void add_read(int user, int base, bool linear, bool by_root) {
    int& first = first_read_[static_cast<std::size_t>(base)];
    reads_.push_back({user, base, linear, by_root, first});
    first = static_cast<int>(reads_.size()) - 1;
    ++uses_[static_cast<std::size_t>(base)];
  }
  [[nodiscard]] constexpr const read& read_at(int k) const { return reads_[static_cast<std::size_t>(k)]; }

  /// A map group with one result that only the root of one later group reads is evaluated inside that reader.
  constexpr void merge_prologues() {
    std::vector<char> assigned(b_.variables.size(), 0);
    for (const node& n : b_.nodes)
      if (n.op->kind == op_kind::assign) assigned[static_cast<std::size_t>(n.attr.i[0])] = 1;
    for (std::size_t g = 1; g < f_.groups.size(); ++g) {
      group& p = f_.groups[g];
      if (p.kind != group_kind::map || p.members.empty()) continue;
      int result = -1, readers = 0, h = -1;
      bool pure = true, streams = true;  // streams: the reader may walk it in row-major order
      for (int m : p.members) {
        pure = pure && at(m).op->kind == op_kind::elementwise;
        int outside = uses_[static_cast<std::size_t>(m)];
        for (int k = first_read_[static_cast<std::size_t>(m)]; k >= 0; k = read_at(k).next) {
          if (group_of(read_at(k).user) == static_cast<int>(g)) --outside;
          else h = group_of(read_at(k).user);
        }
        if (outside > 0) {
          result = m;
          readers += outside;
        }
        for (int k = 0; k < arity_of(at(m)); ++k) {
          const read& r = read_at(reads_by_[static_cast<std::size_t>(m)] + k);
          const node& base = at(r.base);
          if (base.op == &info_of<source::variable> && assigned[static_cast<std::size_t>(base.attr.i[0])]) pure = false;
          streams = streams && (r.linear || base.shape.num_elements() == 1);
        }
      }
      if (!pure || readers != 1 || h < 0) continue;
      group& r = f_.groups[static_cast<std::size_t>(h)];
      if (r.root < 0 || !takes_prologue(r, result)) continue;
      if (r.kind == group_kind::reduce) {
        if (!(p.space == at(at(r.root).in[0]).shape)) continue;
        r.members = p.members;
      } else {
        if (!streams) continue;
        (contiguous_base(at(r.root).in[0]) == result ? r.prologue_of_a : r.prologue_of_b) = p.members;
        for (int m : p.members) prologue_[static_cast<std::size_t>(m)] = 1;
      }
      for (int m : p.members) f_.group_of[static_cast<std::size_t>(m)] = h;
      p.members.clear();
    }
  }
  constexpr bool takes_prologue(const group& r, int result) {
    if (r.kind == group_kind::reduce) return true;
    if (r.kind != group_kind::tile) return false;
    const node& root = at(r.root);
    if (root.op == &info_of<ops::max_pool_op> || root.op == &info_of<ops::max_pool_grad_op>) return false;
    return (contiguous_base(root.in[0]) == result) != (contiguous_base(root.in[1]) == result);
  }

  /// An assignment happens where its value is computed if nobody reads the variable after that; else at the end.
  constexpr void place_assigns() {
    const std::size_t count = b_.nodes.size();
    for (std::size_t id = 0; id < count; ++id) {
      const node n = b_.nodes[id];
      if (n.op->kind != op_kind::assign) continue;
      const int variable = b_.variables[static_cast<std::size_t>(n.attr.i[0])].node;
      const int value = contiguous_base(n.in[0]);
      int target = group_of(value);
      bool in_place = target >= 0;
      if (in_place) {
        const group& g = f_.groups[static_cast<std::size_t>(target)];
        in_place = g.kind == group_kind::map || (g.kind == group_kind::tile && value != variable);
        if (g.kind == group_kind::map && !(at(value).shape.num_elements() == g.space.num_elements())) in_place = false;
      }
      for (int k = first_read_[static_cast<std::size_t>(variable)]; in_place && k >= 0; k = read_at(k).next) {
        const read& r = read_at(k);
        const int g = group_of(r.user);
        if (g > target || (g == target && (r.by_root || prologue_[static_cast<std::size_t>(r.user)] || !r.linear)))
          in_place = false;
      }
      if (!in_place) {
        group g;
        g.space = n.shape;
        target = static_cast<int>(f_.groups.size());
        f_.groups.push_back(g);
      }
      f_.groups[static_cast<std::size_t>(target)].assigns.push_back(static_cast<int>(id));
    }
  }
  constexpr void collect_stores() {
    std::vector<char> stored(b_.nodes.size(), 0);
    const auto need = [&](int base) {
      if (group_of(base) >= 0) stored[static_cast<std::size_t>(base)] = 1;
    };
    for (const read& r : reads_) {
      const int g = group_of(r.user);
      // within a group only the root reads memory, and what a prologue computes for it never gets there
      if (group_of(r.base) != g) need(r.base);
      else if (r.by_root && !prologue_[static_cast<std::size_t>(r.base)] &&
               f_.groups[static_cast<std::size_t>(g)].kind != group_kind::reduce)
        need(r.base);
    }
    for (const auto& fe : b_.fetches)
      if (fe.node >= 0) need(contiguous_base(fe.node));
    for (std::size_t g = 0; g < f_.groups.size(); ++g)
      for (int a : f_.groups[g].assigns) {
        const int value = contiguous_base(at(a).in[0]);
        if (group_of(value) != static_cast<int>(g)) need(value);
      }
    for (std::size_t id = 0; id < b_.nodes.size(); ++id) {
      const int g = f_.group_of[id];
      if (g < 0) continue;
      group& gr = f_.groups[static_cast<std::size_t>(g)];
      const bool root_without_program = static_cast<int>(id) == gr.root && gr.kind != group_kind::tile;
      if (stored[id] || root_without_program) gr.stores.push_back(static_cast<int>(id));
    }
  }

  builder& b_;
  fusion f_;
  std::vector<char> materialized_, kept_, prologue_;
  std::vector<int> uses_, first_read_, reads_by_;
  std::vector<read> reads_;
};

}  // namespace detail

constexpr fusion fuse(builder& b) { return detail::fuser(b).run(); }

}  // namespace rill::graph
