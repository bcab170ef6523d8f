// SPDX-License-Identifier: Apache-2.0
// The fused chain relu(a * b + c) * 0.5 - a, and sums of matrices.
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 warns of its own AVX-512 intrinsics where they are inlined into Eigen.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <rill/expr/expression.hpp>
#include <rill/expr/reduction.hpp>
#include <rill/kernel/map.hpp>
#include <rill/ops/binary.hpp>
#include <rill/ops/unary.hpp>

#include <oneapi/tbb/parallel_for.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define EIGEN_USE_THREADS  // for the device below
#include <Eigen/Core>
#include <algorithm>
#include <memory>
#include <unsupported/Eigen/CXX11/Tensor>

#include "harness.hpp"
#include "limits.hpp"
#if defined(RILL_BENCH_TORCH)
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

using vector = rill::tensor<float, rill::dyn>;
using matrix = rill::tensor<float, rill::dyn, rill::dyn>;

struct chain_data {
  explicit chain_data(std::int64_t length) : n(length), a({n}), b({n}), c({n}), d({n}) {
    fill(a, 7);
    fill(b, 8);
    fill(c, 9);
  }
  static void fill(vector& x, unsigned seed) {
    const auto values = noise(static_cast<std::size_t>(x.size()), seed);
    std::copy(values.begin(), values.end(), x.data());
  }
  std::int64_t n;
  vector a, b, c, d;
};
using array = std::unique_ptr<float[], decltype([](float* p) { ::operator delete[](p, std::align_val_t{64}); })>;

/// What a careful person writes: two vectors at a time; `Past` writes past the caches.
template <bool Past>
void by_hand(const float* a, const float* b, const float* c, float* d, std::int64_t begin, std::int64_t end) {
  std::int64_t i = begin;
#if defined(__AVX512F__)
  const __m512 half = _mm512_set1_ps(0.5f), zero = _mm512_setzero_ps();
  const auto one = [&](std::int64_t at) {
    const __m512 x = _mm512_loadu_ps(a + at);
    const __m512 y = _mm512_max_ps(_mm512_fmadd_ps(x, _mm512_loadu_ps(b + at), _mm512_loadu_ps(c + at)), zero);
    const __m512 z = _mm512_fmsub_ps(y, half, x);
    if constexpr (Past) _mm512_stream_ps(d + at, z);
    else _mm512_storeu_ps(d + at, z);
  };
  for (; i + 32 <= end; i += 32) one(i), one(i + 16);
#elif defined(__AVX2__) && defined(__FMA__)
  const __m256 half = _mm256_set1_ps(0.5f), zero = _mm256_setzero_ps();
  const auto one = [&](std::int64_t at) {
    const __m256 x = _mm256_loadu_ps(a + at);
    const __m256 y = _mm256_max_ps(_mm256_fmadd_ps(x, _mm256_loadu_ps(b + at), _mm256_loadu_ps(c + at)), zero);
    const __m256 z = _mm256_fmsub_ps(y, half, x);
    if constexpr (Past) _mm256_stream_ps(d + at, z);
    else _mm256_storeu_ps(d + at, z);
  };
  for (; i + 16 <= end; i += 16) one(i), one(i + 8);
#endif
  for (; i < end; ++i) d[i] = std::max(a[i] * b[i] + c[i], 0.f) * 0.5f - a[i];
}

template <bool Past>
void by_hand_on_two_threads(const chain_data& x, float* d) {
  const std::int64_t middle = x.n / 2 / 64 * 64;
  oneapi::tbb::parallel_for(0, 2, [&](int part) {
    by_hand<Past>(x.a.data(), x.b.data(), x.c.data(), d, part == 0 ? 0 : middle, part == 0 ? middle : x.n);
  });
}

void fused_kernel(chain_data& x) {
  using namespace rill::expr;
  using program = rill::expr::program<
      list<in<float, walk::contiguous>, in<float, walk::contiguous>, in<float, walk::contiguous>, in<float, walk::constant>>,
      list<let<rill::ops::mul, ~0, ~1>, let<rill::ops::add, 0, ~2>, let<rill::ops::relu, 1>, let<rill::ops::mul, 2, ~3>,
           let<rill::ops::sub, 3, ~0>>,
      list<out<float, 4>>>;
  const float half = 0.5f;
  const void* in[] = {x.a.data(), x.b.data(), x.c.data(), &half};
  void* out[] = {x.d.data()};
  rill::kernel::map_flat<program>(x.n, in, out);
}

/// Eigen's threads, for its tensors.
Eigen::ThreadPoolDevice& eigen_device(int threads) {
  static Eigen::ThreadPool pool(2);
  static Eigen::ThreadPoolDevice one(&pool, 1), two(&pool, 2);
  return threads == 1 ? one : two;
}

using eigen_vector = Eigen::TensorMap<Eigen::Tensor<float, 1, Eigen::RowMajor, std::int64_t>, Eigen::Aligned>;
using eigen_matrix = Eigen::TensorMap<Eigen::Tensor<float, 2, Eigen::RowMajor, std::int64_t>, Eigen::Aligned>;
using eigen_scalar = Eigen::TensorMap<Eigen::Tensor<float, 0, Eigen::RowMajor, std::int64_t>>;

}  // namespace

/// In a file of its own: xtensor's headers. Null where it is not installed.
std::function<void()> xtensor_chain(std::int64_t n, const float* a, const float* b, const float* c, float* d, int threads);

namespace {

std::vector<float> chain_of(const chain_data& x) {
  std::vector<float> y(static_cast<std::size_t>(x.n));
  for (std::int64_t i = 0; i < x.n; ++i) {
    const float a = x.a.data()[i];
    y[static_cast<std::size_t>(i)] = std::max(a * x.b.data()[i] + x.c.data()[i], 0.f) * 0.5f - a;
  }
  return y;
}

duel prepare_chain(std::int64_t n, int threads, bool eager) {
  auto x = std::make_shared<chain_data>(n);
  duel result;
  result.cost.bytes = 16.0 * static_cast<double>(n);
  if (eager) result.rill = {"Rill", [x] { rill::noalias(x->d) = rill::relu(x->a * x->b + x->c) * 0.5f - x->a; }};
  else result.rill = {"Rill", [x] { fused_kernel(*x); }};

  const bool beyond_caches = result.cost.bytes > level_bytes(level::l3);
  result.peers.push_back({"by hand", [x] { by_hand<false>(x->a.data(), x->b.data(), x->c.data(), x->d.data(), 0, x->n); }});
  if (threads > 1) result.peers.push_back({"by hand, 2 threads", [x] { by_hand_on_two_threads<false>(*x, x->d.data()); }});
  if (beyond_caches) {
    if (threads > 1) result.peers.push_back({"by hand, 2 threads, streaming", [x] { by_hand_on_two_threads<true>(*x, x->d.data()); }});
    else
      result.peers.push_back(
          {"by hand, streaming", [x] { by_hand<true>(x->a.data(), x->b.data(), x->c.data(), x->d.data(), 0, x->n); }});
  }
  result.peers.push_back({eigen_name() + " array", [x] {
                            const auto map = [&](vector& v) { return Eigen::Map<Eigen::ArrayXf, Eigen::Aligned64>(v.data(), x->n); };
                            const auto a = map(x->a), b = map(x->b), c = map(x->c);
                            map(x->d) = (a * b + c).max(0.f) * 0.5f - a;
                          }});
  if (threads > 1)
    result.peers.push_back({eigen_name() + " tensor", [x, threads] {
                              const auto map = [&](vector& v) { return eigen_vector(v.data(), x->n); };
                              const auto a = map(x->a), b = map(x->b), c = map(x->c);
                              map(x->d).device(eigen_device(threads)) = (a * b + c).cwiseMax(0.f) * 0.5f - a;
                            }});
  if (auto call = xtensor_chain(n, x->a.data(), x->b.data(), x->c.data(), x->d.data(), threads))
    result.peers.push_back({xtensor_name(), [x, call] { call(); }});

  const std::vector<float> want = chain_of(*x);
  const auto verify = [&](const contender& c) {
    std::fill_n(x->d.data(), n, 0.f);
    c.call();
    expect_close(c.name, x->d.data(), want.data(), want.size(), 1e-6);
  };
  verify(result.rill);
  for (const auto& peer : result.peers) verify(peer);
#if defined(RILL_BENCH_TORCH)
  auto op_by_op = torch_peer::chain(n, x->a.data(), x->b.data(), x->c.data());
  expect_close(torch_peer::name(), op_by_op(), want.data(), want.size(), 1e-6);
  result.peers.push_back({torch_peer::name(), [x, op_by_op] { keep(op_by_op()); }});
#endif
  return result;
}

/// The same where every call makes its result, and drops the one before.
duel prepare_new_chain(std::int64_t n, int threads) {
  struct results {
    vector rill;
    array by_hand;
    Eigen::ArrayXf eigen;
  };
  auto x = std::make_shared<chain_data>(n);
  auto y = std::make_shared<results>();
  duel result;
  result.cost.bytes = 16.0 * static_cast<double>(n);
  const std::vector<float> want = chain_of(*x);
  const auto verified = [&](std::string name, std::function<void()> call, auto got) {
    call();
    expect_close(name, got(), want.data(), want.size(), 1e-6);
    return contender{std::move(name), std::move(call)};
  };
  const auto room = [n] { return array(new (std::align_val_t{64}) float[static_cast<std::size_t>(n)]); };
  result.rill = verified("Rill", [x, y] { y->rill = vector(rill::relu(x->a * x->b + x->c) * 0.5f - x->a); }, [&] { return y->rill.data(); });
  const auto made_by_hand = [&] { return y->by_hand.get(); };
  result.peers.push_back(verified("by hand", [x, y, room] {
    array d = room();
    by_hand<false>(x->a.data(), x->b.data(), x->c.data(), d.get(), 0, x->n);
    y->by_hand = std::move(d);
  }, made_by_hand));
  if (threads > 1)
    result.peers.push_back(verified("by hand, 2 threads", [x, y, room] {
      array d = room();
      by_hand_on_two_threads<false>(*x, d.get());
      y->by_hand = std::move(d);
    }, made_by_hand));
  result.peers.push_back(verified(eigen_name() + " array", [x, y] {
    const auto map = [&](const vector& v) { return Eigen::Map<const Eigen::ArrayXf, Eigen::Aligned64>(v.data(), x->n); };
    Eigen::ArrayXf d = (map(x->a) * map(x->b) + map(x->c)).max(0.f) * 0.5f - map(x->a);
    y->eigen = std::move(d);
  }, [&] { return y->eigen.data(); }));
#if defined(RILL_BENCH_TORCH)
  auto op_by_op = torch_peer::chain(n, x->a.data(), x->b.data(), x->c.data());
  result.peers.push_back(verified(torch_peer::name(), [x, op_by_op] { keep(op_by_op()); }, op_by_op));
#endif
  return result;
}

/// The sums of a matrix: all of it (axis -1), of each column (0), of each row (1).
struct sum_data {
  sum_data(std::int64_t rows, std::int64_t columns)
      : x({rows, columns}), y(static_cast<std::size_t>(std::max(rows, columns))) {
    const auto values = noise(static_cast<std::size_t>(x.size()), 10);
    std::copy(values.begin(), values.end(), x.data());
  }
  matrix x;
  std::vector<float> y;
};

template <int Axis>
void rill_sum(sum_data& d) {
  if constexpr (Axis < 0) d.y[0] = *rill::tensor<float>(rill::reduce_sum(d.x)).data();
  else {
    const vector s = rill::reduce_sum(d.x, rill::axis<Axis>);
    std::copy_n(s.data(), s.size(), d.y.data());
  }
}

template <int Axis>
void eigen_sum(sum_data& d, int threads) {
  const eigen_matrix x(d.x.data(), d.x.extent(0), d.x.extent(1));
  if constexpr (Axis < 0) {
    eigen_scalar(d.y.data()).device(eigen_device(threads)) = x.sum();
  } else {
    const Eigen::array<int, 1> axes{Axis};
    Eigen::TensorMap<Eigen::Tensor<float, 1, Eigen::RowMajor, std::int64_t>>(d.y.data(), d.x.extent(1 - Axis))
        .device(eigen_device(threads)) = x.sum(axes);
  }
}

template <int Axis>
void eigen_matrix_sum(sum_data& d) {
  using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const row_major, Eigen::Aligned64> x(d.x.data(), d.x.extent(0), d.x.extent(1));
  if constexpr (Axis < 0) d.y[0] = x.sum();
  else if constexpr (Axis == 0) Eigen::Map<Eigen::RowVectorXf>(d.y.data(), x.cols()) = x.colwise().sum();
  else Eigen::Map<Eigen::VectorXf>(d.y.data(), x.rows()) = x.rowwise().sum();
}

template <int Axis>
duel prepare_sum(std::int64_t rows, std::int64_t columns, int threads) {
  auto d = std::make_shared<sum_data>(rows, columns);
  duel result;
  result.cost.bytes = 4.0 * static_cast<double>(rows * columns);
  result.cost.only_reads = true;
  result.rill = {"Rill", [d] { rill_sum<Axis>(*d); }};
  result.peers.push_back({eigen_name() + " tensor", [d, threads] { eigen_sum<Axis>(*d, threads); }});
  result.peers.push_back({eigen_name() + " matrix", [d] { eigen_matrix_sum<Axis>(*d); }});

  const auto results = static_cast<std::size_t>(Axis < 0 ? 1 : Axis == 0 ? columns : rows);
  std::vector<double> sums(results);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      sums[static_cast<std::size_t>(Axis < 0 ? 0 : Axis == 0 ? j : i)] += static_cast<double>(d->x.data()[i * columns + j]);
  const std::vector<float> want(sums.begin(), sums.end());
  // The terms cancel: errors are measured against the root of their number.
  const double scale = std::sqrt(static_cast<double>(rows * columns) / static_cast<double>(results));
  const auto verify = [&](const std::string& who, const float* got) {
    for (std::size_t i = 0; i < results; ++i)
      if (!(std::fabs(static_cast<double>(got[i]) - sums[i]) <= 1e-4 * scale))
        throw wrong_result(who + ": sum " + std::to_string(i) + " is " + std::to_string(got[i]) + ", expected " +
                           std::to_string(sums[i]));
  };
  result.rill.call();
  verify("Rill", d->y.data());
  for (const auto& peer : result.peers) {
    std::fill(d->y.begin(), d->y.end(), 0.f);
    peer.call();
    verify(peer.name, d->y.data());
  }
#if defined(RILL_BENCH_TORCH)
  auto call = torch_peer::sum(rows, columns, d->x.data(), Axis);
  verify(torch_peer::name(), call());
  result.peers.push_back({torch_peer::name(), [d, call] { keep(call()); }});
#endif
  return result;
}

}  // namespace

void add_expressions() {
  // The four arrays together fill half of the level, or four times the last one.
  const auto length = [](level l) {
    const double bytes = level_bytes(l) * (l == level::dram ? 1.0 : 0.5);
    return static_cast<std::int64_t>(bytes / 16) / 64 * 64;
  };
  const std::string chain = "chain relu(a*b+c)*0.5-a";
  for (const bool eager : {true, false})
    for (const int threads : {many_threads(), 1})
      for (const level l : {level::l1, level::l2, level::l3, level::dram}) {
        if (!eager && threads == 1) continue;
        const std::int64_t n = length(l);
        add(chain, std::string(eager ? "expression" : "kernel::map_flat") + ", " + name_of(l) + ", " + std::to_string(n), threads,
            [=] { return prepare_chain(n, threads, eager); });
      }

  for (const int threads : {many_threads(), 1})
    for (const level l : {level::l1, level::l3}) {
      const std::int64_t n = length(l);
      add(chain, std::string("new tensor, ") + name_of(l) + ", " + std::to_string(n), threads, [=] { return prepare_new_chain(n, threads); });
    }

  const std::string sums = "sum of a matrix";
  constexpr std::pair<std::int64_t, std::int64_t> shapes[] = {{256, 256}, {1000, 1000}, {3136, 4096}};
  const int threads = many_threads();
  for (const auto& [r, c] : shapes) {
    const auto rows = r, columns = c;
    const std::string size = std::to_string(rows) + "x" + std::to_string(columns) + ", ";
    add(sums, size + "all", threads, [=] { return prepare_sum<-1>(rows, columns, threads); });
    add(sums, size + "of each row", threads, [=] { return prepare_sum<1>(rows, columns, threads); });
    add(sums, size + "of each column", threads, [=] { return prepare_sum<0>(rows, columns, threads); });
  }
}

}  // namespace bench
