// SPDX-License-Identifier: Apache-2.0
// Products: batched matmul of every number type, einsum, tensordot, dot, dot_general, matvec, outer and kron against loops
// over all indices; worked examples of the documentation; wrong inputs; gradients.

#include <doctest/doctest.h>

#include <complex>
#include <rill/eager/contraction.hpp>
#include <rill/eager/numeric_gradient.hpp>
#include <rill/ops/complex.hpp>
#include <string>
#include <vector>

using namespace rill;

namespace {

using c64 = std::complex<float>;
using c128 = std::complex<double>;

/// Small integers, so that every type holds the sums exactly.
template <class T>
dynamic_tensor numbers(const tensor_shape& s, std::uint64_t seed) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype_v<T>, s);
  auto* p = static_cast<T*>(t.mutable_data());
  std::uint64_t state = seed * 2654435761u + 1;
  const auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((state >> 40) % 7) - (std::is_unsigned_v<T> ? 0 : 3);
  };
  for (std::int64_t k = 0; k < t.size(); ++k) {
    if constexpr (is_complex_v<T>) {
      const int re = next(), im = next();
      p[k] = T(static_cast<real_type_t<T>>(re), static_cast<real_type_t<T>>(im));
    } else p[k] = static_cast<T>(static_cast<float>(next()));
  }
  return t;
}
template <class T>
auto wide(const T& x) {
  if constexpr (is_complex_v<T>) return c128(x.real(), x.imag());
  else return static_cast<double>(x);
}

template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const invalid_argument& e) {
    return e.what();
  }
  return "no invalid_argument";
}

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

/// einsum by its definition: a loop over all values of all labels. `out` names the labels of the result.
dynamic_tensor naive_einsum(const std::vector<std::string>& terms, const std::string& out, const std::vector<dynamic_tensor>& x) {
  std::string labels;
  std::vector<std::int64_t> extent;
  for (std::size_t k = 0; k < terms.size(); ++k)
    for (std::size_t d = 0; d < terms[k].size(); ++d)
      if (labels.find(terms[k][d]) == std::string::npos) {
        labels += terms[k][d];
        extent.push_back(x[k].shape()[static_cast<int>(d)]);
      }
  tensor_shape s;
  for (const char c : out) s.push_back(extent[labels.find(c)]);
  dynamic_tensor r = dynamic_tensor::zeros(dtype::float64, s);
  auto* to = static_cast<double*>(r.mutable_data());
  std::int64_t total = 1;
  for (const std::int64_t n : extent) total *= n;
  for (std::int64_t q = 0; q < total; ++q) {
    std::vector<std::int64_t> at(extent.size());
    for (std::int64_t rest = q, d = static_cast<std::int64_t>(extent.size()) - 1; d >= 0; --d) {
      at[static_cast<std::size_t>(d)] = rest % extent[static_cast<std::size_t>(d)];
      rest /= extent[static_cast<std::size_t>(d)];
    }
    const auto offset = [&](const std::string& term) {
      std::int64_t o = 0;
      for (const char c : term) o = o * extent[labels.find(c)] + at[labels.find(c)];
      return static_cast<std::size_t>(o);
    };
    double p = 1;
    for (std::size_t k = 0; k < terms.size(); ++k) p *= x[k].span<double>()[offset(terms[k])];
    to[offset(out)] += p;
  }
  return r;
}
bool equals(const dynamic_tensor& a, const dynamic_tensor& b) {
  if (!(a.shape() == b.shape()) || a.type() != b.type()) return false;
  for (std::size_t k = 0; k < a.span<double>().size(); ++k)
    if (a.span<double>()[k] != b.span<double>()[k]) return false;
  return true;
}
dynamic_tensor doubles(const tensor_shape& s, std::uint64_t seed = 1) { return numbers<double>(s, seed); }

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

TEST_CASE("einsum equals the loop over all indices") {
  struct {
    const char* equation;
    std::vector<std::string> terms;
    const char* out;
    std::vector<tensor_shape> shapes;
  } const cases[] = {
      {"ij,jk->ik", {"ij", "jk"}, "ik", {{3, 4}, {4, 5}}},
      {"ij,jk", {"ij", "jk"}, "ik", {{3, 4}, {4, 5}}},
      {"ij,jk->ki", {"ij", "jk"}, "ki", {{3, 4}, {4, 5}}},
      {"ba", {"ba"}, "ab", {{3, 4}}},
      {"ij->", {"ij"}, "", {{3, 4}}},
      {"ii", {"ii"}, "", {{5, 5}}},
      {"ii->i", {"ii"}, "i", {{5, 5}}},
      {"iij->ij", {"iij"}, "ij", {{3, 3, 2}}},
      {"iji->j", {"iji"}, "j", {{3, 2, 3}}},
      {"iii->i", {"iii"}, "i", {{3, 3, 3}}},
      {"i,i->", {"i", "i"}, "", {{7}, {7}}},
      {"i,j->ij", {"i", "j"}, "ij", {{3}, {4}}},
      {"i,i->i", {"i", "i"}, "i", {{5}, {5}}},
      {"bij,bjk->bik", {"bij", "bjk"}, "bik", {{2, 3, 4}, {2, 4, 5}}},
      {"bij,bkj->bik", {"bij", "bkj"}, "bik", {{2, 3, 4}, {2, 5, 4}}},
      {"bji,bjk->bik", {"bji", "bjk"}, "bik", {{2, 4, 3}, {2, 4, 5}}},
      {"ibj,kjb->bki", {"ibj", "kjb"}, "bki", {{3, 2, 4}, {5, 4, 2}}},
      {"ijk,jil->kl", {"ijk", "jil"}, "kl", {{3, 4, 5}, {4, 3, 2}}},
      {"ijkl,lk->ij", {"ijkl", "lk"}, "ij", {{2, 3, 4, 5}, {5, 4}}},
      {"ij,kl->", {"ij", "kl"}, "", {{2, 3}, {4, 5}}},
      {"ij,jk,kl->il", {"ij", "jk", "kl"}, "il", {{2, 3}, {3, 4}, {4, 5}}},
      {"i,ij,j->", {"i", "ij", "j"}, "", {{3}, {3, 4}, {4}}},
      {"ab,ac,ad->abcd", {"ab", "ac", "ad"}, "abcd", {{2, 3}, {2, 4}, {2, 5}}},
      {"aij,jk->aik", {"aij", "jk"}, "aik", {{2, 3, 4}, {4, 5}}},
      {"ijk,k->ij", {"ijk", "k"}, "ij", {{2, 3, 4}, {4}}},
      {"ij , jk -> ik", {"ij", "jk"}, "ik", {{3, 4}, {4, 5}}},
      {"BA,A->B", {"BA", "A"}, "B", {{3, 4}, {4}}},
      {"...", {"ab"}, "ab", {{3, 4}}},
      {"...i->...", {"abi"}, "ab", {{2, 3, 4}}},
      {"...ij,...jk->...ik", {"abij", "abjk"}, "abik", {{2, 3, 2, 4}, {2, 3, 4, 2}}},
      {"...ij->...ji", {"abij"}, "abji", {{2, 3, 4, 5}}},
      {"...ij,...jk->...ik", {"abij", "bjk"}, "abik", {{2, 3, 2, 4}, {3, 4, 2}}},
      {"i...,i...->...", {"iab", "iab"}, "ab", {{2, 3, 4}, {2, 3, 4}}},
      {"ij,jk->ik", {"ij", "jk"}, "ik", {{0, 4}, {4, 5}}},
      {"ij,jk->ik", {"ij", "jk"}, "ik", {{3, 0}, {0, 5}}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.equation);
    std::vector<dynamic_tensor> x;
    for (std::size_t k = 0; k < c.shapes.size(); ++k) x.push_back(doubles(c.shapes[k], k + 1));
    const dynamic_tensor want = naive_einsum(c.terms, c.out, x);
    dynamic_tensor got;
    if (x.size() == 1) got = einsum(c.equation, x[0]);
    else if (x.size() == 2) got = einsum(c.equation, x[0], x[1]);
    else got = einsum(c.equation, x[0], x[1], x[2]);
    CHECK(equals(got, want));
  }
  // ellipsis axes of extent 1 repeat
  const dynamic_tensor a = doubles({2, 1, 3, 4}), b = doubles({5, 4, 2}, 2);
  CHECK(equals(einsum("...ij,...jk->...ik", a, b), matmul(a, b)));
}

TEST_CASE("einsum refuses equations that do not fit") {
  const dynamic_tensor m = doubles({2, 3}), n = doubles({3, 4});
  const auto says = [&](std::string_view e) { return message_of([&] { einsum(e, m, n); }); };
  CHECK(says("ij->ij").find("as many terms as there are operands") != std::string::npos);
  CHECK(says("ijk,jk->ik").find("as many indices as its operand has axes") != std::string::npos);
  CHECK(says("ij,ij->ij").find("two different extents: got float64[2, 3] and float64[3, 4]") != std::string::npos);
  CHECK(says("ij,jk->il").find("an index that no operand has") != std::string::npos);
  CHECK(says("ij,jk->ii").find("an index twice") != std::string::npos);
  CHECK(says("ij,jk->ik->i").find("more than one") == std::string::npos);
  CHECK(says("ij,jk-ik").find("no single '->'") != std::string::npos);
  CHECK(says("i1,jk->ik").find("a character that is no letter") != std::string::npos);
  CHECK(says("i..,jk->ik").find("'...'") != std::string::npos);
  CHECK(says("...ij,jk->i,k").find("more than one output") != std::string::npos);
  CHECK(says("abcdefghijkl,jk->k").find("more than 8 indices") != std::string::npos);
  CHECK(message_of([&] { einsum("...i->i", doubles({2, 3})); }).find("the output has no \"...\"") != std::string::npos);
  CHECK(message_of([&] { einsum("i,i->i", doubles({2}), numbers<float>({2}, 1)); }).find("one dtype") != std::string::npos);
  CHECK(message_of([&] { einsum("...i,...i", doubles({2, 3}), doubles({3, 3})); }).find("do not broadcast") != std::string::npos);
  CHECK(message_of([&] { einsum("abcde,fghij->abcdefghij", doubles({1, 1, 1, 1, 1}), doubles({1, 1, 1, 1, 1})); }).find("more than 8") !=
        std::string::npos);
}

TEST_CASE("tensordot sums over pairs of axes") {
  const dynamic_tensor a = doubles({3, 4, 5}), b = doubles({4, 3, 2}, 2);
  CHECK(equals(tensordot(a, b, {1, 0}, {0, 1}), naive_einsum({"ijk", "jil"}, "kl", {a, b})));
  CHECK(equals(tensordot(a, b, {0, 1}, {1, 0}), naive_einsum({"ijk", "jil"}, "kl", {a, b})));
  CHECK(equals(tensordot(a, b, {-3}, {1}), naive_einsum({"ijk", "lim"}, "jklm", {a, b})));
  CHECK(equals(tensordot(a, doubles({5, 7}, 3), 1), naive_einsum({"ijk", "kl"}, "ijl", {a, doubles({5, 7}, 3)})));
  CHECK(equals(tensordot(a, doubles({4, 5}, 3), 2), naive_einsum({"ijk", "jk"}, "i", {a, doubles({4, 5}, 3)})));
  CHECK(equals(tensordot(doubles({3}), doubles({2, 2}, 3), 0), naive_einsum({"i", "jk"}, "ijk", {doubles({3}), doubles({2, 2}, 3)})));
  CHECK(equals(outer(doubles({3}), doubles({4}, 2)), naive_einsum({"i", "j"}, "ij", {doubles({3}), doubles({4}, 2)})));
  CHECK(message_of([&] { tensordot(a, b, 1); }).find("Tensordot: the extents of a pair of axes differ") != std::string::npos);
  CHECK(message_of([&] { tensordot(a, b, 4); }).find("number of axes is out of range") != std::string::npos);
  CHECK(message_of([&] { tensordot(a, b, {0, 1}, {1}); }).find("same length") != std::string::npos);
  CHECK(message_of([&] { tensordot(a, b, {0, 0}, {1, 1}); }).find("named twice") != std::string::npos);
  CHECK(message_of([&] { tensordot(a, b, {3}, {1}); }).find("axis out of range") != std::string::npos);
}

TEST_CASE("dot and dot_general are XLA's") {
  const tensor<float, 2, 3> l{{1, 2, 3}, {4, 5, 6}}, r{{1, 1, 1}, {2, 2, 2}};
  CHECK(to_string(dot_general(l, r, {.lhs_contracting_dimensions = {1}, .rhs_contracting_dimensions = {1}})) ==
        "[[ 6. 12.]\n [15. 30.]]");
  const tensor<float, 2, 2, 2> b{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}, eye{{{1, 0}, {0, 1}}, {{1, 0}, {0, 1}}};
  CHECK(to_string(dot_general(b, eye, {.lhs_contracting_dimensions = {2}, .rhs_contracting_dimensions = {1},
                                       .lhs_batch_dimensions = {0}, .rhs_batch_dimensions = {0}})) == to_string(b));
  const dynamic_tensor p = doubles({2, 3, 4, 5}), q = doubles({2, 3, 5, 6}, 2);
  CHECK(equals(dot_general(p, q, {.lhs_contracting_dimensions = {3}, .rhs_contracting_dimensions = {2},
                                .lhs_batch_dimensions = {0, 1}, .rhs_batch_dimensions = {0, 1}}), matmul(p, q)));
  const dynamic_tensor v = doubles({4}), w = doubles({4}, 2), m = doubles({3, 4}, 3), n = doubles({4, 2}, 4);
  CHECK(equals(dot(v, w), naive_einsum({"i", "i"}, "", {v, w})));
  CHECK(equals(dot(m, v), naive_einsum({"ij", "j"}, "i", {m, v})));
  CHECK(equals(dot(v, n), naive_einsum({"i", "ij"}, "j", {v, n})));
  CHECK(equals(dot(m, n), naive_einsum({"ij", "jk"}, "ik", {m, n})));
  CHECK(message_of([&] { dot(v, m); }).find("Dot: the extents of a pair of axes differ") != std::string::npos);
  CHECK(message_of([&] { dot(v, doubles({})); }).find("a scalar has no axis") != std::string::npos);
  CHECK(message_of([&] { dot_general(m, n, {.lhs_contracting_dimensions = {1}}); }).find("same length") != std::string::npos);
  CHECK(message_of([&] { dot(m, numbers<float>({4, 2}, 1)); }).find("one dtype") != std::string::npos);
}

TEST_CASE("kron repeats the second operand, scaled") {
  const tensor<int, 2, 2> a{{1, 2}, {3, 4}};
  const tensor<int, 1, 2> b{{0, 5}};
  CHECK(to_string(kron(a, b)) == "[[ 0  5  0 10]\n [ 0 15  0 20]]");
  CHECK(to_string(kron(tensor<int, 2>{1, 10}, tensor<int, 3>{1, 2, 3})) == "[ 1  2  3 10 20 30]");
  CHECK(message_of([] { kron(doubles({1, 1, 1, 1, 1}), doubles({2})); }).find("at most 4 axes") != std::string::npos);
}

TEST_CASE("gradients of products agree with central differences, twice") {
  const auto ok = [](const auto& f, const tensor_shape& a, const tensor_shape& b) {
    const dynamic_tensor xs[] = {doubles(a, 11) / 3.0, doubles(b, 12) / 3.0};
    const auto c = eager::check_gradients(f, xs, {.second_order = true});
    INFO(c.message);
    CHECK(c.ok);
  };
  for (const int flags : {0, 1, 2, 3}) {
    const bool ta = (flags & 1) != 0, tb = (flags & 2) != 0;
    const auto product = [&](auto x, auto y) { return matmul(x, y, {.transpose_a = ta, .transpose_b = tb}); };
    ok(product, ta ? tensor_shape{2, 3, 2} : tensor_shape{2, 2, 3}, tb ? tensor_shape{2, 2, 3} : tensor_shape{2, 3, 2});
    ok(product, ta ? tensor_shape{2, 1, 3, 2} : tensor_shape{2, 1, 2, 3}, tb ? tensor_shape{2, 2, 3} : tensor_shape{2, 3, 2});
    ok(product, ta ? tensor_shape{2, 3, 2} : tensor_shape{2, 2, 3}, tb ? tensor_shape{2, 3} : tensor_shape{3, 2});
  }
  ok([](auto x, auto y) { return einsum("bij,kjb->ki", x, y); }, {2, 3, 2}, {2, 2, 2});
  ok([](auto x, auto y) { return einsum("iij,jk->ki", x, y); }, {2, 2, 3}, {3, 2});
  ok([](auto x, auto y) { return tensordot(x, y, {0, 2}, {1, 0}); }, {2, 2, 3}, {3, 2});
  ok([](auto x, auto y) { return kron(x, y); }, {2, 2}, {1, 3});
  // complex operands, made of real ones: adjoint and plain
  for (const int flags : {0, 1, 2, 3}) {
    const bool aa = (flags & 1) != 0, ab = (flags & 2) != 0;
    const auto product = [&](auto x, auto y) {
      return matmul(rill::complex(x, y * 0.5), rill::complex(y, x * x), {.adjoint_a = aa, .adjoint_b = ab});
    };
    ok([&](auto x, auto y) { return real(product(x, y)); }, {2, 2, 2}, {2, 2, 2});
    ok([&](auto x, auto y) { return imag(product(x, y)); }, {2, 2, 2}, {2, 2, 2});
  }
}
