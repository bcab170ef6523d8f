// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Linear algebra on the last two axes, [.., m, n], one matrix after the other over the leading axes: cholesky, solvers,
/// inverse, determinant, qr, svd, eigenvalues, matrix exponential, norms. dtypes float32, float64, complex64, complex128;
/// cross and trace take all numbers. Programs include <rill/eager/linalg.hpp>, which brings the kernels.
///
/// A matrix that a function cannot take (singular, not positive definite, no convergence) is invalid_argument and names the
/// op and the number of the matrix in its batch; a shape that does not fit names the shape. Gradients are those of
/// TensorFlow's linalg_grad: Cholesky after Murray, "Differentiation of the Cholesky decomposition" (2016); svd after
/// Townsend, "Differentiating the singular value decomposition" (2016); qr after Walter and Lehmann (2010); solvers, inverse,
/// determinant and eigenvalues after Giles, "An extended collection of matrix derivative results" (2008). They are written
/// with ops and can be differentiated again.
///
///   tensor<double, 2, 2> a{{4, 2}, {2, 3}};
///   matrix_solve(a, tensor<double, 2, 1>{{2}, {1}});       // [[0.5] [0. ]]
///   auto [s, u, v] = svd(a);                               // a = u diag(s) v^H

#include <array>
#include <limits>

#include "complex.hpp"
#include "einsum.hpp"
#include "functions.hpp"

namespace rill {

struct triangular_solve_options {
  bool lower = true;     ///< which triangle of the matrix is read
  bool adjoint = false;  ///< solves with the adjoint (for real matrices the transpose)
};
struct matrix_solve_options {
  bool adjoint = false;
};
struct matrix_inverse_options {
  bool adjoint = false;
};
struct matrix_solve_ls_options {
  double l2_regularizer = 0;  ///< added as |x|^2 times this; only with `fast`
  bool fast = true;           ///< normal equations by Cholesky, for full rank; else the solution of least norm for any rank
};
struct qr_options {
  bool full_matrices = false;
};
struct svd_options {
  bool full_matrices = false;
  bool compute_uv = true;
};
struct matrix_transpose_options {
  bool conjugate = false;
};

/// The order of a norm: a number p > 0, infinity, or one of the names. Of vectors the p-norm; of matrices 1 (the largest
/// column sum), 2 (the largest singular value), infinity (the largest row sum), fro and nuclear (the sum of the singular
/// values). `euclidean` takes the root of the sum of squares of all elements.
struct norm_order {
  enum class kind : std::uint8_t { euclidean, fro, nuclear, number };
  kind what = kind::euclidean;
  double p = 2;
  constexpr norm_order() = default;
  constexpr norm_order(kind k) : what(k) {}                     // NOLINT: implicit on purpose
  constexpr norm_order(double order) : what(kind::number), p(order) {}  // NOLINT: implicit on purpose
};
namespace norms {
inline constexpr norm_order euclidean = norm_order::kind::euclidean, fro = norm_order::kind::fro,
                            nuclear = norm_order::kind::nuclear, infinity = std::numeric_limits<double>::infinity();
}
/// Options of norm: of one axis vectors, of two matrices (rows, columns), of none all elements as one vector.
struct norm_options {
  norm_order ord = {};
  axis_list axis = {};
  bool keepdims = false;
};

/// a = q r.
template <class V>
struct qr_result {
  V q, r;
};
/// a = u diag(s) v^H; s descending. u and v are empty when they were not asked for.
template <class V>
struct svd_result {
  V s, u, v;
};
/// a = v diag(e) v^H; e ascending.
template <class V>
struct eig_result {
  V e, v;
};
/// det = sign * exp(log_abs_determinant); a singular matrix has sign 0 and -infinity.
template <class V>
struct log_determinant {
  V sign, log_abs_determinant;
};

template <value V>
constexpr V adjoint(V x);
template <value V>
constexpr V cholesky(V x);
template <value V>
constexpr V matrix_triangular_solve(V matrix, V rhs, triangular_solve_options o = {});
template <value V>
constexpr V matrix_solve(V matrix, V rhs, matrix_solve_options o = {});
template <value V>
constexpr V matrix_inverse(V x, matrix_inverse_options o = {});
template <value V>
constexpr eig_result<V> self_adjoint_eig(V x);
template <value V>
constexpr svd_result<V> svd(V x, svd_options o = {});

namespace detail {

/// Number of matrices in a shape, -k for k times the batch.
constexpr std::int64_t matrices_in(const tensor_shape& s) {
  std::int64_t n = 1;
  for (int d = 0; d + 2 < s.rank(); ++d) n *= s[d];
  return n;
}
/// The shape with other last axes.
constexpr tensor_shape with_last(const tensor_shape& s, std::initializer_list<std::int64_t> last) {
  tensor_shape r;
  for (int d = 0; d + 2 < s.rank(); ++d) r.push_back(s[d]);
  for (const std::int64_t n : last) r.push_back(n);
  return r;
}
constexpr bool check_matrices(const signature& x, bool square, failure& f) {
  const tensor_shape& s = x.shape;
  if (x.type != dtype::float32 && x.type != dtype::float64 && !is_complex(x.type))
    f.set("takes float32, float64, complex64 and complex128", "cast the operand", x);
  else if (s.rank() < 2) f.set("the operand must be a matrix or a batch of matrices", "expand_dims makes a vector one", x);
  else if (s[s.rank() - 1] < 0 || s[s.rank() - 2] < 0)
    f.set("the last two axes must have known extents", "only leading axes may be the batch", x);
  else if (square && s[s.rank() - 1] != s[s.rank() - 2]) f.set("matrices must be square", "", x);
  return !f;
}
/// Checks that rhs is [.., m, k] to a matrix [.., m, n].
constexpr bool check_right_side(const signature* in, failure& f) {
  const tensor_shape &a = in[0].shape, &b = in[1].shape;
  bool fits = a.rank() == b.rank() && in[0].type == in[1].type;
  for (int d = 0; fits && d + 1 < a.rank(); ++d) fits = a[d] == b[d];
  if (!fits) f.set("the right-hand side does not fit", "it has the matrix's dtype, leading axes and rows", in[0], in[1]);
  else if (b[b.rank() - 1] < 0) f.set("the right-hand side's columns must have a known extent", "", in[0], in[1]);
  return !f;
}
constexpr std::int64_t min_extent(const tensor_shape& s) {
  const std::int64_t m = s[s.rank() - 2], n = s[s.rank() - 1];
  return m < n ? m : n;
}

/// True in a matrix of m rows and n columns where the relation of row and column index holds.
enum class matrix_part : std::uint8_t { diagonal, lower, strictly_lower, upper };
template <value V>
constexpr V part_mask(const V& like, std::int64_t m, std::int64_t n, matrix_part part, std::int64_t shift = 0) {
  const V row = reshape_to(V::front_end::range(like, dtype::int32, m), {m, 1});
  V column = reshape_to(V::front_end::range(like, dtype::int32, n), {1, n});
  if (shift != 0) column = column + V::front_end::constant(like, dtype::int32, static_cast<double>(shift));
  switch (part) {
    case matrix_part::diagonal: return equal(row, column);
    case matrix_part::lower: return greater_equal(row, column);
    case matrix_part::strictly_lower: return greater(row, column);
    default: return less_equal(row, column);
  }
}
/// x with zeros outside of a part.
template <value V>
constexpr V keep_part(const V& x, matrix_part part) {
  if (V::front_end::failed(x)) return x;
  const int r = x.rank();
  return select(part_mask(x, x.shape()[r - 2], x.shape()[r - 1], part), x, zeros_like(x));
}
/// The diagonals: [.., m, n] -> [.., min(m, n)].
template <value V>
constexpr V diagonals(const V& x) {
  if (V::front_end::failed(x)) return x;
  const int r = x.rank();
  return sum_over(keep_part(x, matrix_part::diagonal), std::int64_t{1} << (x.shape()[r - 2] >= x.shape()[r - 1] ? r - 2 : r - 1));
}
/// Diagonal matrices: [.., n] -> [.., n, n].
template <value V>
constexpr V diagonal_matrices(const V& x) {
  if (V::front_end::failed(x)) return x;
  const std::int64_t n = x.shape()[x.rank() - 1];
  const V column = expand_dims(x, -1);
  tensor_shape s = x.shape();
  s.push_back(n);
  const V full = broadcast_to(column, s);
  return select(part_mask(x, n, n, matrix_part::diagonal), full, zeros_like(full));
}
/// Real numbers as elements of the dtype.
template <value V>
constexpr V as_type(const V& x, dtype type) {
  return is_complex(type) && !is_complex(x.type()) ? rill::complex(x, zeros_like(x)) : x;
}
/// 1 / x, and 0 for 0.
template <value V>
constexpr V safe_reciprocal(const V& x) {
  const V zero = equal(x, zeros_like(x));
  return select(zero, zeros_like(x), 1 / select(zero, ones_like(x), x));
}
/// 1 / (s_j - s_i) at (i, j), 0 on the diagonal and for equal numbers.
template <value V>
constexpr V reciprocal_differences(const V& s) {
  return safe_reciprocal(expand_dims(s, -2) - expand_dims(s, -1));
}
template <value V>
constexpr V conj_of(const V& x) {
  return is_complex(x.type()) ? rill::conj(x) : x;
}
template <value V>
constexpr V real_of_value(const V& x) {
  return is_complex(x.type()) ? rill::real(x) : x;
}
template <value V>
constexpr V times_adjoint(const V& a, const V& b) {
  return matmul(a, b, {.adjoint_b = true});
}
template <value V>
constexpr V adjoint_times(const V& a, const V& b) {
  return matmul(a, b, {.adjoint_a = true});
}

}  // namespace detail

namespace ops {

/// Base of ops on matrices; they are costly, so that what they computed is kept.
struct linalg_op {
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 1000;
};

/// A result of several parts lies in one vector, part after part, each for the whole batch. i[0] the offset of this part,
/// i[1] the whole length (both may be multiples of the batch), i[2] its rank, i[3..] its extents.
struct linalg_part_op : linalg_op {
  static constexpr auto name = "LinalgPart";
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x);
};
/// Zeros but for one part.
struct linalg_part_grad_op : linalg_op {
  static constexpr auto name = "LinalgPartGrad";
  static constexpr int cost = 4;
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto, auto x);
};
constexpr auto linalg_part_op::vjp(const attributes& at, auto dy, auto, auto x) {
  return grads(decltype(dy)::front_end::template add<linalg_part_grad_op>({x.type(), x.shape()}, {dy}, at));
}
constexpr auto linalg_part_grad_op::vjp(const attributes& at, auto dy, auto, auto x) {
  return grads(decltype(dy)::front_end::template add<linalg_part_op>({x.type(), x.shape()}, {dy}, at));
}
/// Part of x of this shape after `offset` elements, which is moved on.
constexpr auto linalg_part(auto x, std::int64_t& offset, const tensor_shape& s) {
  attributes at;
  at.i[0] = offset, at.i[1] = x.shape()[0], at.i[2] = s.rank();
  for (int d = 0; d < s.rank(); ++d) at.i[3 + d] = s[d];
  offset += s.num_elements();
  return decltype(x)::front_end::template add<linalg_part_op>({x.type(), s}, {x}, at);
}

struct cholesky_op : linalg_op {
  static constexpr auto name = "Cholesky";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    return detail::check_matrices(in[0], true, f) ? in[0] : signature{};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  // l^-H phi(l^H dl) l^-1, made symmetric; phi takes the lower triangle with half the diagonal.
  static constexpr auto vjp(const attributes&, auto dy, auto l, auto) {
    auto middle = detail::adjoint_times(l, detail::keep_part(dy, detail::matrix_part::lower));
    const auto diagonal = detail::keep_part(middle, detail::matrix_part::diagonal);
    middle = detail::keep_part(middle, detail::matrix_part::strictly_lower) + diagonal * 0.5;
    const auto left = matrix_triangular_solve(l, middle, {.adjoint = true});
    const auto g = adjoint(matrix_triangular_solve(l, adjoint(left), {.adjoint = true}));
    return grads((g + adjoint(g)) * 0.5);
  }
};

/// i[0] lower, i[1] adjoint.
struct matrix_triangular_solve_op : linalg_op {
  static constexpr auto name = "MatrixTriangularSolve";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    return detail::check_matrices(in[0], true, f) && detail::check_right_side(in, f) ? in[1] : signature{};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto a, auto) {
    const bool lower = at.i[0] != 0, adjoint = at.i[1] != 0;
    const auto db = matrix_triangular_solve(a, dy, {.lower = lower, .adjoint = !adjoint});
    const auto da = adjoint ? detail::times_adjoint(y, db) : detail::times_adjoint(db, y);
    return grads(detail::keep_part(-da, lower ? detail::matrix_part::lower : detail::matrix_part::upper), db);
  }
};

/// i[0] adjoint.
struct matrix_solve_op : linalg_op {
  static constexpr auto name = "MatrixSolve";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    return detail::check_matrices(in[0], true, f) && detail::check_right_side(in, f) ? in[1] : signature{};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto a, auto) {
    const bool adjoint = at.i[0] != 0;
    const auto db = matrix_solve(a, dy, {.adjoint = !adjoint});
    return grads(-(adjoint ? detail::times_adjoint(y, db) : detail::times_adjoint(db, y)), db);
  }
};

struct matrix_inverse_op : linalg_op {
  static constexpr auto name = "MatrixInverse";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    return detail::check_matrices(in[0], true, f) ? in[0] : signature{};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto y, auto) {
    return grads(-detail::adjoint_times(y, detail::times_adjoint(dy, y)));
  }
};

struct matrix_determinant_op : linalg_op {
  static constexpr auto name = "MatrixDeterminant";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    return detail::check_matrices(in[0], true, f) ? signature{in[0].type, detail::with_last(in[0].shape, {})} : signature{};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto y, auto a) {
    const auto scale = expand_dims(expand_dims(dy * detail::conj_of(y), -1), -1);
    return grads(scale * adjoint(matrix_inverse(a)));
  }
};
/// Parts: sign, log of the absolute value (as a number of the operand's dtype).
struct log_matrix_determinant_op : linalg_op {
  static constexpr auto name = "LogMatrixDeterminant";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    return detail::check_matrices(in[0], true, f) ? signature{in[0].type, {2 * detail::matrices_in(in[0].shape)}} : signature{};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  // The sign's gradient is zero, as TensorFlow's.
  static constexpr auto vjp(const attributes&, auto dy, auto, auto a) {
    const tensor_shape s = detail::with_last(a.shape(), {});
    std::int64_t at = s.num_elements();
    const auto scale = detail::as_type(detail::real_of_value(linalg_part(dy, at, s)), a.type());
    return grads(expand_dims(expand_dims(scale, -1), -1) * adjoint(matrix_inverse(a)));
  }
};

/// Parts: q, r. i[0] full_matrices.
struct qr_op : linalg_op {
  static constexpr auto name = "Qr";
  struct shapes {
    tensor_shape q, r;
  };
  static constexpr shapes parts(const attributes& at, const tensor_shape& s) {
    const std::int64_t m = s[s.rank() - 2], n = s[s.rank() - 1], k = at.i[0] != 0 ? m : detail::min_extent(s);
    return {detail::with_last(s, {m, k}), detail::with_last(s, {k, n})};
  }
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (!detail::check_matrices(in[0], false, f)) return {};
    const shapes p = parts(at, in[0].shape);
    return {in[0].type, {p.q.num_elements() + p.r.num_elements()}};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto a) {
    const tensor_shape s = a.shape();
    const std::int64_t m = s[s.rank() - 2], n = s[s.rank() - 1];
    if (m < n || (at.i[0] != 0 && m != n))
      return grads(detail::fail<qr_op>(a, "has a gradient only for at least as many rows as columns, and full_matrices = false"));
    const shapes p = parts(at, s);
    std::int64_t from = 0;
    const auto q = linalg_part(y, from, p.q), r = linalg_part(y, from, p.r);
    from = 0;
    const auto dq = linalg_part(dy, from, p.q), dr = linalg_part(dy, from, p.r);
    const auto qdq = detail::adjoint_times(q, dq), rdr = detail::times_adjoint(r, dr);
    const auto both = (qdq - adjoint(qdq)) + (rdr - adjoint(rdr));
    auto lower = detail::keep_part(both, detail::matrix_part::lower);
    // r's diagonal stays real, so that phases turn q alone; each is half of a difference that real matrices do not have
    if (is_complex(a.type())) lower = lower - detail::keep_part(both * 0.5, detail::matrix_part::diagonal);
    const auto over_r = [&](auto x) {  // x r^-H
      return adjoint(matrix_triangular_solve(r, adjoint(x), {.lower = false}));
    };
    const auto inner = matmul(q, dr + over_r(lower));
    return grads(inner + over_r(dq - matmul(q, qdq)));
  }
};

/// Parts: s (of the operand's dtype), then u and v unless i[0] == 0. i[0] compute_uv, i[1] full_matrices.
struct svd_op : linalg_op {
  static constexpr auto name = "Svd";
  struct shapes {
    tensor_shape s, u, v;
  };
  static constexpr shapes parts(const attributes& at, const tensor_shape& x) {
    const std::int64_t m = x[x.rank() - 2], n = x[x.rank() - 1], k = detail::min_extent(x);
    const bool uv = at.i[0] != 0, full = at.i[1] != 0;
    return {detail::with_last(x, {k}), detail::with_last(x, {uv ? m : 0, full ? m : k}), detail::with_last(x, {uv ? n : 0, full ? n : k})};
  }
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (!detail::check_matrices(in[0], false, f)) return {};
    const shapes p = parts(at, in[0].shape);
    return {in[0].type, {p.s.num_elements() + p.u.num_elements() + p.v.num_elements()}};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto a) {
    const tensor_shape x = a.shape();
    const shapes p = parts(at, x);
    std::int64_t from = 0;
    const auto ds = linalg_part(dy, from, p.s);
    if (at.i[0] == 0) {
      const auto all = svd(a);
      return grads(detail::times_adjoint(all.u * expand_dims(detail::as_type(detail::real_of_value(ds), a.type()), -2), all.v));
    }
    if (at.i[1] != 0 && x[x.rank() - 1] != x[x.rank() - 2])
      return grads(detail::fail<svd_op>(a, "has no gradient with full_matrices unless matrices are square"));
    const auto du = linalg_part(dy, from, p.u), dv = linalg_part(dy, from, p.v);
    from = 0;
    const auto s = detail::real_of_value(linalg_part(y, from, p.s)), u = linalg_part(y, from, p.u), v = linalg_part(y, from, p.v);
    const auto wide = [&](auto real) { return detail::as_type(real, a.type()); };
    const auto f = wide(detail::reciprocal_differences(s * s)), inverse = wide(detail::safe_reciprocal(s));
    const auto row = wide(expand_dims(s, -2)), column = wide(expand_dims(s, -1));
    const auto udu = detail::adjoint_times(u, du), vdv = detail::adjoint_times(v, dv);
    const auto turn_u = udu - adjoint(udu), turn_v = vdv - adjoint(vdv);
    auto inner = f * turn_u * row + column * (f * turn_v) + detail::diagonal_matrices(wide(detail::real_of_value(ds)));
    // the phases of a column of u and of v: only their difference is determined by the matrix
    if (is_complex(a.type()))
      inner = inner + detail::keep_part((turn_u - turn_v) * expand_dims(inverse, -1) * 0.25, detail::matrix_part::diagonal);
    auto g = detail::times_adjoint(matmul(u, inner), v);
    g = g + detail::times_adjoint((du - matmul(u, udu)) * expand_dims(inverse, -2), v);
    return grads(g + detail::times_adjoint(u * expand_dims(inverse, -2), dv - matmul(v, vdv)));
  }
};

/// Parts: e (of the operand's dtype), then v unless i[0] == 0. Reads the lower triangle.
struct self_adjoint_eig_op : linalg_op {
  static constexpr auto name = "SelfAdjointEig";
  struct shapes {
    tensor_shape e, v;
  };
  static constexpr shapes parts(const attributes& at, const tensor_shape& x) {
    const std::int64_t n = x[x.rank() - 1];
    return {detail::with_last(x, {n}), detail::with_last(x, {at.i[0] != 0 ? n : 0, n})};
  }
  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    if (!detail::check_matrices(in[0], true, f)) return {};
    const shapes p = parts(at, in[0].shape);
    return {in[0].type, {p.e.num_elements() + p.v.num_elements()}};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  // v (diag(de) + f v^H dv) v^H, gathered in the lower triangle.
  static constexpr auto vjp(const attributes& at, auto dy, auto y, auto a) {
    const shapes p = parts(at, a.shape());
    std::int64_t from = 0;
    const auto de = linalg_part(dy, from, p.e);
    auto inner = detail::diagonal_matrices(detail::as_type(detail::real_of_value(de), a.type()));
    auto v = a;
    if (at.i[0] != 0) {
      const auto dv = linalg_part(dy, from, p.v);
      from = 0;
      const auto e = detail::real_of_value(linalg_part(y, from, p.e));
      v = linalg_part(y, from, p.v);
      inner = inner + detail::as_type(detail::reciprocal_differences(e), a.type()) * detail::adjoint_times(v, dv);
    } else {
      v = self_adjoint_eig(a).v;
    }
    const auto g = matmul(v, detail::times_adjoint(inner, v));
    return grads(detail::keep_part(g + adjoint(g), detail::matrix_part::strictly_lower) +
                 detail::keep_part(g, detail::matrix_part::diagonal));
  }
};

/// The solution of least norm of a least-squares problem, by a complete orthogonal decomposition. No gradient.
struct matrix_solve_ls_op : linalg_op {
  static constexpr auto name = "MatrixSolveLs";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (!detail::check_matrices(in[0], false, f) || !detail::check_right_side(in, f)) return {};
    const tensor_shape &a = in[0].shape, &b = in[1].shape;
    return {in[0].type, detail::with_last(a, {a[a.rank() - 1], b[b.rank() - 1]})};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

/// exp of matrices: scaling and squaring with Pade approximants (Higham 2005).
struct matrix_exponential_op : linalg_op {
  static constexpr auto name = "MatrixExponential";
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    return detail::check_matrices(in[0], true, f) ? in[0] : signature{};
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  // The adjoint of the Frechet derivative L(a, .) is L(a^H, .), the upper right of exp [[a^H dy] [0 a^H]].
  static constexpr auto vjp(const attributes&, auto dy, auto, auto a) {
    const tensor_shape s = a.shape();
    const std::int64_t n = s[s.rank() - 1];
    const tensor_shape flat{detail::matrices_in(s), n, n};
    const auto one = [&](std::int64_t shift) {
      return detail::as_type(cast_to(detail::part_mask(a, 2, 2, detail::matrix_part::diagonal, shift), real_type_of(a.type())), a.type());
    };
    const auto side = [&](std::int64_t shift) {
      return detail::as_type(cast_to(detail::part_mask(a, 2 * n, n, detail::matrix_part::diagonal, shift), real_type_of(a.type())), a.type());
    };
    const auto block = kron(one(0), reshape_to(adjoint(a), flat)) + kron(one(-1), reshape_to(dy, flat));
    const auto whole = decltype(a)::front_end::template emit<matrix_exponential_op>({block}, {});
    return grads(reshape_to(matmul(matmul(side(0), whole, {.transpose_a = true}), side(n)), s));
  }
};

/// Cross products of vectors along the last axis, which is 3.
struct cross_op : linalg_op {
  static constexpr auto name = "Cross";
  static constexpr int cost = 10;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    const tensor_shape& s = in[0].shape;
    if (!(s == in[1].shape) || in[0].type != in[1].type || s.rank() == 0 || s[s.rank() - 1] != 3 || (class_of(in[0].type) & types::numbers) == 0)
      f.set("operands must have one number dtype and shape, of vectors of 3 elements", "", in[0], in[1]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto a, auto b) {
    return grads(detail::emit<cross_op>({detail::conj_of(b), dy}), detail::emit<cross_op>({dy, detail::conj_of(a)}));
  }
};

// Names for messages.
struct norm_rule : linalg_op {
  static constexpr auto name = "Norm";
};
struct trace_rule : linalg_op {
  static constexpr auto name = "Trace";
};
struct matrix_transpose_rule : linalg_op {
  static constexpr auto name = "MatrixTranspose";
};
struct eye_rule : linalg_op {
  static constexpr auto name = "Eye";
};

}  // namespace ops

/// The last two axes exchanged, [.., m, n] -> [.., n, m]; conjugated if asked for.
template <value V>
constexpr V matrix_transpose(V x, matrix_transpose_options o = {}) {
  if (V::front_end::failed(x)) return x;
  const int rank = x.rank();
  if (rank < 2) return detail::fail<ops::matrix_transpose_rule>(x, "the operand must be a matrix or a batch of matrices");
  attributes at;
  for (int d = 0; d < rank; ++d) at.i[d] = d;
  at.i[rank - 2] = rank - 1, at.i[rank - 1] = rank - 2;
  const V r = permute(x, at);
  return o.conjugate ? detail::conj_of(r) : r;
}
/// The conjugate transpose of matrices.
template <value V>
constexpr V adjoint(V x) {
  return matrix_transpose(x, {.conjugate = true});
}

/// The identity, of the dtype of `like`: [batch_shape.., rows, columns]; columns -1 means as many as rows.
template <value V>
constexpr V eye_like(V like, std::int64_t rows, std::int64_t columns = -1, const tensor_shape& batch_shape = {}) {
  if (V::front_end::failed(like)) return like;
  if (columns == -1) columns = rows;
  if (rows < 0 || columns < 0 || batch_shape.rank() > max_rank - 2)
    return detail::fail<ops::eye_rule>(like, "extents must be at least 0, and at most 6 axes lead");
  tensor_shape s = batch_shape;
  s.push_back(rows), s.push_back(columns);
  const V on = cast_to(detail::part_mask(like, rows, columns, detail::matrix_part::diagonal), real_type_of(like.type()));
  return broadcast_to(detail::as_type(on, like.type()), s);
}
/// The sum of the diagonal: [.., m, n] -> [..].
template <value V>
constexpr V trace(V x) {
  if (V::front_end::failed(x)) return x;
  const int r = x.rank();
  if (r < 2 || x.shape()[r - 1] < 0 || x.shape()[r - 2] < 0)
    return detail::fail<ops::trace_rule>(x, "the operand must be a matrix or a batch of matrices");
  return sum_over(detail::keep_part(x, detail::matrix_part::diagonal), std::int64_t{3} << (r - 2));
}
/// Cross products of the vectors of 3 elements along the last axis.
template <value V>
constexpr V cross(V a, V b) {
  return detail::emit<ops::cross_op>({a, b});
}

/// The lower triangle l with l l^H = x. Reads the lower triangle of x; invalid_argument unless positive definite.
template <value V>
constexpr V cholesky(V x) {
  return detail::emit<ops::cholesky_op>({x});
}
/// Solves with a lower or upper triangular matrix [.., m, m]; rhs [.., m, k]. invalid_argument for a zero on the diagonal.
template <value V>
constexpr V matrix_triangular_solve(V matrix, V rhs, triangular_solve_options o) {
  attributes at;
  at.i[0] = o.lower, at.i[1] = o.adjoint;
  return detail::emit<ops::matrix_triangular_solve_op>({matrix, rhs}, at);
}
/// Solves a x = rhs given chol = cholesky(a).
template <value V>
constexpr V cholesky_solve(V chol, V rhs) {
  return matrix_triangular_solve(chol, matrix_triangular_solve(chol, rhs), {.adjoint = true});
}
/// x with matrix x = rhs, or matrix^H x = rhs. [.., m, m], [.., m, k] -> [.., m, k]. invalid_argument when singular.
template <value V>
constexpr V matrix_solve(V matrix, V rhs, matrix_solve_options o) {
  attributes at;
  at.i[0] = o.adjoint;
  return detail::emit<ops::matrix_solve_op>({matrix, rhs}, at);
}
/// The inverse, or the inverse of the adjoint. invalid_argument when singular.
template <value V>
constexpr V matrix_inverse(V x, matrix_inverse_options o) {
  return detail::emit<ops::matrix_inverse_op>({o.adjoint ? adjoint(x) : x});
}
/// [.., n, n] -> [..]; 1 for n = 0.
template <value V>
constexpr V matrix_determinant(V x) {
  return detail::emit<ops::matrix_determinant_op>({x});
}
/// Sign and logarithm of the absolute value of the determinant, which may itself be too large or small for the dtype.
template <value V>
constexpr log_determinant<V> log_matrix_determinant(V x) {
  const V packed = detail::emit<ops::log_matrix_determinant_op>({x});
  if (V::front_end::failed(packed)) return {packed, packed};
  const tensor_shape s = detail::with_last(x.shape(), {});
  std::int64_t at = 0;
  const V sign = ops::linalg_part(packed, at, s);
  return {sign, detail::real_of_value(ops::linalg_part(packed, at, s))};
}
/// The logarithm of the determinant of positive definite matrices.
template <value V>
constexpr V logdet(V x) {
  const V l = cholesky(x);
  return 2 * reduce_sum(log(detail::real_of_value(detail::diagonals(l))), {.axis = {-1}});
}
/// The least-squares solution of matrix x = rhs: [.., m, n], [.., m, k] -> [.., n, k].
template <value V>
constexpr V matrix_solve_ls(V matrix, V rhs, matrix_solve_ls_options o = {}) {
  if (V::front_end::failed(matrix)) return matrix;
  if (V::front_end::failed(rhs)) return rhs;
  failure f;
  const signature in[] = {{matrix.type(), matrix.shape()}, {rhs.type(), rhs.shape()}};
  if (!o.fast) return detail::emit<ops::matrix_solve_ls_op>({matrix, rhs});
  if (detail::check_matrices(in[0], false, f)) detail::check_right_side(in, f);
  if (f) return V::front_end::template fail<ops::matrix_solve_ls_op>(f, matrix);
  const int r = matrix.rank();
  const bool tall = matrix.shape()[r - 2] >= matrix.shape()[r - 1];
  V gram = tall ? detail::adjoint_times(matrix, matrix) : detail::times_adjoint(matrix, matrix);
  if (o.l2_regularizer != 0) gram = gram + eye_like(gram, gram.shape()[r - 1]) * o.l2_regularizer;
  const V l = cholesky(gram);
  return tall ? cholesky_solve(l, detail::adjoint_times(matrix, rhs)) : detail::adjoint_times(matrix, cholesky_solve(l, rhs));
}
/// a = q r with orthonormal columns of q and r upper triangular (or trapezoidal): q [.., m, k], r [.., k, n] for
/// k = min(m, n), or k = m with full_matrices.
template <value V>
constexpr qr_result<V> qr(V x, qr_options o = {}) {
  attributes at;
  at.i[0] = o.full_matrices;
  const V packed = detail::emit<ops::qr_op>({x}, at);
  if (V::front_end::failed(packed)) return {packed, packed};
  const auto p = ops::qr_op::parts(at, x.shape());
  std::int64_t from = 0;
  const V q = ops::linalg_part(packed, from, p.q);
  return {q, ops::linalg_part(packed, from, p.r)};
}
/// a = u diag(s) v^H: s [.., k] descending and real, u [.., m, k], v [.., n, k] for k = min(m, n); with full_matrices u and v
/// are square. Without compute_uv u and v are empty.
template <value V>
constexpr svd_result<V> svd(V x, svd_options o) {
  attributes at;
  at.i[0] = o.compute_uv, at.i[1] = o.full_matrices;
  const V packed = detail::emit<ops::svd_op>({x}, at);
  if (V::front_end::failed(packed)) return {packed, packed, packed};
  const auto p = ops::svd_op::parts(at, x.shape());
  std::int64_t from = 0;
  const V s = detail::real_of_value(ops::linalg_part(packed, from, p.s));
  const V u = ops::linalg_part(packed, from, p.u);
  return {s, u, ops::linalg_part(packed, from, p.v)};
}
/// Eigenvalues e [.., n], real and ascending, and eigenvectors (columns of v) of self-adjoint matrices, of which the lower
/// triangle is read.
template <value V>
constexpr eig_result<V> self_adjoint_eig(V x) {
  attributes at;
  at.i[0] = 1;
  const V packed = detail::emit<ops::self_adjoint_eig_op>({x}, at);
  if (V::front_end::failed(packed)) return {packed, packed};
  const auto p = ops::self_adjoint_eig_op::parts(at, x.shape());
  std::int64_t from = 0;
  const V e = detail::real_of_value(ops::linalg_part(packed, from, p.e));
  return {e, ops::linalg_part(packed, from, p.v)};
}
/// The eigenvalues alone.
template <value V>
constexpr V self_adjoint_eigvals(V x) {
  const V packed = detail::emit<ops::self_adjoint_eig_op>({x});
  if (V::front_end::failed(packed)) return packed;
  std::int64_t from = 0;
  return detail::real_of_value(ops::linalg_part(packed, from, ops::self_adjoint_eig_op::parts({}, x.shape()).e));
}
/// exp of square matrices; tf.linalg.expm.
template <value V>
constexpr V matrix_exponential(V x) {
  return detail::emit<ops::matrix_exponential_op>({x});
}

/// Norms of vectors (one axis, or all elements) or matrices (two axes); see norm_order.
template <value V>
constexpr V norm(V x, norm_options o = {}) {
  using rule = ops::norm_rule;
  if (V::front_end::failed(x)) return x;
  if (!is_floating(x.type()) && !is_complex(x.type())) return detail::fail<rule>(x, "takes floating-point and complex tensors", "cast the operand");
  const int rank = x.rank();
  for (int k = 0; k < o.axis.count; ++k) {
    std::int64_t& a = o.axis.axes[k];
    if (a < 0) a += rank;
    if (a < 0 || a >= rank) return detail::fail<rule>(x, "axis out of range", "axes are -rank .. rank-1");
  }
  if (o.axis.count > 2 || (o.axis.count == 2 && o.axis.axes[0] == o.axis.axes[1]))
    return detail::fail<rule>(x, "takes one axis, two different axes, or none");
  using kind = norm_order::kind;
  const bool matrices = o.axis.count == 2;
  const bool p_norm = o.ord.what == kind::number;
  if (!matrices && (o.ord.what == kind::fro || o.ord.what == kind::nuclear))
    return detail::fail<rule>(x, "fro and nuclear are norms of matrices", "give two axes");
  if (p_norm && !(o.ord.p > 0)) return detail::fail<rule>(x, "the order must be positive");
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (matrices && p_norm && o.ord.p != 1 && o.ord.p != 2 && o.ord.p != infinity)
    return detail::fail<rule>(x, "norms of matrices have the order 1, 2, infinity, fro, nuclear or euclidean");
  const auto magnitude = [&] { return is_complex(x.type()) ? V(rill::complex_abs(x)) : V(rill::abs(x)); };
  if (!matrices) {
    const reduce_options over{.axis = o.axis, .keepdims = o.keepdims};
    if (!p_norm || o.ord.p == 2) {
      if (is_complex(x.type())) return sqrt(reduce_sum(square(rill::real(x)) + square(rill::imag(x)), over));
      return sqrt(reduce_sum(square(x), over));
    }
    if (o.ord.p == 1) return reduce_sum(magnitude(), over);
    if (o.ord.p == infinity) return reduce_max(magnitude(), over);
    return pow(reduce_sum(pow(magnitude(), o.ord.p), over), 1 / o.ord.p);
  }
  const int row = static_cast<int>(o.axis.axes[0]), column = static_cast<int>(o.axis.axes[1]);
  const auto finish = [&](V r) {  // the two axes are gone
    return o.keepdims ? reshape_to(r, ops::reduced_shape(x.shape(), std::int64_t{1} << row | std::int64_t{1} << column, true)) : r;
  };
  if (o.ord.what == kind::euclidean || o.ord.what == kind::fro) {
    const V m = magnitude();
    return finish(sqrt(reduce_sum(square(m), {.axis = {row, column}})));
  }
  if (o.ord.what == kind::nuclear || o.ord.p == 2) {
    attributes order;
    int k = 0;
    for (int d = 0; d < rank; ++d)
      if (d != row && d != column) order.i[k++] = d;
    order.i[k++] = row, order.i[k] = column;
    const V s = svd(permute(x, order), {.compute_uv = false}).s;
    return finish(o.ord.what == kind::nuclear ? reduce_sum(s, {.axis = {-1}}) : reduce_max(s, {.axis = {-1}}));
  }
  const int inner = o.ord.p == 1 ? row : column, outer_axis = o.ord.p == 1 ? column : row;
  return finish(reduce_max(reduce_sum(magnitude(), {.axis = {inner}}), {.axis = {outer_axis > inner ? outer_axis - 1 : outer_axis}}));
}

}  // namespace rill
