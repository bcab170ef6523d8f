// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Gradients of code that runs as it is written, with branches, loops and recursion on data: gradient_tape, the gradient
/// functions, custom gradients, Jacobians. Each op's gradient is the rule of its definition, applied to tensors, so what a
/// tape computes can be differentiated again by a tape around it. Where a value does not depend on another, its gradient
/// is None (a dynamic_tensor without value), as TensorFlow's.
///
///   eager::variable w{tensor<float>{1.0f}};
///   eager::gradient_tape tape;
///   auto loss = w * w;
///   auto [dw] = tape.gradient(loss, w);      // 2
///
///   auto df = eager::gradients_function([](auto x) { return log(1 + exp(x)); });
///   auto [d] = df(0.f);                      // 0.5

#include <array>
#include <span>

#include "../graph/differentiate.hpp"
#include "variable.hpp"

namespace rill::eager {

struct tape_options {
  bool persistent = false;  ///< whether gradient() may be called more than once
};

/// Records the ops of this thread from its construction on; tapes nest. `gradient` ends the recording of a tape that is
/// not persistent.
class gradient_tape {
 public:
  explicit gradient_tape(tape_options o = {}) : options_(o) {}

  /// Follows a tensor that is no variable.
  void watch(const dynamic_tensor& x) { record_.watch(x.id()); }
  void watch(const variable& v) { record_.watch(v.id()); }
  /// Records nothing while the object that it returns lives.
  class pause {
   public:
    explicit pause(gradient_tape& tape) : record_(tape.record_), was_(tape.record_.active) { record_.active = false; }
    pause(const pause&) = delete;
    pause& operator=(const pause&) = delete;
    ~pause() { record_.active = was_; }

   private:
    detail::recording& record_;
    bool was_;
  };
  [[nodiscard]] pause stop_recording() { return pause(*this); }
  /// Forgets all that was recorded.
  void reset() {
    record_.clear();
    record_.active = true;
    used_ = false;
  }

  /// d target / d source for each variable or watched tensor; the target's elements are summed. failed_precondition at the
  /// second call, unless the tape is persistent; unimplemented when an op between has no gradient.
  template <class... X>
    requires((std::is_same_v<X, dynamic_tensor> || std::is_same_v<X, variable>)&&...)
  std::array<dynamic_tensor, sizeof...(X)> gradient(const dynamic_tensor& target, const X&... sources) {
    const std::uint64_t ids[] = {sources.id()..., 0};
    std::array<dynamic_tensor, sizeof...(X)> result;
    compute(target, {}, ids, result.data(), sizeof...(X));
    return result;
  }
  /// The same for a list.
  template <class X>
    requires(std::is_same_v<X, dynamic_tensor> || std::is_same_v<X, variable>)
  std::vector<dynamic_tensor> gradient(const dynamic_tensor& target, const std::vector<X>& sources,
                                       const dynamic_tensor& output_gradient = {}) {
    std::vector<std::uint64_t> ids;
    for (const X& x : sources) ids.push_back(x.id());
    std::vector<dynamic_tensor> result(sources.size());
    compute(target, output_gradient, ids.data(), result.data(), ids.size());
    return result;
  }

 private:
  void compute(const dynamic_tensor& target, dynamic_tensor seed, const std::uint64_t* sources, dynamic_tensor* result,
               std::size_t count) {
    if (used_ && !options_.persistent)
      throw failed_precondition("a gradient_tape that is not persistent computes one set of gradients only");
    if (!target.has_value()) throw invalid_argument("gradient: the target is None");
    used_ = true;
    const pause quiet(*this);
    const auto& entries = record_.entries();
    std::unordered_map<std::uint64_t, dynamic_tensor> adjoint;
    std::unordered_map<std::uint64_t, bool> depends;
    for (std::size_t k = 0; k < count; ++k) depends[sources[k]] = true;
    const auto is_needed = [&](std::uint64_t id) { return depends.count(id) != 0; };
    for (const tape_entry& e : entries)
      for (int k = 0; k < e.arity; ++k)
        if (is_needed(e.in[k].id())) {
          depends[e.out.id()] = true;
          break;
        }
    if (!seed.has_value()) seed = detail::filled(target.type(), target.shape(), 1);
    adjoint[target.id()] = seed;
    for (std::size_t n = entries.size(); n-- > 0;) {
      const tape_entry& e = entries[n];
      if (!is_needed(e.out.id())) continue;
      const auto found = adjoint.find(e.out.id());
      if (found == adjoint.end()) continue;
      const dynamic_tensor dy = found->second;
      dynamic_tensor g[max_recorded_operands];
      e.vjp(e, dy, g);
      for (int k = 0; k < e.arity; ++k) {
        if (!g[k].has_value() || !is_needed(e.in[k].id())) continue;
        dynamic_tensor& sum = adjoint[e.in[k].id()];
        sum = sum.has_value() ? sum + g[k] : g[k];
      }
    }
    for (std::size_t k = 0; k < count; ++k)
      if (const auto found = adjoint.find(sources[k]); found != adjoint.end() && is_needed(sources[k])) result[k] = found->second;
    if (!options_.persistent) {
      record_.clear();
      finished_ = true;
    }
    if (finished_) record_.active = false;
  }

  detail::recording record_;
  tape_options options_;
  bool used_ = false;
  bool finished_ = false;
};

namespace detail {
/// An argument as a value that a tape can tell from all others.
template <class A>
dynamic_tensor argument(const A& a) {
  const dynamic_tensor x(a);
  return identity_of(x, x, "Identity");
}
template <class... A>
concept symbols = (std::is_same_v<std::remove_cvref_t<A>, symbol> || ...);

template <class F, std::size_t N, std::size_t... I>
dynamic_tensor call(const F& f, const std::array<dynamic_tensor, N>& x, std::index_sequence<I...>) {
  return f(x[I]...);
}
}  // namespace detail

/// A value and its gradients.
template <class V, std::size_t N>
struct value_and_gradients {
  V value;
  std::array<V, N> gradients;
};

/// A function that returns f(args...) and its gradient with respect to each argument (tensors, numbers, or symbols of a
/// model); the elements of a result that is no scalar are summed.
template <class F>
constexpr auto value_and_gradients_function(F f) {
  return [f](const auto&... args) {
    constexpr std::size_t n = sizeof...(args);
    if constexpr (detail::symbols<decltype(args)...>) {
      const symbol y = f(args...);
      return value_and_gradients<symbol, n>{y, rill::gradients(y, args...)};
    } else {
      gradient_tape tape;
      const std::array<dynamic_tensor, n> x{detail::argument(args)...};
      for (const dynamic_tensor& t : x) tape.watch(t);
      const dynamic_tensor y = detail::call(f, x, std::make_index_sequence<n>{});
      const std::vector<dynamic_tensor> g = tape.gradient(y, std::vector<dynamic_tensor>(x.begin(), x.end()));
      value_and_gradients<dynamic_tensor, n> r{y, {}};
      for (std::size_t k = 0; k < n; ++k) r.gradients[k] = g[k];
      return r;
    }
  };
}

/// A function that returns the gradient of f with respect to each of its arguments.
template <class F>
constexpr auto gradients_function(F f) {
  return [with_value = value_and_gradients_function(f)](const auto&... args) { return with_value(args...).gradients; };
}

// ---- custom gradients ------------------------------------------------------------------------------------------------

/// A value and the function from its gradient to those of the operands.
template <class V, class G>
struct custom_result {
  V value;
  G gradient;
};
/// What a function under custom_gradient returns: `gradient(dy)` gives grads(...), one per operand.
template <class V, class G>
constexpr custom_result<V, G> with_gradient(V value, G gradient) {
  return {value, gradient};
}

namespace detail {
/// A graph's counterpart: the value of its first operand; the rule calls F again, whose nodes are shared with the first.
template <class F>
struct custom_gradient_op {
  static constexpr auto name = "CustomGradient";
  static constexpr op_kind kind = op_kind::alias;
  static constexpr bool identity = true;
  static constexpr int cost = 0;
  static constexpr auto vjp(const attributes&, auto dy, auto, auto, auto x) {
    return prepend(F{}(x).gradient(dy));
  }
  static constexpr auto vjp(const attributes&, auto dy, auto, auto, auto x, auto y) {
    return prepend(F{}(x, y).gradient(dy));
  }

 private:
  template <class... G>
  static constexpr gradient_pack<no_gradient, G...> prepend(const gradient_pack<G...>& p) {
    return {no_gradient{}, p};
  }
};
template <class F, class G>
struct custom_closure {
  G gradient;
  static void vjp(const tape_entry& e, const dynamic_tensor& dy, dynamic_tensor* g) {
    write_gradients(g, static_cast<const custom_closure*>(e.closure.get())->gradient(dy));
  }
};
}  // namespace detail

namespace detail {
template <class F>
struct custom_gradient_fn {
  F f;
  template <class... A>
    requires symbols<A...>
  constexpr symbol operator()(const A&... args) const {
    const symbol y = f(args...).value;
    return graph::symbolic_front_end::add<custom_gradient_op<F>>({y.type(), y.shape()}, {y, args...});
  }
  template <class... A>
    requires(!symbols<A...>)
  dynamic_tensor operator()(const A&... args) const {
    static_assert(sizeof...(args) <= max_recorded_operands, "custom_gradient takes at most four operands");
    const dynamic_tensor x[] = {dynamic_tensor(args)...};
    const auto result = [&]<std::size_t... I>(std::index_sequence<I...>) { return f(x[I]...); }
    (std::index_sequence_for<A...>{});
    const dynamic_tensor y = dynamic_tensor(result.value).alias();
    if (recording::top() != nullptr && recorded(x, sizeof...(args))) {
      using closure = custom_closure<F, std::remove_cvref_t<decltype(result.gradient)>>;
      tape_entry e;
      e.vjp = &closure::vjp;
      e.op = "CustomGradient";
      e.arity = sizeof...(args);
      for (std::size_t k = 0; k < sizeof...(args); ++k) e.in[k] = x[k];
      e.out = y;
      e.closure = std::make_shared<const closure>(closure{result.gradient});
      record(e);
    }
    return y;
  }
};
}  // namespace detail

/// f with the gradient that it states itself: f(x...) returns with_gradient(value, rule), where the rule may use operands,
/// result and intermediate values. For tensors f may capture; in a model it must be stateless and take at most two operands.
///
///   auto log1pexp = eager::custom_gradient([](auto x) {
///     auto e = exp(x);
///     return eager::with_gradient(log(1 + e), [=](auto dy) { return grads(dy * (1 - 1 / (1 + e))); });
///   });
template <class F>
constexpr detail::custom_gradient_fn<F> custom_gradient(F f) {
  return {f};
}

// ---- Jacobians -------------------------------------------------------------------------------------------------------

/// d f(x)[i] / d x[j], of shape f(x).shape + x.shape: one backward pass per element of f(x).
template <class F>
dynamic_tensor jacobian(const F& f, const dynamic_tensor& at) {
  gradient_tape tape({.persistent = true});
  const dynamic_tensor x = detail::argument(at);
  tape.watch(x);
  const dynamic_tensor y = f(x);
  tensor_shape s = y.shape();
  for (std::int64_t d : x.shape()) s.push_back(d);
  if (!s.valid()) throw invalid_argument("jacobian: " + to_string(y.shape()) + " by " + to_string(x.shape()) + " has more than 8 axes");
  dynamic_tensor j = dynamic_tensor::zeros(y.type(), s);
  const std::size_t row = static_cast<std::size_t>(x.size()) * size_of(y.type());
  for (std::int64_t i = 0; i < y.size(); ++i) {
    dynamic_tensor seed = dynamic_tensor::zeros(y.type(), {y.size()});
    visit_floating(y.type(), [&]<class T>(std::type_identity<T>) { static_cast<T*>(seed.mutable_data())[i] = T(1.f); }, "jacobian");
    const dynamic_tensor g = tape.gradient(y, std::vector<dynamic_tensor>{x}, reshape_to(seed, y.shape()))[0];
    if (g.has_value() && row > 0) std::memcpy(static_cast<unsigned char*>(j.mutable_data()) + static_cast<std::size_t>(i) * row, g.data(), row);
  }
  return j;
}

/// The second derivatives of a scalar function, of shape x.shape + x.shape.
template <class F>
dynamic_tensor hessian(const F& f, const dynamic_tensor& at) {
  return jacobian(
      [&](const dynamic_tensor& x) {
        const dynamic_tensor g = gradients_function(f)(x)[0];
        return g.has_value() ? g : zeros_like(x);
      },
      at);
}

}  // namespace rill::eager

namespace rill {
using eager::gradients_function;
using eager::value_and_gradients_function;
}  // namespace rill
