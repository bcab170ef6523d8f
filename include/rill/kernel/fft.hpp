// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Discrete Fourier transforms in float and double. A length that is a product of 2, 3, 5 and 7 goes through Stockham's
/// self-sorting stages of radix 8, 4, 2, 3, 5, 7; any other through Bluestein's convolution (1970) of a convenient length.
/// Real transforms of even length are complex ones of half the length. Real and imaginary parts are computed apart, on SIMD
/// registers: along a line when it is long, across lines where they are short or lie side by side (the outer axes). Twiddle
/// factors come from sine and cosine of at most an eighth of a turn in double, so the error grows with the logarithm of the
/// length. Lines run in parallel; results do not depend on the number of threads. A plan is made per call, for less than the
/// transform of a line takes.
///
/// Cost: about 5 n log2 n flops a line, three times that for Bluestein's.

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "../ops/fft.hpp"
#include "parallel.hpp"
#include "xsimd.hpp"

namespace rill::kernel::fft {

template <class T>
using batch = xsimd::batch<T>;
template <class T>
inline constexpr std::int64_t width = static_cast<std::int64_t>(batch<T>::size);

/// exp(-2 pi i k / n) for k = 0 .. n - 1. Each comes from an angle of at most pi / 4, by polynomials with an error below one
/// unit in the last place (fdlibm's kernels), so that making a plan costs no more than a few transforms.
class root_table {
 public:
  explicit root_table(std::int64_t n) : n_(n), octants_(n % 8 == 0) {
    cos_.resize(static_cast<std::size_t>(octants_ ? n / 8 + 1 : n));
    sin_.resize(cos_.size());
    for (std::size_t i = 0; i < cos_.size(); ++i) {
      const auto k = static_cast<std::int64_t>(i);
      if (octants_) eighth(8 * k, cos_[i], sin_[i]);
      else {
        const std::int64_t octant = 8 * k / n, rest = 8 * k % n;
        double c = 0, s = 0;
        eighth(octant % 2 == 0 ? rest : n - rest, c, s);
        if ((octant + 1) % 4 >= 2) std::swap(c, s);
        cos_[i] = octant >= 2 && octant < 6 ? -c : c, sin_[i] = octant >= 4 ? -s : s;
      }
    }
  }
  [[nodiscard]] std::int64_t size() const { return n_; }
  /// exp(-2 pi i k / n), 0 <= k < n.
  [[nodiscard]] std::complex<double> operator()(std::int64_t k) const {
    if (!octants_) return {cos_[static_cast<std::size_t>(k)], -sin_[static_cast<std::size_t>(k)]};
    const bool half = k >= n_ / 2;
    k -= half ? n_ / 2 : 0;
    const bool quarter = k >= n_ / 4;
    k -= quarter ? n_ / 4 : 0;
    const bool upper = k > n_ / 8;
    const auto i = static_cast<std::size_t>(upper ? n_ / 4 - k : k);
    double c = upper ? sin_[i] : cos_[i], s = upper ? cos_[i] : sin_[i];
    if (quarter) s = std::exchange(c, -s);
    return {half ? -c : c, half ? s : -s};
  }

 private:
  /// Cosine and sine of e eighths of a step, 0 <= e <= n: of at most pi / 4.
  void eighth(std::int64_t e, double& c, double& s) const {
    const double x = static_cast<double>(e) / static_cast<double>(n_) * 0.78539816339744830962, z = x * x;
    s = x + x * z * (-1.66666666666666324348e-01 + z * (8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 +
        z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    const double h = 0.5 * z, w = 1 - h;
    c = w + ((1 - w - h) + z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * (2.48015872894767294178e-05 +
        z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))))));
  }
  std::int64_t n_;
  bool octants_;
  std::vector<double> cos_, sin_;
};

/// The transform of R numbers, in place.
template <int R, class V, class T>
inline void butterfly(V* re, V* im) {
  if constexpr (R == 2) {
    const V a = re[0], b = im[0];
    re[0] = a + re[1], im[0] = b + im[1];
    re[1] = a - re[1], im[1] = b - im[1];
  } else if constexpr (R == 4) {
    const V ar = re[0] + re[2], ai = im[0] + im[2], br = re[0] - re[2], bi = im[0] - im[2];
    const V cr = re[1] + re[3], ci = im[1] + im[3], dr = re[1] - re[3], di = im[1] - im[3];
    re[0] = ar + cr, im[0] = ai + ci;
    re[2] = ar - cr, im[2] = ai - ci;
    re[1] = br + di, im[1] = bi - dr;
    re[3] = br - di, im[3] = bi + dr;
  } else if constexpr (R == 8) {
    const V half(static_cast<T>(0.70710678118654752440));
    V er[] = {re[0], re[2], re[4], re[6]}, ei[] = {im[0], im[2], im[4], im[6]};
    V dr[] = {re[1], re[3], re[5], re[7]}, di[] = {im[1], im[3], im[5], im[7]};
    butterfly<4, V, T>(er, ei);
    butterfly<4, V, T>(dr, di);
    const V r1 = (dr[1] + di[1]) * half, i1 = (di[1] - dr[1]) * half;
    const V r3 = (di[3] - dr[3]) * half, i3 = (dr[3] + di[3]) * half;
    re[0] = er[0] + dr[0], im[0] = ei[0] + di[0];
    re[4] = er[0] - dr[0], im[4] = ei[0] - di[0];
    re[1] = er[1] + r1, im[1] = ei[1] + i1;
    re[5] = er[1] - r1, im[5] = ei[1] - i1;
    re[2] = er[2] + di[2], im[2] = ei[2] - dr[2];
    re[6] = er[2] - di[2], im[6] = ei[2] + dr[2];
    re[3] = er[3] + r3, im[3] = ei[3] - i3;
    re[7] = er[3] - r3, im[7] = ei[3] + i3;
  } else {
    // Pairs j and R - j: their sum meets cosines, their difference sines.
    static_assert(R == 3 || R == 5 || R == 7);
    constexpr double cosine[] = {R == 3 ? -0.5 : R == 5 ? 0.30901699437494742410 : 0.62348980185873353053,
                                 R == 5 ? -0.80901699437494742410 : -0.22252093395631440429, -0.90096886790241912624};
    constexpr double sine[] = {R == 3 ? 0.86602540378443864676 : R == 5 ? 0.95105651629515357212 : 0.78183148246802980871,
                               R == 5 ? 0.58778525229247312917 : 0.97492791218182360702, 0.43388373911755812048};
    constexpr int half = (R - 1) / 2;
    constexpr std::size_t count = half;
    V sr[count], si[count], dr[count], di[count];
    V total_r = re[0], total_i = im[0];
    for (int j = 0; j < half; ++j) {
      sr[j] = re[j + 1] + re[R - 1 - j], si[j] = im[j + 1] + im[R - 1 - j];
      dr[j] = re[j + 1] - re[R - 1 - j], di[j] = im[j + 1] - im[R - 1 - j];
      total_r += sr[j], total_i += si[j];
    }
    V yr[std::size_t{R}], yi[std::size_t{R}];
    for (int k = 1; k <= half; ++k) {
      V ar = re[0], ai = im[0], br(T(0)), bi(T(0));
      for (int j = 1; j <= half; ++j) {
        const int e = j * k % R;
        const bool far = e > half;
        const V c(static_cast<T>(cosine[far ? R - e - 1 : e - 1])), s(static_cast<T>(far ? -sine[R - e - 1] : sine[e - 1]));
        ar += sr[j - 1] * c, ai += si[j - 1] * c;
        br += dr[j - 1] * s, bi += di[j - 1] * s;
      }
      yr[k] = ar + bi, yi[k] = ai - br;
      yr[R - k] = ar - bi, yi[R - k] = ai + br;
    }
    re[0] = total_r, im[0] = total_i;
    for (int k = 1; k < R; ++k) re[k] = yr[k], im[k] = yi[k];
  }
}

/// A stage: y[q + s (R p + k)] = w^(p k) sum over j of x[q + s (p + m j)] exp(-2 pi i j k / R), p < m, q < s, w^(m R) = 1.
struct stage {
  int radix = 0;
  std::int64_t m = 0, s = 0;
  std::size_t twiddles = 0;  ///< where the stage's factors begin: for each k = 1 .. R - 1 a row of reals, then of imaginaries
  bool by_element = false;   ///< a factor for each element q + s p rather than for each p
};

template <class T>
struct parts {
  T *re, *im;
};

template <int R, class T>
void run_stage(const stage& g, const T* twiddles, std::int64_t columns, parts<const T> x, parts<T> y) {
  constexpr std::int64_t w = width<T>;
  constexpr std::size_t radix = R;
  const std::int64_t m = g.m, s = g.s * columns, row = g.by_element ? g.s * m : m;
  const bool turn = m > 1;
  if (!g.by_element) {
    for (std::int64_t p = 0; p < m; ++p) {
      T cr[radix], ci[radix];
      for (int k = 1; k < R; ++k) cr[k] = twiddles[2 * (k - 1) * row + p], ci[k] = twiddles[(2 * k - 1) * row + p];
      const auto at = [&]<class V>(std::int64_t q, std::type_identity<V>) {
        constexpr bool wide = !std::is_same_v<V, T>;
        V re[radix], im[radix];
        for (int j = 0; j < R; ++j) {
          const std::int64_t i = q + s * (p + m * j);
          if constexpr (wide) re[j] = V::load_unaligned(x.re + i), im[j] = V::load_unaligned(x.im + i);
          else re[j] = x.re[i], im[j] = x.im[i];
        }
        butterfly<R, V, T>(re, im);
        for (int k = 0; k < R; ++k) {
          if (turn && k > 0) {
            const V a = re[k], c(cr[k]), d(ci[k]);
            re[k] = a * c - im[k] * d;
            im[k] = a * d + im[k] * c;
          }
          const std::int64_t o = q + s * (R * p + k);
          if constexpr (wide) re[k].store_unaligned(y.re + o), im[k].store_unaligned(y.im + o);
          else y.re[o] = re[k], y.im[o] = im[k];
        }
      };
      std::int64_t q = 0;
      for (; q + w <= s; q += w) at(q, std::type_identity<batch<T>>{});
      for (; q < s; ++q) at(q, std::type_identity<T>{});
    }
    return;
  }
  // Short runs: registers along q + s p, results scattered in runs of s.
  const std::int64_t n = s * m;
  std::int64_t t = 0, q = 0, p = 0;
  const auto scatter = [&](const T (*re)[std::size_t{width<T>}], const T (*im)[std::size_t{width<T>}], std::int64_t lanes) {
    if (s == 1) {
      for (std::int64_t l = 0; l < lanes; ++l)
        for (int k = 0; k < R; ++k) y.re[(t + l) * R + k] = re[k][l], y.im[(t + l) * R + k] = im[k][l];
      return;
    }
    for (std::int64_t l = 0; l < lanes;) {
      const std::int64_t run = s - q < lanes - l ? s - q : lanes - l;
      for (int k = 0; k < R; ++k) {
        const std::int64_t o = q + s * (R * p + k);
        for (std::int64_t e = 0; e < run; ++e) y.re[o + e] = re[k][l + e], y.im[o + e] = im[k][l + e];
      }
      l += run, q += run;
      if (q == s) q = 0, ++p;
    }
  };
  alignas(64) T out_re[radix][std::size_t{width<T>}], out_im[radix][std::size_t{width<T>}];
  for (; t + w <= n; t += w) {
    using V = batch<T>;
    V re[radix], im[radix];
    for (int j = 0; j < R; ++j) re[j] = V::load_unaligned(x.re + t + n * j), im[j] = V::load_unaligned(x.im + t + n * j);
    butterfly<R, V, T>(re, im);
    re[0].store_unaligned(out_re[0]), im[0].store_unaligned(out_im[0]);
    for (int k = 1; k < R; ++k) {
      const V c = V::load_unaligned(twiddles + 2 * (k - 1) * row + t), d = V::load_unaligned(twiddles + (2 * k - 1) * row + t);
      (re[k] * c - im[k] * d).store_unaligned(out_re[k]);
      (re[k] * d + im[k] * c).store_unaligned(out_im[k]);
    }
    scatter(out_re, out_im, w);
  }
  for (; t < n; ++t) {
    T re[radix], im[radix];
    for (int j = 0; j < R; ++j) re[j] = x.re[t + n * j], im[j] = x.im[t + n * j];
    butterfly<R, T, T>(re, im);
    out_re[0][0] = re[0], out_im[0][0] = im[0];
    for (int k = 1; k < R; ++k) {
      const T c = twiddles[2 * (k - 1) * row + t], d = twiddles[(2 * k - 1) * row + t];
      out_re[k][0] = re[k] * c - im[k] * d, out_im[k][0] = re[k] * d + im[k] * c;
    }
    scatter(out_re, out_im, 1);
  }
}

/// The transform of one length, forward and not scaled, of one line or of width<T> lines side by side. (Backward is forward
/// with the parts exchanged.)
template <class T>
class plan {
 public:
  plan(std::int64_t n, bool across) : plan(n, across, nullptr) {}
  /// `roots` are of a multiple of n.
  plan(std::int64_t n, bool across, const root_table& roots) : plan(n, across, &roots) {}

  [[nodiscard]] std::int64_t length() const { return n_; }
  [[nodiscard]] std::int64_t columns() const { return columns_; }
  /// Elements of each of the four buffers of run.
  [[nodiscard]] std::int64_t room() const { return convolution_ ? convolution_->room() : n_ * columns_; }

  /// Transforms x, which holds element j of line c at j * columns + c; y is scratch. The parts that hold the result are returned.
  parts<T> run(parts<T> x, parts<T> y) const {
    if (convolution_) return convolve(x, y);
    for (const stage& g : stages_) {
      const parts<const T> from{x.re, x.im};
      const T* const f = twiddles_.data() + g.twiddles;
      switch (g.radix) {
        case 8: run_stage<8, T>(g, f, columns_, from, y); break;
        case 4: run_stage<4, T>(g, f, columns_, from, y); break;
        case 2: run_stage<2, T>(g, f, columns_, from, y); break;
        case 3: run_stage<3, T>(g, f, columns_, from, y); break;
        case 5: run_stage<5, T>(g, f, columns_, from, y); break;
        default: run_stage<7, T>(g, f, columns_, from, y); break;
      }
      std::swap(x, y);
    }
    return x;
  }

 private:
  plan(std::int64_t n, bool across, const root_table* given) : n_(n), columns_(across ? width<T> : 1) {
    int twos = 0;
    std::int64_t rest = n;
    for (; rest % 2 == 0 && rest > 0; rest /= 2) ++twos;
    std::vector<int> radices;
    for (; twos >= 5 || twos == 3; twos -= 3) radices.push_back(8);
    for (; twos >= 2; twos -= 2) radices.push_back(4);
    if (twos == 1) radices.push_back(2);
    for (const int r : {7, 5, 3})
      for (; rest % r == 0 && rest > 0; rest /= r) radices.push_back(r);
    if (rest != 1) {
      make_chirp();
      return;
    }
    const root_table own(given ? 1 : n);
    const root_table& roots = given ? *given : own;
    std::int64_t length = n, s = 1;
    for (const int r : radices) {
      stage g{r, length / r, s, twiddles_.size(), columns_ == 1 && s < width<T> && length > r};
      const std::int64_t repeat = g.by_element ? s : 1, row = repeat * g.m;
      twiddles_.resize(twiddles_.size() + static_cast<std::size_t>(2 * (r - 1) * row));
      T* to = twiddles_.data() + g.twiddles;
      for (std::int64_t k = 1; k < r; ++k, to += row) {
        const std::int64_t step = k * (roots.size() / length);
        for (std::int64_t p = 0; p < g.m; ++p, to += repeat) {
          const std::complex<double> f = roots(p * step);
          const T re = static_cast<T>(f.real()), im = static_cast<T>(f.imag());
          for (std::int64_t i = 0; i < repeat; ++i) to[i] = re, to[row + i] = im;
        }
      }
      stages_.push_back(g);
      length /= r;
      s *= r;
    }
  }
  /// With c_j = exp(-pi i j^2 / n): y_k = c_k sum over j of (x_j c_j) conj(c_(k-j)), a convolution of a smooth length.
  void make_chirp() {
    std::int64_t m = 1;
    while (m < 2 * n_ - 1) m *= 2;
    for (const std::int64_t odd : {9, 5, 3, 7}) {  // a shorter one than the power of two
      std::int64_t other = odd;
      while (other < 2 * n_ - 1) other *= 2;
      if (other < m && other % 8 == 0) m = other;
    }
    convolution_ = std::make_unique<plan>(m, columns_ > 1);
    const root_table root(2 * n_);
    chirp_.resize(static_cast<std::size_t>(2 * n_));
    const plan line(m, false);
    std::vector<T> a(static_cast<std::size_t>(4 * m));
    T *const re = a.data(), *const im = re + m;
    for (std::int64_t j = 0, square = 0; j < n_; ++j) {  // j^2 mod 2n
      const std::complex<double> c = root(square);
      chirp_[static_cast<std::size_t>(j)] = re[j] = static_cast<T>(c.real());
      chirp_[static_cast<std::size_t>(n_ + j)] = static_cast<T>(c.imag());
      im[j] = static_cast<T>(-c.imag());
      if (j > 0) re[m - j] = re[j], im[m - j] = im[j];
      square = (square + 2 * j + 1) % (2 * n_);
    }
    const parts<T> f = line.run({re, im}, {im + m, im + 2 * m});
    filter_.resize(static_cast<std::size_t>(2 * m));
    const T scale = T(1) / static_cast<T>(m);
    for (std::int64_t k = 0; k < m; ++k)
      filter_[static_cast<std::size_t>(k)] = f.re[k] * scale, filter_[static_cast<std::size_t>(m + k)] = f.im[k] * scale;
  }
  /// Multiplies element j of each line by (re[j], im[j]).
  void scale_elements(parts<T> x, const T* re, const T* im, std::int64_t n) const {
    for (std::int64_t j = 0; j < n; ++j) {
      const T c = re[j], d = im[j];
      for (std::int64_t i = j * columns_; i < (j + 1) * columns_; ++i) {
        const T a = x.re[i], b = x.im[i];
        x.re[i] = a * c - b * d;
        x.im[i] = a * d + b * c;
      }
    }
  }
  parts<T> convolve(parts<T> x, parts<T> y) const {
    const std::int64_t m = convolution_->length();
    scale_elements(x, chirp_.data(), chirp_.data() + n_, n_);
    for (std::int64_t i = n_ * columns_; i < m * columns_; ++i) x.re[i] = x.im[i] = 0;
    parts<T> f = convolution_->run(x, y);
    const parts<T> other = f.re == x.re ? y : x;
    scale_elements(f, filter_.data(), filter_.data() + m, m);
    f = convolution_->run({f.im, f.re}, {other.im, other.re});  // back: the parts exchanged
    const parts<T> r{f.im, f.re};
    scale_elements(r, chirp_.data(), chirp_.data() + n_, n_);
    return r;
  }

  std::int64_t n_, columns_;
  std::vector<stage> stages_;
  std::vector<T> twiddles_;
  std::unique_ptr<plan> convolution_;  // Bluestein's
  std::vector<T> chirp_, filter_;
};

/// The lines of an array [outer, n, inner] along its middle axis.
struct lines {
  std::int64_t count, n, inner;
  [[nodiscard]] std::int64_t base(std::int64_t line) const { return line / inner * n * inner + line % inner; }
};

/// Calls f(first line, how many, x, y) with buffers of the plan for all lines, in parallel.
template <class T, class F>
void for_each_panel(const plan<T>& p, std::int64_t count, const F& f) {
  const std::int64_t columns = p.columns(), panels = (count + columns - 1) / columns;
  parallel_for(panels, 20000 / (p.room() + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    const auto room = static_cast<std::size_t>(p.room());
    const std::unique_ptr<T[]> scratch(new T[4 * room]);
    T* const a = scratch.get();
    for (std::int64_t k = begin; k < end; ++k)
      f(k * columns, std::min(columns, count - k * columns), parts<T>{a, a + room}, parts<T>{a + 2 * room, a + 3 * room});
  });
}
/// Whether lines are transformed across registers: where they are short, or lie side by side in memory.
template <class T>
bool goes_across(std::int64_t n, std::int64_t count, std::int64_t inner) {
  return (inner > 1 || n <= 64) && count >= width<T> / 2;
}

/// n interleaved numbers into parts, and back.
template <class T>
void split(const T* from, std::int64_t n, T* re, T* im) {
  std::int64_t j = 0;
  for (; j + width<T> <= n; j += width<T>) {
    const auto x = xsimd::batch<std::complex<T>>::load_unaligned(reinterpret_cast<const std::complex<T>*>(from) + j);
    x.real().store_unaligned(re + j);
    x.imag().store_unaligned(im + j);
  }
  for (; j < n; ++j) re[j] = from[2 * j], im[j] = from[2 * j + 1];
}
template <class T>
void join(const T* re, const T* im, std::int64_t n, T scale, T* to) {
  std::int64_t j = 0;
  for (; j + width<T> <= n; j += width<T>)
    xsimd::batch<std::complex<T>>(batch<T>::load_unaligned(re + j) * batch<T>(scale), batch<T>::load_unaligned(im + j) * batch<T>(scale))
        .store_unaligned(reinterpret_cast<std::complex<T>*>(to) + j);
  for (; j < n; ++j) to[2 * j] = re[j] * scale, to[2 * j + 1] = im[j] * scale;
}

/// Complex transforms along the middle axis, `from` and `to` interleaved; they may be the same array.
template <class T>
void transform(const lines& l, bool inverse, T scale, const T* from, T* to) {
  if (l.count == 0 || l.n == 0) return;
  const plan<T> p(l.n, goes_across<T>(l.n, l.count, l.inner));
  const std::int64_t columns = p.columns(), n = l.n;
  for_each_panel(p, l.count, [&](std::int64_t first, std::int64_t count, parts<T> x, parts<T> y) {
    const parts<T> in = inverse ? parts<T>{x.im, x.re} : x;
    if (columns == 1 && l.inner == 1) {
      split(from + 2 * first * n, n, in.re, in.im);
    } else {
      for (std::int64_t c = 0; c < columns; ++c) {
        const T* const line = from + 2 * l.base(first + (c < count ? c : 0));
        for (std::int64_t j = 0; j < n; ++j)
          in.re[j * columns + c] = line[2 * j * l.inner], in.im[j * columns + c] = line[2 * j * l.inner + 1];
      }
    }
    parts<T> r = p.run(x, y);
    if (inverse) std::swap(r.re, r.im);
    if (columns == 1 && l.inner == 1) return join(r.re, r.im, n, scale, to + 2 * first * n);
    for (std::int64_t c = 0; c < count; ++c) {
      T* const line = to + 2 * l.base(first + c);
      for (std::int64_t j = 0; j < n; ++j)
        line[2 * j * l.inner] = r.re[j * columns + c] * scale, line[2 * j * l.inner + 1] = r.im[j * columns + c] * scale;
    }
  });
}

/// Real lines of length n to the first n/2 + 1 elements of their transform. A line has `given` elements in memory (fewer
/// count as zeros, more are left out) and takes n/2 + 1 complex ones; elements strictly between 0 and n/2 are times `middle`.
template <class T>
void real_forward(std::int64_t count, std::int64_t n, std::int64_t given, T middle, const T* from, T* to) {
  const bool even = n % 2 == 0;
  const std::int64_t h = even ? n / 2 : n, bins = n / 2 + 1, take = std::min(given, n);
  if (count == 0) return;
  const root_table root(n);
  const plan<T> p(h, goes_across<T>(h, count, 1), root);
  const std::int64_t columns = p.columns();
  std::vector<T> turn(static_cast<std::size_t>(2 * bins));
  for (std::int64_t k = 0; even && k < bins; ++k)
    turn[static_cast<std::size_t>(2 * k)] = static_cast<T>(root(k).real()), turn[static_cast<std::size_t>(2 * k + 1)] = static_cast<T>(root(k).imag());
  for_each_panel(p, count, [&](std::int64_t first, std::int64_t lines_here, parts<T> x, parts<T> y) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const T* const line = from + (first + (c < lines_here ? c : 0)) * given;
      std::int64_t j = 0;
      if (even && columns == 1) {
        j = take / 2;
        split(line, j, x.re, x.im);
      }
      for (; j < h; ++j) {
        const std::int64_t a = even ? 2 * j : j;
        x.re[j * columns + c] = a < take ? line[a] : T(0);
        x.im[j * columns + c] = even && a + 1 < take ? line[a + 1] : T(0);
      }
    }
    const parts<T> z = p.run(x, y);
    for (std::int64_t c = 0; c < lines_here; ++c) {
      T* const out = to + 2 * (first + c) * bins;
      if (!even) {
        for (std::int64_t k = 0; k < bins; ++k) {
          const T f = k == 0 ? T(1) : middle;
          out[2 * k] = z.re[k * columns + c] * f, out[2 * k + 1] = z.im[k * columns + c] * f;
        }
        continue;
      }
      // Elements k and h - k come from the same two; their factors are w and -conj(w).
      for (std::int64_t k = 0; 2 * k <= h; ++k) {
        const std::int64_t i = k * columns + c, j = (k == 0 ? 0 : h - k) * columns + c;
        const T half = (k == 0 ? T(1) : middle) / 2;
        const T sr = (z.re[i] + z.re[j]) * half, si = (z.im[i] - z.im[j]) * half, dr = (z.re[i] - z.re[j]) * half, di = (z.im[i] + z.im[j]) * half;
        const T wr = turn[static_cast<std::size_t>(2 * k)], wi = turn[static_cast<std::size_t>(2 * k + 1)];
        // s - i w d
        const T tr = wr * di + wi * dr, ti = wr * dr - wi * di;
        out[2 * (h - k)] = sr - tr, out[2 * (h - k) + 1] = T(0) - (si + ti);  // 0, not -0
        out[2 * k] = sr + tr, out[2 * k + 1] = si - ti;
      }
    }
  });
}

/// The backward transform, not scaled, of lines of n/2 + 1 elements that stand for conjugate-symmetric ones of length n, to
/// real lines. Elements strictly between 0 and n/2 are times `middle`; imaginary parts of the first and of element n/2 do not count.
template <class T>
void real_backward(std::int64_t count, std::int64_t n, T middle, const T* from, T* to) {
  const bool even = n % 2 == 0;
  const std::int64_t h = even ? n / 2 : n, bins = n / 2 + 1;
  if (count == 0) return;
  const root_table root(n);
  const plan<T> p(h, goes_across<T>(h, count, 1), root);
  const std::int64_t columns = p.columns();
  std::vector<T> turn(static_cast<std::size_t>(2 * bins));
  for (std::int64_t k = 0; even && k < bins; ++k)
    turn[static_cast<std::size_t>(2 * k)] = static_cast<T>(root(k).real()), turn[static_cast<std::size_t>(2 * k + 1)] = static_cast<T>(-root(k).imag());
  for_each_panel(p, count, [&](std::int64_t first, std::int64_t lines_here, parts<T> x, parts<T> y) {
    const parts<T> in{x.im, x.re};
    for (std::int64_t c = 0; c < columns; ++c) {
      const T* const line = from + 2 * (first + (c < lines_here ? c : 0)) * bins;
      if (!even) {
        in.re[c] = line[0], in.im[c] = T(0);
        for (std::int64_t k = 1; k < bins; ++k) {
          const T re = line[2 * k] * middle, im = line[2 * k + 1] * middle;
          in.re[k * columns + c] = re, in.im[k * columns + c] = im;
          in.re[(n - k) * columns + c] = re, in.im[(n - k) * columns + c] = -im;
        }
        continue;
      }
      for (std::int64_t k = 0; k < h; ++k) {
        const std::int64_t j = h - k;
        const T f = k == 0 ? T(1) : middle;
        const T ar = line[2 * k] * f, ai = k == 0 ? T(0) : line[2 * k + 1] * f;
        const T br = line[2 * j] * f, bi = k == 0 ? T(0) : -line[2 * j + 1] * f;
        const T sr = ar + br, si = ai + bi, dr = ar - br, di = ai - bi;
        const T wr = turn[static_cast<std::size_t>(2 * k)], wi = turn[static_cast<std::size_t>(2 * k + 1)];
        // s + i w d
        in.re[k * columns + c] = sr - (wr * di + wi * dr);
        in.im[k * columns + c] = si + (wr * dr - wi * di);
      }
    }
    const parts<T> r = p.run(x, y);  // real parts are r.im
    for (std::int64_t c = 0; c < lines_here; ++c) {
      T* const out = to + (first + c) * n;
      if (even && columns == 1) {
        join(r.im, r.re, h, T(1), out);
        continue;
      }
      for (std::int64_t j = 0; j < h; ++j) {
        const std::int64_t i = j * columns + c;
        if (even) out[2 * j] = r.im[i], out[2 * j + 1] = r.re[i];
        else out[j] = r.im[i];
      }
    }
  });
}

/// Copies the corner that two arrays of `elements` T a place have in common, times scale, and zeros elsewhere. Arrays are
/// [outer, extents of `rank` axes].
template <class T>
void fit(std::int64_t outer, int rank, const std::int64_t* have, const std::int64_t* want, std::int64_t elements, T scale, const T* from, T* to) {
  std::int64_t rows = outer;
  for (int d = 0; d + 1 < rank; ++d) rows *= want[d];
  const std::int64_t in_row = have[rank - 1] * elements, out_row = want[rank - 1] * elements;
  const std::int64_t take = in_row < out_row ? in_row : out_row;
  for (std::int64_t r = 0; r < rows; ++r, to += out_row) {
    std::int64_t rest = r, at = 0, step = 1;
    bool inside = true;
    for (int d = rank - 2; d >= 0; --d) {
      const std::int64_t i = rest % want[d];
      rest /= want[d];
      inside = inside && i < have[d];
      at += i * step;
      step *= have[d];
    }
    at = (at + rest * step) * in_row;
    for (std::int64_t i = 0; i < out_row; ++i) to[i] = inside && i < take ? from[at + i] * scale : T(0);
  }
}

/// The transforms of ops::fft_op over the last `rank` axes.
template <class T>
void complex_op(int rank, bool inverse, double scale, const operand_memory& in, const result_memory& out) {
  const T* from = in.as<T>();
  T* const to = out.as<T>();
  if (out.size() == 0) return;
  std::int64_t inner = 1;
  for (int d = 0; d < rank; ++d) {
    const std::int64_t n = out.shape[out.shape.rank() - 1 - d];
    transform<T>({out.size() / n, n, inner}, inverse, d == 0 ? static_cast<T>(scale) : T(1), from, to);
    inner *= n;
    from = to;
  }
}

/// The attributes of the real transforms, unpacked.
template <class T>
struct real_call {
  int rank;
  std::int64_t n[3] = {}, bins[3] = {}, in[3] = {}, out[3] = {}, outer = 1, places = 1;
  T middle, scale;
  real_call(int r, const attributes& at, const tensor_shape& x, const tensor_shape& y)
      : rank(r), middle(static_cast<T>(at.i[3])), scale(static_cast<T>(at.f[0])) {
    for (int d = 0; d < rank; ++d) {
      n[d] = bins[d] = at.i[d];
      in[d] = x[x.rank() - rank + d], out[d] = y[y.rank() - rank + d];
    }
    bins[rank - 1] = n[rank - 1] / 2 + 1;
    for (int d = 0; d + rank < x.rank(); ++d) outer *= x[d];
    for (int d = 0; d < rank; ++d) places *= bins[d];
  }
};
template <class T>
void other_axes(const real_call<T>& c, bool inverse, T* data) {
  std::int64_t inner = c.bins[c.rank - 1];
  for (int d = c.rank - 2; d >= 0; --d) {
    transform<T>({c.outer * c.places / c.n[d], c.n[d], inner}, inverse, T(1), data, data);
    inner *= c.n[d];
  }
}
template <class T>
void forward_op(int rank, const attributes& at, const operand_memory& x, const result_memory& y) {
  const real_call<T> c(rank, at, x.shape, y.shape);
  if (y.size() == 0) return;
  std::vector<T> real, bins(static_cast<std::size_t>(2 * c.outer * c.places));
  const T* from = x.as<T>();
  std::int64_t rows = c.outer, given = c.in[rank - 1];
  bool same_rows = true;
  for (int d = 0; d + 1 < rank; ++d) rows *= c.n[d], same_rows = same_rows && c.n[d] == c.in[d];
  if (!same_rows) {
    std::int64_t wanted[3] = {c.n[0], c.n[1], c.n[2]};
    wanted[rank - 1] = given;
    real.resize(static_cast<std::size_t>(rows * given));
    fit(c.outer, rank, c.in, wanted, 1, T(1), from, real.data());
    from = real.data();
  }
  real_forward(rows, c.n[rank - 1], given, c.middle, from, bins.data());
  other_axes(c, false, bins.data());
  fit(c.outer, rank, c.bins, c.out, 2, c.scale, bins.data(), y.as<T>());
}
template <class T>
void backward_op(int rank, const attributes& at, const operand_memory& x, const result_memory& y) {
  const real_call<T> c(rank, at, x.shape, y.shape);
  if (y.size() == 0) return;
  std::int64_t rows = c.outer;
  for (int d = 0; d + 1 < rank; ++d) rows *= c.n[d];
  std::vector<T> bins(static_cast<std::size_t>(2 * c.outer * c.places)), real(static_cast<std::size_t>(rows * c.n[rank - 1]));
  fit(c.outer, rank, c.in, c.bins, 2, c.scale, x.as<T>(), bins.data());
  other_axes(c, true, bins.data());
  real_backward(rows, c.n[rank - 1], c.middle / 2, bins.data(), real.data());
  fit(c.outer, rank, c.n, c.out, 1, T(1), real.data(), y.as<T>());
}

}  // namespace rill::kernel::fft

namespace rill::ops {

template <int Rank, bool Inverse>
template <class>
void fft_op<Rank, Inverse>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.type == dtype::complex64) kernel::fft::complex_op<float>(Rank, Inverse, at.f[0], in[0], out);
  else kernel::fft::complex_op<double>(Rank, Inverse, at.f[0], in[0], out);
}
template <int Rank>
template <class>
void rfft_op<Rank>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.type == dtype::complex64) kernel::fft::forward_op<float>(Rank, at, in[0], out);
  else kernel::fft::forward_op<double>(Rank, at, in[0], out);
}
template <int Rank>
template <class>
void irfft_op<Rank>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  if (out.type == dtype::float32) kernel::fft::backward_op<float>(Rank, at, in[0], out);
  else kernel::fft::backward_op<double>(Rank, at, in[0], out);
}

}  // namespace rill::ops
