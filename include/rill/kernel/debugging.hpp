// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What print, assert_that and check_numerics do when they run.

#include <charconv>
#include <cmath>
#include <complex>
#include <cstdio>
#include <cstring>
#include <string>

#include "../core/error.hpp"
#include "../ops/debugging.hpp"

namespace rill {

namespace kernel::detail {

inline std::string unpack_message(const attributes& at) {
  std::string text;
  for (int k = 0; k < 8 * rill::detail::message_words; ++k) {
    const auto word = static_cast<std::uint64_t>(at.i[rill::detail::first_message_word + k / 8]);
    const char c = static_cast<char>(static_cast<unsigned char>(word >> (8 * (k % 8))));
    if (c == 0) break;
    text += c;
  }
  return text;
}
template <class T>
void append_number(std::string& text, const T& v) {
  if constexpr (std::is_same_v<T, bool>) {
    text += v ? '1' : '0';
  } else if constexpr (std::is_same_v<T, std::string>) {
    text += v;
  } else if constexpr (is_complex(dtype_v<T>)) {
    text += '(';
    append_number(text, v.real());
    text += ',';
    append_number(text, v.imag());
    text += ')';
  } else if constexpr (is_narrow_v<T>) {
    append_number(text, static_cast<float>(v));
  } else {
    char digits[64];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, v).ptr);
  }
}
/// The first elements, as TensorFlow's Print shows them: [0.5 -1 2...].
inline std::string summary_of(const operand_memory& x, std::int64_t most) {
  std::string text = "[";
  const std::int64_t n = most < 0 || most > x.size() ? x.size() : most;
  visit_dtype(x.type, [&]<class T>(std::type_identity<T>) {
    for (std::int64_t k = 0; k < n; ++k) {
      if (k > 0) text += ' ';
      append_number(text, x.as<T>()[k]);
    }
  }, "print");
  return text + (n < x.size() ? "...]" : "]");
}
/// The first operand is the result.
inline void pass_on(const operand_memory& x, const result_memory& out) {
  if (x.type == dtype::string) {
    for (std::int64_t k = 0; k < x.size(); ++k) out.as<std::string>()[k] = x.as<std::string>()[k];
  } else if (x.size() > 0 && x.data != out.data) {
    std::memcpy(out.data, x.data, static_cast<std::size_t>(x.size()) * size_of(x.type));
  }
}

}  // namespace kernel::detail

namespace ops {

template <class>
void print_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  const std::string line = kernel::detail::unpack_message(at) + kernel::detail::summary_of(in[1], at.i[0]) + "\n";
  std::fputs(line.c_str(), stderr);
  kernel::detail::pass_on(in[0], out);
}
template <class>
void assert_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  std::int64_t wrong = 0;
  for (std::int64_t k = 0; k < in[0].size(); ++k) wrong += !in[0].as<bool>()[k];
  if (wrong > 0) {
    const std::string message = kernel::detail::unpack_message(at);
    std::string text = "Assert: " + (message.empty() ? std::string("the condition does not hold") : message) + " (" +
                       std::to_string(wrong) + " of " + std::to_string(in[0].size()) + " elements)";
    if (in[1].data != in[0].data) text += ": " + kernel::detail::summary_of(in[1], 3);
    if (in[2].data != in[1].data && in[2].data != in[0].data) text += " and " + kernel::detail::summary_of(in[2], 3);
    throw invalid_argument(text);
  }
  kernel::detail::pass_on(in[0], out);
}
template <class>
void check_numerics_op::run(const attributes& at, const operand_memory* in, const result_memory& out) {
  bool nan = false, inf = false;
  visit_dtype(in[0].type, [&]<class T>(std::type_identity<T>) {
    if constexpr (is_floating(dtype_v<T>))
      for (std::int64_t k = 0; k < in[0].size(); ++k) {
        const double v = static_cast<double>(in[0].as<T>()[k]);
        nan = nan || std::isnan(v), inf = inf || std::isinf(v);
      }
  }, "check_numerics");
  if (nan || inf)
    throw invalid_argument(kernel::detail::unpack_message(at) + " : Tensor had " + (nan ? inf ? "Inf and NaN" : "NaN" : "Inf") + " values");
  kernel::detail::pass_on(in[0], out);
}

}  // namespace ops

}  // namespace rill
