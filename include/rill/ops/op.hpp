// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What an op is. An op is one small type: its TensorFlow name, what it accepts, its shape and dtype rule, its scalar
/// function (generic over float, double, ..., a SIMD pack, and usable in device code) and its gradient written with
/// other ops. Every front end (eager expressions, the traced graph) and every evaluator reads that one definition.
///
///   struct tanh_op : elementwise<1> {
///     static constexpr auto name = "Tanh";
///     static constexpr int cost = 20;                       // per element, in adds; dearer than a load (4): y is kept
///     template <class V> static constexpr V eval(V x) { using std::tanh; return tanh(x); }
///     static constexpr auto vjp(auto dy, auto y, auto /*x*/) { return grads(dy * (1 - y * y)); }
///   };

#include <cstdint>
#include <type_traits>
#include <utility>

#include "../core/dtype.hpp"
#include "../core/shape.hpp"

namespace rill {

/// How an op reads its operands and writes its result; this decides fusion and aliasing.
enum class op_kind : std::uint8_t {
  source,       ///< input, variable, constant, run-time parameter: a value that is there
  elementwise,  ///< result(i) depends on operands(i) alone
  broadcast,    ///< result(i) reads one operand at an index with some axes dropped
  alias,        ///< the operand's bytes under another shape (reshape) or none at all (identity, stop_gradient)
  reduction,    ///< combines elements along axes
  opaque,       ///< has its own kernel: contraction, convolution, window, softmax, transpose
  assign,       ///< writes a variable
  tuple,        ///< several values as one operand of control flow; has no memory
  control       ///< runs graphs of its own: a loop or a branch
};

/// Classes of element types, as bits: what an element-wise op takes.
namespace types {
inline constexpr unsigned booleans = 1, signed_integers = 2, unsigned_integers = 4, floats = 8, complexes = 16, strings = 32;
inline constexpr unsigned integers = signed_integers | unsigned_integers;
inline constexpr unsigned reals = integers | floats;
inline constexpr unsigned numbers = reals | complexes;
inline constexpr unsigned floats_or_complexes = floats | complexes;
inline constexpr unsigned all = numbers | booleans;
}  // namespace types

/// The class of a dtype, one bit of `types`.
constexpr unsigned class_of(dtype d) {
  if (d == dtype::boolean) return types::booleans;
  if (d == dtype::string) return types::strings;
  if (is_floating(d)) return types::floats;
  if (is_integer(d)) return is_signed(d) ? types::signed_integers : types::unsigned_integers;
  return is_complex(d) ? types::complexes : 0;
}

/// Marks an operand that gets no gradient (an integer, an index, a condition).
struct no_gradient {};

namespace expr {
struct eager_front_end;
}
namespace eager {
struct front_end;
}

namespace detail {
template <class... T>
struct first_type;
template <class T, class... R>
struct first_type<T, R...> {
  using type = T;
};
}  // namespace detail

/// The gradients of one op, one per operand, in order (`no_gradient{}` where there is none).
template <class... G>
struct gradient_pack;
template <>
struct gradient_pack<> {};
template <class G, class... R>
struct gradient_pack<G, R...> {
  G head;
  gradient_pack<R...> tail;
};
constexpr gradient_pack<> grads() { return {}; }
template <class G, class... R>
constexpr gradient_pack<G, R...> grads(G g, R... r) {
  return {g, grads(r...)};
}

/// Base of element-wise ops of N operands. All operands have one shape (the front ends broadcast first).
/// `result<T...>` is the element type of the result for operands of types T...; the default is the first operand's.
template <int N>
struct elementwise {
  static constexpr op_kind kind = op_kind::elementwise;
  static constexpr int arity = N;
  static constexpr int cost = 1;
  static constexpr unsigned accepts = types::reals;  ///< classes of the operands' dtype (that of a select: of its values)
  static constexpr bool indexed = false;  ///< whether eval takes the linear element index first (random, iota)
  template <class... T>
  using result = typename detail::first_type<T...>::type;
};

/// Base of comparisons: element-wise ops with a boolean result and no gradient.
struct comparison : elementwise<2> {
  template <class...>
  using result = bool;
};

/// The dtype of an element-wise result: what Op::result_type says where there is one, else read off Op::result, an
/// operand's or a type of its own.
template <class Op>
constexpr dtype result_dtype(const dtype* in) {
  if constexpr (requires { Op::result_type(in); }) return Op::result_type(in);
  else {
  using r = typename Op::template result<std::integral_constant<int, 0>, std::integral_constant<int, 1>,
                                         std::integral_constant<int, 2>>;
  if constexpr (requires { r::value; }) return in[r::value];
  else return dtype_v<r>;
  }
}

/// Anything that a front end understands: a type that names its front end by `using front_end = F;`, where
/// F::apply<Op>(operands...) applies an op. Plain numbers are operands too when another operand names a front end.
template <class T>
concept operand = requires { typename std::remove_cvref_t<T>::front_end; };

namespace detail {
template <class... A>
struct front_end_of {};
template <class A, class... R>
  requires(!operand<A>)
struct front_end_of<A, R...> : front_end_of<R...> {};
template <class A, class... R>
  requires operand<A>
struct front_end_of<A, R...> {
  using type = typename std::remove_cvref_t<A>::front_end;
};
/// Typed tensors follow a symbol or a run-time-typed tensor beside them, hyperparameters follow the latter.
template <class A>
inline constexpr int front_end_rank = 0;
template <class A>
  requires operand<A>
inline constexpr int front_end_rank<A> = std::is_same_v<typename std::remove_cvref_t<A>::front_end, expr::eager_front_end> ? 1
                                         : std::is_same_v<typename std::remove_cvref_t<A>::front_end, eager::front_end>     ? 3
                                                                                                                         : 2;
template <class A, class... R>
  requires operand<A> && ((front_end_rank<R> > front_end_rank<A>) || ...)
struct front_end_of<A, R...> : front_end_of<R...> {};
}  // namespace detail

/// An operand of a front end whose operands all have one type: a symbol, or a tensor whose dtype is known at run time.
/// What is written for values (composite functions, gradients) serves both.
template <class V>
concept value = requires { requires std::remove_cvref_t<V>::is_value; };

/// Operands of which at least one names a front end; the others are numbers.
template <class... A>
concept operands = (operand<A> || ...) && ((operand<A> || is_number_v<std::remove_cvref_t<A>>)&&...);

/// The front end that the first operand that has one names.
template <class... A>
using front_end_t = typename detail::front_end_of<A...>::type;

/// What an element-wise op of these operands gives: their front end's expression, or a value. Named rather than deduced
/// where functions are declared: gradient rules refer to each other, and a deduced type needs the body of every one.
template <class Op, class... A>
  requires operands<A...>
using applied_t = decltype(front_end_t<A...>::template apply<Op>(std::declval<A>()...));

/// Applies an element-wise op through the operands' front end: eager operands give an expression, symbols a node.
template <class Op, class... A>
  requires operands<A...>
[[gnu::always_inline]] constexpr applied_t<Op, A...> apply(A&&... a) {
  return front_end_t<A...>::template apply<Op>(std::forward<A>(a)...);
}

}  // namespace rill
