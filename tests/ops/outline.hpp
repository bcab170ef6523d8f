// SPDX-License-Identifier: Apache-2.0
// A value without elements: what the functions of ops/ say to operands of its dtype and shape, without a kernel being
// compiled. And tables of calls that they must refuse.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <rill/ops/functions.hpp>
#include <string>

namespace rill::test {

struct outline_front_end;
struct outline {
  signature s;
  using front_end = outline_front_end;
  static constexpr bool is_value = true;
  [[nodiscard]] dtype type() const { return s.type; }
  [[nodiscard]] const tensor_shape& shape() const { return s.shape; }
  [[nodiscard]] int rank() const { return s.shape.rank(); }
};
struct outline_front_end {
  static constexpr bool traced = false;
  static bool failed(const outline&) { return false; }
  template <class Op>
  static outline fail(const failure& f, const outline&) {
    throw invalid_argument(to_string(f, Op::name));
  }
  template <class Op>
  static outline emit(std::initializer_list<outline> in, const attributes& at = {}) {
    signature s[4];
    int n = 0;
    for (const outline& x : in) s[n++] = x.s;
    failure f;
    const signature out = Op::infer(at, s, f);
    if (f) throw invalid_argument(to_string(f, Op::name));
    return {out};
  }
  template <class Op, class... Further>
  static std::array<outline, 1 + sizeof...(Further)> emit_all(std::initializer_list<outline> in, const attributes& at) {
    const outline first = emit<Op>(in, at);
    signature s[4];
    int n = 0;
    for (const outline& x : in) s[n++] = x.s;
    return {first, outline{Further::infer(at, s)}...};
  }
  template <class Op>
  static outline add(const signature& out, std::initializer_list<outline>, const attributes& = {}) {
    return {out};
  }
  /// Element-wise ops: shapes broadcast, dtypes agree.
  template <class Op, class... A>
  static outline apply(const A&... a) {
    outline in[] = {of(a)...};
    constexpr bool number[] = {std::is_arithmetic_v<A>...};
    constexpr int first = std::is_same_v<Op, ops::select> ? 1 : 0;
    dtype types[4] = {in[0].type()}, other = dtype::invalid;
    tensor_shape shape;
    for (int k = first; k < Op::arity; ++k)
      if (!number[k]) other = in[k].type();
    failure f;
    for (int k = 0; k < Op::arity; ++k) {
      if (number[k] && k >= first) in[k].s.type = other;
      types[k] = in[k].type();
      if (k >= first && types[k] != types[first]) f.set("dtypes differ", "cast one operand", in[first].s, in[k].s);
      const int shift = shape.rank() - in[k].rank();
      if (shift < 0) {
        tensor_shape longer = in[k].shape();
        for (int d = 0; d < shape.rank(); ++d) longer[d - shift] = joined(longer[d - shift], shape[d], f, in[k].s);
        shape = longer;
      } else {
        for (int d = 0; d < in[k].rank(); ++d) shape[d + shift] = joined(shape[d + shift], in[k].shape()[d], f, in[k].s);
      }
    }
    if ((class_of(types[first]) & Op::accepts) == 0) f.set("does not take operands of this dtype", "cast them", in[first].s);
    if (f) throw invalid_argument(to_string(f, Op::name));
    return {{result_dtype<Op>(types), shape}};
  }
  static outline constant(const outline&, dtype type, double) { return {{type, {}}}; }
  static outline count(const outline& x, std::int64_t) { return {{x.type(), {}}}; }
  static outline cast(const outline& x, dtype type) { return {{type, x.shape()}}; }
  static outline range(const outline&, dtype type, std::int64_t n) { return {{type, {n}}}; }
  template <class Op>
  static outline second_result(const outline&, const signature& out, std::initializer_list<outline>) {
    return {out};
  }

 private:
  static outline of(const outline& x) { return x; }
  template <class T>
    requires std::is_arithmetic_v<T>
  static outline of(T) {
    return {{dtype::float32, {}}};
  }
  static std::int64_t joined(std::int64_t a, std::int64_t b, failure& f, const signature& s) {
    if (a != b && a != 1 && b != 1) f.set("shapes do not broadcast", "trailing dimensions must be equal or 1", s);
    return a == 1 ? b : a;
  }
};

inline outline f(const tensor_shape& s) { return {{dtype::float32, s}}; }
inline outline d(const tensor_shape& s) { return {{dtype::float64, s}}; }
inline outline i(const tensor_shape& s) { return {{dtype::int32, s}}; }
inline outline u(const tensor_shape& s) { return {{dtype::uint8, s}}; }
inline outline b(const tensor_shape& s) { return {{dtype::boolean, s}}; }
inline outline c(const tensor_shape& s) { return {{dtype::complex64, s}}; }
inline outline t(const tensor_shape& s) { return {{dtype::string, s}}; }

/// A call that must throw invalid_argument, and a part of its message.
struct refusal {
  const char* call;
  const char* part;
  void (*run)();
};
#define RILL_REFUSE(part, ...) {#__VA_ARGS__, part, [] { (void)(__VA_ARGS__); }}

/// Runs a table; each function in it has at least three rows.
template <std::size_t N>
void check_refusals(const refusal (&rows)[N]) {
  std::map<std::string, int> times;
  for (const refusal& r : rows) {
    INFO(std::string(r.call));
    const std::string call(r.call);
    ++times[call.substr(0, call.find_first_of("(<"))];
    try {
      r.run();
      FAIL_CHECK("was not refused");
    } catch (const invalid_argument& e) {
      INFO(std::string(e.what()));
      CHECK(std::string(e.what()).find(r.part) != std::string::npos);
    } catch (const std::exception& e) {
      FAIL_CHECK("another error: " << e.what());
    }
  }
  for (const auto& function : times) {
    INFO(function.first);
    CHECK(function.second >= 3);
  }
}

}  // namespace rill::test
