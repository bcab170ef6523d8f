// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Products of matrices of narrow numbers, by the packed product of matmul.hpp: half and bfloat16 with sums in float, int8
/// and uint8 with sums in int32, exactly (modulo 2^32: from some 33,000 terms of extreme numbers on). Shapes are checked by
/// the callers; results are the same for any number of threads.
///
/// The processor's dot products (AVX512_BF16, AVX512_VNNI, AVX_VNNI) take units of 32 bits, two or four numbers that are
/// neighbours in k, as many a unit as a float has bytes. So a product of narrow matrices is one of float matrices whose
/// elements are such units: blocking, packing and threads are those of float, only the step of the register tile differs.
/// Where the numbers of a unit are neighbours in memory and need no change, the matrix is read as it is; else units are
/// made while it is packed. Without those instructions bytes become pairs of 16-bit numbers, and bfloat16 and half floats.
///
/// vdpbf16ps takes denormals for zero and rounds twice a unit. Byte products multiply unsigned by signed numbers: where
/// both are of one kind, those of B are moved by 128, and what this adds is taken off again with the sums of A's rows,
/// together with the zero points of quantized numbers.
///
///   rill::kernel::matmul_narrow<bfloat16>(m, n, k, {a, k}, {b, n}, store_epilogue<float>{c, n});
///   rill::kernel::matmul_integer(m, n, k, {.data = a, .ld = k}, {.data = b, .ld = n}, c, n);

#include <bit>

#include "../core/dtype.hpp"
#include "matmul.hpp"
#include "simd.hpp"

namespace rill::kernel {

/// A matrix of half or bfloat16 in memory: row i starts at data + i * ld; its transpose is multiplied where it says so.
template <class T>
struct narrow_matrix {
  const T* data;
  std::int64_t ld;
  bool transposed = false;
};

/// A matrix of bytes in memory, which stand for the number minus zero_point.
struct byte_matrix {
  const void* data;
  std::int64_t ld;
  bool transposed = false;
  bool is_signed = true;
  std::int32_t zero_point = 0;
};

namespace detail {

template <class I>
using lane_vector = typename rill::detail::vector_of<I, lanes<float>>::type;

template <class To, class From>
[[gnu::always_inline]] inline To bits_as(const From& x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  std::memcpy(&y, &x, sizeof y);
  return y;
}

#if defined(__AVX512BF16__)
inline constexpr bool bfloat16_dots = true;
/// c + a0 b0 + a1 b1.
struct bfloat16_step {
  static constexpr bool wide = false;  // B is always packed
  [[gnu::always_inline]] static vec<float> apply(const vec<float>& a, const vec<float>& b, const vec<float>& c) {
    return vec<float>(_mm512_dpbf16_ps(c, bits_as<__m512bh>(a), bits_as<__m512bh>(b)));
  }
  [[gnu::always_inline]] static vec<float> sum(const vec<float>& a, const vec<float>& b) { return a + b; }
};
#else
inline constexpr bool bfloat16_dots = false;
using bfloat16_step = fused_multiply_add;
#endif

#if defined(__AVX512VNNI__) || (defined(__AVXVNNI__) && defined(__AVX2__))
inline constexpr bool byte_dots = true;
#else
inline constexpr bool byte_dots = false;
#endif
/// c + a0 b0 + ... in int32: four bytes of a by four of b, of which one are unsigned and the other signed, or two 16-bit
/// numbers by two.
template <bool UnsignedA>
struct integer_step {
  static constexpr bool wide = false;
  [[gnu::always_inline]] static vec<float> apply(const vec<float>& a, const vec<float>& b, const vec<float>& c) {
    [[maybe_unused]] const vec<float>&x = UnsignedA ? a : b, &y = UnsignedA ? b : a;
#if defined(__AVX512VNNI__)
    return bits_as<vec<float>>(_mm512_dpbusd_epi32(bits_as<__m512i>(c), bits_as<__m512i>(x), bits_as<__m512i>(y)));
#elif defined(__AVXVNNI__) && defined(__AVX2__)
    return bits_as<vec<float>>(_mm256_dpbusd_avx_epi32(bits_as<__m256i>(c), bits_as<__m256i>(x), bits_as<__m256i>(y)));
#elif defined(__AVX512BW__)
    return bits_as<vec<float>>(_mm512_add_epi32(bits_as<__m512i>(c), _mm512_madd_epi16(bits_as<__m512i>(a), bits_as<__m512i>(b))));
#elif defined(__AVX2__) && !defined(__AVX512F__)
    return bits_as<vec<float>>(_mm256_add_epi32(bits_as<__m256i>(c), _mm256_madd_epi16(bits_as<__m256i>(a), bits_as<__m256i>(b))));
#elif defined(__SSE2__) && !defined(__AVX__)
    return bits_as<vec<float>>(_mm_add_epi32(bits_as<__m128i>(c), _mm_madd_epi16(bits_as<__m128i>(a), bits_as<__m128i>(b))));
#else
    using words = lane_vector<std::uint32_t>;
    using signed_words = lane_vector<std::int32_t>;
    const auto u = bits_as<signed_words>(a), v = bits_as<signed_words>(b);
    const auto low = [](const signed_words& z) __attribute__((always_inline)) { return bits_as<signed_words>(bits_as<words>(z) << 16) >> 16; };
    return bits_as<vec<float>>(bits_as<words>(c) + bits_as<words>(low(u) * low(v)) + bits_as<words>((u >> 16) * (v >> 16)));
#endif
  }
  [[gnu::always_inline]] static vec<float> sum(const vec<float>& a, const vec<float>& b) {
    using words = lane_vector<std::uint32_t>;
    return bits_as<vec<float>>(bits_as<words>(a) + bits_as<words>(b));
  }
};

// ---- from narrow numbers to units -------------------------------------------------------------------------------------
// A format says of which elements a unit is made, how many, and what the bits of an element are in place q of it: for one
// element as a word, or for a vector of them.

struct bfloat16_pairs {
  using element = std::uint16_t;
  static constexpr int per_unit = 2;
  template <class W>
  [[gnu::always_inline]] W place(const W& x, int q) const {
    return x << (16 * q);
  }
  [[nodiscard]] bool as_they_are() const { return true; }
};
struct byte_quads {
  using element = std::uint8_t;
  static constexpr int per_unit = 4;
  unsigned flip;  ///< 128: the sign is turned, and so 128 added or taken off
  template <class W>
  [[gnu::always_inline]] W place(const W& x, int q) const {
    return (x ^ flip) << (8 * q);
  }
  [[nodiscard]] bool as_they_are() const { return flip == 0; }
};
struct byte_pairs {
  using element = std::uint8_t;
  static constexpr int per_unit = 2;
  unsigned sign;  ///< 128 for signed numbers
  template <class W>
  [[gnu::always_inline]] W place(const W& x, int q) const {
    const W wide = (x ^ sign) - sign;
    return q == 0 ? wide & 0xFFFFU : wide << 16;
  }
  [[nodiscard]] bool as_they_are() const { return false; }
};
/// A unit is a float.
template <class T>
struct one_float {
  using element = std::uint16_t;
  static constexpr int per_unit = 1;
  template <class W>
  [[gnu::always_inline]] W place(const W& x, int) const {
    if constexpr (std::is_same_v<T, bfloat16>) return x << 16;
    else if constexpr (sizeof(W) == sizeof(std::uint32_t)) return std::bit_cast<std::uint32_t>(rill::detail::half_to_float(static_cast<std::uint16_t>(x)));
    else {
      const auto narrow = __builtin_convertvector(x, lane_vector<std::uint16_t>);
      return bits_as<W>(rill::detail::narrow_memory<half, lanes<float>>::load(&narrow));
    }
  }
  [[nodiscard]] bool as_they_are() const { return false; }
};

/// The next lanes' worth of elements, each in a word.
template <class E>
[[gnu::always_inline]] inline lane_vector<std::uint32_t> load_words(const E* from) {
#if defined(__AVX512F__)
  if constexpr (sizeof(E) == 1)
    return bits_as<lane_vector<std::uint32_t>>(_mm512_maskz_cvtepu8_epi32(0xFFFF, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#endif
  lane_vector<E> x;
  std::memcpy(&x, from, sizeof x);
  return __builtin_convertvector(x, lane_vector<std::uint32_t>);
}

/// Units from elements that are neighbours in a row of `length` elements; what a last unit lacks counts as zero.
template <class Format>
struct row_units {
  using element = typename Format::element;
  const element* elements;
  std::int64_t pitch, length;
  Format format;

  [[gnu::noinline]] const float* segment(std::int64_t outer, std::int64_t unit0, std::int64_t n, float* scratch) const {
    constexpr std::int64_t g = Format::per_unit, w = lanes<float>;
    const element* from = elements + outer * pitch + unit0 * g;
    const std::int64_t there = std::min(n * g, length - unit0 * g), whole = there / g;
    std::int64_t u = 0;
    for (; u + w <= whole; u += w) {
      lane_vector<std::uint32_t> unit;
      if constexpr (g == 1) unit = format.place(load_words(from + u), 0);
      else if constexpr (std::is_same_v<Format, byte_pairs>) {
        typedef std::uint16_t shorts __attribute__((vector_size(sizeof(unit))));
        typename rill::detail::vector_of<element, 2 * lanes<float>>::type x;
        std::memcpy(&x, from + u * g, sizeof x);
        const auto sign = static_cast<std::uint16_t>(format.sign);
        unit = bits_as<lane_vector<std::uint32_t>>((__builtin_convertvector(x, shorts) ^ sign) - sign);
      } else {
        std::memcpy(&unit, from + u * g, sizeof unit);
        unit = format.as_they_are() ? unit : unit ^ 0x80808080U;
      }
      std::memcpy(scratch + u, &unit, sizeof unit);
    }
    for (; u < n; ++u) {
      std::uint32_t unit = 0;
      for (int q = 0; q < g && u * g + q < there; ++q) unit |= format.place(std::uint32_t{from[u * g + q]}, q);
      std::memcpy(scratch + u, &unit, sizeof unit);
    }
    return scratch;
  }
};

/// Units from elements that lie above each other in a matrix of `rows` rows.
template <class Format>
struct stacked_units {
  using element = typename Format::element;
  const element* elements;
  std::int64_t pitch, rows;
  Format format;

  [[gnu::noinline]] const float* segment(std::int64_t outer, std::int64_t j0, std::int64_t n, float* scratch) const {
    constexpr std::int64_t g = Format::per_unit, w = lanes<float>;
    const element* from = elements + outer * g * pitch + j0;
    const int there = static_cast<int>(std::min(g, rows - outer * g));
    std::int64_t j = 0;
    if (there == g) {
      for (; j + w <= n; j += w) {
        lane_vector<std::uint32_t> unit = {};
        unroll<Format::per_unit>([&](auto q) __attribute__((always_inline)) { unit |= format.place(load_words(from + q * pitch + j), q); });
        std::memcpy(scratch + j, &unit, sizeof unit);
      }
    }
    for (; j < n; ++j) {
      std::uint32_t unit = 0;
      for (int q = 0; q < there; ++q) unit |= format.place(std::uint32_t{from[q * pitch + j]}, q);
      std::memcpy(scratch + j, &unit, sizeof unit);
    }
    return scratch;
  }
};

/// Calls f with an operand of units for a matrix; `transposed`: its rows lie along k.
template <class Format, class F>
void with_units(const void* data, std::int64_t ld, std::int64_t k, bool along_k, const Format& format, F&& f) {
  using element = typename Format::element;
  const auto* elements = static_cast<const element*>(data);
  if (!along_k) {
    const stacked_units<Format> x{elements, ld, k, format};
    f(operand_ref<float>::of(x));
  } else if (masked_tiles && format.as_they_are() && ld % Format::per_unit == 0 && k % Format::per_unit == 0 &&
             reinterpret_cast<std::uintptr_t>(data) % sizeof(float) == 0) {
    f(operand_ref<float>{reinterpret_cast<const float*>(data), ld / Format::per_unit, nullptr, nullptr});
  } else {
    const row_units<Format> x{elements, ld, k, format};
    f(operand_ref<float>::of(x));
  }
}

/// Units of ones: the product with them gives the sums of rows or columns.
template <class Format>
struct ones {
  const float* segment(std::int64_t, std::int64_t, std::int64_t n, float* scratch) const {
    const auto unit = std::bit_cast<float>(Format::per_unit == 4 ? 0x01010101U : 0x00010001U);
    for (std::int64_t i = 0; i < n; ++i) std::memcpy(scratch + i, &unit, sizeof unit);
    return scratch;
  }
};

/// A vector of the results times `scale`, plus `constant`.
struct vector_epilogue {
  std::uint32_t* to;
  std::uint32_t scale, constant;
  void operator()(std::int64_t i, std::int64_t j, const vec<float>& acc) const { tail(i, j, acc, lanes<float>); }
  void tail(std::int64_t i, std::int64_t j, const vec<float>& acc, std::int64_t n) const {
    const auto x = bits_as<lane_vector<std::uint32_t>>(acc) * scale + constant;
    std::memcpy(to + i + j, &x, static_cast<std::size_t>(n) * sizeof(std::uint32_t));
  }
};

/// Stores sums of bytes' products, plus a term of their row and one of their column, as numbers of `Out`'s width.
template <class Out>
struct integer_epilogue {
  Out* data;
  std::int64_t ld;
  const std::uint32_t* row_terms = nullptr;
  const std::uint32_t* column_terms = nullptr;

  void operator()(std::int64_t i, std::int64_t j, const vec<float>& acc) const { tail(i, j, acc, lanes<float>); }
  void tail(std::int64_t i, std::int64_t j, const vec<float>& acc, std::int64_t n) const {
    auto x = bits_as<lane_vector<std::uint32_t>>(acc);
    if (row_terms != nullptr) x += row_terms[i];
    Out* const to = data + i * ld + j;
    if (n == lanes<float>) {
      if (column_terms != nullptr) {
        lane_vector<std::uint32_t> terms;
        std::memcpy(&terms, column_terms + j, sizeof terms);
        x += terms;
      }
      const auto y = __builtin_convertvector(x, lane_vector<std::make_unsigned_t<Out>>);
      std::memcpy(to, &y, sizeof y);
    } else {
      for (std::int64_t q = 0; q < n; ++q) {
        const std::uint32_t term = column_terms != nullptr ? column_terms[j + q] : 0;
        to[q] = static_cast<Out>(x[static_cast<std::size_t>(q)] + term);
      }
    }
  }
};

/// Rounds the sums to T and stores them.
template <class T>
struct narrow_epilogue {
  T* data;
  std::int64_t ld;
  void operator()(std::int64_t i, std::int64_t j, const vec<float>& acc) const { rounded(acc).store(data + i * ld + j); }
  void tail(std::int64_t i, std::int64_t j, const vec<float>& acc, std::int64_t n) const { rounded(acc).store(data + i * ld + j, n); }

 private:
  static pack<T, lanes<float>> rounded(const vec<float>& acc) { return pack<T, lanes<float>>(pack<float, lanes<float>>(acc)); }
};

}  // namespace detail

/// C = op(A) op(B) of half or bfloat16, m x n with k terms in each sum; the sums, in float, go to the epilogue
/// (matmul.hpp).
template <class T, class E>
  requires is_narrow_v<T>
void matmul_narrow(std::int64_t m, std::int64_t n, std::int64_t k, const narrow_matrix<T>& a, const narrow_matrix<T>& b, const E& epilogue) {
  const auto sink = detail::tile_sink<float>::of(epilogue);
  const auto run = [&]<class Step, class Format>(std::type_identity<Step>, const Format& f) {
    const std::int64_t units = detail::ceil_div(k, Format::per_unit);
    detail::with_units(a.data, a.ld, k, !a.transposed, f, [&](const detail::operand_ref<float>& x) {
      detail::with_units(b.data, b.ld, k, b.transposed, f, [&](const detail::operand_ref<float>& y) {
        detail::multiply<float>({m, n, units, a.transposed, b.transposed, x, y, sink, &detail::kernels_of<Step, float>::table});
      });
    });
  };
  if constexpr (std::is_same_v<T, bfloat16> && detail::bfloat16_dots) run(std::type_identity<detail::bfloat16_step>{}, detail::bfloat16_pairs{});
  else run(std::type_identity<detail::fused_multiply_add>{}, detail::one_float<T>{});
}

/// C = op(A) op(B) of bytes less their zero points, to c[i * ldc + j]: Out is int32_t, or a narrower integer, which keeps the
/// lowest bits.
template <class Out>
void matmul_integer(std::int64_t m, std::int64_t n, std::int64_t k, const byte_matrix& a, const byte_matrix& b, Out* c, std::int64_t ldc) {
  using namespace detail;
  if (m <= 0 || n <= 0) return;
  using Format = std::conditional_t<byte_dots, byte_quads, byte_pairs>;
  // What is multiplied is a' = a + move_a by b' = b + move_b, of which one are signed and the other unsigned: bytes of one
  // sign move b. Pairs of 16-bit numbers stay as they are.
  const bool unsigned_a = byte_dots && !a.is_signed, move = byte_dots && a.is_signed == b.is_signed;
  const Format format_a{byte_dots || !a.is_signed ? 0U : 128U}, format_b{move || (!byte_dots && b.is_signed) ? 128U : 0U};
  const auto zero_a = static_cast<std::uint32_t>(a.zero_point);
  const auto zero_b = static_cast<std::uint32_t>(b.zero_point) + (!move ? 0 : b.is_signed ? 128U : 0 - 128U);
  const tile_kernels<float>* kernels = unsigned_a ? &kernels_of<integer_step<byte_dots>, float>::table : &kernels_of<integer_step<false>, float>::table;
  const std::int64_t units = ceil_div(k, Format::per_unit);
  // (a' - zero_a) (b' - zero_b) = a' b' - zero_b a' - zero_a b' + zero_a zero_b, summed.
  const scratch_lease terms(static_cast<std::size_t>(m + n) * sizeof(std::uint32_t));
  auto* const of_rows = reinterpret_cast<std::uint32_t*>(terms.data());
  auto* const of_columns = of_rows + m;
  const ones<Format> one;
  const auto product = [&](std::int64_t rows, std::int64_t columns, const operand_ref<float>& x, bool trans_x, const operand_ref<float>& y,
                           bool trans_y, const auto& to) {
    multiply<float>({rows, columns, units, trans_x, trans_y, x, y, tile_sink<float>::of(to), kernels});
  };
  with_units(a.data, a.ld, k, !a.transposed, format_a, [&](const operand_ref<float>& x) {
    with_units(b.data, b.ld, k, b.transposed, format_b, [&](const operand_ref<float>& y) {
      const std::uint32_t constant = static_cast<std::uint32_t>(k) * zero_a * zero_b;
      if (zero_b != 0) product(m, 1, x, a.transposed, operand_ref<float>::of(one), false, vector_epilogue{of_rows, 0 - zero_b, constant});
      if (zero_a != 0) product(1, n, operand_ref<float>::of(one), false, y, b.transposed, vector_epilogue{of_columns, 0 - zero_a, 0});
      const integer_epilogue<Out> to{c, ldc, zero_b != 0 ? of_rows : nullptr, zero_a != 0 ? of_columns : nullptr};
      product(m, n, x, a.transposed, y, b.transposed, to);
    });
  });
}

}  // namespace rill::kernel
