// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The eager front end: an op on tensors gives an expression, and assigning the expression evaluates all of it in one
/// fused loop. Operands broadcast by NumPy's rule and have one dtype; a plain number takes the dtype of the others.
///
/// An expression holds its nodes by value, tensors by counted handle and tensors of at most 64 bytes by copy, so `auto` is
/// always safe; large tensors are read when the expression is evaluated. On assignment, memory that the destination shares
/// with an operand at other indices makes the result go through a temporary; `noalias(t) = e` promises that there is none
/// and is an invalid_argument when there is.
///
///   tensor<float, dyn, 3> x({n, 3});  tensor<float, 3> b{1, 2, 3};
///   tensor y = relu(x * 2 + b);       // one pass over x

#include <tuple>

#include "../core/tensor.hpp"
#include "../kernel/map.hpp"
#include "../ops/binary.hpp"
#include "../ops/cast.hpp"
#include "../ops/comparison.hpp"
#include "../ops/select.hpp"
#include "../ops/unary.hpp"
#include "broadcast.hpp"
#include "program.hpp"

namespace rill {
namespace expr {

/// Instantiated when operands of different dtypes meet; its name shows both.
template <class A, class B>
struct dtypes_differ {
  static_assert(std::is_void_v<A>, "the operands have different dtypes: cast one of them");
};
/// Instantiated when a number with a fraction meets a tensor of integers or bools.
template <class Number, class T>
struct number_does_not_fit {
  static_assert(std::is_void_v<Number>, "the number cannot take the dtype of the tensor: cast the tensor");
};

/// What an op for numbers is said to give for tensors of strings; its name shows the op. Only a use of it fails: overloads
/// for strings may be the better match.
template <class Op, class T>
struct strings_are_not_numbers {
  template <class... A>
  explicit strings_are_not_numbers(const A&...) {
    static_assert(!std::is_same_v<T, std::string>,
                  "this op works on numbers: string tensors have the functions of <rill/ops/string.hpp>, where add joins them");
  }
};

namespace detail {

/// What an evaluation learns of the operands at run time: pointers, strides over the result's dimensions, whether all
/// are plain memory in the order of the result, and whether one overlaps the destination at other indices.
struct binder {
  const void** in;
  kernel::detail::stride_row* strides;
  const tensor_shape& shape;
  rill::detail::byte_range target;
  const void* target_data;
  const std::int64_t* target_strides;
  std::size_t target_width;
  int count = 0;
  bool linear = true;
  bool conflict = false;

  void number(const void* p) { in[count++] = p; }
  void operand(const void* p, std::size_t width, const tensor_shape& s, const std::int64_t* steps,
               const rill::detail::byte_range& bytes, bool single) {
    const int shift = shape.rank() - s.rank();
    bool same = p == target_data && width == target_width;
    std::int64_t dense = 1;
    bool in_order = s == shape;
    for (int d = s.rank() - 1; d >= 0; --d) {
      const std::int64_t step = s[d] == 1 ? 0 : steps[d];
      strides[count][d + shift] = step;
      if (s[d] != 1) {
        in_order = in_order && step == dense;
        same = same && step == target_strides[d + shift];
      }
      dense *= s[d];
    }
    same = same && s == shape;
    if (!single) linear = linear && in_order;
    conflict = conflict || (!same && bytes.overlaps(target));
    in[count++] = p;
  }
  /// An operand in row-major order.
  void dense(const void* p, std::size_t width, const tensor_shape& s, bool single) {
    std::int64_t steps[max_rank] = {};
    rill::detail::row_major_strides(s, steps);
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    operand(p, width, s, steps, {at, at + static_cast<std::size_t>(s.num_elements()) * width}, single);
  }
};

template <class T>
bool is_row_major(const rill::detail::strided<T>& s) {
  std::int64_t dense = 1;
  for (int d = s.shape.rank() - 1; d >= 0; --d) {
    if (s.shape[d] != 1 && s.strides[d] != dense) return false;
    dense *= s.shape[d];
  }
  return true;
}

/// Whether extents are equal; false when they are of different types with a rank only known at run time.
template <class A, class B>
[[gnu::always_inline]] constexpr bool equal_extents([[maybe_unused]] const A& a, [[maybe_unused]] const B& b) {
  if constexpr (std::is_same_v<A, B>) return a == b;
  else if constexpr (A::has_any_rank || B::has_any_rank || A::rank != B::rank) return false;
  else
    return [&]<int... D>(std::integer_sequence<int, D...>) {
      return ((a[D] == b[D]) && ...);
    }
    (std::make_integer_sequence<int, A::rank>{});
}

/// What the usual evaluation learns instead of all that: the pointers of operands that are plain memory of the result's
/// shape R, or single. `good` becomes false at any other operand, and at one that overlaps the destination elsewhere.
template <class R>
struct flat_binder {
  const void** in;
  const R& shape;
  rill::detail::byte_range target;
  std::int64_t size;
  std::size_t target_width;
  int count = 0;
  bool good = true;

  [[gnu::always_inline]] void number(const void* p) { in[count++] = p; }
  template <class E>
  [[gnu::always_inline]] void operand(const void* p, std::size_t width, const E& e) {
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    if constexpr (E::is_static && E().size() == 1) {
      good = good && !target.overlaps({at, at + width});
    } else {
      const bool same = at == target.begin && width == target_width;
      good = good && equal_extents(e, shape) &&
             (same || !target.overlaps({at, at + static_cast<std::size_t>(size) * width}));
    }
    in[count++] = p;
  }
};

/// A plain number with the dtype of the other operands.
template <class T>
struct number_leaf {
  using element_type = T;
  using extents_type = extents<>;
  static constexpr bool is_leaf = true;
  static constexpr bool contiguous = true;
  T value;
  [[nodiscard]] tensor_shape shape() const { return {}; }
  [[nodiscard]] extents_type dims() const { return {}; }
  void bind(binder& b) const { b.number(&value); }
  template <class R>
  void bind_flat(flat_binder<R>& b) const {
    b.number(&value);
  }
};

/// A tensor's elements. Of the leaves of an expression that look at one block, one keeps it alive: counting is what
/// expressions on short tensors spend their time on.
template <class T, std::int64_t... E>
struct tensor_leaf {
  using element_type = T;
  using extents_type = extents<E...>;
  static constexpr bool is_leaf = true;
  static constexpr bool contiguous = true;
  short_handle owner;
  const T* data;
  extents_type extents_of_data;
  tensor_leaf(const tensor<T, E...>& t, bool held)
      : owner(held ? short_handle() : short_handle(t.owner())), data(t.data()), extents_of_data(t.dims()) {}
  [[nodiscard]] bool holds(const void* p) const { return data == p; }
  [[nodiscard]] tensor_shape shape() const { return extents_of_data.shape(); }
  [[nodiscard]] const extents_type& dims() const { return extents_of_data; }
  template <class R>
  void bind_flat(flat_binder<R>& b) const {
    b.operand(data, sizeof(T), extents_of_data);
  }
  void bind(binder& b) const {
    b.dense(data, sizeof(T), shape(), false);
  }
};

/// A small tensor, copied.
template <class T, std::int64_t... E>
struct small_leaf {
  using element_type = T;
  using extents_type = extents<E...>;
  static constexpr bool is_leaf = true;
  static constexpr bool contiguous = true;
  T value[static_cast<std::size_t>(extents_type().size())];
  explicit small_leaf(const tensor<T, E...>& t) { std::memcpy(value, t.data(), sizeof value); }
  [[nodiscard]] tensor_shape shape() const { return extents_type::declared(); }
  [[nodiscard]] extents_type dims() const { return {}; }
  template <class R>
  void bind_flat(flat_binder<R>& b) const {
    b.operand(value, sizeof(T), extents_type{});
  }
  void bind(binder& b) const {
    b.dense(value, sizeof(T), shape(), extents_type().size() == 1);
  }
};

template <class T, std::int64_t... E>
struct view_leaf {
  using element_type = T;
  using extents_type = extents<E...>;
  static constexpr bool is_leaf = true;
  static constexpr bool contiguous = false;
  view<const T, E...> value;
  [[nodiscard]] tensor_shape shape() const { return value.shape(); }
  [[nodiscard]] extents_type dims() const { return extents_type(value.shape()); }
  template <class R>
  void bind_flat(flat_binder<R>& b) const {
    const auto s = value.strided_const();
    b.good = b.good && is_row_major(s);
    b.operand(s.data, sizeof(T), extents_type(s.shape));
  }
  void bind(binder& b) const {
    const auto s = value.strided_const();
    b.operand(s.data, sizeof(T), s.shape, s.strides, rill::detail::touched(s), false);
  }
};

}  // namespace detail

template <class Op, class Args, class T, std::int64_t... E>
class node;

namespace detail {

// ---- flattening to a program ------------------------------------------------------------------------------------------

template <class L, class X>
struct append;
template <class... T, class X>
struct append<list<T...>, X> {
  using type = list<T..., X>;
};

/// Statically one element, whatever its rank: the innermost index does not move it.
template <class X>
consteval bool single_element() {
  if constexpr (X::is_static) return X().size() == 1;
  else return false;
}

/// How a leaf moves along the innermost index of a result of extents R: known for sure, or `strided`.
template <class Leaf, bool Linear, class R>
consteval walk walk_of() {
  using X = typename Leaf::extents_type;
  if constexpr (single_element<X>()) return walk::constant;
  else if constexpr (Linear) return walk::contiguous;
  else if constexpr (!Leaf::contiguous || X::has_any_rank || R::has_any_rank || R::rank == 0) return walk::strided;
  else {
    constexpr std::int64_t mine = X::declared()[X::rank - 1];
    constexpr std::int64_t its = R::declared()[R::rank - 1];
    if (mine > 1 && mine == its) return walk::contiguous;
    if (mine == 1 && its > 1) return walk::constant;
    return walk::strided;
  }
}

template <class Inputs, class Lets, int Value>
struct flat_state {
  using inputs = Inputs;
  using lets = Lets;
  static constexpr int value = Value;
};

template <class X, class State, bool Linear, class R>
struct flat {  // a leaf
  using type = flat_state<
      typename append<typename State::inputs, in<typename X::element_type, walk_of<X, Linear, R>()>>::type,
      typename State::lets, ~State::inputs::size>;
};

template <class Op, class State, bool Linear, class R, class Todo, int... Values>
struct flat_args;
template <class Op, class State, bool Linear, class R, int... Values>
struct flat_args<Op, State, Linear, R, list<>, Values...> {
  using type = flat_state<typename State::inputs, typename append<typename State::lets, let<Op, Values...>>::type,
                          State::lets::size>;
};
template <class Op, class State, bool Linear, class R, class A, class... Rest, int... Values>
struct flat_args<Op, State, Linear, R, list<A, Rest...>, Values...> {
  using next = typename flat<A, State, Linear, R>::type;
  using type = typename flat_args<Op, next, Linear, R, list<Rest...>, Values..., next::value>::type;
};
template <class Op, class... A, class T, std::int64_t... E, class State, bool Linear, class R>
struct flat<node<Op, list<A...>, T, E...>, State, Linear, R> : flat_args<Op, State, Linear, R, list<A...>> {};

/// The program of an expression: with all operands linear in the result, or in general.
template <class X, bool Linear>
struct program_of {
  using state = typename flat<X, flat_state<list<>, list<>, 0>, Linear, typename X::extents_type>::type;
  using type = program<typename state::inputs, typename state::lets, list<out<typename X::element_type, state::value>>>;
};

enum class linearity { always, never, maybe };

template <class X, class R>
struct linearity_of {  // a leaf
  using E = typename X::extents_type;
  static constexpr linearity value = [] {
    if constexpr (single_element<E>()) return linearity::always;
    else if constexpr (E::has_any_rank || R::has_any_rank) return linearity::maybe;
    else if constexpr (E::rank != R::rank) return linearity::never;
    else {
      bool known = X::contiguous;
      for (int d = 0; d < E::rank; ++d) {
        const std::int64_t a = E::declared()[d];
        const std::int64_t b = R::declared()[d];
        if (a >= 0 && b >= 0 && a != b) return linearity::never;
        known = known && a >= 0 && a == b;
      }
      return known ? linearity::always : linearity::maybe;
    }
  }();
};
constexpr linearity both(linearity a, linearity b) {
  if (a == linearity::never || b == linearity::never) return linearity::never;
  return a == linearity::always ? b : a;
}
template <class Op, class... A, class T, std::int64_t... E, class R>
struct linearity_of<node<Op, list<A...>, T, E...>, R> {
  static constexpr linearity value = [] {
    linearity r = linearity::always;
    ((r = both(r, linearity_of<A, R>::value)), ...);
    return r;
  }();
};

/// What `with_program` chose: a program, and whether its nest is a single contiguous dimension.
template <class X, class P, bool Flat>
struct chosen {
  using program = P;
  static constexpr bool flat = Flat;
};

/// Runs `body(chosen, nest, inputs)` for an expression. When every operand is plain memory in the order of the result:
/// with the linear program, over one dimension when `flat_result` holds and over all of them when `Rows` asks for that;
/// with the general program otherwise.
template <bool Rows, class X, class Body>
void with_program(const X& x, const tensor_shape& shape, const rill::detail::byte_range& target, const void* target_data,
                  const std::int64_t* target_strides, std::size_t target_width, bool flat_result, bool& conflict,
                  const Body& body) {
  using linear = typename program_of<X, true>::type;
  using general = typename program_of<X, false>::type;
  constexpr int inputs = linear::inputs::size;
  static_assert(inputs < kernel::detail::max_map_operands, "an expression has fewer than 40 operands");
  constexpr linearity known = linearity_of<X, typename X::extents_type>::value;
  kernel::nest<inputs + 1> n;
  const void* in[static_cast<std::size_t>(inputs) + 1] = {};
  const auto bind_flat_nest = [&](std::int64_t size) {
    n.rank = 1;
    n.extents[0] = size;
    for (int k = 0; k < inputs; ++k)
      n.strides[k][0] = kernel::detail::walks_of<linear>::value[k] == walk::constant ? 0 : 1;
    n.strides[inputs][0] = 1;
  };
  const auto bind_result = [&] {
    n.rank = shape.rank();
    for (int d = 0; d < shape.rank(); ++d) {
      n.extents[d] = shape[d];
      n.strides[inputs][d] = target_strides[d];
    }
  };
  if constexpr (known != linearity::never)
    if (Rows || flat_result) {  // what most operands are takes little to find out
      flat_binder<typename X::extents_type> b{in, x.dims(), target, x.dims().size(), target_width};
      x.bind_flat(b);
      if (b.good && flat_result) {
        bind_flat_nest(b.size);
        return body(chosen<X, linear, true>{}, n, in);
      }
      if constexpr (Rows) {
        if (b.good) {
          bind_result();
          std::int64_t dense = 1;
          for (int d = shape.rank() - 1; d >= 0; dense *= shape[d--])
            for (int k = 0; k < inputs; ++k)
              n.strides[k][d] = kernel::detail::walks_of<linear>::value[k] == walk::constant ? 0 : dense;
          return body(chosen<X, linear, false>{}, n, in);
        }
      }
    }
  binder b{in, n.strides, shape, target, target_data, target_strides, target_width};
  x.bind(b);
  conflict = b.conflict;
  if (b.conflict) return;
  if constexpr (known != linearity::never) {
    if (b.linear && flat_result) {
      bind_flat_nest(x.dims().size());
      return body(chosen<X, linear, true>{}, n, in);
    }
    if constexpr (Rows) {
      if (b.linear) {
        bind_result();
        return body(chosen<X, linear, false>{}, n, in);
      }
    }
  }
  bind_result();
  body(chosen<X, general, false>{}, n, in);
}

/// Evaluates with whatever strides and overlaps there are.
template <class X, class T>
[[gnu::noinline]] void evaluate_any(const X& x, const rill::detail::strided<T>& to, bool promised) {
  bool conflict = false;
  const auto run = [](auto which, const auto& n, const void* const* in, void* out) {
    void* outs[] = {out};
    using P = typename decltype(which)::program;
    if constexpr (decltype(which)::flat) kernel::map_flat<P>(n.extents[0], in, outs);
    else kernel::map<P>(n, in, outs);
  };
  with_program<false>(x, to.shape, rill::detail::touched(to), to.data, to.strides, sizeof(T), is_row_major(to), conflict,
               [&](auto which, const auto& n, const void* const* in) { run(which, n, in, to.data); });
  if (!conflict) return;
  if (promised)
    throw invalid_argument("noalias: the destination of shape " + to_string(to.shape) +
                           " overlaps an operand that is read at other indices");
  const storage block = storage::allocate(static_cast<std::size_t>(checked_size(to.shape)) * sizeof(T));
  rill::detail::strided<T> middle;
  middle.data = static_cast<T*>(block.data());
  middle.shape = to.shape;
  rill::detail::row_major_strides(middle.shape, middle.strides);
  with_program<false>(x, to.shape, {}, middle.data, middle.strides, sizeof(T), true, conflict,
               [&](auto which, const auto& n, const void* const* in) { run(which, n, in, middle.data); });
  rill::detail::strided<const T> from;
  from.data = middle.data;
  from.shape = middle.shape;
  rill::detail::row_major_strides(from.shape, from.strides);
  rill::detail::strided_copy(from, to);
}

/// Tries the usual evaluation: all operands plain memory in the order of the result, which is row-major at `to`.
template <class X, class T>
[[gnu::always_inline]] inline bool evaluate_flat([[maybe_unused]] const X& x, [[maybe_unused]] T* to) {
  if constexpr (linearity_of<X, typename X::extents_type>::value != linearity::never) {
    using linear = typename program_of<X, true>::type;
    const void* in[static_cast<std::size_t>(linear::inputs::size) + 1];
    const std::int64_t size = x.size();
    const auto at = reinterpret_cast<std::uintptr_t>(to);
    flat_binder<typename X::extents_type> b{
        in, x.dims(), {at, at + static_cast<std::size_t>(size) * sizeof(T)}, size, sizeof(T)};
    x.bind_flat(b);
    if (!b.good) return false;
    void* outs[] = {to};
    kernel::map_flat<linear>(size, in, outs);
    return true;
  } else return false;
}
/// Evaluates into a destination of the expression's shape.
template <class X, class T>
void evaluate(const X& x, const rill::detail::strided<T>& to, bool promised) {
  if (!is_row_major(to) || !evaluate_flat(x, to.data)) evaluate_any(x, to, promised);
}
/// The same, row-major.
template <class X, class T>
[[gnu::always_inline]] inline void evaluate(const X& x, T* to, bool promised) {
  if (!evaluate_flat(x, to)) evaluate_any(x, to, promised);
}
template <class X, class T>
[[gnu::noinline]] void evaluate_any(const X& x, T* to, bool promised) {
  rill::detail::strided<T> s;
  s.data = to;
  s.shape = x.shape();
  rill::detail::row_major_strides(s.shape, s.strides);
  evaluate_any(x, s, promised);
}

// ---- operands ---------------------------------------------------------------------------------------------------------

template <class X>
struct operand_traits {  // a number
  using element_type = void;
};
template <class T, std::int64_t... E>
struct operand_traits<tensor<T, E...>> {
  using element_type = T;
};
template <class X>
  requires requires { typename X::extents_type; }
struct operand_traits<X> {
  using element_type = typename X::element_type;
};
template <class T, std::int64_t... E>
struct operand_traits<view<T, E...>> {
  using element_type = std::remove_const_t<T>;
};
template <class X>
using element_of = typename operand_traits<std::remove_cvref_t<X>>::element_type;

template <class Number>
struct number_type {
  using type = float;  // TensorFlow's default
};
template <class Number>
  requires std::is_integral_v<Number>
struct number_type<Number> {
  using type = std::int32_t;
};
template <>
struct number_type<bool> {
  using type = bool;
};
template <class Number>
  requires(is_narrow_v<Number> || is_complex_v<Number>)
struct number_type<Number> {
  using type = Number;
};

/// The dtype that numbers take: that of the first other operand, skipping the condition of a select if possible.
template <bool SkipFirst, class... A>
struct common_element;
template <bool SkipFirst>
struct common_element<SkipFirst> {
  using type = void;
};
template <bool SkipFirst, class A, class... R>
struct common_element<SkipFirst, A, R...> {
  using rest = typename common_element<false, R...>::type;
  using type = std::conditional_t<SkipFirst || std::is_void_v<element_of<A>>, rest, element_of<A>>;
};
template <class... A>
struct first_number;
template <class A, class... R>
struct first_number<A, R...> {
  using type = typename number_type<std::remove_cvref_t<A>>::type;
};
template <class A, class... R>
  requires(!std::is_void_v<element_of<A>> && sizeof...(R) > 0)
struct first_number<A, R...> : first_number<R...> {};

template <class T, class A>
auto as_operand(const A& number) {
  if constexpr ((is_floating_v<A> && !is_floating_v<T> && !is_complex_v<T>) || (is_complex_v<A> && !is_complex_v<T>))
    static_assert(sizeof(number_does_not_fit<A, T>) > 0);
  return number_leaf<T>{number_cast<T>(number)};
}
template <class, class T, std::int64_t... E>
  requires(tensor<T, E...>::is_inline)
auto as_operand(const tensor<T, E...>& t) {
  return small_leaf<T, E...>(t);
}
template <class, class T, std::int64_t... E>
const tensor<T, E...>& as_operand(const tensor<T, E...>& t) {  // becomes a leaf in its node
  return t;
}
template <class, class T, std::int64_t... E>
auto as_operand(const view<T, E...>& v) {
  return view_leaf<std::remove_const_t<T>, E...>{v};
}
template <class, class Op, class Args, class T, std::int64_t... E>
const node<Op, Args, T, E...>& as_operand(const node<Op, Args, T, E...>& n) {
  return n;
}
template <class, class Op, class Args, class T, std::int64_t... E>
node<Op, Args, T, E...>&& as_operand(node<Op, Args, T, E...>&& n) {
  return std::move(n);
}

/// What a node keeps of an operand.
template <class X>
struct kept {
  using type = X;
};
template <class T, std::int64_t... E>
struct kept<tensor<T, E...>> {
  using type = tensor_leaf<T, E...>;
};
template <class X>
using kept_t = typename kept<std::remove_cvref_t<X>>::type;
template <class X>
inline constexpr bool is_tensor = !std::is_same_v<kept_t<X>, std::remove_cvref_t<X>>;

template <class T, class A>
constexpr void check_dtype() {
  if constexpr (!std::is_void_v<element_of<A>> && !std::is_same_v<element_of<A>, T>)
    static_assert(sizeof(dtypes_differ<T, element_of<A>>) > 0);
}

/// The extents that all broadcast to, with their product checked.
template <class X, class First, class... Rest>
[[gnu::noinline]] X broadcast_extents(const First& first, const Rest&... rest) {
  tensor_shape s = first.shape();
  (..., [&](const tensor_shape& other) {
    if (!(s == other)) s = broadcast(s, other);
  }(rest.shape()));
  checked_size(s);
  return X(s);
}

template <class Op, class T, class X, class... A>
struct node_type;
template <class Op, class T, std::int64_t... E, class... A>
struct node_type<Op, T, extents<E...>, A...> {
  using type = node<Op, list<A...>, T, E...>;
};

}  // namespace detail

/// An unevaluated op on operands that it holds; assign it to a tensor or view to evaluate it.
template <class Op, class... A, class T, std::int64_t... E>
class node<Op, list<A...>, T, E...> : public expression_base<node<Op, list<A...>, T, E...>, T, E...> {
 public:
  using element_type = T;
  using extents_type = extents<E...>;
  static constexpr bool is_leaf = false;

  template <class... B>
    requires(sizeof...(B) == sizeof...(A) && (std::is_same_v<A, detail::kept_t<B>> && ...))
  [[gnu::always_inline]] explicit node(B&&... a) : node(std::index_sequence_for<A...>(), std::forward<B>(a)...) {}
  [[nodiscard]] tensor_shape shape() const { return dims_.shape(); }
  [[nodiscard]] int rank() const { return shape().rank(); }
  [[nodiscard]] std::int64_t size() const { return dims_.size(); }
  [[nodiscard]] const extents_type& dims() const { return dims_; }
  void bind(detail::binder& b) const {
    std::apply([&](const auto&... a) { (a.bind(b), ...); }, operands_);
  }
  template <class R>
  void bind_flat(detail::flat_binder<R>& b) const {
    std::apply([&](const auto&... a) { (a.bind_flat(b), ...); }, operands_);
  }
  /// Whether a leaf looks at the block that begins here.
  [[nodiscard]] bool holds(const void* p) const {
    return std::apply([&](const auto&... a) { return (held_in(a, p) || ...); }, operands_);
  }
  void assign_to(const rill::detail::strided<T>& to) const { detail::evaluate(*this, to, false); }
  void assign_to_noalias(const rill::detail::strided<T>& to) const { detail::evaluate(*this, to, true); }
  /// Into row-major memory.
  void assign_to(T* to) const { detail::evaluate(*this, to, false); }
  void assign_to_noalias(T* to) const { detail::evaluate(*this, to, true); }
  /// The value of a scalar expression.
  explicit operator T() const
    requires(sizeof...(E) == 0)
  {
    return static_cast<T>(tensor<T>(*this));
  }

 private:
  template <std::size_t... I, class... B>
  [[gnu::always_inline]] explicit node(std::index_sequence<I...>, B&&... a)
      : dims_(common_extents(a...)), operands_(take<I>(std::index_sequence<I...>(), std::forward<B>(a), a...)...) {}
  template <class B>
  static bool held_in(const B& b, const void* p) {
    if constexpr (requires { b.holds(p); }) return b.holds(p);
    else return false;
  }
  /// Operand K as it is kept: a tensor as a leaf that needs not hold its block when a node, or a tensor before it, does.
  template <std::size_t K, std::size_t... I, class B, class... All>
  [[gnu::always_inline]] static decltype(auto) take(std::index_sequence<I...>, B&& b, const All&... all) {
    if constexpr (detail::is_tensor<B>) {
      const auto held = [&](std::size_t i, const auto& other) {
        if constexpr (detail::is_tensor<decltype(other)>) return i < K && static_cast<const void*>(other.data()) == b.data();
        else return held_in(other, b.data());
      };
      return detail::kept_t<B>(b, (held(I, all) || ...));
    } else return std::forward<B>(b);
  }
  template <class B>
  static constexpr bool like_result = std::is_same_v<typename B::extents_type, extents_type>;
  /// Operands of one shape, and scalars, are compared without making shapes of them.
  template <class... B>
  [[gnu::always_inline]] static extents_type common_extents(const B&... a) {
    if constexpr (((like_result<B> || B::extents_type::rank == 0) && ...) && (like_result<B> || ...)) {
      if constexpr (extents_type::is_static) return {};
      else {
        extents_type s;
        bool first = true;
        bool same = true;
        (..., [&](const auto& operand) {
          if constexpr (like_result<std::remove_cvref_t<decltype(operand)>>) {
            if (first) s = operand.dims();
            else same = same && s == operand.dims();
            first = false;
          }
        }(a));
        if (same) return s;
      }
    }
    return detail::broadcast_extents<extents_type>(typename B::extents_type(a.dims())...);
  }
  [[no_unique_address]] extents_type dims_;
  std::tuple<A...> operands_;
};

/// Applies ops to tensors, views, expressions and numbers. What makes nodes is inlined, so that they are not copied from
/// level to level.
struct eager_front_end {
 private:
  template <class Op>
  static constexpr bool conditional = Op::arity == 3 && std::is_same_v<Op, ops::select>;
  /// The dtype that the operands have in common; without tensors, that of the first number.
  template <class Op, class... A>
  using element = typename std::conditional_t<std::is_void_v<typename detail::common_element<conditional<Op>, A...>::type>,
                                              detail::first_number<A...>, detail::common_element<conditional<Op>, A...>>::type;

 public:
  template <class Op, class... A>
    requires(!std::is_same_v<element<Op, A...>, std::string>)
  [[gnu::always_inline]] static auto apply(A&&... a) {
    static_assert(sizeof...(A) == Op::arity, "wrong number of operands");
    return build<Op, element<Op, A...>, conditional<Op>>(std::forward<A>(a)...);
  }
  template <class Op, class... A>
    requires std::is_same_v<element<Op, A...>, std::string>
  static strings_are_not_numbers<Op, std::string> apply(A&&... a) {
    return strings_are_not_numbers<Op, std::string>(a...);
  }

 private:
  template <class Op, class T, bool Conditional, class First, class... A>
  [[gnu::always_inline]] static auto build(First&& first, A&&... a) {
    using F = std::conditional_t<Conditional, bool, T>;
    detail::check_dtype<F, First>();
    (detail::check_dtype<T, A>(), ...);
    return make<Op>(detail::as_operand<F>(std::forward<First>(first)), detail::as_operand<T>(std::forward<A>(a))...);
  }
  template <class Op, class... L>
  [[gnu::always_inline]] static auto make(L&&... leaf) {
    using T = typename Op::template result<typename std::remove_cvref_t<L>::element_type...>;
    using X = broadcast_t<typename std::remove_cvref_t<L>::extents_type...>;
    return typename detail::node_type<Op, T, X, detail::kept_t<L>...>::type(std::forward<L>(leaf)...);
  }
};

/// What `noalias` returns.
template <class T>
class noalias_target {
 public:
  explicit noalias_target(T& t) : target_(t) {}
  /// Evaluates into the target; invalid_argument when shapes differ or the promise is broken.
  template <class Op, class Args, class U, std::int64_t... E>
  void operator=(const node<Op, Args, U, E...>& x) {
    if constexpr (requires { x.dims() == target_.dims(); })
      if (x.dims() == target_.dims()) return x.assign_to_noalias(target_.data());
    if (!(x.shape() == target_.shape())) rill::detail::throw_assign(x.shape(), target_.shape());
    x.assign_to_noalias(target_.strided());
  }

 private:
  T& target_;
};

}  // namespace expr

/// `noalias(t) = e`: t shares no memory with the operands of e that are read at other indices (checked).
template <class T>
expr::noalias_target<T> noalias(T& target) {
  return expr::noalias_target<T>(target);
}
template <class T, std::int64_t... E>
expr::noalias_target<const view<T, E...>> noalias(const view<T, E...>& target) {
  return expr::noalias_target<const view<T, E...>>(target);
}

/// 0 (1) of the dtype of an expression, broadcast where it is used.
template <class X>
  requires(std::is_same_v<typename std::remove_cvref_t<X>::front_end, expr::eager_front_end>)
auto zeros_like(const X&) {
  using T = expr::detail::element_of<X>;
  return tensor<T>(T(0));
}
template <class X>
  requires(std::is_same_v<typename std::remove_cvref_t<X>::front_end, expr::eager_front_end>)
auto ones_like(const X&) {
  using T = expr::detail::element_of<X>;
  return tensor<T>(T(1));
}

}  // namespace rill
