// SPDX-License-Identifier: Apache-2.0
// matmul.hpp against a naive double-precision product: all transpositions, sizes round the tile and vector widths,
// evaluated operands, epilogues, thread counts.
#include <rill/kernel/matmul.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace {

using rill::kernel::matmul;
using rill::kernel::plain_operand;
using rill::kernel::store_epilogue;

constexpr unsigned seed = 20180607;

template <class T>
std::vector<T> random_vector(std::int64_t n, unsigned salt) {
  std::mt19937 generator(seed + salt);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<T> v(static_cast<std::size_t>(n));
  for (T& x : v) x = static_cast<T>(uniform(generator));
  return v;
}

/// 2 x + 1, evaluated while it is packed.
template <class T>
struct affine_operand {
  const T* source;
  std::int64_t pitch;
  const T* segment(std::int64_t outer, std::int64_t inner0, std::int64_t n, T* scratch) const {
    for (std::int64_t i = 0; i < n; ++i) scratch[i] = T(2) * source[outer * pitch + inner0 + i] + T(1);
    return scratch;
  }
};

/// Adds to what is there, so that a second call for the same element shows.
template <class T>
struct add_epilogue {
  T* data;
  std::int64_t ld;
  template <class V>
  void operator()(std::int64_t i, std::int64_t j, V acc) const {
    tail(i, j, acc, static_cast<std::int64_t>(V::size));
  }
  template <class V>
  void tail(std::int64_t i, std::int64_t j, V acc, std::int64_t n) const {
    alignas(64) T lane[V::size];
    acc.store_aligned(lane);
    for (std::int64_t q = 0; q < n; ++q) data[i * ld + j + q] += lane[q];
  }
};

/// Largest error of a product in units of the rounding error to be expected from a sum of k terms.
template <bool TransA, bool TransB, class T>
double error_of(std::int64_t m, std::int64_t n, std::int64_t k, bool evaluated = false, std::int64_t step = 1) {
  const std::int64_t extra = 3;  // rows are longer than the matrix, and what lies between must stay
  const auto pitch = [&](std::int64_t row) { return (row + extra + step - 1) / step * step; };
  const std::int64_t lda = pitch(TransA ? m : k), ldb = pitch(TransB ? k : n), ldc = n + extra;
  const auto a = random_vector<T>((TransA ? k : m) * lda, 1), b = random_vector<T>((TransB ? n : k) * ldb, 2);
  std::vector<T> c(static_cast<std::size_t>(m * ldc), T(0));
  const add_epilogue<T> epilogue{c.data(), ldc};
  if (evaluated)
    matmul<TransA, TransB, T>(m, n, k, affine_operand<T>{a.data(), lda}, affine_operand<T>{b.data(), ldb}, epilogue);
  else matmul<TransA, TransB, T>(m, n, k, plain_operand<T>{a.data(), lda}, plain_operand<T>{b.data(), ldb}, epilogue);
  double worst = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < ldc; ++j) {
      double sum = 0;
      for (std::int64_t q = 0; j < n && q < k; ++q) {
        double x = static_cast<double>(a[static_cast<std::size_t>(TransA ? q * lda + i : i * lda + q)]);
        double y = static_cast<double>(b[static_cast<std::size_t>(TransB ? j * ldb + q : q * ldb + j)]);
        if (evaluated) {
          x = 2 * x + 1;
          y = 2 * y + 1;
        }
        sum += x * y;
      }
      const double e = std::abs(sum - static_cast<double>(c[static_cast<std::size_t>(i * ldc + j)]));
      if (!(e <= worst)) worst = e;
    }
  }
  return worst /
         (static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(k + 1) * (evaluated ? 40 : 1));
}

template <class T>
void check_all(std::int64_t m, std::int64_t n, std::int64_t k, bool evaluated = false, std::int64_t step = 1) {
  CAPTURE(seed);
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(evaluated);
  CHECK(error_of<false, false, T>(m, n, k, evaluated, step) < 1.0);
  CHECK(error_of<true, false, T>(m, n, k, evaluated, step) < 1.0);
  CHECK(error_of<false, true, T>(m, n, k, evaluated, step) < 1.0);
  CHECK(error_of<true, true, T>(m, n, k, evaluated, step) < 1.0);
}

}  // namespace

TEST_CASE("matmul: sizes round the tile and vector widths") {
  for (std::int64_t m : {1, 2, 3, 4, 5, 7, 13, 14, 15, 29})
    for (std::int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65})
      for (std::int64_t k : {1, 2, 15, 16, 17, 40}) {
        check_all<float>(m, n, k);
        if (n < 20 && m != 13) check_all<double>(m, n, k);
      }
}

TEST_CASE("matmul: sizes up to 70") {
  std::mt19937 generator(seed);
  const auto size = [&] { return 1 + static_cast<std::int64_t>(generator() % 70); };
  for (int i = 0; i < 60; ++i) {
    const std::int64_t m = size(), n = size(), k = size();
    check_all<float>(m, n, k);
    check_all<double>(m, n, k);
  }
  check_all<float>(261, 10, 7);  // more rows than are taken at once where B fits into registers
}

TEST_CASE("matmul: rows whose distance is a power of two") {
  check_all<float>(30, 130, 70, false, 1024);
  check_all<float>(2, 300, 1500, false, 1024);
  check_all<double>(13, 70, 40, false, 512);
  check_all<double>(31, 34, 130, true, 512);
}

TEST_CASE("matmul: blocked sizes") {
  check_all<float>(100, 10, 300);
  check_all<float>(7, 1, 131);
  check_all<float>(5, 16, 129);
  check_all<double>(9, 3, 65);
  check_all<float>(100, 130, 257);
  check_all<float>(259, 140, 513);
  check_all<float>(300, 33, 31);
  check_all<double>(270, 35, 140);
  check_all<float>(1, 531, 300);
  check_all<float>(3, 200, 259);
  check_all<float>(37, 150, 1030);
  check_all<double>(15, 70, 1100);
  check_all<float>(24, 131, 600);  // the first tile of rows packs B, whole panels of it
  check_all<double>(26, 70, 1030);
}

TEST_CASE("matmul: more packed elements than are kept at once") {
  CHECK(error_of<false, false, float>(253, 5, 17000) < 1.0);
  CHECK(error_of<true, true, float>(253, 140, 1100) < 1.0);
  CHECK(error_of<false, true, float>(1011, 40, 1100) < 1.0);
}

TEST_CASE("matmul: operands that are evaluated while packing") {
  for (std::int64_t m : {1, 4, 14, 37})
    for (std::int64_t n : {1, 16, 35})
      for (std::int64_t k : {1, 17, 33}) check_all<float>(m, n, k, true);
  check_all<float>(270, 70, 270, true);
  check_all<double>(33, 19, 150, true);
}

TEST_CASE("matmul: exact on small integers, so that no element is lost or doubled") {
  const std::int64_t m = 113, n = 77, k = 600;
  std::vector<float> a(static_cast<std::size_t>(m * k)), b(static_cast<std::size_t>(k * n)),
      c(static_cast<std::size_t>(m * n));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 7) - 3;
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 5) - 2;
  matmul<false, false, float>(m, n, k, plain_operand<float>{a.data(), k}, plain_operand<float>{b.data(), n},
                              store_epilogue<float>{c.data(), n});
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      float sum = 0;
      for (std::int64_t q = 0; q < k; ++q)
        sum += a[static_cast<std::size_t>(i * k + q)] * b[static_cast<std::size_t>(q * n + j)];
      REQUIRE(c[static_cast<std::size_t>(i * n + j)] == sum);
    }
}

TEST_CASE("matmul: small products into rows that are longer") {
  for (const std::int64_t m : {1, 2, 8, 14, 15, 29, 64})
    for (const std::int64_t n : {1, 8, 15, 16, 17, 33, 64}) {
      const std::int64_t k = 5, pitch = n + 3;
      CAPTURE(m);
      CAPTURE(n);
      std::vector<float> a(static_cast<std::size_t>(m * k)), b(static_cast<std::size_t>(k * n)), c(static_cast<std::size_t>(m * pitch), 9.0f);
      for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 7) - 3;
      for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 5) - 2;
      std::vector<float> want = c;
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j) {
          float sum = 0;
          for (std::int64_t q = 0; q < k; ++q) sum += a[static_cast<std::size_t>(q * m + i)] * b[static_cast<std::size_t>(q * n + j)];
          want[static_cast<std::size_t>(i * pitch + j)] = sum;
        }
      matmul<true, false, float>(m, n, k, plain_operand<float>{a.data(), m}, plain_operand<float>{b.data(), n}, store_epilogue<float>{c.data(), pitch});
      CHECK(c == want);
    }
}

TEST_CASE("matmul: no terms give zeros, no elements give nothing") {
  std::vector<float> c(5 * 35, 7.0f);
  const float nothing = 0;
  const plain_operand<float> empty{&nothing, 0};
  matmul<false, false, float>(5, 35, 0, empty, empty, store_epilogue<float>{c.data(), 35});
  for (float x : c) CHECK(x == 0.0f);
  c.assign(c.size(), 7.0f);
  matmul<false, true, float>(0, 35, 4, empty, empty, store_epilogue<float>{c.data(), 35});
  matmul<true, false, float>(5, 0, 4, empty, empty, store_epilogue<float>{c.data(), 35});
  for (float x : c) CHECK(x == 7.0f);
}

TEST_CASE("matmul: a NaN reaches its row and column and nothing else") {
  const std::int64_t m = 20, n = 40, k = 30;
  auto a = random_vector<float>(m * k, 3);
  const auto b = random_vector<float>(k * n, 4);
  a[static_cast<std::size_t>(6 * k + 29)] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> c(static_cast<std::size_t>(m * n));
  matmul<false, false, float>(m, n, k, plain_operand<float>{a.data(), k}, plain_operand<float>{b.data(), n},
                              store_epilogue<float>{c.data(), n});
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) CHECK(std::isnan(c[static_cast<std::size_t>(i * n + j)]) == (i == 6));
}

namespace {
/// Stores as store_epilogue does, but the kernels do not know it.
struct disguised_store {
  store_epilogue<float> to;
  template <class V>
  void operator()(std::int64_t i, std::int64_t j, V acc) const {
    to(i, j, acc);
  }
  template <class V>
  void tail(std::int64_t i, std::int64_t j, V acc, std::int64_t n) const {
    to.tail(i, j, acc, n);
  }
};
}  // namespace

TEST_CASE("matmul: results that are stored at once equal those that are handed over") {
  struct shape {
    std::int64_t m, n, k;
  };
  for (const shape s : {shape{15, 31, 9}, shape{40, 33, 20}, shape{40, 48, 300}, shape{600, 70, 5}, shape{33, 129, 520}, shape{29, 77, 2050}}) {
    CAPTURE(s.n);
    const auto a = random_vector<float>(s.m * s.k, 8), b = random_vector<float>(s.k * s.n, 9);
    const std::int64_t ld = s.n + 3;
    std::vector<float> direct(static_cast<std::size_t>(s.m * ld), 7.0f), handed(direct);
    const plain_operand<float> x{a.data(), s.k}, y{b.data(), s.n};
    matmul<false, false, float>(s.m, s.n, s.k, x, y, store_epilogue<float>{direct.data(), ld});
    matmul<false, false, float>(s.m, s.n, s.k, x, y, disguised_store{{handed.data(), ld}});
    CHECK(direct == handed);
  }
}

TEST_CASE("matmul: bit-identical for any number of threads") {
  struct shape {
    std::int64_t m, n, k;
  };
  for (const shape s : {shape{100, 1024, 300}, shape{300, 200, 300}, shape{1, 2000, 600}, shape{64, 64, 5000},
                        shape{100, 10, 1024}, shape{2000, 9, 100}, shape{129, 120, 130}, shape{700, 3, 900}, shape{530, 600, 70}}) {
    CAPTURE(s.m);
    const auto a = random_vector<float>(s.m * s.k, 5), b = random_vector<float>(s.k * s.n, 6);
    std::vector<float> one(static_cast<std::size_t>(s.m * s.n)), many(one.size());
    const auto run = [&](int threads, bool transposed, std::vector<float>& c) {
      const rill::thread_limit limit(threads);
      const plain_operand<float> x{a.data(), s.k};
      const store_epilogue<float> to{c.data(), s.n};
      if (transposed) matmul<false, true, float>(s.m, s.n, s.k, x, plain_operand<float>{b.data(), s.k}, to);
      else matmul<false, false, float>(s.m, s.n, s.k, x, plain_operand<float>{b.data(), s.n}, to);
    };
    for (const bool transposed : {false, true}) {
      run(1, transposed, one);
      for (int threads : {2, 4}) {
        run(threads, transposed, many);
        CHECK(one == many);
      }
    }
  }
}

TEST_CASE("scratch leases nest and are used again") {
  using rill::kernel::detail::scratch_lease;
  const std::byte* first = nullptr;
  {
    const scratch_lease outer(5000), inner(700);
    first = outer.data();
    CHECK(outer.data() != inner.data());
    CHECK(reinterpret_cast<std::uintptr_t>(inner.data()) % 64 == 0);
  }
  const scratch_lease again(4000);
  CHECK(again.data() == first);
}

TEST_CASE("matmul inside of a parallel loop") {
  // Every task multiplies matrices of its own; a task stolen while waiting must not disturb the scratch of the waiting
  // one.
  const std::int64_t n = 150;
  const auto a = random_vector<float>(n * n, 7), b = random_vector<float>(n * n, 8);
  const plain_operand<float> left{a.data(), n}, right{b.data(), n};
  std::vector<float> expected(static_cast<std::size_t>(n * n));
  matmul<false, false, float>(n, n, n, left, right, store_epilogue<float>{expected.data(), n});
  std::vector<std::vector<float>> results(12, std::vector<float>(expected.size()));
  rill::parallel_for(12, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      matmul<false, false, float>(n, n, n, left, right,
                                  store_epilogue<float>{results[static_cast<std::size_t>(r)].data(), n});
  });
  for (const auto& r : results) CHECK(r == expected);
}
