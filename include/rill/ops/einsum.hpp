// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Products of tensors over any axes: einsum, tensordot, XLA's dot and dot_general, matvec, outer and kron. All are written
/// with reshape, transpose, multiply and the (batched) matrix product, whose gradients they have. An operand whose axes
/// already lie in an order that a product can read is not transposed. Sources: NumPy's einsum and tensordot, TensorFlow's
/// functions of these names, the XLA operation semantics. Wrong shapes, axes or equations are invalid_argument.
///
///   einsum("bij,bjk->bik", a, b);                        // a batch of products
///   einsum("ii", m);                                     // the trace
///   einsum("...ij->...ji", t);                           // the last two axes exchanged
///   tensordot(a, b, {1, 2}, {0, 1});                     // sums over axis 1 of a with 0 of b, 2 of a with 1 of b
///   dot_general(l, r, {.lhs_contracting_dimensions = {2}, .rhs_contracting_dimensions = {1},
///                      .lhs_batch_dimensions = {0}, .rhs_batch_dimensions = {0}});

#include <string_view>

#include "functions.hpp"

namespace rill {

/// Options of matvec.
struct matvec_options {
  bool transpose_a = false, adjoint_a = false;
};

/// XLA's DotDimensionNumbers. The lists name axes pairwise: the first of lhs goes with the first of rhs.
struct dot_dimension_numbers {
  axis_list lhs_contracting_dimensions = {}, rhs_contracting_dimensions = {};
  axis_list lhs_batch_dimensions = {}, rhs_batch_dimensions = {};
};

namespace ops {
struct einsum_rule : function_name {
  static constexpr auto name = "Einsum";
};
struct tensordot_rule : function_name {
  static constexpr auto name = "Tensordot";
};
struct dot_rule : function_name {
  static constexpr auto name = "Dot";
};
struct dot_general_rule : function_name {
  static constexpr auto name = "DotGeneral";
};
struct kron_rule : function_name {
  static constexpr auto name = "Kron";
};
}  // namespace ops

namespace detail {

/// Numbers of labels: characters below 128, the axes of an ellipsis from 128 on, counted from the last one.
inline constexpr int label_count = 128 + max_rank, ellipsis_label = 128;

/// The labels of a value's axes, all different.
struct label_list {
  int count = 0;
  int at[max_rank] = {};
  constexpr void add(int label) {
    if (count < max_rank) at[count] = label;
    ++count;
  }
  [[nodiscard]] constexpr int find(int label) const {
    for (int k = 0; k < count; ++k)
      if (at[k] == label) return k;
    return -1;
  }
};
constexpr label_list joined(const label_list& a, const label_list& b) {
  label_list r = a;
  for (int k = 0; k < b.count; ++k) r.add(b.at[k]);
  return r;
}

template <value V>
struct labelled {
  V x;
  label_list labels;
};

/// The axes of x in the order of the labels.
template <value V>
constexpr V in_order(const labelled<V>& v, const label_list& order) {
  if (V::front_end::failed(v.x)) return v.x;
  attributes at;
  bool same = true;
  for (int k = 0; k < order.count; ++k) {
    at.i[k] = v.labels.find(order.at[k]);
    same = same && at.i[k] == k;
  }
  return same ? v.x : permute(v.x, at);
}
/// Sums over the axes whose label is in neither list.
template <value V>
constexpr labelled<V> sum_others(const labelled<V>& v, const label_list& a, const bool* keep) {
  labelled<V> r{v.x, {}};
  std::int64_t mask = 0;
  for (int k = 0; k < v.labels.count; ++k) {
    const int l = v.labels.at[k];
    if (keep[l] || a.find(l) >= 0) r.labels.add(l);
    else mask |= std::int64_t{1} << k;
  }
  r.x = sum_over(v.x, mask);
  return r;
}

/// The product of two values, summed over the labels that both have and `keep` does not: batch axes (in both), free axes of
/// a, free axes of b. Op names the caller.
template <class Op, value V>
constexpr labelled<V> contract(labelled<V> a, labelled<V> b, const bool* keep) {
  if (V::front_end::failed(a.x)) return a;
  if (V::front_end::failed(b.x)) return b;
  a = sum_others(a, b.labels, keep);
  b = sum_others(b, a.labels, keep);
  label_list batch, summed, free_a, free_b;
  for (int k = 0; k < a.labels.count; ++k) {
    const int l = a.labels.at[k];
    if (b.labels.find(l) < 0) free_a.add(l);
    else if (keep[l]) batch.add(l);
    else summed.add(l);
  }
  for (int k = 0; k < b.labels.count; ++k)
    if (a.labels.find(b.labels.at[k]) < 0) free_b.add(b.labels.at[k]);
  labelled<V> r{a.x, joined(joined(batch, free_a), free_b)};
  if (r.labels.count > max_rank) {
    r.x = fail<Op>(a.x, "the product would have more than 8 axes", "sum over some of them first");
    r.labels = {};
    return r;
  }
  const auto extents = [](const labelled<V>& v, const label_list& l, tensor_shape& to) {
    for (int k = 0; k < l.count; ++k) to.push_back(v.x.shape()[v.labels.find(l.at[k])]);
  };
  const auto product = [](const labelled<V>& v, const label_list& l) {
    std::int64_t n = 1;
    for (int k = 0; k < l.count; ++k) n *= v.x.shape()[v.labels.find(l.at[k])];
    return n;
  };
  if (summed.count == 0) {  // nothing to sum: an element-wise product, which graphs fuse
    tensor_shape sa, sb;
    extents(a, batch, sa), extents(b, batch, sb);
    extents(a, free_a, sa);
    for (int k = 0; k < free_a.count; ++k) sb.push_back(1);
    extents(b, free_b, sb);
    for (int k = 0; k < free_b.count; ++k) sa.push_back(1);
    const V x = reshape_to(in_order(a, joined(batch, free_a)), sa), y = reshape_to(in_order(b, joined(batch, free_b)), sb);
    r.x = x * y;
    return r;
  }
  tensor_shape result;
  extents(a, batch, result);
  extents(a, free_a, result);
  extents(b, free_b, result);
  // Either operand may be read transposed; only another order of axes is brought about by a copy.
  const auto starts_with = [](const label_list& l, const label_list& order) {
    bool same = l.count == order.count;
    for (int k = 0; same && k < l.count; ++k) same = l.at[k] == order.at[k];
    return same;
  };
  // The summed labels in the order of an operand that need not be copied then.
  label_list other = summed;
  other.count = 0;
  for (int k = 0; k < b.labels.count; ++k)
    if (summed.find(b.labels.at[k]) >= 0) other.add(b.labels.at[k]);
  const auto ready = [&](const labelled<V>& v, const label_list& mine, const label_list& order) {
    return starts_with(v.labels, joined(joined(batch, mine), order)) || starts_with(v.labels, joined(joined(batch, order), mine));
  };
  if (!ready(a, free_a, summed) && ready(b, free_b, other)) summed = other;
  const bool ta = free_a.count > 0 && starts_with(a.labels, joined(joined(batch, summed), free_a));
  const bool tb = free_b.count == 0 || starts_with(b.labels, joined(joined(batch, free_b), summed));
  tensor_shape sa, sb;
  if (batch.count > 0) sa.push_back(product(a, batch)), sb.push_back(product(b, batch));
  const std::int64_t m = product(a, free_a), n = product(b, free_b), k = product(a, summed);
  sa.push_back(ta ? k : m), sa.push_back(ta ? m : k);
  sb.push_back(tb ? n : k), sb.push_back(tb ? k : n);
  const V x = reshape_to(in_order(a, ta ? joined(joined(batch, summed), free_a) : joined(joined(batch, free_a), summed)), sa);
  const V y = reshape_to(in_order(b, tb ? joined(joined(batch, free_b), summed) : joined(joined(batch, summed), free_b)), sb);
  r.x = matmul(x, y, {.transpose_a = ta, .transpose_b = tb});
  r.x = reshape_to(r.x, result);
  return r;
}

/// The two axes of equal extent made one: the elements where their indices agree; the axis stays where the first was.
template <value V>
constexpr V diagonal_of_axes(V x, int first, int second) {
  if (V::front_end::failed(x)) return x;
  const std::int64_t n = x.shape()[first];
  tensor_shape row, column;
  for (int d = 0; d < x.rank(); ++d) row.push_back(d == first ? n : 1), column.push_back(d == second ? n : 1);
  const V index = V::front_end::range(x, dtype::int32, n);
  const V on = rill::equal(reshape_to(index, row), reshape_to(index, column));
  return sum_over(rill::select(on, x, zeros_like(x)), std::int64_t{1} << second);
}

/// What an einsum equation says.
struct einsum_equation {
  static constexpr int max_operands = 32;
  const char* problem = nullptr;
  int operands = 0;
  /// Labels of each term as written; -1 stands for the ellipsis. The last one is the result's.
  struct term {
    int count = 0;
    int at[max_rank + 1] = {};
    bool ellipsis = false;
  } terms[max_operands + 1];
  bool explicit_output = false;

  constexpr const term& output() const { return terms[max_operands]; }

  constexpr explicit einsum_equation(std::string_view s) { problem = parse(s); }

 private:
  constexpr const char* parse(std::string_view s) {
    term* t = &terms[0];
    operands = 1;
    for (std::size_t k = 0; k < s.size(); ++k) {
      const char c = s[k];
      if (c == ' ') continue;
      if (c == ',') {
        if (explicit_output) return "the equation has more than one output";
        if (operands == max_operands) return "the equation has more than 32 operands";
        t = &terms[operands++];
      } else if (c == '-') {
        if (explicit_output || k + 1 == s.size() || s[k + 1] != '>') return "the equation has a '-' that is no single '->'";
        ++k;
        explicit_output = true;
        t = &terms[max_operands];
      } else if (c == '.') {
        if (s.substr(k, 3) != "..." || t->ellipsis) return "the equation has a '.' that is no single '...' of its term";
        k += 2;
        t->ellipsis = true;
        if (t->count > max_rank) return "a term of the equation has more than 8 indices";
        t->at[t->count++] = -1;
      } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        if (t->count > max_rank) return "a term of the equation has more than 8 indices";
        t->at[t->count++] = c;
      } else return "the equation has a character that is no letter, ',', '...' or '->'";
    }
    return nullptr;
  }
};

template <value V>
constexpr V einsum(std::string_view text, const V* x, int count) {
  using rule = ops::einsum_rule;
  for (int k = 0; k < count; ++k)
    if (V::front_end::failed(x[k])) return x[k];
  const einsum_equation e(text);
  if (e.problem) return fail<rule>(x[0], e.problem, "an equation is like \"ij,jk->ik\"");
  if (e.operands != count) return fail<rule>(x[0], "the equation does not have as many terms as there are operands");
  const auto fail_at = [&](const char* problem, const char* cure, const V& a, const V& b) {
    failure f;
    f.set(problem, cure, {a.type(), a.shape()}, {b.type(), b.shape()});
    return V::front_end::template fail<rule>(f, a);
  };

  // The labels of each operand and the extents they stand for.
  std::int64_t extent[label_count] = {};
  int seen[label_count] = {}, owner[label_count] = {}, ellipsis = 0;
  label_list labels[einsum_equation::max_operands];
  for (int k = 0; k < count; ++k) {
    const auto& t = e.terms[k];
    const int rank = x[k].rank(), hidden = t.ellipsis ? rank - (t.count - 1) : 0;
    if (hidden < 0 || (!t.ellipsis && t.count != rank))
      return fail<rule>(x[k], "a term does not have as many indices as its operand has axes", "\"...\" stands for any number");
    if (x[k].type() != x[0].type()) return fail_at("operands must have one dtype", "cast one of them", x[0], x[k]);
    for (int j = 0; j < t.count; ++j) {
      if (t.at[j] >= 0) labels[k].add(t.at[j]);
      else for (int h = 0; h < hidden; ++h) labels[k].add(ellipsis_label + hidden - 1 - h);
    }
    if (hidden > ellipsis) ellipsis = hidden;
    for (int d = 0; d < rank; ++d) {
      const int l = labels[k].at[d];
      const std::int64_t n = x[k].shape()[d];
      const bool repeats = l >= ellipsis_label;
      if (seen[l]++ == 0 || (repeats && extent[l] == 1)) extent[l] = n, owner[l] = k;
      else if (extent[l] != n && !(repeats && n == 1))
        return fail_at(repeats ? "axes of the ellipses do not broadcast" : "an index stands for two different extents", "",
                       x[owner[l]], x[k]);
    }
  }

  // The labels of the result.
  label_list out;
  if (e.explicit_output) {
    const auto& t = e.output();
    if (!t.ellipsis && ellipsis > 0) return fail<rule>(x[0], "the output has no \"...\" though an operand has", "append it, or sum over named indices");
    for (int j = 0; j < t.count; ++j) {
      if (t.at[j] < 0) {
        for (int h = ellipsis; h-- > 0;) out.add(ellipsis_label + h);
        continue;
      }
      if (seen[t.at[j]] == 0) return fail<rule>(x[0], "the output has an index that no operand has");
      if (out.find(t.at[j]) >= 0) return fail<rule>(x[0], "the output has an index twice");
      out.add(t.at[j]);
    }
  } else {
    for (int h = ellipsis; h-- > 0;) out.add(ellipsis_label + h);
    for (int l = 0; l < ellipsis_label; ++l)
      if (seen[l] == 1) out.add(l);
  }
  if (out.count > max_rank) return fail<rule>(x[0], "the result would have more than 8 axes");

  // Operand after operand is multiplied into the result; an index is summed over once no later operand has it.
  labelled<V> r{x[0], {}};
  for (int k = 0; k < count; ++k) {
    labelled<V> v{x[k], labels[k]};
    for (int i = 0; i < v.labels.count; ++i)
      for (int j = v.labels.count - 1; j > i; --j) {
        if (v.labels.at[i] != v.labels.at[j]) continue;
        if (v.x.shape()[i] < 0) return fail<rule>(x[k], "no diagonal can be taken along the batch");
        v.x = diagonal_of_axes(v.x, i, j);
        for (int m = j; m + 1 < v.labels.count; ++m) v.labels.at[m] = v.labels.at[m + 1];
        --v.labels.count;
      }
    label_list kept;  // an ellipsis axis of extent 1 that is longer elsewhere repeats
    tensor_shape s;
    for (int d = 0; d < v.labels.count; ++d) {
      const int l = v.labels.at[d];
      if (l >= ellipsis_label && v.x.shape()[d] == 1 && extent[l] != 1) continue;
      kept.add(l);
      s.push_back(v.x.shape()[d]);
    }
    v = {reshape_to(v.x, s), kept};
    bool keep[label_count] = {};
    for (int j = 0; j < out.count; ++j) keep[out.at[j]] = true;
    for (int later = k + 1; later < count; ++later)
      for (int j = 0; j < labels[later].count; ++j) keep[labels[later].at[j]] = true;
    r = k == 0 ? sum_others(v, {}, keep) : contract<rule>(r, v, keep);
    if (V::front_end::failed(r.x)) return r.x;
  }
  return in_order(r, out);
}

/// Pairs of axes get a label of both; the result has the other axes of a, then of b, after the batch axes.
template <class Op, value V>
constexpr V contract_axes(V a, V b, const axis_list& axes_a, const axis_list& axes_b, const axis_list& batch_a,
                          const axis_list& batch_b) {
  if (V::front_end::failed(a)) return a;
  if (V::front_end::failed(b)) return b;
  const auto refuse = [&](const char* problem, const char* cure) {
    failure f;
    f.set(problem, cure, {a.type(), a.shape()}, {b.type(), b.shape()});
    return V::front_end::template fail<Op>(f, a);
  };
  if (a.type() != b.type()) return refuse("operands must have one dtype", "cast one of them");
  if (axes_a.count != axes_b.count || batch_a.count != batch_b.count)
    return refuse("the lists of axes do not have the same length", "they name axes pairwise");
  int of_a[max_rank] = {}, of_b[max_rank] = {}, next = 1;
  bool keep[label_count] = {};
  const auto pair = [&](std::int64_t i, std::int64_t j, bool batch) -> const char* {
    if (i < 0) i += a.rank();
    if (j < 0) j += b.rank();
    if (i < 0 || i >= a.rank() || j < 0 || j >= b.rank()) return "axis out of range";
    if (of_a[i] != 0 || of_b[j] != 0) return "an axis is named twice";
    if (a.shape()[static_cast<int>(i)] != b.shape()[static_cast<int>(j)]) return "the extents of a pair of axes differ";
    keep[next] = batch;
    of_a[i] = of_b[j] = next++;
    return nullptr;
  };
  for (int k = 0; k < batch_a.count; ++k)
    if (const char* why = pair(batch_a.axes[k], batch_b.axes[k], true)) return refuse(why, "");
  for (int k = 0; k < axes_a.count; ++k)
    if (const char* why = pair(axes_a.axes[k], axes_b.axes[k], false)) return refuse(why, "");
  labelled<V> x{a, {}}, y{b, {}};
  label_list out;
  for (int k = 1; k <= batch_a.count; ++k) out.add(k);
  const auto label = [&](labelled<V>& v, const int* of) {
    for (int d = 0; d < v.x.rank(); ++d) {
      if (of[d] == 0) keep[next] = true, out.add(next);
      v.labels.add(of[d] != 0 ? of[d] : next++);
    }
  };
  label(x, of_a);
  label(y, of_b);
  if (out.count > max_rank) return refuse("the result would have more than 8 axes", "");
  return in_order(contract<Op>(x, y, keep), out);
}

}  // namespace detail

/// Sums of products in Einstein's notation: a letter names an axis in each term, and letters that the output does not have
/// are summed over. Without "->" the output has the letters that occur once, in alphabetical order. A letter twice in one
/// term takes the diagonal; "..." stands for leading axes that broadcast. Operands are multiplied from left to right.
template <value V, class... R>
  requires(std::is_same_v<R, V>&&...)
constexpr V einsum(std::string_view equation, V first, R... rest) {
  const V x[] = {first, rest...};
  return detail::einsum(equation, x, 1 + static_cast<int>(sizeof...(R)));
}

/// Sums over pairs of axes, axis axes_a[k] of a with axes_b[k] of b; the other axes of a come first, then those of b.
template <value V>
constexpr V tensordot(V a, V b, axis_list axes_a, axis_list axes_b) {
  return detail::contract_axes<ops::tensordot_rule>(a, b, axes_a, axes_b, {}, {});
}
/// The same over the last `axes` axes of a and the first of b; 0 gives all products.
template <value V>
constexpr V tensordot(V a, V b, std::int64_t axes) {
  if (V::front_end::failed(a)) return a;
  if (V::front_end::failed(b)) return b;
  if (axes < 0 || axes > a.rank() || axes > b.rank()) {
    failure f;
    f.set("the number of axes is out of range", "it is at least 0 and at most either rank", {a.type(), a.shape()}, {b.type(), b.shape()});
    return V::front_end::template fail<ops::tensordot_rule>(f, a);
  }
  axis_list of_a, of_b;
  for (std::int64_t k = 0; k < axes; ++k) {
    of_a.axes[of_a.count++] = a.rank() - axes + k;
    of_b.axes[of_b.count++] = k;
  }
  return tensordot(a, b, of_a, of_b);
}

/// XLA's DotGeneral: sums over the contracting axes of each batch; the result has the batch axes, the other axes of lhs,
/// the other axes of rhs.
template <value V>
constexpr V dot_general(V lhs, V rhs, const dot_dimension_numbers& d) {
  return detail::contract_axes<ops::dot_general_rule>(lhs, rhs, d.lhs_contracting_dimensions, d.rhs_contracting_dimensions,
                                                      d.lhs_batch_dimensions, d.rhs_batch_dimensions);
}
/// XLA's Dot: sums over the last axis of lhs and the last but one (of a vector: the only one) of rhs.
/// [n] . [n] -> scalar, [m, k] . [k] -> [m], [m, k] . [k, n] -> [m, n].
template <value V>
constexpr V dot(V lhs, V rhs) {
  if (V::front_end::failed(lhs)) return lhs;
  if (V::front_end::failed(rhs)) return rhs;
  if (lhs.rank() == 0 || rhs.rank() == 0)
    return detail::fail<ops::dot_rule>(lhs.rank() == 0 ? lhs : rhs, "a scalar has no axis to sum over", "multiply takes scalars");
  return detail::contract_axes<ops::dot_rule>(lhs, rhs, {lhs.rank() - 1}, {rhs.rank() == 1 ? 0 : rhs.rank() - 2}, {}, {});
}

/// [.., m, k] times [.., k] -> [.., m].
template <value V>
constexpr V matvec(V a, V b, matvec_options o = {}) {
  if (V::front_end::failed(b)) return b;
  const V r = matmul(a, expand_dims(b, -1), {.transpose_a = o.transpose_a, .adjoint_a = o.adjoint_a});
  return squeeze(r, {-1});
}
/// All products of an element of a and one of b: the axes of a, then those of b.
template <value V>
constexpr V outer(V a, V b) {
  return tensordot(a, b, 0);
}
/// The Kronecker product: each element of a times the whole of b, in the place of that element. Ranks up to 4.
template <value V>
constexpr V kron(V a, V b) {
  if (V::front_end::failed(a)) return a;
  if (V::front_end::failed(b)) return b;
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  if (2 * rank > max_rank)
    return detail::fail<ops::kron_rule>(a.rank() == rank ? a : b, "takes operands of at most 4 axes");
  tensor_shape sa, sb, s;
  for (int d = 0; d < rank; ++d) {
    const int i = d - (rank - a.rank()), j = d - (rank - b.rank());
    const std::int64_t m = i < 0 ? 1 : a.shape()[i], n = j < 0 ? 1 : b.shape()[j];
    sa.push_back(m), sa.push_back(1);
    sb.push_back(1), sb.push_back(n);
    s.push_back(m * n);
  }
  const V x = reshape_to(a, sa), y = reshape_to(b, sb);
  return reshape_to(x * y, s);
}

}  // namespace rill
