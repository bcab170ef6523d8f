// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How ops apply to tensors whose dtype is known at run time: checked by the op's own shape rule, evaluated at once by its
/// kernel, and recorded by the gradient tapes that follow an operand. The functions are those of ops/: add, exp, matmul, ...
///
///   dynamic_tensor x = tensor<float, 2>{1, 2};
///   dynamic_tensor y = reduce_sum(exp(x) * 2);

#include "../graph/symbol.hpp"
#include "../kernel/cast.hpp"
#include "../ops/complex.hpp"
#include "../ops/functions.hpp"
#include "elementwise.hpp"
#include "kernels.hpp"
#include "tape.hpp"

namespace rill::eager {

namespace detail {

inline signature signature_of(const dynamic_tensor& t) { return {t.type(), t.shape()}; }
[[noreturn]] inline void throw_none(const char* op) { throw invalid_argument(std::string(op) + ": an operand is None"); }

template <class G>
void keep_gradient(dynamic_tensor& to, const G& g) {
  if constexpr (std::is_same_v<G, dynamic_tensor>) to = g;
}
inline void write_gradients(dynamic_tensor*, const gradient_pack<>&) {}
template <class G, class... R>
void write_gradients(dynamic_tensor* to, const gradient_pack<G, R...>& p) {
  keep_gradient(*to, p.head);
  write_gradients(to + 1, p.tail);
}

/// A gradient that belongs to an operand of this shape: repeated axes are summed.
inline dynamic_tensor fit_gradient(dynamic_tensor g, const tensor_shape& whole, const tensor_shape& shape);

inline dynamic_tensor conjugated(const dynamic_tensor& z);

template <class Op>
concept has_arity = requires { requires Op::arity > 0; };
template <class Op, std::size_t... I>
auto call_vjp(const tape_entry& e, const dynamic_tensor& dy, std::index_sequence<I...>) {
  if constexpr (has_arity<Op>) return Op::vjp(dy, e.out, e.in[I]...);
  else return Op::vjp(e.attr, dy, e.out, e.in[I]...);
}
template <class Op, int N>
consteval bool vjp_takes() {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    if constexpr (has_arity<Op>) {
      if constexpr (Op::arity != N) return false;
      else return requires(const dynamic_tensor& t) { Op::vjp(t, t, ((void)I, t)...); };
    } else {
      return requires(const attributes& a, const dynamic_tensor& t) { Op::vjp(a, t, t, ((void)I, t)...); };
    }
  }
  (std::make_index_sequence<static_cast<std::size_t>(N)>{});
}
/// Applies the gradient rule of one op; false when it has none for so many operands.
template <class Op>
bool apply_rule(const tape_entry& e, const dynamic_tensor& dy, dynamic_tensor* gradients) {
  bool done = false;
  const auto with = [&]<int N>(std::integral_constant<int, N>) {
    if constexpr (vjp_takes<Op, N>()) {
      if (e.arity != N || done) return;
      done = true;
      write_gradients(gradients, call_vjp<Op>(e, dy, std::make_index_sequence<static_cast<std::size_t>(N)>{}));
    }
  };
  with(std::integral_constant<int, 1>{});
  with(std::integral_constant<int, 2>{});
  with(std::integral_constant<int, 3>{});
  with(std::integral_constant<int, 4>{});
  return done;
}
using gradient_rule = bool (*)(const tape_entry& e, const dynamic_tensor& dy, dynamic_tensor* gradients);
[[noreturn, gnu::cold]] inline void throw_no_gradient(const char* op) {
  throw unimplemented(std::string(op) + " has no gradient; wrap its result in stop_gradient");
}
/// The gradient of an element-wise op, the same code for all. Their rules are written for real numbers: dx = dy f'(x).
/// Where f is holomorphic the gradient of complex numbers (dL/dRe + i dL/dIm, as TensorFlow's) is dy conj(f'(x)), the same
/// rule between two conjugations.
template <class = void>
[[gnu::noinline]] void elementwise_vjp(gradient_rule rule, const tape_entry& e, const dynamic_tensor& given,
                                       dynamic_tensor* gradients) {
  const bool conjugate = is_complex(e.out.type()) && is_complex(e.in[0].type());
  if (!rule(e, conjugate ? conjugated(given) : given, gradients)) throw_no_gradient(e.op);
  for (int k = 0; k < e.arity; ++k) {
    if (conjugate && gradients[k].has_value()) gradients[k] = conjugated(gradients[k]);
    gradients[k] = fit_gradient(gradients[k], e.out.shape(), e.in[k].shape());
  }
}
template <class Op>
void entry_vjp(const tape_entry& e, const dynamic_tensor& dy, dynamic_tensor* gradients) {
  if constexpr (requires { requires Op::arity > 0; }) elementwise_vjp(&apply_rule<Op>, e, dy, gradients);
  else if (!apply_rule<Op>(e, dy, gradients)) throw_no_gradient(Op::name);
}

/// Records an op on the tapes that follow an operand.
template <class = void>
[[gnu::noinline]] void remember_as(decltype(tape_entry::vjp) vjp, const char* op, const dynamic_tensor* in, int arity,
                                   const dynamic_tensor& out, const attributes& at) {
  if (recording::top() == nullptr || !recorded(in, arity)) return;
  if (!is_floating(out.type()) && !is_complex(out.type())) return;
  tape_entry e;
  e.vjp = vjp;
  e.op = op;
  e.attr = at, e.arity = arity, e.out = out;
  for (int k = 0; k < arity; ++k) e.in[k] = in[k];
  record(e);
}
template <class Op>
void remember(const dynamic_tensor* in, int arity, const dynamic_tensor& out, const attributes& at) {
  remember_as(&entry_vjp<Op>, Op::name, in, arity, out, at);
}

/// The shape that operands broadcast to; invalid_argument when they do not.
inline tensor_shape broadcast_shapes(const char* op, const dynamic_tensor* in, int arity) {
  tensor_shape s = in[0].shape();
  for (int k = 1; k < arity; ++k) {
    const tensor_shape& t = in[k].shape();
    tensor_shape r;
    const int rank = s.rank() > t.rank() ? s.rank() : t.rank();
    for (int d = 0; d < rank; ++d) {
      const int i = d - (rank - s.rank()), j = d - (rank - t.rank());
      const std::int64_t a = i < 0 ? 1 : s[i], b = j < 0 ? 1 : t[j];
      if (a != b && a != 1 && b != 1) {
        failure f;
        f.set("shapes do not broadcast", "trailing dimensions must be equal or 1", {in[0].type(), s}, signature_of(in[k]));
        throw invalid_argument(to_string(f, op));
      }
      r.push_back(a == 1 ? b : a);
    }
    s = r;
  }
  return s;
}

/// What the code that all element-wise ops share knows of one.
struct elementwise_op {
  const char* name;
  int arity, cost;
  int first;  ///< the operand whose dtype the others have: the second of a select
  chunk_function (*chunk_of)(dtype);
  dtype (*result)(const dtype*);
  decltype(tape_entry::vjp) vjp;
};
template <class = void>
[[gnu::noinline]] dynamic_tensor apply_elementwise_as(const elementwise_op& op, const dynamic_tensor* in) {
  dtype types[3] = {dtype::invalid, dtype::invalid, dtype::invalid};
  for (int k = 0; k < op.arity; ++k) {
    if (!in[k].has_value()) throw_none(op.name);
    types[k] = in[k].type();
  }
  const int first = op.first;
  for (int k = first + 1; k < op.arity; ++k) {
    if (types[k] == types[first]) continue;
    failure f;
    f.set("dtypes differ", "cast one operand", signature_of(in[first]), signature_of(in[k]));
    throw invalid_argument(to_string(f, op.name));
  }
  const chunk_function f = op.chunk_of(types[first]);
  if (!f || (first == 1 && types[0] != dtype::boolean)) {
    failure why;
    why.set("does not take operands of this dtype", "cast them", signature_of(in[first == 1 && f ? 0 : first]));
    throw invalid_argument(to_string(why, op.name));
  }
  dynamic_tensor out = dynamic_tensor::uninitialized(op.result(types), broadcast_shapes(op.name, in, op.arity));
  run_chunks(f, in, op.arity, out, op.cost);
  remember_as(op.vjp, op.name, in, op.arity, out, {});
  return out;
}
template <class Op>
dynamic_tensor apply_elementwise(const dynamic_tensor* in) {
  static constexpr elementwise_op op{Op::name, Op::arity, Op::cost, std::is_same_v<Op, ops::select> ? 1 : 0,
                                     &chunk_of<Op>, &result_dtype<Op>, &entry_vjp<Op>};
  return apply_elementwise_as(op, in);
}

/// A number as a scalar of a dtype, and in every element of a tensor.
dynamic_tensor scalar_of(dtype type, double number);
inline dynamic_tensor filled(dtype type, const tensor_shape& shape, double number) {
  const dynamic_tensor one = scalar_of(type, number);
  dynamic_tensor all = dynamic_tensor::uninitialized(type, shape);
  constexpr std::int64_t repeated[max_rank] = {};
  if (all.size() > 0) spread(size_of(type), one.data(), {all.size()}, repeated, 0, all.size(), all.mutable_data());
  return all;
}

/// What the code that all other ops share knows of one: no kernel means that the result is its operand in another shape.
struct kernel_op_info {
  const char* name;
  decltype(tape_entry::vjp) vjp;
  void (*run)(const attributes& at, const operand_memory* in, const result_memory& out);
};
template <class = void>
[[gnu::noinline]] signature infer_as(signature (*infer)(const attributes&, const signature*, failure&), const char* op,
                                     const dynamic_tensor* in, int n, const attributes& at) {
  signature s[max_recorded_operands];
  for (int k = 0; k < n; ++k) {
    if (!in[k].has_value()) throw_none(op);
    s[k] = signature_of(in[k]);
  }
  failure f;
  const signature out = infer(at, s, f);
  if (f) throw invalid_argument(to_string(f, op));
  return out;
}
template <class = void>
[[gnu::noinline]] dynamic_tensor add_as(const kernel_op_info& op, const signature& out, const dynamic_tensor* in, int n,
                                        const attributes& at) {
  operand_memory x[max_recorded_operands];
  for (int k = 0; k < n; ++k) {
    if (!in[k].has_value()) throw_none(op.name);
    x[k] = {in[k].type(), in[k].shape(), in[k].data()};
  }
  dynamic_tensor result = op.run ? dynamic_tensor::uninitialized(out.type, out.shape) : in[0].alias(out.shape);
  if (op.run) op.run(at, x, {out.type, out.shape, result.mutable_data()});
  remember_as(op.vjp, op.name, in, n, result, at);
  return result;
}

}  // namespace detail

/// The front end of dynamic_tensor.
struct front_end {
  static constexpr bool traced = false;
  static bool failed(const dynamic_tensor&) { return false; }

  template <class Op, class... A>
  static dynamic_tensor apply(const A&... operands) {
    static_assert(sizeof...(A) == Op::arity, "wrong number of operands");
    if constexpr (detail::is_cast<Op>) {
      return cast(dynamic_tensor(operands...), dtype_v<typename Op::template result<>>);
    } else if constexpr ((std::is_same_v<A, dynamic_tensor> && ...)) {
      const dynamic_tensor in[] = {operands...};
      return detail::apply_elementwise<Op>(in);
    } else {  // numbers take the dtype of the other operands
      dynamic_tensor in[] = {convert(operands)...};
      constexpr bool number[] = {is_number<A>...};
      constexpr int first = std::is_same_v<Op, ops::select> ? 1 : 0;
      dtype other = dtype::invalid;
      for (int k = Op::arity - 1; k >= first; --k)
        if (!number[k]) other = in[k].type();
      const double values[] = {number_of(operands)...};
      if (other != dtype::invalid)
        for (int k = first; k < Op::arity; ++k)
          if (number[k]) in[k] = detail::scalar_of(other, values[k]);
      return detail::apply_elementwise<Op>(in);
    }
  }

  template <class Op>
  static dynamic_tensor emit(std::initializer_list<dynamic_tensor> in, const attributes& at = {}) {
    const auto infer = [](const attributes& a, const signature* s, failure& f) { return signature(Op::infer(a, s, f)); };
    return add<Op>(detail::infer_as(infer, Op::name, in.begin(), static_cast<int>(in.size()), at), in, at);
  }

  template <class Op>
  static dynamic_tensor add(const signature& out, std::initializer_list<dynamic_tensor> in, const attributes& at = {}) {
    if constexpr (Op::kind == op_kind::alias)
      return detail::add_as({Op::name, &detail::entry_vjp<Op>, nullptr}, out, in.begin(), static_cast<int>(in.size()), at);
    else
      return detail::add_as({Op::name, &detail::entry_vjp<Op>, &cpu_kernel<Op>::run}, out, in.begin(),
                            static_cast<int>(in.size()), at);
  }

  /// Op's result, then the further ones, all from one call of its kernel.
  template <class Op, class... Further>
  static std::array<dynamic_tensor, 1 + sizeof...(Further)> emit_all(std::initializer_list<dynamic_tensor> in, const attributes& at) {
    const auto infer = [](const attributes& a, const signature* s, failure& f) { return signature(Op::infer(a, s, f)); };
    const int n = static_cast<int>(in.size());
    const signature out = detail::infer_as(infer, Op::name, in.begin(), n, at);
    signature s[max_recorded_operands];
    operand_memory x[max_recorded_operands];
    for (int k = 0; k < n; ++k) {
      const dynamic_tensor& t = in.begin()[k];
      s[k] = detail::signature_of(t), x[k] = {t.type(), t.shape(), t.data()};
    }
    std::array<dynamic_tensor, 1 + sizeof...(Further)> all;
    all[0] = dynamic_tensor::uninitialized(out.type, out.shape);
    result_memory to{out.type, out.shape, all[0].mutable_data()};
    std::size_t next = 1;
    const auto room = [&](const signature& of) {
      all[next] = dynamic_tensor::uninitialized(of.type, of.shape);
      to.more[next - 1] = all[next].mutable_data();
      ++next;
    };
    (room(Further::infer(at, s)), ...);
    ops::run<Op>(at, x, to);
    detail::remember_as(&detail::entry_vjp<Op>, Op::name, in.begin(), n, all[0], at);
    next = 1;
    const auto remember = [&]<class F>(F) {
      dynamic_tensor operands[max_recorded_operands] = {all[0]};
      int count = 1;
      for (int o : F::operands) operands[count++] = in.begin()[o];
      detail::remember_as(&detail::entry_vjp<F>, F::name, operands, count, all[next++], at);
    };
    (remember(Further{}), ...);
    return all;
  }

  template <class Op>
  static dynamic_tensor fail(const failure& f, const dynamic_tensor&) {
    throw invalid_argument(to_string(f, Op::name));
  }
  static dynamic_tensor constant(const dynamic_tensor&, dtype type, double number) { return detail::scalar_of(type, number); }
  static dynamic_tensor count(const dynamic_tensor& x, std::int64_t n) {
    return detail::scalar_of(x.type(), static_cast<double>(n));
  }
  static dynamic_tensor cast(const dynamic_tensor& x, dtype type);
  static dynamic_tensor range(const dynamic_tensor&, dtype type, std::int64_t n) {
    dynamic_tensor t = dynamic_tensor::uninitialized(type, {n});
    visit_real(type, [&]<class T>(std::type_identity<T>) {
      auto* p = static_cast<T*>(t.mutable_data());
      for (std::int64_t k = 0; k < n; ++k) p[k] = static_cast<T>(static_cast<double>(k));
    }, "range");
    return t;
  }
  /// softmax(logits) - one_hot(labels): computed when it is asked for.
  template <class Op>
  static dynamic_tensor second_result(const dynamic_tensor&, const signature&, std::initializer_list<dynamic_tensor> in);

 private:
  /// Plain numbers, hyperparameters, and what a formula made of them.
  template <class A>
  static constexpr bool is_number = std::is_arithmetic_v<A> || std::is_same_v<A, symbol> || std::is_same_v<A, hyperparameter>;
  template <class A>
  static dynamic_tensor convert(const A& a) {
    if constexpr (is_number<A>) return dynamic_tensor(number_of(a));
    else return dynamic_tensor(a);
  }
  template <class A>
  static double number_of(const A& a) {
    if constexpr (std::is_arithmetic_v<A>) {
      return static_cast<double>(a);
    } else if constexpr (std::is_same_v<A, hyperparameter>) {
      return a.value;
    } else if constexpr (std::is_same_v<A, symbol>) {
      if (a.g) throw invalid_argument("a symbol of a graph and a tensor do not meet in one op");
      return a.literal;
    } else {
      return 0;
    }
  }
};

inline dynamic_tensor detail::scalar_of(dtype type, double number) {
  dynamic_tensor t = dynamic_tensor::uninitialized(type, {});
  visit_dtype(type, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_same_v<T, bool>) *static_cast<T*>(t.mutable_data()) = number != 0;
    else if constexpr (std::is_arithmetic_v<T>) *static_cast<T*>(t.mutable_data()) = static_cast<T>(number);
    else if constexpr (requires { typename T::value_type; })
      *static_cast<T*>(t.mutable_data()) = T(static_cast<typename T::value_type>(number));
    else *static_cast<T*>(t.mutable_data()) = T(static_cast<float>(number));
  });
  return t;
}

namespace detail {
inline void cast_gradient(const tape_entry& e, const dynamic_tensor& dy, dynamic_tensor* g) {
  g[0] = front_end::cast(dy, e.in[0].type());
}
template <class = void>
dynamic_tensor cast_tensor(const dynamic_tensor& x, dtype type) {
  if (!x.has_value()) throw_none("Cast");
  if (x.type() == type) return x;
  dynamic_tensor out = dynamic_tensor::uninitialized(type, x.shape());
  kernel::cast_elements({x.type(), x.shape(), x.data()}, {type, x.shape(), out.mutable_data()});
  const auto differentiable = [](dtype d) { return is_floating(d) || is_complex(d); };
  if (differentiable(type) && differentiable(x.type()) && recording::top() != nullptr && recorded(&x, 1)) {
    tape_entry e;
    e.vjp = &cast_gradient;
    e.op = "Cast";
    e.arity = 1, e.in[0] = x, e.out = out;
    record(e);
  }
  return out;
}
}  // namespace detail
inline dynamic_tensor front_end::cast(const dynamic_tensor& x, dtype type) { return detail::cast_tensor(x, type); }

template <class Op>
dynamic_tensor front_end::second_result(const dynamic_tensor&, const signature&, std::initializer_list<dynamic_tensor> in) {
  const dynamic_tensor& logits = in.begin()[0];
  const dynamic_tensor& labels = in.begin()[1];
  const std::int64_t classes = logits.shape()[1];
  return softmax(logits) - cast_to(equal(expand_dims(labels, -1), range(labels, labels.type(), classes)), logits.type());
}

inline dynamic_tensor detail::conjugated(const dynamic_tensor& z) { return conj(z); }

inline dynamic_tensor detail::fit_gradient(dynamic_tensor g, const tensor_shape& whole, const tensor_shape& shape) {
  if (!g.has_value() || g.shape() == shape) return g;
  if (g.shape() != whole) g = g * filled(g.type(), whole, 1);  // broadcast_to would bring its kernel into every program
  std::int64_t mask = 0;
  const int shift = whole.rank() - shape.rank();
  for (int d = 0; d < whole.rank(); ++d)
    if (d < shift || (shape[d - shift] == 1 && whole[d] != 1)) mask |= std::int64_t{1} << d;
  return reshape_to(sum_over(g, mask), shape);
}

}  // namespace rill::eager
