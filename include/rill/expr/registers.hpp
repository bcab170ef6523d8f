// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The values of a program while it runs: one register per input and per `let`, of type `Lane::of<T>` (a plain number, or
/// a pack of W). Every evaluator - SIMD row, register tile, device thread, host scalar - fills the inputs, runs the lets
/// and reads the outputs of the same flat structure. All of it is resolved at compile time and callable on a device.

#include <cstdint>
#include <type_traits>
#include <utility>

#include "../core/dtype.hpp"
#include "program.hpp"

namespace rill::expr {

/// Evaluates on plain numbers.
struct scalar_lane {
  template <class T>
  using of = T;
};

namespace detail {

template <int K, class T>
struct indexed {};
template <class L, class I>
struct index_list;
template <class... T, int... K>
struct index_list<list<T...>, std::integer_sequence<int, K...>> : indexed<K, T>... {};
template <int K, class T>
T pick(const indexed<K, T>&);
/// The K-th type of a list.
template <class L, int K>
using at = decltype(pick<K>(index_list<L, std::make_integer_sequence<int, L::size>>{}));

template <class P, int K>
struct value_type;
template <class P, class L>
struct let_type;
template <class P, class Op, int... Args>
struct let_type<P, let<Op, Args...>> {
  using type = typename Op::template result<typename value_type<P, Args>::type...>;
};
template <class P, int K>
struct value_type : let_type<P, at<typename P::lets, K>> {};
template <class P, int K>
  requires(K < 0)
struct value_type<P, K> {
  using type = typename at<typename P::inputs, ~K>::type;
};

template <int K, class V>
struct cell {
  V value;
};
template <class P, class Lane, class I, class L>
struct cells;
template <class P, class Lane, int... I, int... L>
struct cells<P, Lane, std::integer_sequence<int, I...>, std::integer_sequence<int, L...>>
    : cell<~I, typename Lane::template of<typename value_type<P, ~I>::type>>...,
      cell<L, typename Lane::template of<typename value_type<P, L>::type>>... {};

template <class L>
struct cost_of;
template <class... L>
struct cost_of<list<L...>> {
  static constexpr int value = (0 + ... + L::op::cost);
};

}  // namespace detail

/// Element type of value K of program P (K >= 0: a let, ~k: an input).
template <class P, int K>
using value_type_t = typename detail::value_type<P, K>::type;

/// The sum of the costs of a program's ops, per element.
template <class P>
inline constexpr int cost_v = detail::cost_of<typename P::lets>::value;

template <class P, class Lane>
struct registers : detail::cells<P, Lane, std::make_integer_sequence<int, P::inputs::size>,
                                 std::make_integer_sequence<int, P::lets::size>> {
  template <int K>
  using type = typename Lane::template of<value_type_t<P, K>>;

  template <int K>
  [[nodiscard]] [[gnu::always_inline]] constexpr type<K>& get() {
    return static_cast<detail::cell<K, type<K>>&>(*this).value;
  }
  template <int K>
  [[nodiscard]] [[gnu::always_inline]] constexpr const type<K>& get() const {
    return static_cast<const detail::cell<K, type<K>>&>(*this).value;
  }
  /// Computes all lets from the inputs. `index` is the linear position of (the first lane of) this element, which ops
  /// that are `indexed` receive: `Op::eval_at<V>(index, args...)`, V being the result's lane type.
  [[gnu::always_inline]] constexpr void run([[maybe_unused]] std::int64_t index) {
    run_all(index, std::make_integer_sequence<int, P::lets::size>{});
  }

 private:
  template <int... K>
  [[gnu::always_inline]] constexpr void run_all([[maybe_unused]] std::int64_t index, std::integer_sequence<int, K...>) {
    (step<K>(index, detail::at<typename P::lets, K>{}), ...);
  }
  /// What an op sees of value K: floats for half and bfloat16, so that a result is rounded once however much the op does.
  template <int K>
  using wide = typename Lane::template of<compute_t<value_type_t<P, K>>>;
  template <int K, class Op, int... Args>
  [[gnu::always_inline]] constexpr void step([[maybe_unused]] std::int64_t index, let<Op, Args...>) {
    if constexpr (is_narrow_v<value_type_t<P, K>> || (is_narrow_v<value_type_t<P, Args>> || ...)) {
      if constexpr (Op::indexed)
        get<K>() = static_cast<type<K>>(Op::template eval_at<wide<K>>(index, static_cast<wide<Args>>(get<Args>())...));
      else get<K>() = static_cast<type<K>>(Op::eval(static_cast<wide<Args>>(get<Args>())...));
    } else if constexpr (Op::indexed) get<K>() = Op::template eval_at<type<K>>(index, get<Args>()...);
    else get<K>() = Op::eval(get<Args>()...);
  }
};

}  // namespace rill::expr
