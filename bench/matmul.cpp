// SPDX-License-Identifier: Apache-2.0
// Matrix products: those of the tutorial network at batch 100 and 1, squares, products of a matrix and a vector, dense
// layers, whose bias and relu are applied to the tiles of the product, and batches of small products.
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 warns of its own AVX-512 intrinsics where they are inlined into Eigen.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <rill/kernel/batch_matmul.hpp>
#include <rill/kernel/matmul.hpp>

#include <Eigen/Core>
#include <algorithm>
#include <memory>

#include "harness.hpp"
#if defined(RILL_BENCH_TORCH)
#include "matmul_torch.hpp"
#include "peer_torch.hpp"
#endif
#if defined(RILL_BENCH_OPENBLAS)
#include <cblas.h>
#endif
#if defined(RILL_BENCH_DNNL)
#include "onednn.hpp"
#endif

namespace bench {

namespace {

struct product {
  std::int64_t m, k, n;
  bool trans_a = false, trans_b = false;
  bool dense = false;  ///< bias and relu
};

struct matrices {
  explicit matrices(const product& p)
      : size(p),
        a(noise(static_cast<std::size_t>(p.m * p.k), 1)),
        b(noise(static_cast<std::size_t>(p.k * p.n), 2)),
        bias(noise(static_cast<std::size_t>(p.n), 3)),
        c(static_cast<std::size_t>(p.m * p.n)) {}
  product size;
  std::vector<float> a, b, bias, c;
};

/// relu(acc + bias), to memory.
struct dense_epilogue {
  const float* bias;
  rill::kernel::store_epilogue<float> to;
  template <class V>
  void operator()(std::int64_t i, std::int64_t j, V acc) const {
    to(i, j, xsimd::max(acc + V::load_unaligned(bias + j), V(0.f)));
  }
  template <class V>
  void tail(std::int64_t i, std::int64_t j, V acc, std::int64_t n) const {
    to.tail(i, j, xsimd::max(acc + rill::kernel::detail::load_lanes(bias + j, n), V(0.f)), n);
  }
};

template <bool TransA, bool TransB>
void rill_product(matrices& d) {
  const auto& [m, k, n, ta, tb, dense] = d.size;
  const rill::kernel::store_epilogue<float> to{d.c.data(), n};
  using operand = rill::kernel::plain_operand<float>;
  const operand a{d.a.data(), ta ? m : k}, b{d.b.data(), tb ? k : n};
  if (dense) rill::kernel::matmul<TransA, TransB, float>(m, n, k, a, b, dense_epilogue{d.bias.data(), to});
  else rill::kernel::matmul<TransA, TransB, float>(m, n, k, a, b, to);
}

template <int OrderA, int OrderB>
void eigen_product(matrices& d) {
  using Eigen::Dynamic, Eigen::Map, Eigen::Matrix;
  const auto& [m, k, n, ta, tb, dense] = d.size;
  const Map<const Matrix<float, Dynamic, Dynamic, OrderA>> a(d.a.data(), m, k);
  const Map<const Matrix<float, Dynamic, Dynamic, OrderB>> b(d.b.data(), k, n);
  Map<Matrix<float, Dynamic, Dynamic, Eigen::RowMajor>> c(d.c.data(), m, n);
  c.noalias() = a * b;
  if (dense) c = (c.rowwise() + Map<const Eigen::RowVectorXf>(d.bias.data(), n)).cwiseMax(0.f);
}

/// Compares 100 elements with sums in double.
void check(const std::string& who, const matrices& d) {
  const auto& [m, k, n, ta, tb, dense] = d.size;
  std::vector<float> got, want;
  for (std::int64_t s = 0; s < 100; ++s) {
    const std::int64_t i = s * 7919 % m, j = s * 104729 % n;
    double sum = 0;
    for (std::int64_t l = 0; l < k; ++l)
      sum += static_cast<double>(d.a[static_cast<std::size_t>(ta ? l * m + i : i * k + l)]) *
             static_cast<double>(d.b[static_cast<std::size_t>(tb ? j * k + l : l * n + j)]);
    got.push_back(d.c[static_cast<std::size_t>(i * n + j)]);
    if (dense) sum = std::max(0.0, sum + static_cast<double>(d.bias[static_cast<std::size_t>(j)]));
    want.push_back(static_cast<float>(sum));
  }
  expect_close(who, got.data(), want.data(), got.size(), 1e-4);
}

#if defined(RILL_BENCH_DNNL)
contender onednn(const std::shared_ptr<matrices>& d) {
  using namespace dnnl;
  const auto& [m, k, n, ta, tb, dense] = d->size;
  const auto tag = [](bool transposed) { return transposed ? memory::format_tag::ba : memory::format_tag::ab; };
  auto s = std::make_shared<onednn_matmul>();
  const memory::desc a({m, k}, memory::data_type::f32, tag(ta)), b({k, n}, memory::data_type::f32, tag(tb)),
      c({m, n}, memory::data_type::f32, memory::format_tag::ab), bias({1, n}, memory::data_type::f32, memory::format_tag::ab);
  post_ops relu;
  relu.append_eltwise(1.f, algorithm::eltwise_relu, 0.f, 0.f);
  primitive_attr with_relu;
  with_relu.set_post_ops(relu);
  s->primitive = matmul(dense ? matmul::primitive_desc(matmul::desc(a, b, bias, c), with_relu, s->cpu)
                              : matmul::primitive_desc(matmul::desc(a, b, c), s->cpu));
  s->bind(DNNL_ARG_SRC, a, d->a.data());
  s->bind(DNNL_ARG_WEIGHTS, b, d->b.data());
  s->bind(DNNL_ARG_DST, c, d->c.data());
  if (dense) s->bind(DNNL_ARG_BIAS, bias, d->bias.data());
  return {onednn_name(), [s, d] { (*s)(); }};
}
#endif

template <bool TransA, bool TransB>
duel prepare(const product& p) {
  constexpr int order_a = TransA ? Eigen::ColMajor : Eigen::RowMajor, order_b = TransB ? Eigen::ColMajor : Eigen::RowMajor;
  auto d = std::make_shared<matrices>(p);
  duel result;
  result.cost.flops = 2.0 * static_cast<double>(p.m * p.k * p.n);
  result.cost.bytes = 4.0 * static_cast<double>(p.m * p.k + p.k * p.n + p.m * p.n);
  result.cost.only_reads = true;
  result.rill = {"Rill", [d] { rill_product<TransA, TransB>(*d); }};
#if defined(RILL_BENCH_OPENBLAS)
  if (!p.dense && (p.m == 1 || p.n == 1)) result.peers.push_back({openblas_name(), [d] {
    const product& q = d->size;
    const bool row = q.m == 1;  // y = B^T a, or y = A b
    const int rows = static_cast<int>(row ? (TransB ? q.n : q.k) : (TransA ? q.k : q.m));
    const int columns = static_cast<int>(row ? (TransB ? q.k : q.n) : (TransA ? q.m : q.k));
    cblas_sgemv(CblasRowMajor, (row ? !TransB : TransA) ? CblasTrans : CblasNoTrans, rows, columns, 1.f, row ? d->b.data() : d->a.data(),
                columns, row ? d->a.data() : d->b.data(), 1, 0.f, d->c.data(), 1);
  }});
  else if (!p.dense) result.peers.push_back({openblas_name(), [d] {
    const auto n = [](std::int64_t x) { return static_cast<int>(x); };
    const product& q = d->size;
    cblas_sgemm(CblasRowMajor, TransA ? CblasTrans : CblasNoTrans, TransB ? CblasTrans : CblasNoTrans, n(q.m), n(q.n),
                n(q.k), 1.f, d->a.data(), n(TransA ? q.m : q.k), d->b.data(), n(TransB ? q.k : q.n), 0.f, d->c.data(), n(q.n));
  }});
#endif
#if defined(RILL_BENCH_DNNL)
  result.peers.push_back(onednn(d));
#endif
  result.peers.push_back({eigen_name(), [d] { eigen_product<order_a, order_b>(*d); }});

  const auto verify = [&](const contender& c) {
    d->c.assign(d->c.size(), 0.f);
    c.call();
    check(c.name, *d);
  };
  verify(result.rill);
  for (const auto& peer : result.peers) verify(peer);
#if defined(RILL_BENCH_TORCH)
  if (p.dense) {  // gives a result of its own
    const auto call = torch_peer::dense_relu(d->a.data(), d->b.data(), d->bias.data(), p.m, p.k, p.n);
    std::copy_n(call(), d->c.size(), d->c.begin());
    check(torch_peer::name(), *d);
    result.peers.push_back({torch_peer::name(), [call] { keep(call()); }});
  }
#endif
  return result;
}

/// `count` products of an m x k and a k x n matrix each, end to end in memory.
duel prepare_batch(std::int64_t count, std::int64_t m, std::int64_t k, std::int64_t n) {
  auto d = std::make_shared<matrices>(product{count * m, k, n});
  d->b = noise(static_cast<std::size_t>(count * k * n), 2);
  duel result;
  result.cost.flops = 2.0 * static_cast<double>(count * m * k * n);
  result.cost.bytes = 4.0 * static_cast<double>(count * (m * k + k * n + m * n));
  result.cost.only_reads = true;
  std::vector<float> want;
  for (std::int64_t i = 0; i < count * m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l)
        sum += static_cast<double>(d->a[static_cast<std::size_t>(i * k + l)]) * static_cast<double>(d->b[static_cast<std::size_t>((i / m * k + l) * n + j)]);
      want.push_back(static_cast<float>(sum));
    }
  const auto verified = [&](std::string name, std::function<void()> call) {
    d->c.assign(d->c.size(), 0.f);
    call();
    expect_close(name, d->c.data(), want.data(), want.size(), 1e-4);
    return contender{std::move(name), std::move(call)};
  };
  rill::kernel::detail::batch_product batch;
  batch.m = m, batch.k = k, batch.n = n, batch.count = count;
  batch.rank = 1, batch.extents[0] = count, batch.a_strides[0] = batch.b_strides[0] = 1;
  result.rill = verified("Rill", [d, batch] { rill::kernel::detail::multiply_real<float>(batch, d->a.data(), d->b.data(), d->c.data()); });
#if defined(RILL_BENCH_OPENBLAS)
  result.peers.push_back(verified(openblas_name() + " in a loop", [=] {
    const int rows = static_cast<int>(m), depth = static_cast<int>(k), columns = static_cast<int>(n);
    for (std::int64_t i = 0; i < count; ++i)
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, columns, depth, 1.f, d->a.data() + i * m * k, depth, d->b.data() + i * k * n, columns,
                  0.f, d->c.data() + i * m * n, columns);
  }));
#endif
#if defined(RILL_BENCH_DNNL)
  using dnnl::memory;
  const auto matrices_of = [&](std::int64_t rows, std::int64_t columns) {
    return memory::desc({count, rows, columns}, memory::data_type::f32, memory::format_tag::abc);
  };
  auto s = std::make_shared<onednn_matmul>();
  s->primitive = dnnl::matmul(dnnl::matmul::primitive_desc(dnnl::matmul::desc(matrices_of(m, k), matrices_of(k, n), matrices_of(m, n)), s->cpu));
  s->bind(DNNL_ARG_SRC, matrices_of(m, k), d->a.data());
  s->bind(DNNL_ARG_WEIGHTS, matrices_of(k, n), d->b.data());
  s->bind(DNNL_ARG_DST, matrices_of(m, n), d->c.data());
  result.peers.push_back(verified(onednn_name(), [s, d] { (*s)(); }));
#endif
  result.peers.push_back(verified(eigen_name() + " in a loop", [=] {
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    for (std::int64_t i = 0; i < count; ++i) {
      Eigen::Map<matrix> c(d->c.data() + i * m * n, m, n);
      c.noalias() = Eigen::Map<const matrix>(d->a.data() + i * m * k, m, k) * Eigen::Map<const matrix>(d->b.data() + i * k * n, k, n);
    }
  }));
#if defined(RILL_BENCH_TORCH)
  const auto call = torch_peer::batch_product(d->a.data(), d->b.data(), count, m, k, n);
  expect_close(torch_peer::name(), call(), want.data(), want.size(), 1e-4);
  result.peers.push_back({torch_peer::name(), [d, call] { keep(call()); }});
#endif
  return result;
}

std::string label_of(const product& p) {
  std::string s = std::to_string(p.m) + "x" + std::to_string(p.k) + "x" + std::to_string(p.n);
  if (p.trans_a) s += " A transposed";
  if (p.trans_b) s += " B transposed";
  return s;
}

}  // namespace

void add_matmul() {
  const auto row = [](const product& p, int threads) {
    add(p.dense ? "matmul, bias, relu (m x k x n)" : "matmul (m x k x n)", label_of(p), threads, [p] {
      return p.trans_a ? prepare<true, false>(p) : p.trans_b ? prepare<false, true>(p) : prepare<false, false>(p);
    });
  };
  const int all = many_threads();
  row({100, 3136, 1024}, all);
  row({100, 1024, 3136}, all);
  row({100, 1024, 3136, false, true}, all);
  row({3136, 100, 1024, true, false}, all);
  row({100, 1024, 10}, all);
  row({100, 10, 1024, false, true}, all);
  row({1024, 100, 10, true, false}, all);
  row({32, 3136, 1024}, all);
  row({32, 1024, 3136, false, true}, all);
  row({3136, 32, 1024, true, false}, all);
  row({32, 1024, 10}, all);
  row({1, 3136, 1024}, all);
  row({1, 1024, 3136}, all);
  for (const std::int64_t n : {64, 128, 256, 512, 1024, 2048}) row({n, n, n}, all);
  for (const std::int64_t n : {8, 16, 24, 32, 48, 64, 96, 128, 512, 1024}) row({n, n, n}, 1);
  row({100, 3136, 1024}, 1);
  for (const std::int64_t n : {16, 64, 256, 1024, 4096}) {
    const int threads = n < 1024 ? 1 : all;
    row({1, n, n}, threads);
    row({n, n, 1}, threads);
    row({n, n, 1, true}, threads);
  }
  const auto dense = [&](std::int64_t m, std::int64_t k, std::int64_t n, int threads) {
    row({m, k, n, false, false, true}, threads);
  };
  dense(100, 3136, 1024, all);
  dense(100, 784, 500, all);
  dense(512, 512, 512, all);
  dense(32, 1024, 10, all);
  for (const std::int64_t n : {32, 64, 128}) dense(n, n, n, 1);
  const auto batch = [&](std::int64_t count, std::int64_t m, std::int64_t k, std::int64_t n) {
    for (const int threads : {all, 1})
      add("batch of products (count x m x k x n)", std::to_string(count) + "x" + label_of({m, k, n}), threads, [=] { return prepare_batch(count, m, k, n); });
  };
  batch(64, 16, 16, 16);
  batch(64, 32, 64, 32);
  batch(1000, 8, 8, 8);
}

}  // namespace bench
