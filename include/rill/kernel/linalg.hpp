// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The kernels of ops/linalg.hpp, in parallel over the batch. Cholesky, LU and triangular solves are blocked and run on the
/// packed product of kernel/matmul.hpp, in the operand's type. qr, svd, eigenvalues and least squares are Eigen's for real
/// matrices and written out below for complex ones (Householder reflections and Jacobi rotations, a few lines each, where
/// Eigen's would take seconds to compile); they and the matrix exponential compute single precision as double and round once. Reading Eigen costs a translation unit a second or two,
/// so only <rill/eager/linalg.hpp> includes this.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <Eigen/SVD>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "../ops/linalg.hpp"
#include "matmul.hpp"
#include "parallel.hpp"

namespace rill::kernel::linalg {

template <class T>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
template <class T>
T conjugate(const T& x) {
  if constexpr (is_complex_v<T>) return T(x.real(), -x.imag());
  else return x;
}
/// A row-major matrix as one of Eigen's.
template <class T>
matrix<double> load(const T* from, std::int64_t rows, std::int64_t columns) {
  matrix<double> m(rows, columns);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) m(i, j) = static_cast<double>(from[i * columns + j]);
  return m;
}
template <class T>
void store(const matrix<double>& m, T* to) {
  for (Eigen::Index i = 0; i < m.rows(); ++i)
    for (Eigen::Index j = 0; j < m.cols(); ++j) to[i * m.cols() + j] = static_cast<T>(m(i, j));
}
/// The adjoint of a row-major n x n matrix.
template <class T>
void load_adjoint(const T* from, std::int64_t n, T* to) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) to[j * n + i] = conjugate(from[i * n + j]);
}
template <class T>
bool all_finite(const T* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    if (!std::isfinite(x[i])) return false;
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

/// float32 and float64.
template <class F>
void visit_decomposed(dtype d, F&& f) {
  if (d == dtype::float32) return f(std::type_identity<float>{});
  return f(std::type_identity<double>{});
}
/// complex64 and complex128.
template <class F>
void visit_decomposed_complex(dtype d, F&& f) {
  if (d == dtype::complex64) return f(std::type_identity<std::complex<float>>{});
  return f(std::type_identity<std::complex<double>>{});
}

struct matrix_extents {
  std::int64_t m, n;
  explicit matrix_extents(const tensor_shape& s) : m(s[s.rank() - 2]), n(s[s.rank() - 1]) {}
};

inline constexpr const char* is_singular = "is not invertible";

/// a * b without the detour that std::complex makes for infinities.
template <class T>
T times(const T& a, const T& b) {
  if constexpr (is_complex_v<T>) return T(a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real());
  else return a * b;
}

/// Subtracts the product from what is there.
template <class T>
struct subtract_epilogue {
  T* data;
  std::int64_t ld;
  template <class V>
  void operator()(std::int64_t i, std::int64_t j, V acc) const {
    T* const to = data + i * ld + j;
    (V::load_unaligned(to) - acc).store_unaligned(to);
  }
  template <class V>
  void tail(std::int64_t i, std::int64_t j, V acc, std::int64_t n) const {
    T* const to = data + i * ld + j;
    kernel::detail::store_lanes(to, kernel::detail::load_lanes(to, n) - acc, n);
  }
};

/// c -= a b, or c -= a b^H where `adjoint`; c is m x n and overlaps neither.
template <class T>
void subtract_product(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t lda, const T* b, std::int64_t ldb,
                      bool adjoint, T* c, std::int64_t ldc) {
  if (m <= 0 || n <= 0 || k <= 0) return;
  if constexpr (!is_complex_v<T>) {
    if (m * n * k > 4096) {
      const plain_operand<T> x{a, lda}, y{b, ldb};
      const subtract_epilogue<T> to{c, ldc};
      return kernel::detail::multiply<T>({m, n, k, false, adjoint, kernel::detail::operand_ref<T>::of(x),
                                          kernel::detail::operand_ref<T>::of(y), kernel::detail::tile_sink<T>::of(to)});
    }
  }
  for (std::int64_t i = 0; i < m; ++i) {
    T* const row = c + i * ldc;
    if (adjoint) {
      for (std::int64_t j = 0; j < n; ++j) {
        T sum(0);
        for (std::int64_t l = 0; l < k; ++l) sum += times(a[i * lda + l], conjugate(b[j * ldb + l]));
        row[j] -= sum;
      }
    } else {
      for (std::int64_t l = 0; l < k; ++l) {
        const T x = a[i * lda + l];
        for (std::int64_t j = 0; j < n; ++j) row[j] -= times(x, b[l * ldb + j]);
      }
    }
  }
}

inline constexpr std::int64_t panel = 32;

/// Solves l x = b in place of b (n x k), with the lower triangle of an n x n matrix; its diagonal counts as 1 where `unit`.
template <class T>
void solve_lower(const T* l, std::int64_t ld, std::int64_t n, bool unit, T* b, std::int64_t k, std::int64_t ldb) {
  if (n > panel) {
    const std::int64_t half = n / 2 / panel * panel < panel ? panel : n / 2 / panel * panel;
    solve_lower(l, ld, half, unit, b, k, ldb);
    subtract_product(n - half, k, half, l + half * ld, ld, b, ldb, false, b + half * ldb, ldb);
    return solve_lower(l + half * (ld + 1), ld, n - half, unit, b + half * ldb, k, ldb);
  }
  for (std::int64_t i = 0; i < n; ++i) {
    T* const row = b + i * ldb;
    subtract_product(1, k, i, l + i * ld, ld, b, ldb, false, row, ldb);
    if (unit) continue;
    for (std::int64_t j = 0; j < k; ++j) row[j] /= l[i * (ld + 1)];
  }
}
/// The same with the upper triangle.
template <class T>
void solve_upper(const T* u, std::int64_t ld, std::int64_t n, T* b, std::int64_t k, std::int64_t ldb) {
  if (n > panel) {
    const std::int64_t half = n / 2 / panel * panel < panel ? panel : n / 2 / panel * panel;
    solve_upper(u + half * (ld + 1), ld, n - half, b + half * ldb, k, ldb);
    subtract_product(half, k, n - half, u + half, ld, b + half * ldb, ldb, false, b, ldb);
    return solve_upper(u, ld, half, b, k, ldb);
  }
  for (std::int64_t i = n - 1; i >= 0; --i) {
    T* const row = b + i * ldb;
    subtract_product(1, k, n - 1 - i, u + i * ld + i + 1, ld, b + (i + 1) * ldb, ldb, false, row, ldb);
    for (std::int64_t j = 0; j < k; ++j) row[j] /= u[i * (ld + 1)];
  }
}

/// The Cholesky factor in place of the lower triangle; false where a pivot is not positive.
template <class T>
bool factor_cholesky(T* a, std::int64_t n) {
  for (std::int64_t p = 0; p < n; p += panel) {
    const std::int64_t q = p + panel < n ? p + panel : n;
    for (std::int64_t i = p; i < n; ++i) {  // the panel's columns, row by row
      T* const row = a + i * n;
      for (std::int64_t c = p; c < (i < q ? i + 1 : q); ++c) {
        const T* const other = a + c * n;
        T sum = row[c];
        for (std::int64_t d = p; d < c; ++d) sum -= times(row[d], conjugate(other[d]));
        if (c < i) {
          row[c] = sum / other[c];
          continue;
        }
        const real_type_t<T> pivot = std::real(sum);
        if (!(pivot > 0) || !std::isfinite(pivot)) return false;
        row[c] = T(std::sqrt(pivot));
      }
    }
    for (std::int64_t i = q; i < n; i += 4 * panel) {  // what lies beyond, a strip of rows at a time up to its diagonal
      const std::int64_t e = i + 4 * panel < n ? i + 4 * panel : n;
      subtract_product(e - i, e - q, q - p, a + i * n + p, n, a + q * n + p, n, true, a + i * n + q, n);
    }
  }
  return true;
}

/// LU with row exchanges in place of a; rows[i] is the row of a that became row i. Gives the sign of the permutation, or 0
/// when a column has no pivot, after which the factors are no use.
template <class T>
int factor_lu(T* a, std::int64_t n, std::int64_t* rows) {
  int sign = 1;
  for (std::int64_t i = 0; i < n; ++i) rows[i] = i;
  for (std::int64_t p = 0; p < n; p += panel) {
    const std::int64_t q = p + panel < n ? p + panel : n;
    for (std::int64_t c = p; c < q; ++c) {
      std::int64_t best = c;
      real_type_t<T> most = std::abs(a[c * n + c]);
      for (std::int64_t i = c + 1; i < n; ++i)
        if (const real_type_t<T> x = std::abs(a[i * n + c]); x > most || x != x) most = x, best = i;
      if (!(most > 0)) return 0;
      if (best != c) {
        sign = -sign;
        std::swap(rows[best], rows[c]);
        for (std::int64_t j = 0; j < n; ++j) std::swap(a[best * n + j], a[c * n + j]);
      }
      for (std::int64_t i = c + 1; i < n; ++i) {
        const T factor = a[i * n + c] / a[c * n + c];
        a[i * n + c] = factor;
        for (std::int64_t j = c + 1; j < q; ++j) a[i * n + j] -= times(factor, a[c * n + j]);
      }
    }
    solve_lower(a + p * (n + 1), n, q - p, true, a + p * n + q, n - q, n);
    subtract_product(n - q, n - q, q - p, a + q * n + p, n, a + p * n + q, n, false, a + q * (n + 1), n);
  }
  return sign;
}

/// x (n x k) = a^-1 b, or a^-H b; a null b stands for the identity. False when a is singular.
template <class T>
bool solve(const T* a, std::int64_t n, bool adjoint, const T* b, std::int64_t k, T* x) {
  std::vector<T> lu(static_cast<std::size_t>(n * n));
  std::vector<std::int64_t> rows(static_cast<std::size_t>(n));
  if (adjoint) load_adjoint(a, n, lu.data());
  else std::copy(a, a + n * n, lu.data());
  if (factor_lu(lu.data(), n, rows.data()) == 0) return false;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < k; ++j) {
      const std::int64_t from = rows[static_cast<std::size_t>(i)];
      x[i * k + j] = b ? b[from * k + j] : T(from == j ? 1 : 0);
    }
  solve_lower(lu.data(), n, n, true, x, k, k);
  solve_upper(lu.data(), n, n, x, k, k);
  return true;
}

/// exp of an n x n matrix, in place: a Pade approximant of degree 13 of a / 2^k, squared k times (Higham, "The scaling and
/// squaring method for the matrix exponential revisited", 2005). False for elements that are not finite.
template <class T>
bool exponential(std::vector<T>& a, std::int64_t n) {
  using many = std::vector<T>;
  double norm = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += std::abs(a[static_cast<std::size_t>(i * n + j)]);
    norm = sum > norm || sum != sum ? sum : norm;
  }
  if (!std::isfinite(norm)) return false;
  int squarings = 0;
  if (norm > 5.371920351148152) squarings = static_cast<int>(std::ceil(std::log2(norm / 5.371920351148152)));
  for (T& x : a) x *= std::ldexp(1.0, -squarings);
  constexpr double c[] = {64764752532480000., 32382376266240000., 7771770303897600., 1187353796428800., 129060195264000.,
                          10559470521600.,    670442572800.,      33522128640.,      1323241920.,       40840800.,
                          960960.,            16380.,             182.,              1.};
  const auto product = [&](const many& x, const many& y) {
    many r(x.size());
    subtract_product(n, n, n, x.data(), n, y.data(), n, false, r.data(), n);
    for (T& e : r) e = -e;
    return r;
  };
  const many a2 = product(a, a), a4 = product(a2, a2), a6 = product(a4, a2);
  const auto sum = [&](double x6, double x4, double x2, double x0) {
    many r(a.size());
    for (std::size_t i = 0; i < r.size(); ++i) r[i] = a6[i] * x6 + a4[i] * x4 + a2[i] * x2;
    for (std::int64_t i = 0; i < n; ++i) r[static_cast<std::size_t>(i * (n + 1))] += x0;
    return r;
  };
  const auto plus = [](many x, const many& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
    return x;
  };
  const many u = product(a, plus(product(a6, sum(c[13], c[11], c[9], 0)), sum(c[7], c[5], c[3], c[1])));
  const many v = plus(product(a6, sum(c[12], c[10], c[8], 0)), sum(c[6], c[4], c[2], c[0]));
  many difference = v;
  for (std::size_t i = 0; i < u.size(); ++i) difference[i] -= u[i];
  const many total = plus(u, v);
  if (!solve(difference.data(), n, false, total.data(), n, a.data())) return false;
  for (int k = 0; k < squarings; ++k) a = product(a, a);
  return true;
}

// ---- decompositions of complex matrices -------------------------------------------------------------------------------

/// A complex matrix by columns: element (i, j) is data[j * rows + i].
struct complex_columns {
  using C = std::complex<double>;
  std::int64_t rows = 0, columns = 0;
  std::vector<C> data;

  complex_columns(std::int64_t m, std::int64_t n) : rows(m), columns(n), data(static_cast<std::size_t>(m * n)) {}
  C* column(std::int64_t j) { return data.data() + j * rows; }
  [[nodiscard]] const C* column(std::int64_t j) const { return data.data() + j * rows; }
  C& operator()(std::int64_t i, std::int64_t j) { return data[static_cast<std::size_t>(j * rows + i)]; }
  const C& operator()(std::int64_t i, std::int64_t j) const { return data[static_cast<std::size_t>(j * rows + i)]; }

  /// From a row-major matrix, or from its adjoint.
  template <class T>
  static complex_columns load(const T* from, std::int64_t m, std::int64_t n, bool adjoint) {
    complex_columns a(adjoint ? n : m, adjoint ? m : n);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        const C z(from[i * n + j]);
        if (adjoint) a(j, i) = std::conj(z);
        else a(i, j) = z;
      }
    return a;
  }
  static complex_columns identity(std::int64_t m, std::int64_t n) {
    complex_columns a(m, n);
    for (std::int64_t i = 0; i < (m < n ? m : n); ++i) a(i, i) = 1;
    return a;
  }
  template <class T>
  void store(T* to) const {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) to[i * columns + j] = static_cast<T>((*this)(i, j));
  }
};
template <class T>
bool all_finite_complex(const T* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    if (!std::isfinite(x[i].real()) || !std::isfinite(x[i].imag())) return false;
  return true;
}
inline std::complex<double> inner_product(const std::complex<double>* x, const std::complex<double>* y, std::int64_t n) {
  std::complex<double> s;
  for (std::int64_t i = 0; i < n; ++i) s += times(std::conj(x[i]), y[i]);
  return s;
}
/// (x, y) -> (c x - s w y, s x + c w y), of a number w of absolute value 1.
inline void rotate(std::complex<double>* x, std::complex<double>* y, std::int64_t n, double c, double s, std::complex<double> w) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::complex<double> a = x[i], b = times(w, y[i]);
    x[i] = c * a - s * b, y[i] = s * a + c * b;
  }
}
/// Cosine and sine of the rotation that makes [[p g] [g q]] diagonal, g > 0.
inline void jacobi_rotation(double p, double q, double g, double& c, double& s) {
  const double zeta = (q - p) / (2 * g), t = (zeta < 0 ? -1 : 1) / (std::fabs(zeta) + std::hypot(1.0, zeta));
  c = 1 / std::hypot(1.0, t), s = c * t;
}

/// a = q r by Householder reflections, the diagonal of r real; a becomes r, q starts as (part of) the identity.
inline void complex_qr(complex_columns& a, complex_columns& q) {
  using C = std::complex<double>;
  const std::int64_t m = a.rows, steps = m < a.columns ? m : a.columns;
  std::vector<C> factors(static_cast<std::size_t>(steps));
  complex_columns reflections(m, steps);
  const auto reflect = [&](C* x, std::int64_t k, C factor) {
    const C* const v = reflections.column(k);
    const C along = times(factor, inner_product(v + k, x + k, m - k));
    for (std::int64_t i = k; i < m; ++i) x[i] -= times(along, v[i]);
  };
  for (std::int64_t k = 0; k < steps; ++k) {
    C* const v = reflections.column(k);
    double norm = 0;
    for (std::int64_t i = k; i < m; ++i) v[i] = a(i, k), norm = std::hypot(norm, std::abs(v[i]));
    if (norm == 0) continue;
    const C first = v[k];
    const double diagonal = first.real() < 0 ? norm : -norm;
    for (std::int64_t i = k + 1; i < m; ++i) v[i] /= first - diagonal;
    v[k] = 1;
    const C factor = (diagonal - first) / diagonal;
    factors[static_cast<std::size_t>(k)] = factor;
    for (std::int64_t j = k; j < a.columns; ++j) reflect(a.column(j), k, std::conj(factor));
  }
  for (std::int64_t k = steps - 1; k >= 0; --k)
    for (std::int64_t j = 0; j < q.columns; ++j) reflect(q.column(j), k, factors[static_cast<std::size_t>(k)]);
}

/// Makes columns first .. of u, which may hold anything, orthonormal to each other and to those before them.
inline void complete_basis(complex_columns& u, std::int64_t first) {
  std::int64_t candidate = 0;
  for (std::int64_t j = first; j < u.columns; ++j) {
    std::complex<double>* const x = u.column(j);
    for (;; ++candidate) {  // the unit vectors, one after the other; enough of them are far from the span so far
      for (std::int64_t i = 0; i < u.rows; ++i) x[i] = i == candidate ? 1 : 0;
      for (int pass = 0; pass < 2; ++pass)
        for (std::int64_t k = 0; k < j; ++k) {
          const std::complex<double> along = inner_product(u.column(k), x, u.rows);
          for (std::int64_t i = 0; i < u.rows; ++i) x[i] -= times(along, u(i, k));
        }
      const double norm = std::sqrt(inner_product(x, x, u.rows).real());
      if (norm * norm * static_cast<double>(2 * u.rows) < 1 && candidate + 1 < u.rows) continue;
      for (std::int64_t i = 0; i < u.rows; ++i) x[i] /= norm;
      ++candidate;
      break;
    }
  }
}

/// a = u diag(s) v^H of at least as many rows as columns, by one-sided Jacobi rotations (Hestenes): a becomes the first
/// columns of u, in the order of descending s. False where it does not converge.
inline bool complex_svd(complex_columns& a, std::vector<double>& s, complex_columns& v) {
  const std::int64_t m = a.rows, n = a.columns;
  v = complex_columns::identity(n, n);
  bool turned = n > 1;
  for (int sweep = 0; turned; ++sweep) {
    if (sweep == 60) return false;
    turned = false;
    for (std::int64_t p = 0; p < n; ++p)
      for (std::int64_t q = p + 1; q < n; ++q) {
        const double x = inner_product(a.column(p), a.column(p), m).real(), y = inner_product(a.column(q), a.column(q), m).real();
        const std::complex<double> g = inner_product(a.column(p), a.column(q), m);
        const double size = std::abs(g);
        if (!(size > 1e-15 * std::sqrt(x) * std::sqrt(y)) || size < std::numeric_limits<double>::min()) continue;
        double c = 1, sine = 0;
        jacobi_rotation(x, y, size, c, sine);
        rotate(a.column(p), a.column(q), m, c, sine, std::conj(g) / size);
        rotate(v.column(p), v.column(q), n, c, sine, std::conj(g) / size);
        turned = true;
      }
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::vector<double> norms(static_cast<std::size_t>(n));
  for (std::int64_t j = 0; j < n; ++j) {
    order[static_cast<std::size_t>(j)] = j;
    for (std::int64_t i = 0; i < m; ++i) norms[static_cast<std::size_t>(j)] = std::hypot(norms[static_cast<std::size_t>(j)], std::abs(a(i, j)));
  }
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t x, std::int64_t y) { return norms[static_cast<std::size_t>(x)] > norms[static_cast<std::size_t>(y)]; });
  const complex_columns left = a, right = v;
  s.assign(static_cast<std::size_t>(n), 0);
  std::int64_t rank = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    const std::int64_t from = order[static_cast<std::size_t>(j)];
    const double norm = norms[static_cast<std::size_t>(from)];
    s[static_cast<std::size_t>(j)] = norm;
    if (norm > s[0] * 1e-300 && norm > 0) rank = j + 1;
    for (std::int64_t i = 0; i < m; ++i) a(i, j) = norm > 0 ? left(i, from) / norm : std::complex<double>();
    for (std::int64_t i = 0; i < n; ++i) v(i, j) = right(i, from);
  }
  complete_basis(a, rank);
  return true;
}

/// Eigenvalues, ascending, and eigenvectors of a self-adjoint matrix by Jacobi rotations; destroys a.
inline bool complex_eig(complex_columns& a, std::vector<double>& e, complex_columns& v) {
  const std::int64_t n = a.rows;
  v = complex_columns::identity(n, n);
  double whole = 0;
  for (const std::complex<double>& z : a.data) whole = std::hypot(whole, std::abs(z));
  bool turned = n > 1;
  for (int sweep = 0; turned; ++sweep) {
    if (sweep == 60) return false;
    turned = false;
    for (std::int64_t p = 0; p < n; ++p)
      for (std::int64_t q = p + 1; q < n; ++q) {
        const std::complex<double> g = a(p, q);
        const double size = std::abs(g);
        if (!(size > 1e-17 * whole) || size < std::numeric_limits<double>::min()) continue;
        double c = 1, s = 0;
        jacobi_rotation(a(p, p).real(), a(q, q).real(), size, c, s);
        rotate(a.column(p), a.column(q), n, c, s, std::conj(g) / size);
        for (std::int64_t j = 0; j < n; ++j) {  // the same of the rows
          const std::complex<double> x = a(p, j), y = times(g / size, a(q, j));
          a(p, j) = c * x - s * y, a(q, j) = s * x + c * y;
        }
        rotate(v.column(p), v.column(q), n, c, s, std::conj(g) / size);
        turned = true;
      }
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::int64_t j = 0; j < n; ++j) order[static_cast<std::size_t>(j)] = j;
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t x, std::int64_t y) { return a(x, x).real() < a(y, y).real(); });
  const complex_columns found = v;
  e.assign(static_cast<std::size_t>(n), 0);
  for (std::int64_t j = 0; j < n; ++j) {
    const std::int64_t from = order[static_cast<std::size_t>(j)];
    e[static_cast<std::size_t>(j)] = a(from, from).real();
    for (std::int64_t i = 0; i < n; ++i) v(i, j) = found(i, from);
  }
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
  const std::int64_t n = kernel::linalg::matrix_extents(in[0].shape).n;
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], "is not positive definite", [&](std::int64_t k) {
      const T* const from = in[0].as<T>() + k * n * n;
      T* const l = out.as<T>() + k * n * n;
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < n; ++j) l[i * n + j] = j <= i ? from[i * n + j] : T(0);
      if (!kernel::linalg::factor_cholesky(l, n)) return false;
      for (std::int64_t i = 0; i < n; ++i)  // the blocks on the diagonal were updated whole
        for (std::int64_t j = i + 1; j < n; ++j) l[i * n + j] = T(0);
      return true;
    });
  });
}

template <class>
void matrix_triangular_solve_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents x(in[1].shape);
  const bool adjoint = at.i[1] != 0, lower = (at.i[0] != 0) != adjoint;
  const std::int64_t n = x.m;
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], kernel::linalg::is_singular, [&](std::int64_t k) {
      const T* a = in[0].as<T>() + k * n * n;
      std::vector<T> turned(adjoint ? static_cast<std::size_t>(n * n) : 0);
      if (adjoint) {
        kernel::linalg::load_adjoint(a, n, turned.data());
        a = turned.data();
      }
      for (std::int64_t i = 0; i < n; ++i)
        if (a[i * (n + 1)] == T(0)) return false;
      const T* const b = in[1].as<T>() + k * n * x.n;
      T* const to = out.as<T>() + k * n * x.n;
      for (std::int64_t i = 0; i < n * x.n; ++i) to[i] = b[i];
      if (lower) kernel::linalg::solve_lower(a, n, n, false, to, x.n, x.n);
      else kernel::linalg::solve_upper(a, n, n, to, x.n, x.n);
      return true;
    });
  });
}

template <class>
void matrix_solve_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents x(in[1].shape);
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], kernel::linalg::is_singular, [&](std::int64_t k) {
      return kernel::linalg::solve(in[0].as<T>() + k * x.m * x.m, x.m, at.i[0] != 0, in[1].as<T>() + k * x.m * x.n, x.n,
                                   out.as<T>() + k * x.m * x.n);
    });
  });
}

template <class>
void matrix_inverse_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = kernel::linalg::matrix_extents(in[0].shape).n;
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], kernel::linalg::is_singular, [&](std::int64_t k) {
      return kernel::linalg::solve<T>(in[0].as<T>() + k * n * n, n, false, nullptr, n, out.as<T>() + k * n * n);
    });
  });
}

template <class>
void matrix_determinant_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = kernel::linalg::matrix_extents(in[0].shape).n;
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], "", [&](std::int64_t k) {
      std::vector<T> lu(in[0].as<T>() + k * n * n, in[0].as<T>() + (k + 1) * n * n);
      std::vector<std::int64_t> rows(static_cast<std::size_t>(n));
      T r(static_cast<real_type_t<T>>(kernel::linalg::factor_lu(lu.data(), n, rows.data())));
      for (std::int64_t i = 0; i < n && r != T(0); ++i) r = kernel::linalg::times(r, lu[static_cast<std::size_t>(i * (n + 1))]);
      out.as<T>()[k] = r;
      return true;
    });
  });
}

template <class>
void log_matrix_determinant_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = kernel::linalg::matrix_extents(in[0].shape).n;
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    using R = real_type_t<T>;
    kernel::linalg::for_each_matrix(name, in[0], "", [&](std::int64_t k) {
      std::vector<T> lu(in[0].as<T>() + k * n * n, in[0].as<T>() + (k + 1) * n * n);
      std::vector<std::int64_t> rows(static_cast<std::size_t>(n));
      T sign(static_cast<R>(kernel::linalg::factor_lu(lu.data(), n, rows.data())));
      R log = sign == T(0) ? -std::numeric_limits<R>::infinity() : R(0);
      for (std::int64_t i = 0; i < n && sign != T(0); ++i) {
        const T u = lu[static_cast<std::size_t>(i * (n + 1))];
        const R size = std::abs(u);
        log += std::log(size);
        sign = kernel::linalg::times(sign, u / size);
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
  if (is_complex(out.type))
    return kernel::linalg::visit_decomposed_complex(out.type, [&]<class T>(std::type_identity<T>) {
      T *const q = out.as<T>(), *const r = q + p.q.num_elements();
      kernel::linalg::for_each_matrix(name, in[0], "", [&](std::int64_t k) {
        auto a = kernel::linalg::complex_columns::load(in[0].as<T>() + k * e.m * e.n, e.m, e.n, false);
        auto to = kernel::linalg::complex_columns::identity(e.m, columns);
        kernel::linalg::complex_qr(a, to);
        T* const triangle = r + k * columns * e.n;
        for (std::int64_t i = 0; i < columns; ++i)
          for (std::int64_t j = 0; j < e.n; ++j) triangle[i * e.n + j] = j >= i ? static_cast<T>(a(i, j)) : T(0);
        to.store(q + k * e.m * columns);
        return true;
      });
    });
  kernel::linalg::visit_decomposed(out.type, [&]<class T>(std::type_identity<T>) {
    T *const q = out.as<T>(), *const r = q + p.q.num_elements();
    kernel::linalg::for_each_matrix(name, in[0], "", [&](std::int64_t k) {
      kernel::linalg::matrix<double> to = kernel::linalg::matrix<double>::Identity(e.m, columns);
      T* const triangle = r + k * columns * e.n;
      if (e.m > 0 && e.n > 0) {
        const Eigen::HouseholderQR<kernel::linalg::matrix<double>> qr(kernel::linalg::load(in[0].as<T>() + k * e.m * e.n, e.m, e.n));
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
  if (is_complex(out.type))
    return kernel::linalg::visit_decomposed_complex(out.type, [&]<class T>(std::type_identity<T>) {
      T *const s = out.as<T>(), *const u = s + p.s.num_elements(), *const v = u + p.u.num_elements();
      kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite, or its decomposition did not converge", [&](std::int64_t k) {
        const T* from = in[0].as<T>() + k * e.m * e.n;
        if (!kernel::linalg::all_finite_complex(from, e.m * e.n)) return false;
        const bool wide = e.m < e.n;  // then of the adjoint, which exchanges u and v
        auto left = kernel::linalg::complex_columns::load(from, e.m, e.n, wide);
        kernel::linalg::complex_columns right(0, 0);
        std::vector<double> values;
        if (!kernel::linalg::complex_svd(left, values, right)) return false;
        for (std::int64_t i = 0; i < rank; ++i) s[k * rank + i] = T(static_cast<real_type_t<T>>(values[static_cast<std::size_t>(i)]));
        if (!uv) return true;
        if (full) {
          left.data.resize(static_cast<std::size_t>(left.rows * left.rows));
          const std::int64_t known = left.columns;
          left.columns = left.rows;
          kernel::linalg::complete_basis(left, known);
        }
        const std::int64_t cu = full ? e.m : rank, cv = full ? e.n : rank;
        (wide ? right : left).store(u + k * e.m * cu);
        (wide ? left : right).store(v + k * e.n * cv);
        return true;
      });
    });
  kernel::linalg::visit_decomposed(out.type, [&]<class T>(std::type_identity<T>) {
    T *const s = out.as<T>(), *const u = s + p.s.num_elements(), *const v = u + p.u.num_elements();
    kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite, or its decomposition did not converge", [&](std::int64_t k) {
      const T* from = in[0].as<T>() + k * e.m * e.n;
      const std::int64_t cu = full ? e.m : rank, cv = full ? e.n : rank;
      if (rank == 0) {
        if (uv) kernel::linalg::store(kernel::linalg::matrix<double>(kernel::linalg::matrix<double>::Identity(e.m, cu)), u + k * e.m * cu);
        if (uv) kernel::linalg::store(kernel::linalg::matrix<double>(kernel::linalg::matrix<double>::Identity(e.n, cv)), v + k * e.n * cv);
        return true;
      }
      if (!kernel::linalg::all_finite(from, e.m * e.n)) return false;
      const unsigned want = !uv ? 0U : full ? unsigned{Eigen::ComputeFullU} | unsigned{Eigen::ComputeFullV}
                                            : unsigned{Eigen::ComputeThinU} | unsigned{Eigen::ComputeThinV};
      const Eigen::JacobiSVD<kernel::linalg::matrix<double>> svd(kernel::linalg::load(from, e.m, e.n), want);
      for (std::int64_t i = 0; i < rank; ++i) s[k * rank + i] = static_cast<T>(svd.singularValues()(i));
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
  if (is_complex(out.type))
    return kernel::linalg::visit_decomposed_complex(out.type, [&]<class T>(std::type_identity<T>) {
      T *const e = out.as<T>(), *const v = e + p.e.num_elements();
      kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite, or its decomposition did not converge", [&](std::int64_t k) {
        auto a = kernel::linalg::complex_columns::load(in[0].as<T>() + k * x.n * x.n, x.n, x.n, false);
        for (std::int64_t j = 0; j < x.n; ++j) {  // the lower triangle counts
          a(j, j) = a(j, j).real();
          for (std::int64_t i = j + 1; i < x.n; ++i) a(j, i) = std::conj(a(i, j));
        }
        if (!kernel::linalg::all_finite_complex(a.data.data(), x.n * x.n)) return false;
        kernel::linalg::complex_columns found(0, 0);
        std::vector<double> values;
        if (!kernel::linalg::complex_eig(a, values, found)) return false;
        for (std::int64_t i = 0; i < x.n; ++i) e[k * x.n + i] = T(static_cast<real_type_t<T>>(values[static_cast<std::size_t>(i)]));
        if (vectors) found.store(v + k * x.n * x.n);
        return true;
      });
    });
  kernel::linalg::visit_decomposed(out.type, [&]<class T>(std::type_identity<T>) {
    T *const e = out.as<T>(), *const v = e + p.e.num_elements();
    kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite, or its decomposition did not converge", [&](std::int64_t k) {
      if (x.n == 0) return true;
      kernel::linalg::matrix<double> a = kernel::linalg::load(in[0].as<T>() + k * x.n * x.n, x.n, x.n);
      for (std::int64_t i = 0; i < x.n; ++i)
        for (std::int64_t j = 0; j <= i; ++j)
          if (!std::isfinite(a(i, j))) return false;
      const Eigen::SelfAdjointEigenSolver<kernel::linalg::matrix<double>> solver(a, vectors ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly);
      if (solver.info() != Eigen::Success) return false;
      for (std::int64_t i = 0; i < x.n; ++i) e[k * x.n + i] = static_cast<T>(solver.eigenvalues()(i));
      if (vectors) kernel::linalg::store(solver.eigenvectors(), v + k * x.n * x.n);
      return true;
    });
  });
}

template <class>
void matrix_solve_ls_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const kernel::linalg::matrix_extents e(in[0].shape), b(in[1].shape);
  if (is_complex(out.type))
    return kernel::linalg::visit_decomposed_complex(out.type, [&]<class T>(std::type_identity<T>) {
      kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite", [&](std::int64_t k) {
        const T* from = in[0].as<T>() + k * e.m * e.n;
        if (!kernel::linalg::all_finite_complex(from, e.m * e.n)) return false;
        const bool wide = e.m < e.n;
        auto left = kernel::linalg::complex_columns::load(from, e.m, e.n, wide);
        kernel::linalg::complex_columns right(0, 0);
        std::vector<double> values;
        if (!kernel::linalg::complex_svd(left, values, right)) return false;
        const auto &u = wide ? right : left, &v = wide ? left : right;
        const auto right_side = kernel::linalg::complex_columns::load(in[1].as<T>() + k * b.m * b.n, b.m, b.n, false);
        kernel::linalg::complex_columns x(e.n, b.n);
        const double smallest = values.empty() ? 0 : values[0] * static_cast<double>(std::numeric_limits<real_type_t<T>>::epsilon()) * static_cast<double>(e.m > e.n ? e.m : e.n);
        for (std::int64_t j = 0; j < b.n; ++j)
          for (std::size_t i = 0; i < values.size(); ++i) {
            if (!(values[i] > smallest)) break;
            const auto part = kernel::linalg::inner_product(u.column(static_cast<std::int64_t>(i)), right_side.column(j), e.m) / values[i];
            for (std::int64_t l = 0; l < e.n; ++l) x(l, j) += kernel::linalg::times(part, v(l, static_cast<std::int64_t>(i)));
          }
        x.store(out.as<T>() + k * e.n * b.n);
        return true;
      });
    });
  kernel::linalg::visit_decomposed(out.type, [&]<class T>(std::type_identity<T>) {
    kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite", [&](std::int64_t k) {
      const T* from = in[0].as<T>() + k * e.m * e.n;
      kernel::linalg::matrix<double> x = kernel::linalg::matrix<double>::Zero(e.n, b.n);
      if (!kernel::linalg::all_finite(from, e.m * e.n)) return false;
      if (e.m > 0 && e.n > 0 && b.n > 0) {
        // Numbers that rounding to T made are not taken for rank.
        Eigen::CompleteOrthogonalDecomposition<kernel::linalg::matrix<double>> cod(e.m, e.n);
        cod.setThreshold(static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(e.m > e.n ? e.m : e.n));
        cod.compute(kernel::linalg::load(from, e.m, e.n));
        x = cod.solve(kernel::linalg::load(in[1].as<T>() + k * b.m * b.n, b.m, b.n));
      }
      kernel::linalg::store(x, out.as<T>() + k * e.n * b.n);
      return true;
    });
  });
}

template <class>
void matrix_exponential_op::run(const attributes&, const operand_memory* in, const result_memory& out) {
  const std::int64_t n = kernel::linalg::matrix_extents(in[0].shape).n;
  kernel::linalg::visit_linalg(out.type, [&]<class T>(std::type_identity<T>) {
    using W = std::conditional_t<is_complex_v<T>, std::complex<double>, double>;
    kernel::linalg::for_each_matrix(name, in[0], "has elements that are not finite", [&](std::int64_t k) {
      std::vector<W> a(in[0].as<T>() + k * n * n, in[0].as<T>() + (k + 1) * n * n);
      if (!kernel::linalg::exponential(a, n)) return false;
      for (std::int64_t i = 0; i < n * n; ++i) out.as<T>()[k * n * n + i] = static_cast<T>(a[static_cast<std::size_t>(i)]);
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
