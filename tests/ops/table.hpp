// SPDX-License-Identifier: Apache-2.0
// What the table tests share: operands of any real dtype, shape and place in memory made from a seed, with the same values as
// plain numbers for the references; the comparison of a result with a reference. cases.hpp counts.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <rill/eager/front_end.hpp>
#include <string>
#include <vector>

#include "cases.hpp"

namespace rill::test::table {

using dt = dynamic_tensor;

inline constexpr dtype floats[] = {dtype::float32, dtype::float64, dtype::float16, dtype::bfloat16};
inline constexpr dtype integers[] = {dtype::int32, dtype::int64, dtype::uint8, dtype::int8, dtype::int16, dtype::uint16, dtype::uint32, dtype::uint64};
inline constexpr dtype reals_and_bool[] = {dtype::float32, dtype::float64, dtype::float16, dtype::bfloat16, dtype::int32,  dtype::int64,  dtype::uint8,
                                          dtype::int8,    dtype::int16,   dtype::uint16,  dtype::uint32,   dtype::uint64, dtype::boolean};

/// Where the elements of an operand lie.
enum class place : std::uint8_t { own, shifted, transposed };

struct input {
  dt t;
  std::vector<double> real;         ///< the values, rounded to the dtype
  std::vector<std::int64_t> whole;  ///< of integers and bools
};

inline bool integral(dtype d) { return is_integer(d) || d == dtype::boolean; }
inline int bits_of(dtype d) { return static_cast<int>(8 * size_of(d)); }
inline double epsilon_of(dtype d) {
  return d == dtype::float64 ? 0x1p-52 : d == dtype::float32 ? 0x1p-23 : d == dtype::float16 ? 0x1p-10 : 0x1p-7;
}
inline double largest_of(dtype d) { return d == dtype::float64 ? 1.79e308 : d == dtype::float16 ? 65504 : 3.38e38; }
inline double smallest_of(dtype d) { return d == dtype::float64 ? 1e-307 : d == dtype::float16 ? 6e-8 : 1.2e-38; }

/// The element k as a number.
inline double element_at(const dt& t, std::int64_t k) {
  return visit_dtype(t.type(), [&]<class T>(std::type_identity<T>) -> double {
    if constexpr (is_complex_v<T>) return 0;
    else return static_cast<double>(static_cast<const T*>(t.data())[k]);
  });
}
inline std::int64_t whole_at(const dt& t, std::int64_t k) {
  return visit_dtype(t.type(), [&]<class T>(std::type_identity<T>) -> std::int64_t {
    if constexpr (std::is_integral_v<T>) return static_cast<std::int64_t>(static_cast<const T*>(t.data())[k]);
    else return 0;
  });
}
inline void set_whole(dt& t, std::int64_t k, std::int64_t v) {
  void* const p = t.mutable_data();
  visit_dtype(t.type(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_same_v<T, bool>) static_cast<T*>(p)[k] = v != 0;
    else if constexpr (std::is_integral_v<T>) static_cast<T*>(p)[k] = static_cast<T>(v);
  });
}

/// The tensor with its elements one element behind the start of a block: not aligned to anything.
inline dt shifted(const dt& t) {
  const std::size_t width = size_of(t.type()), n = static_cast<std::size_t>(t.size());
  storage block = storage::allocate((n + 1) * width);
  auto* const to = static_cast<unsigned char*>(block.data()) + width;
  if (n > 0) std::memcpy(to, t.data(), n * width);
  return {t.type(), t.shape(), block, to};
}

inline void fill(dt& t, const std::vector<double>& values) {
  void* const p = t.mutable_data();
  visit_dtype(t.type(), [&]<class T>(std::type_identity<T>) {
    if constexpr (!is_complex_v<T>)
      for (std::size_t k = 0; k < values.size(); ++k) static_cast<T*>(p)[k] = number_cast<T>(values[k]);
  });
}

/// Values of [low, high]: fractions for floats (with NaN, infinities and zeros where `special`), whole numbers for integers.
inline input make(numbers_of& g, dtype type, const tensor_shape& shape, double low, double high, place where = place::own, bool special = false) {
  input o;
  const std::int64_t n = shape.num_elements();
  std::vector<double> v(static_cast<std::size_t>(n));
  if (integral(type)) {
    if (type == dtype::boolean) low = 0, high = 1;
    if (!is_signed(type) && low < 0) low = 0;
    low = std::ceil(low), high = std::floor(high);
  }
  for (double& x : v) {
    x = integral(type) ? low + static_cast<double>(g.below(static_cast<std::int64_t>(high - low) + 1)) : low + (high - low) * g.unit();
    if (special && !integral(type) && g.next() % 16 == 0) {
      const double odd[] = {0.0, -0.0, std::nan(""), HUGE_VAL, -HUGE_VAL, low, high, 1};
      x = odd[g.next() % 8];
    }
  }
  dt t = dt::uninitialized(type, shape);
  fill(t, v);
  if (where == place::shifted) t = shifted(t);
  if (where == place::transposed && shape.rank() >= 2) {  // the same shape, made by a transposition
    tensor_shape back;
    for (int d = shape.rank() - 1; d >= 0; --d) back.push_back(shape[d]);
    dt other = dt::uninitialized(type, back);
    fill(other, v);
    t = transpose(other);
  }
  o.t = t;
  o.real.resize(v.size());
  for (std::int64_t k = 0; k < n; ++k) o.real[static_cast<std::size_t>(k)] = element_at(t, k);
  if (integral(type)) {
    o.whole.resize(v.size());
    for (std::int64_t k = 0; k < n; ++k) o.whole[static_cast<std::size_t>(k)] = whole_at(t, k);
  }
  return o;
}

/// What an integer becomes in a dtype.
inline std::int64_t wrapped(dtype d, std::int64_t v) {
  if (d == dtype::boolean) return v != 0;
  const int bits = bits_of(d);
  if (bits == 64) return v;
  const std::uint64_t cut = static_cast<std::uint64_t>(v) << (64 - bits);
  return is_signed(d) ? static_cast<std::int64_t>(cut) >> (64 - bits) : static_cast<std::int64_t>(cut >> (64 - bits));
}

/// Whether a float of a dtype is the wanted number within `ulps` units of its last place (and `slack` in size).
inline bool near(dtype d, double got, double want, double ulps, double slack = 0) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want)) return got == want;
  if (std::fabs(want) > largest_of(d) * (1 - epsilon_of(d))) return std::isinf(got) ? (got > 0) == (want > 0) : std::fabs(got) >= largest_of(d) * (1 - 4 * epsilon_of(d));
  return std::fabs(got - want) <= ulps * epsilon_of(d) * std::fabs(want) + slack + smallest_of(d);
}

/// Checks dtype and shape of a result; elements come next.
inline bool fits(const char* op, const dt& y, dtype type, const tensor_shape& shape) {
  if (y.type() == type && y.shape() == shape) return true;
  fail(what(op, type, shape) + ": got " + std::string(name_of(y.type())) + to_string(y.shape()));
  return false;
}
inline void check_real(const char* op, const dt& y, std::int64_t k, double want, double ulps, double slack = 0) {
  const double got = element_at(y, k);
  if (!near(y.type(), got, want, y.type() == dtype::float16 || y.type() == dtype::bfloat16 ? 1 : ulps, slack))
    fail(what(op, y.type(), y.shape()) + ", element " + std::to_string(k) + ": got " + std::to_string(got) + ", wanted " + std::to_string(want));
}
inline void check_whole(const char* op, const dt& y, std::int64_t k, std::int64_t want) {
  const std::int64_t got = whole_at(y, k);
  if (got != wrapped(y.type(), want))
    fail(what(op, y.type(), y.shape()) + ", element " + std::to_string(k) + ": got " + std::to_string(got) + ", wanted " + std::to_string(wrapped(y.type(), want)));
}

/// Shapes of ranks 0 to 6, with extents 0, 1, primes and one more or less than what a register holds.
inline const std::vector<tensor_shape>& shapes() {
  static const std::vector<tensor_shape> all = {{},        {0},       {1},        {2},          {7},          {8},          {9},       {15},
                                                {16},      {17},      {31},       {32},         {33},         {63},         {65},      {127},
                                                {1, 1},    {3, 5},    {0, 4},     {4, 0},       {17, 3},      {2, 16},      {1, 33},   {13, 1},
                                                {2, 3, 5}, {1, 7, 1}, {3, 0, 2},  {4, 1, 17},   {2, 2, 2, 3}, {1, 3, 1, 5}, {2, 0, 1, 3}, {2, 3, 2, 1, 3},
                                                {1, 1, 1, 1, 1}, {2, 1, 2, 2, 1, 3}, {2, 2, 2, 2, 2, 2}, {1, 0, 2, 1, 1, 1}};
  return all;
}
/// More elements than the second-level cache holds.
inline constexpr std::int64_t large = 600011;

/// A call that must throw invalid_argument with both parts in its message.
template <class F>
void refuse(const char* op, const char* part, const std::string& got, const F& f) {
  ++count().cases;
  try {
    f();
  } catch (const invalid_argument& e) {
    const std::string message = e.what();
    if (message.find(part) == std::string::npos || message.find(got) == std::string::npos) fail(std::string(op) + " says: " + message);
    return;
  }
  fail(std::string(op) + " is not refused: " + part + " " + got);
}
/// One op of one operand.
struct unary_row {
  const char* name;
  dt (*f)(const dt&);
  double (*real)(double);                         ///< null: not for floats
  std::int64_t (*whole)(std::int64_t, int bits);  ///< null: not for integers
  double low, high;
  double ulps;
  bool truth = false;  ///< the result is bool
};
inline void run(const unary_row& r, dtype type, const tensor_shape& shape, place where) {
  numbers_of g = next_case();
  const bool integers_given = integral(type);
  const input x = make(g, type, shape, r.low, r.high, where, true);
  const dtype result = r.truth ? dtype::boolean : type;
  const dt y = r.f(x.t);
  if (!fits(r.name, y, result, shape)) return;
  const std::int64_t n = y.size(), step = n > 10000 ? 97 : 1;
  for (std::int64_t k = 0; k < n; k += step) {
    const auto i = static_cast<std::size_t>(k);
    if (integers_given) check_whole(r.name, y, k, r.whole(x.whole[i], bits_of(type)));
    else if (integral(result)) check_whole(r.name, y, k, static_cast<std::int64_t>(r.real(x.real[i])));
    else check_real(r.name, y, k, r.real(x.real[i]), r.ulps);
  }
}

template <std::size_t N>
void run_all(const unary_row (&rows)[N]) {
  for (const unary_row& r : rows) {
    const std::string takes_bools = "invert";
    const dtype other = r.name == takes_bools ? dtype::float32 : dtype::boolean;
    refuse(r.name, "None", "", [&] { r.f(dt()); });
    refuse(r.name, "does not take operands of this dtype", "string[2, 3]", [&] { r.f(dt::zeros(dtype::string, {2, 3})); });
    refuse(r.name, "does not take operands of this dtype", std::string(name_of(other)) + "[4]", [&] { r.f(dt::zeros(other, {4})); });
    const auto each = [&](dtype type) {
      for (const tensor_shape& s : shapes())
        for (const place where : {place::own, place::shifted, place::transposed})
          if (where != place::transposed || s.rank() >= 2) run(r, type, s, where);
    };
    if (r.real) {
      for (const dtype type : floats) each(type);
      run(r, dtype::float32, {large}, place::shifted);
    }
    if (r.whole)
      for (const dtype type : integers) each(type);
  }
}

/// Two shapes that broadcast to `shape`, in several ways: whole, scalars, rows, single axes, both ways at once.
struct shape_pair {
  tensor_shape a, b;
  bool same = false;  ///< both operands are one tensor
};
inline std::vector<shape_pair> pairs_of(const tensor_shape& s) {
  std::vector<shape_pair> all = {{s, s}, {s, s, true}, {s, {}}, {{}, s}};
  if (s.rank() == 0) return {all[0], all[1]};
  all.push_back({s, {s[s.rank() - 1]}});
  if (s.rank() == 1) return all;
  tensor_shape first = s, even = s, odd = s;
  first[0] = 1;
  for (int d = 0; d < s.rank(); ++d) (d % 2 == 0 ? even : odd)[d] = 1;
  all.push_back({first, s});
  all.push_back({even, odd});
  return all;
}
/// Where the element of a broadcast operand lies that meets the element at index i of `shape`.
inline std::size_t source_of(const tensor_shape& operand, const tensor_shape& shape, const std::int64_t* i) {
  std::int64_t k = 0;
  for (int d = 0; d < operand.rank(); ++d) k = k * operand[d] + (operand[d] == 1 ? 0 : i[d + shape.rank() - operand.rank()]);
  return static_cast<std::size_t>(k);
}
/// The shape of two that broadcast.
inline tensor_shape joined(const tensor_shape& a, const tensor_shape& b) {
  tensor_shape r = a.rank() >= b.rank() ? a : b;
  const tensor_shape& other = a.rank() >= b.rank() ? b : a;
  for (int d = 0; d < other.rank(); ++d) {
    std::int64_t& e = r[r.rank() - other.rank() + d];
    if (e == 1) e = other[d];
  }
  return r;
}

/// One op of two operands.
struct binary_row {
  const char* name;
  dt (*f)(const dt&, const dt&);
  double (*real)(double, double);                                 ///< null: not for floats
  std::int64_t (*whole)(std::int64_t, std::int64_t, dtype);  ///< null: not for integers
  double low, high, low_b, high_b;
  double ulps;
  bool truth = false;  ///< the result is bool
  bool bools = false;  ///< takes bools
  bool numbers = true;
};

inline void run(const binary_row& r, dtype type, const shape_pair& p, place where) {
  numbers_of g = next_case();
  const bool integers_given = integral(type);
  const input a = make(g, type, p.a, r.low, r.high, where, true);
  const input b = p.same ? a : make(g, type, p.b, r.low_b, r.high_b, where == place::own ? place::shifted : place::own, true);
  const tensor_shape shape = joined(p.a, p.b);
  const dt y = r.f(a.t, b.t);
  if (!fits(r.name, y, r.truth ? dtype::boolean : type, shape)) return;
  const auto check = [&](std::int64_t k, std::size_t i, std::size_t j) {
    if (integers_given) check_whole(r.name, y, k, r.whole(a.whole[i], b.whole[j], type));
    else if (r.truth) check_whole(r.name, y, k, r.real(a.real[i], b.real[j]) != 0);
    else check_real(r.name, y, k, r.real(a.real[i], b.real[j]), r.ulps);
  };
  if (y.size() == large) {
    for (std::int64_t k = 0; k < large; k += 97) check(k, p.a.rank() == 0 ? 0 : static_cast<std::size_t>(k), p.b.rank() == 0 ? 0 : static_cast<std::size_t>(k));
    return;
  }
  std::int64_t k = 0;
  each_index(shape, [&](const std::int64_t* i) { check(k++, source_of(p.a, shape, i), source_of(p.b, shape, i)); });
}

template <std::size_t N>
void run_all(const binary_row (&rows)[N], int stride = 1) {
  for (const binary_row& r : rows) {
    const dtype taken = r.real ? dtype::float32 : r.numbers ? dtype::int32 : dtype::boolean, other = taken == dtype::int32 ? dtype::int64 : dtype::float64;
    const dt x = dt::zeros(taken, {2, 3});
    refuse(r.name, "None", "", [&] { r.f(dt(), x); });
    refuse(r.name, "None", "", [&] { r.f(x, dt()); });
    refuse(r.name, "dtypes differ", std::string(name_of(taken)) + "[2, 3] and " + std::string(name_of(other)) + "[3]", [&] { r.f(x, dt::zeros(other, {3})); });
    refuse(r.name, "shapes do not broadcast", std::string(name_of(taken)) + "[2, 3]", [&] { r.f(x, dt::zeros(taken, {2})); });
    refuse(r.name, "does not take operands of this dtype", "string", [&] { r.f(dt::zeros(dtype::string, {2}), dt::zeros(dtype::string, {2})); });
    std::size_t turn = 0;
    const auto each = [&](dtype type) {
      for (const tensor_shape& s : shapes())
        for (const shape_pair& p : pairs_of(s)) {
          const place where = static_cast<place>(turn % 3);
          if (turn++ % static_cast<std::size_t>(stride) == 0) run(r, type, p, where);
        }
    };
    if (r.real) {
      for (const dtype type : floats) each(type);
      run(r, dtype::float32, {{large}, {large}}, place::shifted);
      run(r, dtype::float32, {{large}, {}}, place::own);
    }
    if (r.whole && r.numbers)
      for (const dtype type : integers) each(type);
    if (r.bools) each(dtype::boolean);
  }
}

}  // namespace rill::test::table
