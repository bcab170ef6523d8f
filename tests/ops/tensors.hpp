// SPDX-License-Identifier: Apache-2.0
// Whole tensors for tests of kernel ops: numbers of any dtype made from integers, an oracle that says which integer stands
// at each index, checks of errors.
#pragma once

#include <doctest/doctest.h>

#include <complex>
#include <random>
#include <rill/core/function_ref.hpp>
#include <rill/eager/front_end.hpp>
#include <string>
#include <vector>

namespace rill::test {

/// One dtype of each width, and string.
inline constexpr dtype widths[] = {dtype::boolean, dtype::uint8,     dtype::float16,   dtype::int32, dtype::float32,
                                   dtype::float64, dtype::complex64, dtype::complex128, dtype::string};

/// Integers under a shape.
struct numbers {
  tensor_shape shape;
  std::vector<std::int64_t> at;

  explicit numbers(const tensor_shape& s) : shape(s), at(static_cast<std::size_t>(s.num_elements())) {}
  [[nodiscard]] std::int64_t offset(const tensor_shape& index) const {
    std::int64_t k = 0;
    for (int d = 0; d < shape.rank(); ++d) k = k * shape[d] + index[d];
    return k;
  }
  std::int64_t& operator()(const tensor_shape& index) { return at[static_cast<std::size_t>(offset(index))]; }
  std::int64_t operator()(const tensor_shape& index) const { return at[static_cast<std::size_t>(offset(index))]; }
  /// Calls f(index) for all indices in row-major order.
  template <class F>
  void each(const F& f) const {
    if (at.empty()) return;
    tensor_shape index = shape;
    for (int d = 0; d < shape.rank(); ++d) index[d] = 0;
    for (;;) {
      f(index);
      int d = shape.rank() - 1;
      for (; d >= 0; --d) {
        if (++index[d] < shape[d]) break;
        index[d] = 0;
      }
      if (d < 0) return;
    }
  }
};
template <class F>
numbers made(const tensor_shape& s, const F& f) {
  numbers n(s);
  n.each([&](const tensor_shape& index) { n(index) = f(index); });
  return n;
}
inline numbers counted(const tensor_shape& s) {
  numbers n(s);
  for (std::size_t k = 0; k < n.at.size(); ++k) n.at[k] = static_cast<std::int64_t>(k) % 101 + 1;
  return n;
}

/// The integers as elements of a dtype (0 becomes "" in strings).
template <class = void>
dynamic_tensor tensor_of(dtype type, const numbers& n) {
  dynamic_tensor t = dynamic_tensor::uninitialized(type, n.shape);
  visit_element(type, [&]<class T>(std::type_identity<T>) {
    T* to = static_cast<T*>(t.mutable_data());
    for (const std::int64_t v : n.at) {
      if constexpr (std::is_same_v<T, std::string>) *to++ = v == 0 ? "" : "a string that is too long to be stored in place " + std::to_string(v);
      else if constexpr (std::is_same_v<T, bool>) *to++ = v % 2 != 0;
      else if constexpr (is_complex_v<T>) *to++ = T(static_cast<real_type_t<T>>(v), static_cast<real_type_t<T>>(-v));
      else *to++ = number_cast<T>(static_cast<double>(v));
    }
  });
  return t;
}
/// Whether dtype, shape and all elements are those.
template <class = void>
bool holds(const dynamic_tensor& t, dtype type, const numbers& n) {
  if (t.type() != type || !(t.shape() == n.shape)) {
    MESSAGE("got ", std::string(name_of(t.type())), to_string(t.shape()), ", wanted ", std::string(name_of(type)), to_string(n.shape));
    return false;
  }
  const dynamic_tensor wanted = tensor_of(type, n);
  return visit_element(type, [&]<class T>(std::type_identity<T>) {
    const T* p = static_cast<const T*>(t.data());
    const T* q = static_cast<const T*>(wanted.data());
    for (std::int64_t k = 0; k < t.size(); ++k)
      if (!(p[k] == q[k])) {
        MESSAGE("element ", k, " of ", std::string(name_of(type)), to_string(t.shape()), " differs, wanted number ", n.at[static_cast<std::size_t>(k)]);
        return false;
      }
    return true;
  });
}

/// The elements as a vector.
template <class T>
std::vector<T> list(const dynamic_tensor& t) {
  const auto s = t.span<T>();
  return std::vector<T>(s.begin(), s.end());
}
template <class T, std::int64_t... E>
std::vector<T> list(const tensor<T, E...>& t) {
  return std::vector<T>(t.data(), t.data() + t.size());
}

/// A shape of this rank with extents 0, 1, small ones, primes; seldom empty.
inline tensor_shape random_shape(std::mt19937& g, int rank) {
  static constexpr std::int64_t extents[] = {1, 2, 3, 4, 5, 7, 3, 2, 1, 4, 5, 0};
  tensor_shape s;
  for (int d = 0; d < rank; ++d) s.push_back(extents[g() % (g() % 8 == 0 ? 12 : 11)]);
  if (rank == 1 && g() % 2 == 0) s[0] = static_cast<std::int64_t>(g() % 70);
  return s;
}
inline std::int64_t below(std::mt19937& g, std::int64_t n) { return n <= 0 ? 0 : static_cast<std::int64_t>(g() % static_cast<unsigned>(n)); }
inline std::int64_t between(std::mt19937& g, std::int64_t low, std::int64_t high) { return low + below(g, high - low + 1); }

/// That f throws an E whose sentence contains this part. (The callable is erased, so that there is one check per E.)
template <class E>
void check_error(function_ref<void()> f, const std::string& part) {
  try {
    f();
    FAIL_CHECK("nothing was thrown; wanted: ", part);
  } catch (const E& e) {
    INFO("got: ", std::string(e.what()), "; wanted: ", part);
    CHECK(std::string(e.what()).find(part) != std::string::npos);
  } catch (const std::exception& e) {
    FAIL_CHECK("another error: ", std::string(e.what()), "; wanted: ", part);
  }
}

/// Fixed numbers in [-1, 1] as float64.
inline dynamic_tensor noise(const tensor_shape& s, unsigned seed = 1) {
  std::mt19937 g(seed);
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  auto* p = static_cast<double*>(t.mutable_data());
  for (std::int64_t k = 0; k < t.size(); ++k) p[k] = static_cast<double>(g()) / 2147483648.0 - 1;
  return t;
}
}  // namespace rill::test
