// SPDX-License-Identifier: Apache-2.0
// Matrix products of bfloat16, summed in float and rounded, and of bytes, summed in int32.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <rill/kernel/low_precision_matmul.hpp>

#include <algorithm>
#include <memory>

#include "harness.hpp"
#if defined(RILL_BENCH_DNNL)
#include "onednn.hpp"
#endif

namespace bench {

namespace {

enum class kind { bfloat16, int8, uint8_int8 };

struct product {
  kind type;
  std::int64_t m, k, n;
  bool trans_b = false;
};

/// Room for both kinds of elements, and their values.
struct matrices {
  explicit matrices(const product& p)
      : size(p), a(noise(count(p.m * p.k), 1)), b(noise(count(p.k * p.n), 2)), narrow_a(a.size()), narrow_b(b.size()), c(count(p.m * p.n)) {
    fill(a, narrow_a, p.type == kind::uint8_int8 ? 128.F : 0.F);
    fill(b, narrow_b, 0.F);
  }
  product size;
  std::vector<float> a, b;
  std::vector<rill::bfloat16> narrow_a, narrow_b;
  std::vector<float> c;

  [[nodiscard]] float result(std::size_t i) const {
    if (size.type == kind::bfloat16) return static_cast<float>(reinterpret_cast<const rill::bfloat16*>(c.data())[i]);
    return static_cast<float>(reinterpret_cast<const std::int32_t*>(c.data())[i]);
  }

 private:
  static std::size_t count(std::int64_t n) { return static_cast<std::size_t>(n); }
  void fill(std::vector<float>& values, std::vector<rill::bfloat16>& elements, float centre) const {
    auto* bytes = reinterpret_cast<std::uint8_t*>(elements.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (size.type == kind::bfloat16) {
        elements[i] = values[i];
        values[i] = static_cast<float>(elements[i]);
      } else {
        const int number = static_cast<int>(values[i] * 127.F + centre);
        bytes[i] = static_cast<std::uint8_t>(number);
        values[i] = static_cast<float>(number);
      }
    }
  }
};

void rill_product(matrices& d) {
  const auto& [type, m, k, n, tb] = d.size;
  if (type == kind::bfloat16) {
    const rill::kernel::detail::narrow_epilogue<rill::bfloat16> to{reinterpret_cast<rill::bfloat16*>(d.c.data()), n};
    rill::kernel::matmul_narrow<rill::bfloat16>(m, n, k, {d.narrow_a.data(), k}, {d.narrow_b.data(), tb ? k : n, tb}, to);
  } else {
    const rill::kernel::byte_matrix a{d.narrow_a.data(), k, false, type == kind::int8}, b{d.narrow_b.data(), tb ? k : n, tb};
    rill::kernel::matmul_integer(m, n, k, a, b, reinterpret_cast<std::int32_t*>(d.c.data()), n);
  }
}

/// Compares 100 elements with sums in double.
void check(const std::string& who, const matrices& d) {
  const auto& [type, m, k, n, tb] = d.size;
  std::vector<float> got, want;
  for (std::int64_t s = 0; s < 100; ++s) {
    const std::int64_t i = s * 7919 % m, j = s * 104729 % n;
    double sum = 0;
    for (std::int64_t l = 0; l < k; ++l)
      sum += static_cast<double>(d.a[static_cast<std::size_t>(i * k + l)]) * static_cast<double>(d.b[static_cast<std::size_t>(tb ? j * k + l : l * n + j)]);
    got.push_back(d.result(static_cast<std::size_t>(i * n + j)));
    want.push_back(static_cast<float>(sum));
  }
  expect_close(who, got.data(), want.data(), got.size(), type == kind::bfloat16 ? 1e-2 : 0);
}

#if defined(RILL_BENCH_DNNL)
contender onednn(const std::shared_ptr<matrices>& d) {
  using namespace dnnl;
  using type = memory::data_type;
  const auto& [what, m, k, n, tb] = d->size;
  auto s = std::make_shared<onednn_matmul>();
  const bool floats = what == kind::bfloat16;
  const memory::desc a({m, k}, floats ? type::bf16 : what == kind::int8 ? type::s8 : type::u8, memory::format_tag::ab),
      b({k, n}, floats ? type::bf16 : type::s8, tb ? memory::format_tag::ba : memory::format_tag::ab),
      c({m, n}, floats ? type::bf16 : type::s32, memory::format_tag::ab);
  s->primitive = matmul(matmul::primitive_desc(matmul::desc(a, b, c), s->cpu));
  s->bind(DNNL_ARG_SRC, a, d->narrow_a.data());
  s->bind(DNNL_ARG_WEIGHTS, b, d->narrow_b.data());
  s->bind(DNNL_ARG_DST, c, d->c.data());
  return {onednn_name(), [s, d] { (*s)(); }};
}
#endif

duel prepare(const product& p) {
  auto d = std::make_shared<matrices>(p);
  duel result;
  result.cost.flops = 2.0 * static_cast<double>(p.m * p.k * p.n);
  result.rill = {"Rill", [d] { rill_product(*d); }};
#if defined(RILL_BENCH_DNNL)
  result.peers.push_back(onednn(d));
#endif
  const auto verify = [&](const contender& c) {
    d->c.assign(d->c.size(), 0.f);
    c.call();
    check(c.name, *d);
  };
  verify(result.rill);
  for (const auto& peer : result.peers) verify(peer);
  return result;
}

}  // namespace

void add_matmul_low_precision() {
  const auto row = [](const product& p, int threads) {
    const char* type = p.type == kind::bfloat16 ? "bfloat16 " : p.type == kind::int8 ? "int8 " : "uint8 by int8 ";
    const std::string size = std::to_string(p.m) + "x" + std::to_string(p.k) + "x" + std::to_string(p.n);
    add("matmul of narrow numbers (m x k x n)", type + size + (p.trans_b ? " B transposed" : ""), threads, [p] { return prepare(p); });
  };
  const int all = many_threads();
  for (const kind type : {kind::bfloat16, kind::int8, kind::uint8_int8}) {
    row({type, 128, 128, 128}, 1);
    row({type, 512, 512, 512}, 1);
    row({type, 1024, 1024, 1024}, all);
    row({type, 100, 1024, 3136}, all);
    row({type, 100, 3136, 1024, true}, all);
  }
}

}  // namespace bench
