// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The kernel of BatchMatMul: [.., m, k] x [.., k, n] -> [.., m, n] of any number type, the leading axes broadcast. float
/// and double go to the packed product of kernel/matmul.hpp matrix by matrix, or, when their few columns fit into a
/// register, to a loop that packs nothing; a complex product is one real product of twice
/// the sides, [[Ar -Ai] [Ai Ar]] [[Br] [Bi]]; half and bfloat16 go to low_precision_matmul.hpp; integers wrap.

#include <cstring>
#include <type_traits>
#include <vector>

#include "../ops/contraction.hpp"
#include "low_precision_matmul.hpp"
#include "matmul.hpp"
#include "parallel.hpp"

namespace rill::kernel::detail {

/// The shape of one product of a batch, and where its matrices lie: counted in matrices.
struct batch_product {
  std::int64_t m = 0, n = 0, k = 0, count = 1;
  bool trans_a = false, trans_b = false, conj_a = false, conj_b = false;
  int rank = 0;  ///< batch axes
  std::int64_t extents[max_rank] = {}, a_strides[max_rank] = {}, b_strides[max_rank] = {};

  void offsets(std::int64_t index, std::int64_t& a, std::int64_t& b) const {
    a = b = 0;
    for (int d = rank - 1; d >= 0; --d) {
      std::int64_t i = index;
      if (d > 0) i %= extents[d], index /= extents[d];  // a division takes as long as a small product
      a += i * a_strides[d], b += i * b_strides[d];
    }
  }
};

inline batch_product plan_batch(const attributes& at, const tensor_shape& a, const tensor_shape& b, const tensor_shape& out) {
  batch_product p;
  p.trans_a = at.i[0] != 0, p.trans_b = at.i[1] != 0, p.conj_a = at.i[2] != 0, p.conj_b = at.i[3] != 0;
  p.rank = out.rank() - 2;
  p.m = out[p.rank], p.n = out[p.rank + 1];
  p.k = a[p.trans_a ? a.rank() - 2 : a.rank() - 1];
  const auto strides = [&](const tensor_shape& s, std::int64_t* to) {
    std::int64_t step = 1;
    for (int d = p.rank - 1, j = s.rank() - 3; j >= 0; --d, --j) {
      to[d] = s[j] == 1 ? 0 : step;
      step *= s[j];
    }
  };
  for (int d = 0; d < p.rank; ++d) p.extents[d] = out[d], p.count *= out[d];
  strides(a, p.a_strides);
  strides(b, p.b_strides);
  return p;
}

/// Calls f(matrix of a, matrix of b, matrix of the result) for all products of the batch.
inline void for_each_product(const batch_product& p, function_ref<void(std::int64_t, std::int64_t, std::int64_t)> f) {
  const std::int64_t work = 2 * p.m * p.n * (p.k + 1);
  parallel_for(p.count, 200000 / (work + 1) + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::int64_t a = 0, b = 0;
      p.offsets(i, a, b);
      f(a, b, i);
    }
  });
}

/// Registers that hold rows of exactly W numbers.
template <class T, int W>
struct whole_row {
  using type = typename rill::detail::vector_of<T, W>::type;
  [[gnu::always_inline]] static type load(const T* p, std::int64_t) {
    type v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  [[gnu::always_inline]] static void store(const type& v, T* p, std::int64_t) { std::memcpy(p, &v, sizeof v); }
  [[gnu::always_inline]] static type add(T a, const type& b, const type& sum) { return a * b + sum; }
};

/// Registers that hold rows of at most a register's numbers.
template <class T>
struct part_row {
  using type = pack<T, rill::detail::native_lanes<T>>;
  [[gnu::always_inline]] static type load(const T* p, std::int64_t n) { return type::load(p, n); }
  [[gnu::always_inline]] static void store(const type& v, T* p, std::int64_t n) { v.store(p, n); }
  [[gnu::always_inline]] static type add(T a, const type& b, const type& sum) { return type(rill::detail::mad_of(type(a).b[0], b.b[0], sum.b[0])); }
};

/// `Rows` rows of a product; the elements of a lie `row_step` and `step` apart.
template <class Row, int Rows, class T>
[[gnu::always_inline]] inline void multiply_tiny_rows(std::int64_t k, std::int64_t n, const T* a, std::int64_t row_step, std::int64_t step, const T* b, T* out) {
  typename Row::type sum[static_cast<std::size_t>(Rows)];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) sum[r] = typename Row::type{};
  for (std::int64_t l = 0; l < k; ++l) {
    const auto row = Row::load(b + l * n, n);
    const T* const column = a + l * step;
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) sum[r] = Row::add(column[r * row_step], row, sum[r]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) Row::store(sum[r], out + r * n, n);
}

/// A product whose columns fit into one register, too small to be packed: up to eight rows at a time.
template <class Row, class T>
void multiply_tiny(std::int64_t m, std::int64_t k, std::int64_t n, bool trans_a, const T* a, const T* b, T* out) {
  const std::int64_t row_step = trans_a ? 1 : k, step = trans_a ? m : 1;
  for (; m >= 8; m -= 8, a += 8 * row_step, out += 8 * n) multiply_tiny_rows<Row, 8>(k, n, a, row_step, step, b, out);
  if (m >= 4) {
    multiply_tiny_rows<Row, 4>(k, n, a, row_step, step, b, out);
    m -= 4, a += 4 * row_step, out += 4 * n;
  }
  for (; m > 0; --m, a += row_step, out += n) multiply_tiny_rows<Row, 1>(k, n, a, row_step, step, b, out);
}

template <class T>
void multiply_matrix(const batch_product& p, const T* a, const T* b, T* out) {
  constexpr int lanes = rill::detail::native_lanes<T>;
  if (!p.trans_b && p.k > 0 && p.n <= lanes) {
    if constexpr (lanes >= 8) {  // known here, eight columns take half of a wide register, and no mask
      if (p.n == 8 && p.m * p.k <= 1024) return multiply_tiny<whole_row<T, 8>>(p.m, p.k, 8, p.trans_a, a, b, out);
    }
    if (p.n == lanes ? p.m * p.k <= 1024 : p.m * p.n * p.k <= 256) return multiply_tiny<part_row<T>>(p.m, p.k, p.n, p.trans_a, a, b, out);
  }
  if (p.m * p.n * p.k <= 256) {  // too small to be packed
    for (std::int64_t i = 0; i < p.m; ++i)
      for (std::int64_t j = 0; j < p.n; ++j) {
        T sum = 0;
        for (std::int64_t l = 0; l < p.k; ++l) sum += a[p.trans_a ? l * p.m + i : i * p.k + l] * b[p.trans_b ? j * p.k + l : l * p.n + j];
        out[i * p.n + j] = sum;
      }
    return;
  }
  const plain_operand<T> x{a, p.trans_a ? p.m : p.k}, y{b, p.trans_b ? p.k : p.n};
  const store_epilogue<T> to{out, p.n};
  multiply<T>({p.m, p.n, p.k, p.trans_a, p.trans_b, operand_ref<T>::of(x), operand_ref<T>::of(y), tile_sink<T>::of(to)});
}

template <class T>
void multiply_real(const batch_product& p, const T* a, const T* b, T* out) {
  for_each_product(p, [&](std::int64_t i, std::int64_t j, std::int64_t to) {
    multiply_matrix(p, a + i * p.m * p.k, b + j * p.k * p.n, out + to * p.m * p.n);
  });
}

/// half or bfloat16, summed in float, to a result of either type.
template <class T, class Out>
void multiply_narrow(const batch_product& p, const T* a, const T* b, Out* out) {
  for_each_product(p, [&](std::int64_t i, std::int64_t j, std::int64_t to) {
    const narrow_matrix<T> x{a + i * p.m * p.k, p.trans_a ? p.m : p.k, p.trans_a}, y{b + j * p.k * p.n, p.trans_b ? p.k : p.n, p.trans_b};
    using epilogue = std::conditional_t<std::is_same_v<Out, float>, store_epilogue<float>, narrow_epilogue<T>>;
    matmul_narrow(p.m, p.n, p.k, x, y, epilogue{out + to * p.m * p.n, p.n});
  });
}

/// a, b and out hold real and imaginary parts by turns.
template <class R>
void multiply_complex(const batch_product& p, const R* a, const R* b, R* out) {
  for_each_product(p, [&](std::int64_t i, std::int64_t j, std::int64_t to) {
    const std::int64_t m = p.m, n = p.n, k = p.k;
    std::vector<R> parts(static_cast<std::size_t>(4 * m * k + 2 * k * n + 2 * m * n));
    R *x = parts.data(), *y = x + 4 * m * k, *z = y + 2 * k * n;
    const R *from_a = a + 2 * i * m * k, *from_b = b + 2 * j * k * n;
    for (std::int64_t r = 0; r < m; ++r)
      for (std::int64_t l = 0; l < k; ++l) {
        const std::int64_t q = p.trans_a ? l * m + r : r * k + l;
        const R re = from_a[2 * q], im = p.conj_a ? -from_a[2 * q + 1] : from_a[2 * q + 1];
        x[r * 2 * k + l] = re, x[r * 2 * k + k + l] = -im;
        x[(m + r) * 2 * k + l] = im, x[(m + r) * 2 * k + k + l] = re;
      }
    for (std::int64_t l = 0; l < k; ++l)
      for (std::int64_t c = 0; c < n; ++c) {
        const std::int64_t q = p.trans_b ? c * k + l : l * n + c;
        y[l * n + c] = from_b[2 * q], y[(k + l) * n + c] = p.conj_b ? -from_b[2 * q + 1] : from_b[2 * q + 1];
      }
    batch_product real;
    real.m = 2 * m, real.n = n, real.k = 2 * k;
    multiply_matrix(real, x, y, z);
    R* const result = out + 2 * to * m * n;
    for (std::int64_t q = 0; q < m * n; ++q) result[2 * q] = z[q], result[2 * q + 1] = z[m * n + q];
  });
}

/// Integers, as unsigned numbers of their width: sums and products modulo 2^width serve signed ones too.
template <class U>
void multiply_integer(const batch_product& p, const U* a, const U* b, U* out) {
  using W = std::conditional_t<sizeof(U) < 4, std::uint32_t, U>;
  for_each_product(p, [&](std::int64_t i, std::int64_t j, std::int64_t to) {
    const U *x = a + i * p.m * p.k, *y = b + j * p.k * p.n;
    std::vector<W> row(static_cast<std::size_t>(p.n));
    for (std::int64_t r = 0; r < p.m; ++r) {
      for (W& e : row) e = 0;
      for (std::int64_t l = 0; l < p.k; ++l) {
        const W v = x[p.trans_a ? l * p.m + r : r * p.k + l];
        const U* from = p.trans_b ? y + l : y + l * p.n;
        const std::int64_t step = p.trans_b ? p.k : 1;
        for (std::int64_t c = 0; c < p.n; ++c) row[static_cast<std::size_t>(c)] += v * from[c * step];
      }
      for (std::int64_t c = 0; c < p.n; ++c) out[(to * p.m + r) * p.n + c] = static_cast<U>(row[static_cast<std::size_t>(c)]);
    }
  });
}

}  // namespace rill::kernel::detail

namespace rill::ops {

template <class>
void batch_matmul_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  namespace k = kernel::detail;
  if (out.size() == 0) return;
  const k::batch_product p = k::plan_batch(at, in[0].shape, in[1].shape, out.shape);
  const auto with = [&](auto t, auto&& multiply) {
    using T = typename decltype(t)::type;
    multiply(p, in[0].as<T>(), in[1].as<T>(), out.as<T>());
  };
  const auto narrow = [&](auto t) {
    using T = typename decltype(t)::type;
    if (out.type == dtype::float32) k::multiply_narrow(p, in[0].as<T>(), in[1].as<T>(), out.as<float>());
    else k::multiply_narrow(p, in[0].as<T>(), in[1].as<T>(), out.as<T>());
  };
  switch (in[0].type) {
    case dtype::float32: return with(std::type_identity<float>{}, k::multiply_real<float>);
    case dtype::float64: return with(std::type_identity<double>{}, k::multiply_real<double>);
    case dtype::complex64: return with(std::type_identity<float>{}, k::multiply_complex<float>);
    case dtype::complex128: return with(std::type_identity<double>{}, k::multiply_complex<double>);
    case dtype::float16: return narrow(std::type_identity<half>{});
    case dtype::bfloat16: return narrow(std::type_identity<bfloat16>{});
    default: break;
  }
  switch (size_of(out.type)) {
    case 1: return with(std::type_identity<std::uint8_t>{}, k::multiply_integer<std::uint8_t>);
    case 2: return with(std::type_identity<std::uint16_t>{}, k::multiply_integer<std::uint16_t>);
    case 4: return with(std::type_identity<std::uint32_t>{}, k::multiply_integer<std::uint32_t>);
    default: return with(std::type_identity<std::uint64_t>{}, k::multiply_integer<std::uint64_t>);
  }
}

}  // namespace rill::ops
