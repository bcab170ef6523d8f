// SPDX-License-Identifier: Apache-2.0
// Batched products of every number type against loops over all indices; vectors; wrong operands.

#include <doctest/doctest.h>

#include <complex>
#include <rill/eager/contraction.hpp>
#include <string>
#include <vector>

#include "small_numbers.hpp"

using namespace rill;
using namespace rill::test;

namespace {

using c64 = std::complex<float>;
using c128 = std::complex<double>;

/// The product of two batches by its definition, an element at a time.
template <class T>
void check_matmul(const tensor_shape& a, const tensor_shape& b, bool ta, bool tb, bool ca, bool cb) {
  const dynamic_tensor x = numbers<T>(a, 3), y = numbers<T>(b, 4);
  const dynamic_tensor z = matmul(x, y, {.transpose_a = ta && !ca, .transpose_b = tb && !cb, .adjoint_a = ca, .adjoint_b = cb});
  const bool conj_a = ca, conj_b = cb;
  ta = ta || ca, tb = tb || cb;
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  const std::int64_t m = a[a.rank() - (ta ? 1 : 2)], k = a[a.rank() - (ta ? 2 : 1)], n = b[b.rank() - (tb ? 2 : 1)];
  REQUIRE(z.rank() == rank);
  REQUIRE(z.shape()[rank - 2] == m);
  REQUIRE(z.shape()[rank - 1] == n);
  const std::int64_t count = m * n == 0 ? 0 : z.size() / (m * n);
  std::int64_t bad = 0;
  for (std::int64_t q = 0; q < count; ++q) {
    std::int64_t ia = 0, ib = 0, rest = q, sa = 1, sb = 1;
    for (int d = rank - 3; d >= 0; --d) {
      const std::int64_t i = rest % z.shape()[d];
      rest /= z.shape()[d];
      const int da = d - (rank - a.rank()), db = d - (rank - b.rank());
      if (da >= 0) ia += (a[da] == 1 ? 0 : i) * sa, sa *= a[da];
      if (db >= 0) ib += (b[db] == 1 ? 0 : i) * sb, sb *= b[db];
    }
    const T *pa = x.span<T>().data() + ia * m * k, *pb = y.span<T>().data() + ib * k * n;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        auto sum = wide(T{});
        for (std::int64_t l = 0; l < k; ++l) {
          auto u = wide(pa[ta ? l * m + i : i * k + l]), v = wide(pb[tb ? j * k + l : l * n + j]);
          if constexpr (is_complex_v<T>) {
            if (conj_a) u = std::conj(u);
            if (conj_b) v = std::conj(v);
          }
          sum += u * v;
        }
        bad += wide(z.span<T>()[static_cast<std::size_t>((q * m + i) * n + j)]) != sum;
      }
  }
  CAPTURE(name_of(dtype_v<T>));
  CAPTURE(to_string(a));
  CAPTURE(to_string(b));
  CHECK(bad == 0);
}

template <class T>
void check_matmuls() {
  for (const int flags : {0, 1, 2, 3}) {
    const bool ta = (flags & 1) != 0, tb = (flags & 2) != 0;
    const auto matrices = [&](tensor_shape batch_a, tensor_shape batch_b, std::int64_t m, std::int64_t k, std::int64_t n) {
      batch_a.push_back(ta ? k : m), batch_a.push_back(ta ? m : k);
      batch_b.push_back(tb ? n : k), batch_b.push_back(tb ? k : n);
      check_matmul<T>(batch_a, batch_b, ta, tb, false, false);
      check_matmul<T>(batch_a, batch_b, ta, tb, ta, tb);
    };
    matrices({}, {}, 5, 3, 2);
    matrices({3}, {3}, 2, 5, 4);
    matrices({2, 3}, {3}, 4, 1, 5);
    matrices({2, 1}, {1, 3}, 3, 2, 7);
    matrices({3}, {}, 2, 3, 4);
    matrices({}, {2, 2}, 2, 3, 4);
    matrices({0}, {0}, 2, 3, 4);
    matrices({2}, {2}, 2, 0, 3);
    matrices({2}, {2}, 0, 2, 3);
  }
}

}  // namespace

TEST_CASE("matmul multiplies batches of every number type") {
  check_matmuls<float>();
  check_matmuls<double>();
  check_matmuls<c64>();
  check_matmuls<c128>();
  check_matmuls<half>();
  check_matmuls<bfloat16>();
  check_matmuls<std::int8_t>();
  check_matmuls<std::uint8_t>();
  check_matmuls<std::int16_t>();
  check_matmuls<std::int32_t>();
  check_matmuls<std::int64_t>();
  check_matmuls<std::uint64_t>();
  check_matmul<float>({3, 33, 17}, {3, 17, 31}, false, false, false, false);  // beyond the small-matrix loop
  check_matmul<double>({2, 17, 33}, {2, 31, 17}, true, true, false, false);
  for (const std::int64_t n : {4, 8, 16})  // whole registers of columns
    for (const bool transposed : {false, true}) {
      const tensor_shape a = transposed ? tensor_shape{3, 9, 15} : tensor_shape{3, 15, 9};
      check_matmul<float>(a, {3, 9, n}, transposed, false, false, false);
      check_matmul<double>(a, {3, 9, n}, transposed, false, false, false);
    }
  check_matmul<float>({2, 0, 9}, {2, 0, 8}, true, false, false, false);
}

TEST_CASE("matmul of typed tensors: batches, integers, matrices") {
  const tensor<float, 2, 2, 2> a{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}, eye{{{1, 0}, {0, 1}}, {{1, 0}, {0, 1}}};
  CHECK(to_string(matmul(a, eye)) == to_string(a));
  const tensor<int, 2, 3> i{{1, 2, 3}, {4, 5, 6}};
  CHECK(to_string(matmul(i, i, {.transpose_b = true})) == "[[14 32]\n [32 77]]");
  const tensor<float, 2, 3> f{{1, 2, 3}, {4, 5, 6}};
  CHECK(to_string(matmul(f, f, {.adjoint_b = true})) == "[[14. 32.]\n [32. 77.]]");
  const tensor<float, 3> v{1, 0, 2};
  CHECK(to_string(matvec(f, v)) == "[ 7. 16.]");
  CHECK(to_string(matvec(f, tensor<float, 2>{1, 1}, {.transpose_a = true})) == "[5. 7. 9.]");
  CHECK(to_string(einsum("ij,j->i", f, v)) == "[ 7. 16.]");
}

TEST_CASE("wrong operands of matmul are refused with both shapes") {
  const auto says = [](const dynamic_tensor& a, const dynamic_tensor& b, matmul_options o = {}) {
    return message_of([&] { matmul(a, b, o); });
  };
  CHECK(says(doubles({2, 3, 4}), doubles({2, 3, 4})).find("inner dimensions differ: got float64[2, 3, 4] and") != std::string::npos);
  CHECK(says(doubles({2, 3, 4}), doubles({3, 4, 3})).find("batch dimensions do not broadcast") != std::string::npos);
  CHECK(says(doubles({3}), doubles({3, 3, 3})).find("must be matrices or batches") != std::string::npos);
  CHECK(says(doubles({2, 3, 4}), numbers<float>({2, 4, 3}, 1)).find("one number dtype") != std::string::npos);
  CHECK(says(doubles({3, 3}), doubles({3, 3}), {.transpose_a = true, .adjoint_a = true}).find("not both") != std::string::npos);
}
