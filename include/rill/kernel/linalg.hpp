// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The kernels of ops/linalg.hpp, on Eigen's decompositions, in parallel over the batch. Cholesky, solvers, inverse and
/// determinant compute in the operand's type; decompositions by orthogonal transformations and the matrix exponential
/// compute float32 as double and round once. Reading Eigen costs a translation unit a second or two, so only
/// <rill/eager/linalg.hpp> includes this.

#include <atomic>
#include <cmath>
#include <complex>
#include <cstring>
#include <string>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#include <Eigen/QR>
#include <Eigen/SVD>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "../ops/linalg.hpp"
#include "parallel.hpp"

namespace rill::kernel::linalg {

template <class T>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
/// The type that decompositions compute in.
template <class T>
using wide_t = std::conditional_t<is_complex_v<T>, std::complex<double>, double>;

template <class T>
T conjugate(const T& x) {
  if constexpr (is_complex_v<T>) return T(x.real(), -x.imag());
  else return x;
}
/// A row-major matrix of T as one of W, or its adjoint.
template <class W, class T>
matrix<W> load(const T* from, std::int64_t rows, std::int64_t columns, bool adjoint = false) {
  matrix<W> m(adjoint ? columns : rows, adjoint ? rows : columns);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      const W x = static_cast<W>(from[i * columns + j]);
      if (adjoint) m(j, i) = conjugate(x);
      else m(i, j) = x;
    }
  return m;
}
template <class T, class W>
void store(const matrix<W>& m, T* to) {
  for (Eigen::Index i = 0; i < m.rows(); ++i)
    for (Eigen::Index j = 0; j < m.cols(); ++j) to[i * m.cols() + j] = static_cast<T>(m(i, j));
}
template <class T>
bool all_finite(const T* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    if constexpr (is_complex_v<T>) {
      if (!std::isfinite(x[i].real()) || !std::isfinite(x[i].imag())) return false;
    } else if (!std::isfinite(x[i])) return false;
  return true;
}

/// Calls f(k) for each matrix of a batch; where some call gives false, the first such matrix is reported.
inline void for_each_matrix(const char* op, const operand_memory& x, const char* problem, function_ref<bool(std::int64_t)> f) {
  const tensor_shape& s = x.shape;
  std::int64_t count = 1;
  for (int d = 0; d + 2 < s.rank(); ++d) count *= s[d];
  const std::int64_t m = s[s.rank() - 2] + 1, n = s[s.rank() - 1] + 1, work = 4 * m * n * (m < n ? m : n);
  std::atomic<std::int64_t> first{count};
  parallel_for(count, 50000 / work + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      if (f(k)) continue;
      std::int64_t seen = first.load();
      while (k < seen && !first.compare_exchange_weak(seen, k)) {
      }
    }
  });
  if (first < count)
    throw invalid_argument(std::string(op) + ": matrix " + std::to_string(first.load()) + " of " + std::to_string(count) + " " + problem +
                           ": got " + std::string(name_of(x.type)) + to_string(s));
}

/// float32, float64, complex64, complex128.
template <class F>
void visit_linalg(dtype d, F&& f) {
  switch (d) {
    case dtype::float32: return f(std::type_identity<float>{});
    case dtype::float64: return f(std::type_identity<double>{});
    case dtype::complex64: return f(std::type_identity<std::complex<float>>{});
    default: return f(std::type_identity<std::complex<double>>{});
  }
}

struct matrix_extents {
  std::int64_t m, n;
  explicit matrix_extents(const tensor_shape& s) : m(s[s.rank() - 2]), n(s[s.rank() - 1]) {}
};

inline constexpr const char* is_singular = "is not invertible";

template <class T>
bool has_zero(const matrix<T>& lu) {
  for (Eigen::Index i = 0; i < lu.rows(); ++i)
    if (lu(i, i) == T(0) || lu(i, i) != lu(i, i)) return true;
  return false;
}

/// Solves in place of x; false when singular.
template <class T>
bool solve(const matrix<T>& a, matrix<T>& x) {
  if (a.rows() == 0) return true;
  const Eigen::PartialPivLU<matrix<T>> lu(a);
  if (has_zero<T>(lu.matrixLU())) return false;
  x = lu.solve(x).eval();
  return true;
}

/// exp of a matrix: a Pade approximant of degree 13 of a / 2^k, squared k times (Higham, "The scaling and squaring method
/// for the matrix exponential revisited", 2005).
template <class T>
bool exponential(matrix<T>& a) {
  const Eigen::Index n = a.rows();
  double norm = 0;
  for (Eigen::Index j = 0; j < n; ++j) {
    double sum = 0;
    for (Eigen::Index i = 0; i < n; ++i) sum += std::abs(a(i, j));
    norm = sum > norm || sum != sum ? sum : norm;
  }
  if (!std::isfinite(norm)) return false;
  int squarings = 0;
  if (norm > 5.371920351148152) squarings = static_cast<int>(std::ceil(std::log2(norm / 5.371920351148152)));
  a *= T(std::ldexp(1.0, -squarings));
  constexpr double c[] = {64764752532480000., 32382376266240000., 7771770303897600., 1187353796428800., 129060195264000.,
                          10559470521600.,    670442572800.,      33522128640.,      1323241920.,       40840800.,
                          960960.,            16380.,             182.,              1.};
  const matrix<T> identity = matrix<T>::Identity(n, n), a2 = a * a, a4 = a2 * a2, a6 = a4 * a2;
  const auto sum = [&](double x6, double x4, double x2, double x0) { return matrix<T>(a6 * T(x6) + a4 * T(x4) + a2 * T(x2) + identity * T(x0)); };
  const matrix<T> u = a * (a6 * sum(c[13], c[11], c[9], 0) + sum(c[7], c[5], c[3], c[1]));
  const matrix<T> v = a6 * sum(c[12], c[10], c[8], 0) + sum(c[6], c[4], c[2], c[0]);
  matrix<T> r = v + u;
  if (!solve<T>(v - u, r)) return false;
  for (int k = 0; k < squarings; ++k) r = (r * r).eval();
  a = r;
  return true;
}

/// Where part of a packed vector begins, for the batch of this call.
inline std::int64_t part_offset(const attributes& at, std::int64_t whole) {
  return at.i[0] < 0 ? whole / -at.i[1] * -at.i[0] : at.i[0];
}

}  // namespace rill::kernel::linalg

namespace rill::ops {

template <class>
void linalg_part_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::size_t width = size_of(out.type);
  const std::int64_t from = kernel::linalg::part_offset(at, in[0].size());
  if (out.size() > 0)
    std::memcpy(out.data, in[0].as<unsigned char>() + static_cast<std::size_t>(from) * width, static_cast<std::size_t>(out.size()) * width);
}
template <class>
void linalg_part_grad_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::size_t width = size_of(out.type);
  const std::int64_t to = kernel::linalg::part_offset(at, out.size());
  if (out.size() > 0) std::memset(out.data, 0, static_cast<std::size_t>(out.size()) * width);
  if (in[0].size() > 0)
    std::memcpy(out.as<unsigned char>() + static_cast<std::size_t>(to) * width, in[0].data, static_cast<std::size_t>(in[0].size()) * width);
}

template <class>
void cholesky_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape);
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], "is not positive definite", [&](std::int64_t k) {
      Eigen::LLT<kernel::linalg::matrix<T>> llt(kernel::linalg::load<T>(in[0].as<T>() + k * e.n * e.n, e.n, e.n));
      if (e.n > 0 && llt.info() != Eigen::Success) return false;
      T* const to = out.as<T>() + k * e.n * e.n;
      const kernel::linalg::matrix<T>& l = llt.matrixLLT();
      for (std::int64_t i = 0; i < e.n; ++i) {
        if (!(std::real(l(i, i)) > 0)) return false;
        for (std::int64_t j = 0; j < e.n; ++j) to[i * e.n + j] = j <= i ? l(i, j) : T(0);
      }
      return true;
    });
  });
}

template <class>
void matrix_triangular_solve_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape), x(in[1].shape);
  const bool adjoint = at.i[1] != 0, lower = (at.i[0] != 0) != adjoint;
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], kernel::linalg::is_singular, [&](std::int64_t k) {
      const kernel::linalg::matrix<T> a = kernel::linalg::load<T>(in[0].as<T>() + k * e.n * e.n, e.n, e.n, adjoint);
      if (kernel::linalg::has_zero<T>(a)) return false;
      kernel::linalg::matrix<T> b = kernel::linalg::load<T>(in[1].as<T>() + k * x.m * x.n, x.m, x.n);
      if (lower) a.template triangularView<Eigen::Lower>().solveInPlace(b);
      else a.template triangularView<Eigen::Upper>().solveInPlace(b);
      kernel::linalg::store(b, out.as<T>() + k * x.m * x.n);
      return true;
    });
  });
}

template <class>
void matrix_solve_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape), x(in[1].shape);
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], kernel::linalg::is_singular, [&](std::int64_t k) {
      kernel::linalg::matrix<T> b = kernel::linalg::load<T>(in[1].as<T>() + k * x.m * x.n, x.m, x.n);
      if (!kernel::linalg::solve<T>(kernel::linalg::load<T>(in[0].as<T>() + k * e.n * e.n, e.n, e.n, at.i[0] != 0), b)) return false;
      kernel::linalg::store(b, out.as<T>() + k * x.m * x.n);
      return true;
    });
  });
}

template <class>
void matrix_inverse_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape);
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], kernel::linalg::is_singular, [&](std::int64_t k) {
      kernel::linalg::matrix<T> b = kernel::linalg::matrix<T>::Identity(e.n, e.n);
      if (!kernel::linalg::solve<T>(kernel::linalg::load<T>(in[0].as<T>() + k * e.n * e.n, e.n, e.n), b)) return false;
      kernel::linalg::store(b, out.as<T>() + k * e.n * e.n);
      return true;
    });
  });
}

template <class>
void matrix_determinant_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape);
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], "", [&](std::int64_t k) {
      T r(1);
      if (e.n > 0) {
        const Eigen::PartialPivLU<kernel::linalg::matrix<T>> lu(kernel::linalg::load<T>(in[0].as<T>() + k * e.n * e.n, e.n, e.n));
        r = T(static_cast<real_type_t<T>>(lu.permutationP().determinant()));
        for (std::int64_t i = 0; i < e.n; ++i) r *= lu.matrixLU()(i, i);
      }
      out.as<T>()[k] = r;
      return true;
    });
  });
}

template <class>
void log_matrix_determinant_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape);
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    using R = real_type_t<T>;
    kernel::linalg::for_each_matrix(name, in[0], "", [&](std::int64_t k) {
      T sign(1);
      R log = 0;
      if (e.n > 0) {
        const Eigen::PartialPivLU<kernel::linalg::matrix<T>> lu(kernel::linalg::load<T>(in[0].as<T>() + k * e.n * e.n, e.n, e.n));
        sign = T(static_cast<R>(lu.permutationP().determinant()));
        for (std::int64_t i = 0; i < e.n; ++i) {
          const T u = lu.matrixLU()(i, i);
          const R size = std::abs(u);
          log += std::log(size);
          sign *= size == R(0) ? T(0) : u / size;
        }
      }
      out.as<T>()[k] = sign;
      out.as<T>()[out.size() / 2 + k] = T(log);
      return true;
    });
  });
}

template <class>
void qr_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape);
  const shapes p = parts(at, in[0].shape);
  const std::int64_t columns = p.q[p.q.rank() - 1];
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    using W = kernel::linalg::wide_t<T>;
    T *const q = out.as<T>(), *const r = q + p.q.num_elements();
    kernel::linalg::for_each_matrix(name, in[0], "", [&](std::int64_t k) {
      kernel::linalg::matrix<W> to = kernel::linalg::matrix<W>::Identity(e.m, columns);
      T* const triangle = r + k * columns * e.n;
      if (e.m > 0 && e.n > 0) {
        const Eigen::HouseholderQR<kernel::linalg::matrix<W>> qr(kernel::linalg::load<W>(in[0].as<T>() + k * e.m * e.n, e.m, e.n));
        to.applyOnTheLeft(qr.householderQ());
        for (std::int64_t i = 0; i < columns; ++i)
          for (std::int64_t j = 0; j < e.n; ++j) triangle[i * e.n + j] = j >= i ? static_cast<T>(qr.matrixQR()(i, j)) : T(0);
      }
      kernel::linalg::store(to, q + k * e.m * columns);
      return true;
    });
  });
}

template <class>
void svd_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape);
  const shapes p = parts(at, in[0].shape);
  const bool uv = at.i[0] != 0, full = at.i[1] != 0;
  const std::int64_t rank = e.m < e.n ? e.m : e.n;
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    using W = kernel::linalg::wide_t<T>;
    T *const s = out.as<T>(), *const u = s + p.s.num_elements(), *const v = u + p.u.num_elements();
    kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite, or its decomposition did not converge", [&](std::int64_t k) {
      const T* from = in[0].as<T>() + k * e.m * e.n;
      const std::int64_t cu = full ? e.m : rank, cv = full ? e.n : rank;
      if (rank == 0) {
        if (uv) kernel::linalg::store(kernel::linalg::matrix<W>(kernel::linalg::matrix<W>::Identity(e.m, cu)), u + k * e.m * cu);
        if (uv) kernel::linalg::store(kernel::linalg::matrix<W>(kernel::linalg::matrix<W>::Identity(e.n, cv)), v + k * e.n * cv);
        return true;
      }
      if (!kernel::linalg::all_finite(from, e.m * e.n)) return false;
      const unsigned want = !uv ? 0U : full ? unsigned{Eigen::ComputeFullU} | unsigned{Eigen::ComputeFullV}
                                            : unsigned{Eigen::ComputeThinU} | unsigned{Eigen::ComputeThinV};
      const Eigen::BDCSVD<kernel::linalg::matrix<W>> svd(kernel::linalg::load<W>(from, e.m, e.n), want);
      if (svd.info() != Eigen::Success) return false;
      for (std::int64_t i = 0; i < rank; ++i) s[k * rank + i] = T(static_cast<real_type_t<T>>(svd.singularValues()(i)));
      if (uv) {
        kernel::linalg::store(svd.matrixU(), u + k * e.m * cu);
        kernel::linalg::store(svd.matrixV(), v + k * e.n * cv);
      }
      return true;
    });
  });
}

template <class>
void self_adjoint_eig_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents x(in[0].shape);
  const shapes p = parts(at, in[0].shape);
  const bool vectors = at.i[0] != 0;
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    using W = kernel::linalg::wide_t<T>;
    T *const e = out.as<T>(), *const v = e + p.e.num_elements();
    kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite, or its decomposition did not converge", [&](std::int64_t k) {
      if (x.n == 0) return true;
      kernel::linalg::matrix<W> a = kernel::linalg::load<W>(in[0].as<T>() + k * x.n * x.n, x.n, x.n);
      for (std::int64_t i = 0; i < x.n; ++i)
        for (std::int64_t j = 0; j <= i; ++j)
          if (!std::isfinite(std::abs(a(i, j)))) return false;
      const Eigen::SelfAdjointEigenSolver<kernel::linalg::matrix<W>> solver(a, vectors ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly);
      if (solver.info() != Eigen::Success) return false;
      for (std::int64_t i = 0; i < x.n; ++i) e[k * x.n + i] = T(static_cast<real_type_t<T>>(solver.eigenvalues()(i)));
      if (vectors) kernel::linalg::store(solver.eigenvectors(), v + k * x.n * x.n);
      return true;
    });
  });
}

template <class>
void matrix_solve_ls_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape), b(in[1].shape);
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    using W = kernel::linalg::wide_t<T>;
    kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite", [&](std::int64_t k) {
      const T* from = in[0].as<T>() + k * e.m * e.n;
      kernel::linalg::matrix<W> x = kernel::linalg::matrix<W>::Zero(e.n, b.n);
      if (!kernel::linalg::all_finite(from, e.m * e.n)) return false;
      if (e.m > 0 && e.n > 0 && b.n > 0) {
        // Numbers that rounding to T made are not taken for rank.
        Eigen::CompleteOrthogonalDecomposition<kernel::linalg::matrix<W>> cod(e.m, e.n);
        cod.setThreshold(static_cast<double>(std::numeric_limits<real_type_t<T>>::epsilon()) * static_cast<double>(e.m > e.n ? e.m : e.n));
        cod.compute(kernel::linalg::load<W>(from, e.m, e.n));
        x = cod.solve(kernel::linalg::load<W>(in[1].as<T>() + k * b.m * b.n, b.m, b.n));
      }
      kernel::linalg::store(x, out.as<T>() + k * e.n * b.n);
      return true;
    });
  });
}

template <class>
void matrix_exponential_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape);
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    using W = kernel::linalg::wide_t<T>;
    kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite", [&](std::int64_t k) {
      kernel::linalg::matrix<W> a = kernel::linalg::load<W>(in[0].as<T>() + k * e.n * e.n, e.n, e.n);
      if (!kernel::linalg::exponential<W>(a)) return false;
      kernel::linalg::store(a, out.as<T>() + k * e.n * e.n);
      return true;
    });
  });
}

template <class>
void cross_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  visit_number(out.type, [&]<class T>(std::type_identity<T>) {
    using C = compute_t<T>;
    const auto difference = [](T a, T b, T c, T d) {
      if constexpr (std::is_integral_v<T>) {  // wraps
        const auto u = [](T x) { return static_cast<std::uint64_t>(x); };
        return static_cast<T>(u(a) * u(b) - u(c) * u(d));
      } else return static_cast<T>(static_cast<C>(a) * static_cast<C>(b) - static_cast<C>(c) * static_cast<C>(d));
    };
    parallel_for(out.size() / 3, 8192, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = 3 * begin; k < 3 * end; k += 3) {
        const T *a = in[0].as<T>() + k, *b = in[1].as<T>() + k;
        T* const to = out.as<T>() + k;
        to[0] = difference(a[1], b[2], a[2], b[1]);
        to[1] = difference(a[2], b[0], a[0], b[2]);
        to[2] = difference(a[0], b[1], a[1], b[0]);
      }
    });
  }, name);
}

}  // namespace rill::ops
