// SPDX-License-Identifier: Apache-2.0
// einsum, tensordot, outer, dot, dot_general and kron against loops over all indices; worked examples; wrong equations.

#include <doctest/doctest.h>

#include <rill/eager/contraction.hpp>
#include <string>
#include <vector>

#include "small_numbers.hpp"

using namespace rill;
using namespace rill::test;

namespace {

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

}  // namespace

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
