// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// One innermost row of a program on packs: typed pointers, hoisted scalars, loads by walk class, the lets, the stores.
/// Whole packs and the last partial one go through the same operations.

#include "../core/dtype.hpp"
#include "../expr/registers.hpp"
#include "nest.hpp"
#include "simd.hpp"

namespace rill::kernel {

template <int W>
struct pack_lane {
  template <class T>
  using of = pack<T, W>;
};

namespace detail {

template <class P, class I, class L, class O>
struct lanes_of_program;
template <class P, int... I, int... L, class... O>
struct lanes_of_program<P, std::integer_sequence<int, I...>, std::integer_sequence<int, L...>, expr::list<O...>> {
  static constexpr int value =
      lanes_for<expr::value_type_t<P, ~I>..., expr::value_type_t<P, L>..., typename O::type...>();
};

template <class I>
struct bytes_of;
template <class... I>
struct bytes_of<expr::list<I...>> {
  static constexpr std::int64_t value = (std::int64_t{0} + ... + static_cast<std::int64_t>(sizeof(typename I::type)));
};

/// Bytes per element of each operand, inputs first.
template <class I, class O>
struct widths_of;
template <class... I, class... O>
struct widths_of<expr::list<I...>, expr::list<O...>> {
  static constexpr std::int64_t value[sizeof...(I) + sizeof...(O) + 1] = {
      static_cast<std::int64_t>(sizeof(typename I::type))..., static_cast<std::int64_t>(sizeof(typename O::type))..., 0};
};

}  // namespace detail

/// Lanes that a program is evaluated on.
template <class P>
inline constexpr int lanes_v =
    detail::lanes_of_program<P, std::make_integer_sequence<int, P::inputs::size>,
                             std::make_integer_sequence<int, P::lets::size>, typename P::outputs>::value;

/// A row of program P on W lanes: `bind` it to a place of each operand, then evaluate packs at element i of the row.
template <class P, int W = lanes_v<P>>
class row {
 public:
  static constexpr int lanes = W;
  static constexpr int inputs = P::inputs::size;
  static constexpr int outputs = P::outputs::size;
  using values = expr::registers<P, pack_lane<W>>;

  /// `in[k]` points to element 0 of the row of input k, `stride[k]` is its step; constants are read now.
  [[gnu::always_inline]] void bind(const void* const* in, const std::int64_t* stride) {
    bind_all(in, stride, std::make_integer_sequence<int, inputs>{});
  }
  /// The values at elements i .. i+W-1; `index` is the linear position of element i.
  [[gnu::always_inline]] void load_and_run(values& v, std::int64_t i, std::int64_t index) const {
    load_all<false>(v, i, W, std::make_integer_sequence<int, inputs>{});
    v.run(index);
  }
  /// The values at elements i .. i+n-1, n < W; other lanes hold what zeros give.
  [[gnu::always_inline]] void load_and_run(values& v, std::int64_t i, std::int64_t n, std::int64_t index) const {
    load_all<true>(v, i, n, std::make_integer_sequence<int, inputs>{});
    v.run(index);
  }

 private:
  template <int K>
  using in_type = expr::detail::at<typename P::inputs, K>;
  template <int K>
  using element = typename in_type<K>::type;

  template <int... K>
  [[gnu::always_inline]] void bind_all([[maybe_unused]] const void* const* in, [[maybe_unused]] const std::int64_t* stride,
                                       std::integer_sequence<int, K...>) {
    (bind_one<K>(in[K], stride[K]), ...);
  }
  template <int K>
  [[gnu::always_inline]] void bind_one(const void* p, [[maybe_unused]] std::int64_t stride) {
    if constexpr (in_type<K>::inner == expr::walk::constant)
      constants_.template get<~K>() = pack<element<K>, W>(*static_cast<const element<K>*>(p));
    else {
      pointer_[K] = p;
      if constexpr (in_type<K>::inner == expr::walk::strided) stride_[K] = stride;
    }
  }
  template <bool Partial, int... K>
  [[gnu::always_inline]] void load_all(values& v, [[maybe_unused]] std::int64_t i, [[maybe_unused]] std::int64_t n,
                                       std::integer_sequence<int, K...>) const {
    ((v.template get<~K>() = load_one<Partial, K>(i, n)), ...);
  }
  template <bool Partial, int K>
  [[gnu::always_inline]] pack<element<K>, W> load_one([[maybe_unused]] std::int64_t i, [[maybe_unused]] std::int64_t n) const {
    using V = pack<element<K>, W>;
    if constexpr (in_type<K>::inner == expr::walk::constant) return constants_.template get<~K>();
    else {
      const auto* p = static_cast<const element<K>*>(pointer_[K]);
      if constexpr (in_type<K>::inner == expr::walk::strided) {
        const std::int64_t s = stride_[K];
        if (s == 0) return V(*p);
        if (s != 1) return V::gather(p + i * s, s, Partial ? n : W);
      }
      if constexpr (Partial) return V::load(p + i, n);
      else return V::load(p + i);
    }
  }

  const void* pointer_[inputs > 0 ? static_cast<std::size_t>(inputs) : 1];
  std::int64_t stride_[inputs > 0 ? static_cast<std::size_t>(inputs) : 1];
  expr::registers<expr::program<typename P::inputs, expr::list<>, expr::list<>>, pack_lane<W>> constants_;
};

}  // namespace rill::kernel
