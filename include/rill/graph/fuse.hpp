// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Fusion: nodes become groups, each of which is one kernel. One forward sweep: an op with a kernel of its own starts a
/// group; an element-wise node joins the group of its latest operand when it covers the same elements and everything else
/// it reads is there by then, so chains end up in the epilogue of the contraction that feeds them, and an optimizer's
/// update in that of the weight gradient. Views (reshape, broadcast) are never computed: they become strides. What a later
/// group reads is stored, and nothing else is.

#include <utility>
#include <vector>

#include "body.hpp"
#include "simplify.hpp"

namespace rill::graph {

/// Loads and results of one kernel, at most: the limit of kernel::map and kernel::reduce.
inline constexpr int max_kernel_operands = 40;

/// Elements of an update that shares its kernel with others; larger ones keep a core busy, and have their gradient at hand.
inline constexpr std::int64_t small_update = 16384;

enum class group_kind : std::uint8_t {
  map,     ///< an element-wise program over a space
  reduce,  ///< a program, then a reduction over some axes of its space
  tile,    ///< a contraction, convolution or pooling with a program on its result
  opaque,  ///< a kernel that stands alone (softmax, cross-entropy, transpose, argmax)
  control, ///< a loop or branch: runs steps of its own
  rows     ///< a map of which only the rows that lookups named are computed (sparse_update.hpp)
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
  std::vector<int> members = {};  ///< element-wise nodes, in order
  std::vector<int> stores = {};   ///< nodes whose values go to memory
  std::vector<int> assigns = {};  ///< assign nodes whose variables are written here
  std::vector<int> prologue_of_a = {}, prologue_of_b = {};  ///< element-wise nodes evaluated while reading the root's operands
};

struct fusion {
  std::vector<group> groups;   ///< in order of execution
  std::vector<int> group_of;   ///< per node: the group that computes it, or -1 for a source or view
};

namespace detail {

constexpr bool is_tile_op(const op_info* op) {
  return op->id == id_of<ops::matmul_op> || op->id == id_of<ops::conv2d_op> ||
         op->id == id_of<ops::conv2d_backprop_input_op> || op->id == id_of<ops::conv2d_backprop_filter_op> ||
         op->id == id_of<ops::max_pool_op> || op->id == id_of<ops::max_pool_grad_op>;
}

constexpr void row_major(const tensor_shape& s, std::int64_t* strides) {
  const std::int64_t* dims = s.begin();
  std::int64_t k = 1;
  for (int d = s.rank() - 1; d >= 0; --d) {
    strides[d] = dims[d] == 1 ? 0 : k;
    k *= dims[d];
  }
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

template <class = void>
class fuser {
 public:
  constexpr explicit fuser(builder& b) : b_(b), nodes_(b.nodes.data()) {}

  constexpr fusion run() {
    const auto n = b_.nodes.size();
    f_.group_of.assign(n, -1);
    group_of_ = f_.group_of.data();
    f_.groups.reserve(n / 4 + 16);
    operands_.reserve(n / 4 + 16);
    facts_.resize(n);
    of_ = facts_.data();
    for (std::size_t id = 0; id < n; ++id) of_[id].scalar = nodes_[id].shape.num_elements() == 1;
    find_views();
    collect_reads();
    open_group({});
    place_early();
    for (std::size_t id = 0; id < n; ++id)
      if (group_of(static_cast<int>(id)) == -1) place(static_cast<int>(id));
    for (const node& a : each(b_.nodes))
      if (a.op->kind == op_kind::assign) settle(contiguous_base(a.in[0]));
    for (const auto& fe : each(b_.fetches))
      if (fe.node >= 0) settle(contiguous_base(fe.node));
    merge_prologues();
    const std::size_t late = f_.groups.size();
    place_assigns();
    collect_stores();
    gather_updates(late);
    return std::move(f_);
  }

 private:
  [[nodiscard]] constexpr const node& at(int id) const { return nodes_[id]; }
  [[nodiscard]] constexpr int group_of(int id) const { return group_of_[id]; }
  [[nodiscard]] constexpr bool is_scalar(int id) const { return of_[id].scalar != 0; }

  // ---- views: which of them need memory, and who reads what through the others -----------------------------------------

  /// Follows views from a node to the memory that holds its elements: a node that is none, or a view with memory of its
  /// own (the node itself excepted when `through`). Where strides cannot express a broadcast, because a reshape or another
  /// broadcast lies above it, the result is that broadcast and `ok` is false.
  constexpr operand_ref resolve(int id, const tensor_shape& space, bool& ok, bool through = false) const {
    operand_ref r;
    row_major(space, r.strides);
    r.linear = true;
    ok = true;
    for (;; through = false) {
      const node& n = at(id);
      if (!through && of_[id].materialized) break;
      if (n.op->id == id_of<op::broadcast_in_dim>) {
        const node& below = at(n.in[0]);
        if (below.shape.num_elements() == 1) {
          for (std::int64_t& s : r.strides) s = 0;
        } else if (!(r.linear && n.shape == space)) {
          ok = false;
          break;
        } else {
          std::int64_t from[max_rank] = {};
          row_major(below.shape, from);
          for (std::int64_t& s : r.strides) s = 0;
          for (int k = 0; k < below.shape.rank(); ++k)
            if (below.shape[k] == n.shape[static_cast<int>(n.attr.i[k])]) r.strides[n.attr.i[k]] = from[k];
        }
        r.linear = false;
      } else if (n.op->id != id_of<op::reshape>) {
        break;
      }
      id = n.in[0];
    }
    r.base = id;
    if (is_scalar(id) && space.num_elements() != 1) r.linear = false;
    return r;
  }
  /// Marks every view that must be computed after all, before anything is placed: a view that got memory only when its
  /// second reader came would be written after its first one.
  constexpr void find_views() {
    for (const node& n : each(b_.nodes)) {
      const bool own_kernel = n.op->kind == op_kind::opaque || n.op->kind == op_kind::reduction;
      if (n.op->kind == op_kind::control)
        for (int leaf : leaves_of(b_, n)) need_contiguous(leaf);
      for (int k = 0; k < n.arity; ++k) {
        if (own_kernel || n.op->kind == op_kind::assign) {
          need_contiguous(n.in[k]);
        } else if (n.op->kind == op_kind::elementwise && (at(n.in[k]).op->id == id_of<op::reshape> || at(n.in[k]).op->id == id_of<op::broadcast_in_dim>)) {
          bool ok = true;
          const operand_ref r = resolve(n.in[k], n.shape, ok);
          if (!ok) give_memory(r.base);
        }
      }
    }
    for (const auto& fe : each(b_.fetches))
      if (fe.node >= 0) need_contiguous(fe.node);
  }
  constexpr void give_memory(int view) {
    of_[view].materialized = 1;
    bool ok = true;
    const operand_ref r = resolve(view, at(view).shape, ok, true);
    if (!ok) give_memory(r.base);
  }
  /// What kernels, variables and fetches read as it lies: only a broadcast that repeats elements stands in the way.
  constexpr void need_contiguous(int id) {
    id = below_reshapes(id);
    if (at(id).op->id != id_of<op::broadcast_in_dim> || of_[id].materialized) return;
    bool ok = true;
    const operand_ref r = resolve(id, at(id).shape, ok);
    if (!ok || at(r.base).shape.num_elements() != at(id).shape.num_elements()) give_memory(id);
  }
  [[nodiscard]] constexpr int below_reshapes(int id) const {
    while (at(id).op->id == id_of<op::reshape>) id = at(id).in[0];
    return id;
  }
  [[nodiscard]] constexpr int contiguous_base(int id) const {
    id = below_reshapes(id);
    bool ok = true;
    return resolve(id, at(id).shape, ok).base;
  }

  /// One operand of a root, an element-wise node or a view with memory: kept by user, chained by what it reads.
  struct read {
    int user = -1;
    bool by_root = false;
    operand_ref ref;
    int next = -1;  ///< the next read of the same base
  };
  constexpr void collect_reads() {
    const auto count = b_.nodes.size();
    reads_.reserve(3 * count);
    for (std::size_t id = 0; id < count; ++id) {
      const node& n = b_.nodes[id];
      of_[id].reads_by = static_cast<int>(reads_.size());
      bool ok = true;
      const auto read_by_root = [&](int operand) {
        operand_ref r;
        r.base = contiguous_base(operand);
        r.linear = true;
        add_read(static_cast<int>(id), r, true);
        of_[r.base].kept = 1;
      };
      if (n.op->kind == op_kind::opaque || n.op->kind == op_kind::reduction) {
        for (int k = 0; k < n.arity; ++k) read_by_root(n.in[k]);
      } else if (n.op->kind == op_kind::control) {
        for (int leaf : leaves_of(b_, n)) read_by_root(leaf);
      } else if (n.op->kind == op_kind::elementwise) {
        for (int k = 0; k < n.arity; ++k) add_read(static_cast<int>(id), resolve(n.in[k], n.shape, ok), false);
      } else if (of_[id].materialized) {
        add_read(static_cast<int>(id), resolve(static_cast<int>(id), n.shape, ok, true), false);
      } else if (n.op->kind == op_kind::assign) {
        ++of_[contiguous_base(n.in[0])].assigns_of;
      }
    }
    for (const auto& fe : each(b_.fetches))
      if (fe.node >= 0) of_[contiguous_base(fe.node)].uses += 2;  // never inside of a reader
    for (facts& f : each(facts_)) f.remaining = f.uses;
    read_ = reads_.data();
  }
  constexpr void add_read(int user, const operand_ref& ref, bool by_root) {
    int& first = of_[ref.base].first_read;
    reads_.push_back({user, by_root, ref, first});
    first = static_cast<int>(reads_.size()) - 1;
    ++of_[ref.base].uses;
  }
  [[nodiscard]] constexpr const read& read_at(int k) const { return read_[k]; }
  [[nodiscard]] constexpr int reads_of(int id) const {
    const node& n = at(id);
    return n.op->kind == op_kind::broadcast ? 1 : n.arity;
  }
  [[nodiscard]] constexpr const operand_ref& operand(int id, int k) const {
    return read_at(of_[id].reads_by + k).ref;
  }

  // ---- groups and what they may hold -------------------------------------------------------------------------------------

  /// The operands that a group's kernel has so far: what it loads, and the members that something else still wants.
  struct operand_count {
    std::vector<const operand_ref*> loads;
    int outputs = 0;
  };
  constexpr int open_group(const tensor_shape& space, group_kind kind = group_kind::map, int root = -1) {
    f_.groups.push_back({.kind = kind, .root = root, .space = space});
    operands_.emplace_back();
    const int index = static_cast<int>(f_.groups.size()) - 1;
    if (root >= 0) {
      group_of_[root] = index;
      operands_.back().outputs = 2;  // the accumulator, which is an input, and the result
    }
    return index;
  }
  [[nodiscard]] constexpr bool wanted(int id) const {
    return of_[id].remaining > 0 || of_[id].assigns_of > 0;
  }
  static constexpr bool is_among(const operand_ref* const* loads, std::size_t count, const operand_ref& r) {
    for (std::size_t k = 0; k < count; ++k)
      if (const operand_ref& l = *loads[k]; l.base == r.base && l.linear == r.linear && (l.linear || l == r)) return true;
    return false;
  }
  [[nodiscard]] constexpr bool loads(int target, const operand_ref& r) const {
    const operand_count& c = operands_[static_cast<std::size_t>(target)];
    return is_among(c.loads.data(), c.loads.size(), r);
  }
  /// Whether these nodes, operands first, fit into a group (-1: a new one) with what they load and leave behind.
  [[nodiscard]] constexpr bool has_room(int target, const std::vector<int>& arriving) const {
    int operands = 0, members = static_cast<int>(arriving.size());
    if (target >= 0) {
      const operand_count& c = operands_[static_cast<std::size_t>(target)];
      operands = c.outputs + static_cast<int>(c.loads.size());
      members += static_cast<int>(f_.groups[static_cast<std::size_t>(target)].members.size());
    }
    if (members > max_members) return false;
    const operand_ref* fresh[max_members * max_operands] = {};
    std::size_t n = 0;
    for (int a : each(arriving)) {
      for (int k = 0; k < reads_of(a); ++k) {
        const operand_ref& r = operand(a, k);
        bool known = target >= 0 && (group_of(r.base) == target || loads(target, r));
        for (int o : each(arriving)) known = known || o == r.base;
        if (!known && !is_among(fresh, n, r)) fresh[n++] = &r;
      }
    }
    for (int a : each(arriving)) {
      int inside = 0;
      for (int o : each(arriving))
        for (int k = 0; k < reads_of(o); ++k) inside += operand(o, k).base == a;
      operands += of_[a].remaining > inside || of_[a].assigns_of > 0;
    }
    return operands + static_cast<int>(n) <= max_kernel_operands;
  }
  constexpr void join(int id, int target) {
    operand_count& c = operands_[static_cast<std::size_t>(target)];
    for (int k = 0; k < reads_of(id); ++k) {
      const operand_ref& r = operand(id, k);
      if (group_of(r.base) == target) {
        const bool before = wanted(r.base);
        --of_[r.base].remaining;
        c.outputs -= before && !wanted(r.base);
      } else {
        if (!loads(target, r)) c.loads.push_back(&r);
      }
    }
    c.outputs += wanted(id);
    f_.groups[static_cast<std::size_t>(target)].members.push_back(id);
    f_.group_of[static_cast<std::size_t>(id)] = target;
  }

  // ---- placing nodes -------------------------------------------------------------------------------------------------------

  /// What is made of variables and numbers alone and is then spread over other axes (the scale that normalization gives a
  /// channel) is computed first of all, so that its readers may be in the epilogue of whatever else they read.
  constexpr void place_early() {
    const std::size_t count = b_.nodes.size();
    struct mark {
      bool early = false, needed = false, spread = false;
    };
    std::vector<mark> marks(count);
    bool any = false;
    for (std::size_t id = 0; id < count; ++id) {
      const node& n = b_.nodes[id];
      if (n.op->id == id_of<source::variable> || n.op->id == id_of<source::constant>) marks[id].early = 1;
      if (n.op->kind != op_kind::elementwise || n.shape.rank() == 0 || n.op->id == id_of<op::copy>) continue;
      marks[id].early = n.shape.num_elements() > 0 && n.shape.num_elements() <= small_update;
      for (int k = 0; k < n.arity; ++k) marks[id].early = marks[id].early && marks[static_cast<std::size_t>(operand(static_cast<int>(id), k).base)].early;
    }
    for (std::size_t id = 0; id < count; ++id)
      for (int r = marks[id].early && b_.nodes[id].op->kind == op_kind::elementwise ? of_[id].first_read : -1; r >= 0; r = read_at(r).next)
        if (!read_at(r).by_root && !read_at(r).ref.linear && !marks[static_cast<std::size_t>(read_at(r).user)].early) marks[id].spread = marks[id].needed = 1, any = true;
    if (!any) return;
    for (std::size_t id = count; id-- > 0;)
      for (int k = 0; marks[id].needed && k < b_.nodes[id].arity; ++k) {
        const auto base = static_cast<std::size_t>(operand(static_cast<int>(id), k).base);
        marks[base].needed = marks[base].needed || b_.nodes[base].op->kind == op_kind::elementwise;
      }
    for (std::size_t id = 0; id < count; ++id) {
      if (marks[id].needed) place(static_cast<int>(id));
      if (marks[id].spread) settle(static_cast<int>(id));
    }
  }

  constexpr void place(int id) {
    const node& n = at(id);
    switch (n.op->kind) {
      case op_kind::source:
      case op_kind::tuple:
      case op_kind::assign: return;
      case op_kind::control: {
        const int first = of_[id].reads_by;
        for (int k = first; k < static_cast<int>(reads_.size()) && read_at(k).user == id; ++k) settle(read_at(k).ref.base);
        open_group({}, group_kind::control, id);
        return;
      }
      case op_kind::alias:
        if (n.op->further != 0 || n.op->id == id_of<op::result>)
          f_.group_of[static_cast<std::size_t>(id)] = group_of(n.in[0]);
        return;
      case op_kind::broadcast:
        if (!of_[id].materialized) return;
        settle(operand(id, 0).base);
        join(id, open_group(n.shape));  // a view among the members is lowered to a copy
        return;
      case op_kind::opaque:
      case op_kind::reduction: {
        for (int k = 0; k < n.arity; ++k) settle(operand(id, k).base);
        const group_kind kind = n.op->kind == op_kind::reduction ? group_kind::reduce
                                : is_tile_op(n.op)               ? group_kind::tile
                                                                 : group_kind::opaque;
        open_group(kind == group_kind::reduce ? at(n.in[0]).shape : n.shape, kind, id);
        return;
      }
      case op_kind::elementwise: place_elementwise(id, n); return;
    }
  }

  static constexpr int floating = -2;
  /// Larger trees of floating nodes get a kernel, which bounds the work of following them.
  static constexpr int max_floating = 8;
  static constexpr int max_members = 48;  ///< keeps kernels within registers and compile time

  /// A node that needs nothing computed before it (a random mask, a slot times its decay, a scaled input) has no place of
  /// its own: it floats until something reads it, and is then computed there.
  ///
  /// A comparison floats too when what it compares stays in memory anyway: reading that again is cheaper than keeping a
  /// mask (which is kept where only the mask is needed later).
  constexpr void place_elementwise(int id, const node& n) {
    bool floats = n.shape.rank() > 0 && n.op->id != id_of<op::copy>;
    int weight = 1;
    for (int k = 0; k < n.arity; ++k) {
      const operand_ref& r = operand(id, k);
      const node& base = at(r.base);
      if (group_of(r.base) == floating && !(r.linear && base.shape == n.shape)) settle(r.base);
    }
    for (int k = 0; k < n.arity; ++k) {
      const operand_ref& r = operand(id, k);
      const node& base = at(r.base);
      const bool at_hand = n.type == dtype::boolean && r.linear && of_[r.base].kept &&
                           base.shape == n.shape;
      if (group_of(r.base) == floating) weight += of_[r.base].weight;
      floats = floats && (group_of(r.base) == floating || is_scalar(r.base) || at_hand || base.op->kind == op_kind::source);
    }
    if (floats && weight <= max_floating) {
      f_.group_of[static_cast<std::size_t>(id)] = floating;
      of_[id].weight = weight;
      return;
    }
    int latest = -1;
    std::vector<int> arriving;
    for (int k = 0; k < n.arity; ++k) {
      if (const int r = ready(operand(id, k).base); r > latest) latest = r;
      gather(operand(id, k).base, arriving);
    }
    arriving.push_back(id);
    int target = -1;
    if (latest <= 0 && n.shape.rank() == 0) {
      if (!has_room(scalars_, arriving)) scalars_ = open_group({});
      target = scalars_;
    } else if (latest > 0) {
      target = can_take(latest, arriving) ? latest : update_beside(latest, arriving);
    }
    if (target < 0) {
      if (!has_room(-1, arriving)) {  // too much for one kernel: what floats is computed by others
        for (int k = 0; k < n.arity; ++k) settle(operand(id, k).base);
        arriving.assign(1, id);
      }
      target = open_group(n.shape);
    }
    for (int a : each(arriving)) join(a, target);
  }
  /// Whether a group can compute these as well, the last of which need not have the shape of its space.
  [[nodiscard]] constexpr bool can_take(int target, const std::vector<int>& arriving) const {
    const group& g = f_.groups[static_cast<std::size_t>(target)];
    for (int a : each(arriving))
      if (!can_join(g, target, a) || (a != arriving.back() && !(at(a).shape == g.space))) return false;
    return has_room(target, arriving);
  }
  /// A group after `latest` that reads the same memory and computes what is assigned, or -1: an optimizer's formula reads a
  /// gradient in several places, and is one kernel nevertheless. What reads the gradient of a lookup always is an update,
  /// which as one kernel may be one of a few rows (sparse_update.hpp).
  [[nodiscard]] constexpr int update_beside(int latest, const std::vector<int>& arriving) const {
    for (int a : each(arriving))
      for (int k = 0; k < reads_of(a); ++k) {
        const int base = operand(a, k).base;
        if (is_scalar(base)) continue;
        for (int r = of_[base].first_read; r >= 0; r = read_at(r).next) {
          const int g = group_of(read_at(r).user);
          if (g <= latest || f_.groups[static_cast<std::size_t>(g)].kind != group_kind::map) continue;
          bool updates = at(base).op->adds_rows;
          for (int m : each(f_.groups[static_cast<std::size_t>(g)].members)) updates = updates || of_[m].assigns_of > 0;
          if (updates && can_take(g, arriving)) return g;
        }
      }
    return -1;
  }
  /// The group after which a value can be computed or read.
  [[nodiscard]] constexpr int ready(int id) const {
    if (group_of(id) != floating) return group_of(id);
    int latest = -1;
    for (int k = 0; k < reads_of(id); ++k)
      if (const int r = ready(operand(id, k).base); r > latest) latest = r;
    return latest;
  }
  /// Appends a floating node and the floating ones that it reads, operands first.
  constexpr void gather(int id, std::vector<int>& list) const {
    if (group_of(id) != floating) return;
    for (int l : each(list))
      if (l == id) return;
    for (int k = 0; k < reads_of(id); ++k) gather(operand(id, k).base, list);
    list.push_back(id);
  }
  /// Gives a floating node a kernel of its own.
  constexpr void settle(int id) {
    if (group_of(id) != floating) return;
    std::vector<int> arriving;
    gather(id, arriving);
    const int latest = ready(id);
    int target = latest > 0 && of_[id].assigns_of > 0 && can_take(latest, arriving) ? latest : -1;
    if (target < 0) target = open_group(at(id).shape);
    for (int a : each(arriving)) join(a, target);
  }

  [[nodiscard]] constexpr bool can_join(const group& g, int index, int id) const {
    if (g.kind == group_kind::reduce || g.kind == group_kind::opaque || g.kind == group_kind::control) return false;
    const node& n = at(id);
    if (n.shape.num_elements() != g.space.num_elements()) return false;
    const bool same_shape = n.shape == g.space;
    if (n.op->id == id_of<ops::random_uniform> && !same_shape) return false;
    // a tile's registers hold few numbers of 8 bytes, not as many as one register of smaller ones has
    const bool wide = g.kind == group_kind::tile && size_of(at(g.root).type) == 8;
    const auto narrow = [](dtype t) { return t != dtype::boolean && size_of(t) != 8; };
    if (wide && narrow(n.type)) return false;
    for (int k = 0; k < n.arity; ++k) {
      const operand_ref& r = operand(id, k);
      if (wide && narrow(at(r.base).type)) return false;
      const bool scalar = is_scalar(r.base);
      if (group_of(r.base) == index && !(r.linear || (scalar && n.shape.num_elements() == 1))) return false;
      if (!same_shape && !r.linear && !scalar) return false;
      std::int64_t row = 0, column = 0;
      if (g.kind == group_kind::tile && !r.linear && !scalar && !as_rows_columns(r, g.space, row, column)) return false;
    }
    return true;
  }

  // ---- prologues, assignments, stores --------------------------------------------------------------------------------------

  /// A map group with one result that only the root of one later group reads is evaluated inside that reader.
  constexpr void merge_prologues() {
    std::vector<char> assigned(b_.variables.size(), 0);
    for (const node& n : each(b_.nodes))
      if (n.op->kind == op_kind::assign) assigned[static_cast<std::size_t>(n.attr.i[0])] = 1;
    for (std::size_t g = 1; g < f_.groups.size(); ++g) {
      group& p = f_.groups[g];
      if (p.kind != group_kind::map || p.members.empty()) continue;
      int result = -1, readers = 0, h = -1;
      bool pure = true, streams = true;  // streams: the reader may walk it in row-major order
      for (int m : each(p.members)) {
        pure = pure && at(m).op->kind == op_kind::elementwise;
        int outside = of_[m].uses + 2 * of_[m].assigns_of;
        for (int k = of_[m].first_read; k >= 0; k = read_at(k).next) {
          if (group_of(read_at(k).user) == static_cast<int>(g)) --outside;
          else h = group_of(read_at(k).user);
        }
        if (outside > 0) {
          result = m;
          readers += outside;
        }
        for (int k = 0; k < reads_of(m); ++k) {
          const operand_ref& r = operand(m, k);
          const node& base = at(r.base);
          if (base.op->id == id_of<source::variable> && assigned[static_cast<std::size_t>(base.attr.i[0])]) pure = false;
          streams = streams && (r.linear || is_scalar(r.base));
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
        for (int m : each(p.members)) of_[m].prologue = 1;
      }
      for (int m : each(p.members)) f_.group_of[static_cast<std::size_t>(m)] = h;
      p.members.clear();
    }
  }
  [[nodiscard]] constexpr bool takes_prologue(const group& r, int result) const {
    if (r.kind == group_kind::reduce) return operand(r.root, 0).base == result;
    if (r.kind != group_kind::tile) return false;
    const node& root = at(r.root);
    if (root.op->id == id_of<ops::max_pool_op> || root.op->id == id_of<ops::max_pool_grad_op>) return false;
    return (operand(r.root, 0).base == result) != (operand(r.root, 1).base == result);
  }

  /// An assignment happens where its value is computed if nobody reads the variable after that; else at the end.
  constexpr void place_assigns() {
    const std::size_t count = b_.nodes.size();
    for (std::size_t id = 0; id < count; ++id) {
      const node& n = b_.nodes[id];
      if (n.op->kind != op_kind::assign) continue;
      const int variable = b_.variables[static_cast<std::size_t>(n.attr.i[0])].node;
      const int value = contiguous_base(n.in[0]);
      int target = group_of(value);
      bool in_place = target >= 0;
      if (in_place) {
        const group& g = f_.groups[static_cast<std::size_t>(target)];
        in_place = g.kind == group_kind::map || g.kind == group_kind::tile;
        if (!(at(value).shape.num_elements() == g.space.num_elements())) in_place = false;
      }
      for (int k = of_[variable].first_read; in_place && k >= 0; k = read_at(k).next) {
        const read& r = read_at(k);
        const int g = group_of(r.user);
        if (g > target || (g == target && (r.by_root || of_[r.user].prologue || !r.ref.linear)))
          in_place = false;
      }
      if (in_place) {  // one result more, unless it takes the place of the value's own
        operand_count& c = operands_[static_cast<std::size_t>(target)];
        const auto v = static_cast<std::size_t>(value);
        const bool instead = of_[v].remaining == 0 && of_[v].assigns_of == 1;
        if (!instead) in_place = static_cast<int>(c.loads.size()) + ++c.outputs <= max_kernel_operands;
      }
      if (!in_place) target = open_group(n.shape);
      f_.groups[static_cast<std::size_t>(target)].assigns.push_back(static_cast<int>(id));
    }
  }
  constexpr void collect_stores() {
    std::vector<char> stored(b_.nodes.size(), 0);
    const auto need = [&](int base) {
      if (group_of(base) >= 0) stored[static_cast<std::size_t>(base)] = 1;
    };
    for (const read& r : each(reads_)) {
      const int g = group_of(r.user);
      // within a group only the root reads memory, and what a prologue computes for it never gets there
      if (group_of(r.ref.base) != g) need(r.ref.base);
      else if (r.by_root && !of_[r.ref.base].prologue &&
               f_.groups[static_cast<std::size_t>(g)].kind != group_kind::reduce)
        need(r.ref.base);
    }
    for (const auto& fe : each(b_.fetches))
      if (fe.node >= 0) need(contiguous_base(fe.node));
    for (std::size_t g = 0; g < f_.groups.size(); ++g)
      for (int a : each(f_.groups[g].assigns)) {
        const int value = contiguous_base(at(a).in[0]);
        if (group_of(value) != static_cast<int>(g)) need(value);
      }
    for (std::size_t id = 0; id < b_.nodes.size(); ++id) {
      const int g = f_.group_of[id];
      if (g < 0) continue;
      group& gr = f_.groups[static_cast<std::size_t>(g)];
      if (gr.kind == group_kind::control) {  // which writes its results, read or not
        if (static_cast<int>(id) != gr.root) gr.stores.push_back(static_cast<int>(id));
        continue;
      }
      const bool root_without_program = static_cast<int>(id) == gr.root && gr.kind != group_kind::tile;
      if (stored[id] || root_without_program) gr.stores.push_back(static_cast<int>(id));
    }
  }

  /// Small updates of variables that nobody reads afterwards go side by side, alike by alike, before the assignments that
  /// had to wait for the end (groups from `late` on): lowering makes one kernel of those that do the same.
  constexpr void gather_updates(std::size_t late) {
    constexpr int nobody = -1, several = -2;
    std::vector<int> writer(b_.variables.size(), nobody);
    for (std::size_t g = 0; g < f_.groups.size(); ++g)
      for (int a : each(f_.groups[g].assigns)) {
        int& w = writer[static_cast<std::size_t>(at(a).attr.i[0])];
        w = w == nobody ? static_cast<int>(g) : several;
      }
    std::vector<int> order, updates;
    for (std::size_t k = 0; k < late; ++k) {
      const group& g = f_.groups[k];
      const std::int64_t n = g.space.num_elements();
      bool moves = g.kind == group_kind::map && !g.members.empty() && g.stores.empty() && !g.assigns.empty() && n > 0 && n <= small_update;
      for (std::size_t m = 0; moves && m < g.members.size(); ++m)
        for (int r = 0; r < reads_of(g.members[m]); ++r) {
          const node& base = at(operand(g.members[m], r).base);
          if (base.op->id != id_of<source::variable>) continue;
          const int w = writer[static_cast<std::size_t>(base.attr.i[0])];
          moves = moves && (w == nobody || w == static_cast<int>(k) || w >= static_cast<int>(late));
        }
      (moves ? updates : order).push_back(static_cast<int>(k));
    }
    if (updates.size() < 2) return;
    for (std::size_t k = 0; k < updates.size(); ++k) {
      if (updates[k] < 0) continue;
      const int first = updates[k];
      order.push_back(first);
      for (std::size_t j = k + 1; j < updates.size(); ++j)
        if (updates[j] >= 0 && alike(first, updates[j])) order.push_back(std::exchange(updates[j], -1));
    }
    for (std::size_t k = late; k < f_.groups.size(); ++k) order.push_back(static_cast<int>(k));
    std::vector<group> ordered;
    std::vector<int> place(f_.groups.size(), -1);
    for (int k : each(order)) {
      place[static_cast<std::size_t>(k)] = static_cast<int>(ordered.size());
      ordered.push_back(std::move(f_.groups[static_cast<std::size_t>(k)]));
    }
    f_.groups = std::move(ordered);
    for (int& g : each(f_.group_of))
      if (g >= 0) g = place[static_cast<std::size_t>(g)];
  }
  [[nodiscard]] constexpr bool alike(int g, int h) const {
    const auto& a = f_.groups[static_cast<std::size_t>(g)].members;
    const auto& b = f_.groups[static_cast<std::size_t>(h)].members;
    bool same = a.size() == b.size();
    for (std::size_t k = 0; same && k < a.size(); ++k) same = at(a[k]).op->id == at(b[k]).op->id && at(a[k]).type == at(b[k]).type;
    return same;
  }

  /// What is known of a node: one table, because filling many costs the compiler more than using them.
  struct facts {
    bool scalar = false;
    bool materialized = false;    ///< a view that is computed after all
    bool kept = false;            ///< operand of a root: in memory after its group in any case
    bool prologue = false;
    int uses = 0, remaining = 0;  ///< reads and fetches: all, and those from outside of its group
    int assigns_of = 0, weight = 0, first_read = -1, reads_by = -1;
  };

  builder& b_;
  const node* nodes_;
  fusion f_;
  int* group_of_ = nullptr;         ///< f_.group_of
  std::vector<facts> facts_;
  facts* of_ = nullptr;                  ///< facts_
  std::vector<read> reads_;
  const read* read_ = nullptr;           ///< reads_
  std::vector<operand_count> operands_;  ///< per group
  int scalars_ = 0;                      ///< the group that takes scalars which depend on no data
};

}  // namespace detail

template <class = void>
constexpr fusion fuse(builder& b) {
  return detail::fuser<>(b).run();
}

}  // namespace rill::graph
