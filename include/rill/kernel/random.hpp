// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Random numbers of many distributions. Every element is a pure function of (key, step, its index): Philox words with the
/// number of the attempt in the counter where a method draws again. So results do not depend on the number of threads, and
/// any element can be made again.
///
/// Normal: Box and Muller (Ann. Math. Statist. 29, 1958). Gamma: Marsaglia and Tsang (ACM TOMS 26, 2000). Poisson: products
/// of uniforms below 10 (Knuth), transformed rejection from there (Hörmann, Insurance Math. Econ. 12, 1993).

#include <cmath>
#include <cstring>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "../core/dtype.hpp"
#include "../core/philox.hpp"
#include "../ops/random.hpp"
#include "parallel.hpp"

namespace rill::kernel {

/// Where numbers come from: two 64-bit numbers that name a stream.
struct random_stream {
  std::uint64_t key = 0;
  std::uint64_t step = 0;
};

namespace detail {

/// The words of one element; the attempt goes into the upper bits of the element's number, which no tensor needs.
class element_random {
 public:
  element_random(const random_stream& s, std::int64_t element) : stream_(s), element_(static_cast<std::uint64_t>(element)) {}
  std::uint32_t next() {
    if (used_ == 4) {
      words_ = philox_bits(element_ | (attempt_++ << 44), stream_.step, stream_.key);
      used_ = 0;
    }
    return words_[used_++];
  }
  std::uint64_t next64() {
    const std::uint64_t high = next();
    return high << 32 | next();
  }
  /// In (0, 1).
  double open_uniform() { return (static_cast<double>(next64() >> 12) + 0.5) * 0x1p-52; }
  double normal() {
    if (spare_) {
      spare_ = false;
      return kept_;
    }
    const double r = std::sqrt(-2 * std::log(open_uniform())), angle = 2 * std::numbers::pi * open_uniform();
    kept_ = r * std::sin(angle);
    spare_ = true;
    return r * std::cos(angle);
  }

 private:
  random_stream stream_;
  std::uint64_t element_, attempt_ = 0;
  philox_words words_;
  int used_ = 4;
  bool spare_ = false;
  double kept_ = 0;
};

template <class F>
void for_each_element(std::int64_t n, F f) {
  parallel_for(n, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
  });
}

inline double gamma_sample(element_random& r, double alpha) {
  // below 1: a sample of alpha + 1 times u^(1 / alpha)
  const double a = alpha < 1 ? alpha + 1 : alpha, d = a - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = r.normal(), v0 = 1 + c * x;
    if (v0 <= 0) continue;
    const double v = v0 * v0 * v0, u = r.open_uniform();
    if (u < 1 - 0.0331 * x * x * x * x || std::log(u) < 0.5 * x * x + d * (1 - v + std::log(v)))
      return alpha < 1 ? d * v * std::pow(r.open_uniform(), 1 / alpha) : d * v;
  }
}

inline double poisson_sample(element_random& r, double mean) {
  if (!(mean > 0)) return mean == 0 ? 0 : std::nan("");
  if (mean < 10) {
    const double limit = std::exp(-mean);
    double p = r.open_uniform();
    double k = 0;
    while (p > limit) p *= r.open_uniform(), ++k;
    return k;
  }
  const double b = 0.931 + 2.53 * std::sqrt(mean), a = -0.059 + 0.02483 * b, inverse = 1.1239 + 1.1328 / (b - 3.4),
               v_r = 0.9277 - 3.6224 / (b - 2), log_mean = std::log(mean);
  for (;;) {
    const double u = r.open_uniform() - 0.5, v = r.open_uniform(), us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v * inverse / (a / (us * us) + b)) <= k * log_mean - mean - std::lgamma(k + 1)) return k;
  }
}

}  // namespace detail

/// Uniform in [low, high); 23 bits for float, 52 for double. Integers: every value of [low, high) equally likely.
template <class T>
void random_uniform(T* out, std::int64_t n, random_stream s, T low, T high) {
  if constexpr (std::is_same_v<T, float>) {
    parallel_for(n, 16384, [&](std::int64_t begin, std::int64_t end) {
      const auto scaled = [&](float u) {
        const float x = low + u * (high - low);
        return x < high ? x : low;  // rounding may reach the end
      };
      std::int64_t i = begin;
      for (; i + 16 <= end; i += 16) {
        philox_uniforms<16>(static_cast<std::uint64_t>(i), s.step, s.key, out + i);
        for (int k = 0; k < 16; ++k) out[i + k] = scaled(out[i + k]);
      }
      for (; i < end; ++i) out[i] = scaled(philox_uniform(static_cast<std::uint64_t>(i), s.step, s.key));
    });
  } else if constexpr (std::is_floating_point_v<T>) {
    detail::for_each_element(n, [&](std::int64_t i) {
      detail::element_random r(s, i);
      const double u = static_cast<double>(r.next64() >> 12) * 0x1p-52;
      const T x = static_cast<T>(static_cast<double>(low) + u * (static_cast<double>(high) - static_cast<double>(low)));
      out[i] = x < high ? x : low;
    });
  } else {
    const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    const std::uint64_t reject = range == 0 ? 0 : (0 - range) % range;
    detail::for_each_element(n, [&](std::int64_t i) {
      detail::element_random r(s, i);
      std::uint64_t x = r.next64();
      while (x < reject) x = r.next64();
      out[i] = static_cast<T>(static_cast<std::uint64_t>(low) + (range == 0 ? x : x % range));
    });
  }
}

/// Normal; two neighbours share the words of one draw.
template <class T>
void random_normal(T* out, std::int64_t n, random_stream s, double mean, double stddev) {
  parallel_for((n + 1) / 2, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      detail::element_random r(s, p);
      out[2 * p] = static_cast<T>(mean + stddev * r.normal());
      if (2 * p + 1 < n) out[2 * p + 1] = static_cast<T>(mean + stddev * r.normal());
    }
  });
}

/// Normal, drawn again beyond two standard deviations.
template <class T>
void truncated_normal(T* out, std::int64_t n, random_stream s, double mean, double stddev) {
  detail::for_each_element(n, [&](std::int64_t i) {
    detail::element_random r(s, i);
    double z = r.normal();
    while (std::fabs(z) > 2) z = r.normal();
    out[i] = static_cast<T>(mean + stddev * z);
  });
}

/// n samples for each of `count` shapes alpha: out[i * count + k] ~ Gamma(alpha[k], 1).
template <class T>
void random_gamma(T* out, std::int64_t n, std::int64_t count, random_stream s, const T* alpha) {
  detail::for_each_element(n * count, [&](std::int64_t i) {
    detail::element_random r(s, i);
    const double a = static_cast<double>(alpha[i % count]);
    out[i] = static_cast<T>(a > 0 ? detail::gamma_sample(r, a) : std::nan(""));
  });
}

/// n samples for each of `count` means.
template <class T, class M>
void random_poisson(T* out, std::int64_t n, std::int64_t count, random_stream s, const M* mean) {
  detail::for_each_element(n * count, [&](std::int64_t i) {
    detail::element_random r(s, i);
    out[i] = static_cast<T>(detail::poisson_sample(r, static_cast<double>(mean[i % count])));
  });
}

/// `samples` class numbers for each row of unnormalised log-probabilities, by inversion of the cumulative sums.
template <class T>
void multinomial(std::int64_t* out, std::int64_t rows, std::int64_t classes, std::int64_t samples, random_stream s, const T* logits) {
  parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const T* x = logits + row * classes;
      double most = -INFINITY, total = 0;
      for (std::int64_t k = 0; k < classes; ++k) most = std::fmax(most, static_cast<double>(x[k]));
      const auto weight = [&](std::int64_t k) { return std::exp(static_cast<double>(x[k]) - most); };
      for (std::int64_t k = 0; k < classes; ++k) total += weight(k);
      for (std::int64_t j = 0; j < samples; ++j) {
        detail::element_random r(s, row * samples + j);
        double left = r.open_uniform() * total;
        std::int64_t k = 0, last = 0;
        for (; k < classes; ++k) {
          const double w = weight(k);
          if (w > 0) last = k;
          left -= w;
          if (left < 0) break;
        }
        out[row * samples + j] = k < classes ? k : last;
      }
    }
  });
}

/// A uniformly random order of 0 .. n - 1 (Fisher and Yates).
inline void random_permutation(std::int64_t* out, std::int64_t n, random_stream s) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = i;
  for (std::int64_t i = n - 1; i > 0; --i) {
    detail::element_random r(s, i);
    const auto range = static_cast<std::uint64_t>(i) + 1, reject = (0 - range) % range;
    std::uint64_t x = r.next64();
    while (x < reject) x = r.next64();
    std::swap(out[i], out[static_cast<std::int64_t>(x % range)]);
  }
}

}  // namespace rill::kernel

namespace rill::ops {

template <distribution D>
template <class>
void random_op<D>::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const auto word = [&](int k) { return in[parameters + k].template as<std::int64_t>()[0]; };
  const kernel::random_stream s{random_uniform::key(word(0), word(1)), static_cast<std::uint64_t>(word(2))};
  const std::int64_t n = out.size();
  const auto floats = [&](auto f) {
    visit_floating(out.type, [&]<class T>(std::type_identity<T>) {
      if constexpr (std::is_floating_point_v<T>) f(out.template as<T>());
      else throw unimplemented(std::string(name) + ": draw float32 and cast it to " + std::string(name_of(out.type)));
    }, name);
  };
  if constexpr (D == distribution::uniform) {
    visit_real(out.type, [&]<class T>(std::type_identity<T>) {
      if constexpr (std::is_arithmetic_v<T>) kernel::random_uniform(out.template as<T>(), n, s, static_cast<T>(at.f[0]), static_cast<T>(at.f[1]));
      else throw unimplemented(std::string(name) + ": draw float32 and cast it to " + std::string(name_of(out.type)));
    }, name);
  } else if constexpr (D == distribution::normal) {
    floats([&](auto* p) { kernel::random_normal(p, n, s, at.f[0], at.f[1]); });
  } else if constexpr (D == distribution::truncated_normal) {
    floats([&](auto* p) { kernel::truncated_normal(p, n, s, at.f[0], at.f[1]); });
  } else if constexpr (D == distribution::shuffle) {
    const std::int64_t rows = out.shape[0], row = rows == 0 ? 0 : n / rows;
    std::vector<std::int64_t> order(static_cast<std::size_t>(rows));
    kernel::random_permutation(order.data(), rows, s);
    if (out.type == dtype::string) {
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t k = 0; k < row; ++k)
          out.template as<std::string>()[r * row + k] = in[0].template as<std::string>()[order[static_cast<std::size_t>(r)] * row + k];
      return;
    }
    const std::size_t bytes = static_cast<std::size_t>(row) * size_of(out.type);
    for (std::int64_t r = 0; r < rows && bytes > 0; ++r)
      std::memcpy(out.template as<unsigned char>() + static_cast<std::size_t>(r) * bytes,
                  in[0].template as<unsigned char>() + static_cast<std::size_t>(order[static_cast<std::size_t>(r)]) * bytes, bytes);
  } else {
    const std::int64_t count = in[0].size();
    visit_floating(in[0].type, [&]<class M>(std::type_identity<M>) {
      if constexpr (!std::is_floating_point_v<M>) {
        throw unimplemented(std::string(name) + ": cast the operand to float32");
      } else if constexpr (D == distribution::multinomial) {
        kernel::multinomial(out.template as<std::int64_t>(), in[0].shape[0], in[0].shape[1], out.shape[1], s, in[0].template as<M>());
      } else if (count > 0) {
        floats([&]<class T>(T* p) {
          if constexpr (D == distribution::poisson) kernel::random_poisson(p, n / count, count, s, in[0].template as<M>());
          else if constexpr (std::is_same_v<T, M>) kernel::random_gamma(p, n / count, count, s, in[0].template as<M>());
        });
      }
    }, name);
  }
}

}  // namespace rill::ops
