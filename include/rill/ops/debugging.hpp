// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ops that are there for what they do: print (tf.Print), assert_that (tf.Assert) and its relatives, check_numerics. They
/// give their first operand on, and run in every step that reaches them (in a branch: when it is taken), whether or not
/// anything reads their result. Gradients pass through.
///
///   x = print(x, {.message = "x = "});                      // stderr: x = [0.5 -1 2...]
///   assert_less(learning_rate, 1.f, "the learning rate");   // invalid_argument where it does not hold
///   loss = check_numerics(loss, "loss");                    // invalid_argument: loss : Tensor had NaN values
///
/// Include eager/debugging.hpp or kernel/debugging.hpp to run them.

#include <string_view>

#include "functions.hpp"

namespace rill {

/// Options of print.
struct print_values_options {
  std::string_view message = {};  ///< at most 80 bytes
  std::int64_t summarize = 3;     ///< elements printed; negative: all
};

namespace detail {
inline constexpr int message_words = 10, first_message_word = 2;
/// A message as attributes: up to 80 bytes, more is cut.
constexpr void pack_message(attributes& at, std::string_view text) {
  for (std::size_t k = 0; k < text.size() && k < 8 * message_words; ++k)
    at.i[first_message_word + k / 8] |=
        static_cast<std::int64_t>(static_cast<std::uint64_t>(static_cast<unsigned char>(text[k])) << (8 * (k % 8)));
}
}  // namespace detail

namespace ops {
/// Prints operand 1, gives operand 0. i[0] elements at most.
struct print_op {
  static constexpr auto name = "Print";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr bool effect = true;
  static constexpr signature infer(const attributes&, const signature* in, failure&) { return in[0]; }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto, auto) { return grads(dy, no_gradient{}); }
};
/// Throws unless all elements of operand 0 (bool) hold; operands 1 and 2 are shown then.
struct assert_op {
  static constexpr auto name = "Assert";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr bool effect = true;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (in[0].type != dtype::boolean) f.set("the condition must be of dtype bool", "compare", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};
/// Throws where an element is NaN or infinite.
struct check_numerics_op {
  static constexpr auto name = "CheckNumerics";
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 100;
  static constexpr bool effect = true;
  static constexpr signature infer(const attributes&, const signature* in, failure& f) {
    if (!is_floating(in[0].type)) f.set("only floating-point numbers can be NaN", "", in[0]);
    return in[0];
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
  static constexpr auto vjp(const attributes&, auto dy, auto, auto) { return grads(dy); }
};
}  // namespace ops

/// x; prints the first elements of data to the standard error output: message[0.5 -1 2...].
template <value V>
constexpr V print(V x, V data, print_values_options o = {}) {
  attributes at;
  at.i[0] = o.summarize;
  detail::pack_message(at, o.message);
  return detail::emit<ops::print_op>({x, data}, at);
}
template <value V>
constexpr V print(V x, print_values_options o = {}) {
  return print(x, x, o);
}
/// condition; throws invalid_argument unless all of its elements hold, with the message and the first elements of the data.
template <value V>
constexpr V assert_that(V condition, V data, V more, std::string_view message = {}) {
  attributes at;
  detail::pack_message(at, message);
  return detail::emit<ops::assert_op>({condition, data, more}, at);
}
template <value V>
constexpr V assert_that(V condition, V data, std::string_view message = {}) {
  return assert_that(condition, data, data, message);
}
template <value V>
constexpr V assert_that(V condition, std::string_view message = {}) {
  return assert_that(condition, condition, condition, message);
}

namespace detail {
template <value V, class Y>
constexpr V comparand(const V& x, const Y& y) {
  if constexpr (value<Y>) return y;
  else return V::front_end::constant(x, x.type(), static_cast<double>(y));
}
}  // namespace detail

/// Throw invalid_argument unless the relation holds for all elements, which broadcast; y may be a number.
template <value V, class Y>
constexpr V assert_equal(V x, const Y& y, std::string_view message = {}) {
  return assert_that(equal(x, detail::comparand(x, y)), x, detail::comparand(x, y), message);
}
template <value V, class Y>
constexpr V assert_less(V x, const Y& y, std::string_view message = {}) {
  return assert_that(less(x, detail::comparand(x, y)), x, detail::comparand(x, y), message);
}
template <value V, class Y>
constexpr V assert_less_equal(V x, const Y& y, std::string_view message = {}) {
  return assert_that(less_equal(x, detail::comparand(x, y)), x, detail::comparand(x, y), message);
}
template <value V, class Y>
constexpr V assert_greater(V x, const Y& y, std::string_view message = {}) {
  return assert_that(greater(x, detail::comparand(x, y)), x, detail::comparand(x, y), message);
}
template <value V, class Y>
constexpr V assert_greater_equal(V x, const Y& y, std::string_view message = {}) {
  return assert_that(greater_equal(x, detail::comparand(x, y)), x, detail::comparand(x, y), message);
}
/// The same against zero.
template <value V>
constexpr V assert_positive(V x, std::string_view message = {}) {
  return assert_greater(x, 0, message);
}
template <value V>
constexpr V assert_non_negative(V x, std::string_view message = {}) {
  return assert_greater_equal(x, 0, message);
}

/// x; throws invalid_argument where an element is NaN or infinite: "message : Tensor had NaN values".
template <value V>
constexpr V check_numerics(V x, std::string_view message) {
  attributes at;
  detail::pack_message(at, message);
  return detail::emit<ops::check_numerics_op>({x}, at);
}

}  // namespace rill
