// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `cuda::map<P>(device, nest, in, out)`: evaluates a fused program at every point of a loop nest, in one kernel. The
/// programs are those of the CPU, and so are the formulas of their ops; nvcc rounds a * b + c once where the CPU's compiler
/// may round twice.
///
///   map<P>(device, {2, {rows, columns}, {{columns, 1}, {0, 1}, {columns, 1}}}, inputs, outputs);
///
/// Where all operands are contiguous or constant and aligned, a thread handles as many neighbours as fill 16 bytes of the
/// widest type, each operand with one access. Otherwise it handles one element at a time, whose offsets come from
/// multiplications (`divider`). Spaces of 2^31 elements and more are cut along their outermost dimension.

#include <cstring>
#include <utility>

#include <rill/expr/scalar_eval.hpp>
#include <rill/kernel/nest.hpp>

#include "threads.cuh"

namespace rill::cuda {

/// Operands of a program as a kernel takes them: pointers to device memory and, for inputs that are single numbers of the
/// host (bits of `numbers`), their values.
template <class P>
struct operands {
  static constexpr int inputs = P::inputs::size, outputs = P::outputs::size;
  template <int K>
  using input_type = typename expr::detail::at<typename P::inputs, K>::type;
  template <int K>
  using output = expr::detail::at<typename P::outputs, K>;

  const void* in[room<inputs>] = {};
  void* out[room<outputs>] = {};
  std::uint64_t numbers = 0;
  alignas(16) unsigned char number[room<inputs>][16] = {};

  operands() = default;
  operands(const void* const* from, void* const* to, std::uint64_t host_numbers) : numbers(host_numbers) {
    static_assert(inputs <= 64);
    take(from, std::make_integer_sequence<int, inputs>{});
    for (int k = 0; k < outputs; ++k) out[k] = to[k];
  }

  /// Element `offset` of input K.
  template <int K>
  [[nodiscard]] RILL_GPU input_type<K> load(std::int64_t offset) const {
    using I = expr::detail::at<typename P::inputs, K>;
    if constexpr (I::inner == expr::walk::constant) {
      if ((numbers >> K & 1) != 0) {
        input_type<K> v;
        memcpy(static_cast<void*>(&v), number[K], sizeof v);
        return v;
      }
    }
    return static_cast<const input_type<K>*>(in[K])[offset];
  }
  template <int K, class V>
  RILL_GPU void store(std::int64_t offset, const V& v) const {
    static_cast<typename output<K>::type*>(out[K])[offset] = v;
  }

 private:
  template <int... K>
  void take(const void* const* from, std::integer_sequence<int, K...>) {
    (..., [&] {
      if ((numbers >> K & 1) != 0) std::memcpy(number[K], from[K], sizeof(input_type<K>));
      else in[K] = from[K];
    }());
  }
};

namespace detail {

template <class P>
using scalar_registers = expr::registers<P, expr::scalar_lane>;

template <class L>
struct widest;
template <class... X>
struct widest<expr::list<X...>> {
  static constexpr std::size_t value = [] {
    std::size_t w = 1;
    ((w = sizeof(typename X::type) > w ? sizeof(typename X::type) : w), ...);
    return w;
  }();
};
/// Neighbours that a thread handles: 16 bytes of the widest operand.
template <class P>
inline constexpr int neighbours = [] {
  const std::size_t in = widest<typename P::inputs>::value, out = widest<typename P::outputs>::value;
  return static_cast<int>(16 / (in > out ? in : out));
}();

template <class T, int V>
struct alignas(sizeof(T) * static_cast<std::size_t>(V)) access {
  T v[room<V>];
};

/// One dimension; every operand contiguous or constant.
template <class P, int V>
struct flat_map {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  operands<P> x;
  std::uint32_t n;
  std::int64_t first;  ///< the position of element 0 in the whole space

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    run(t, std::make_integer_sequence<int, P::inputs::size>{}, std::make_integer_sequence<int, P::outputs::size>{},
        std::make_integer_sequence<int, V>{});
  }

 private:
  template <class Threads, int... I, int... O, int... E>
  RILL_GPU void run(const Threads& t, std::integer_sequence<int, I...>, std::integer_sequence<int, O...>, std::integer_sequence<int, E...>) const {
    scalar_registers<P> r[room<V>];
    (fill_constant<I>(r), ...);
    for (std::uint32_t i = t.index() * V; i < n; i += t.count() * V) {
      if (i + V <= n) {
        (load_all<I>(r, i), ...);
        (r[E].run(first + i + E), ...);
        (store_all<O>(r, i), ...);
      } else {
        for (; i < n; ++i) {
          (load_one<I>(r[0], i), ...);
          r[0].run(first + i);
          (x.template store<O>(i, r[0].template get<operands<P>::template output<O>::value>()), ...);
        }
        return;
      }
    }
  }
  template <int K>
  static constexpr bool is_constant = expr::detail::at<typename P::inputs, K>::inner == expr::walk::constant;

  template <int K>
  RILL_GPU void fill_constant(scalar_registers<P>* r) const {
    if constexpr (is_constant<K>) {
      const auto v = x.template load<K>(0);
      for (int e = 0; e < V; ++e) r[e].template get<~K>() = v;
    }
  }
  template <int K>
  RILL_GPU void load_one(scalar_registers<P>& r, std::uint32_t i) const {
    if constexpr (!is_constant<K>) r.template get<~K>() = x.template load<K>(i);
  }
  template <int K>
  RILL_GPU void load_all(scalar_registers<P>* r, std::uint32_t i) const {
    if constexpr (!is_constant<K>) {
      using T = typename operands<P>::template input_type<K>;
      const auto a = *reinterpret_cast<const access<T, V>*>(static_cast<const T*>(x.in[K]) + i);
      for (int e = 0; e < V; ++e) r[e].template get<~K>() = a.v[e];
    }
  }
  template <int K>
  RILL_GPU void store_all(const scalar_registers<P>* r, std::uint32_t i) const {
    using o = typename operands<P>::template output<K>;
    using T = typename o::type;
    access<T, V> a;
    for (int e = 0; e < V; ++e) a.v[e] = r[e].template get<o::value>();
    *reinterpret_cast<access<T, V>*>(static_cast<T*>(x.out[K]) + i) = a;
  }
};

/// Any strides over at most Rank dimensions.
template <class P, int Rank>
struct strided_map {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  static constexpr int count = kernel::operands_v<P>;
  operands<P> x;
  std::uint32_t n;
  std::int64_t first;
  divider extents[room<Rank>];
  std::int64_t strides[room<Rank>][room<count>];

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    run(t, std::make_integer_sequence<int, P::inputs::size>{}, std::make_integer_sequence<int, P::outputs::size>{});
  }

 private:
  template <class Threads, int... I, int... O>
  RILL_GPU void run(const Threads& t, std::integer_sequence<int, I...>, std::integer_sequence<int, O...>) const {
    for (std::uint32_t i = t.index(); i < n; i += t.count()) {
      std::int64_t offset[room<count>] = {};
      std::uint32_t rest = i;
      for (int d = Rank - 1; d >= 0; --d) {
        const std::uint32_t at = extents[d].divide(rest);
        for (int k = 0; k < count; ++k) offset[k] += at * strides[d][k];
      }
      scalar_registers<P> r;
      ((r.template get<~I>() = x.template load<I>(offset[I])), ...);
      r.run(first + i);
      (x.template store<O>(offset[P::inputs::size + O], r.template get<operands<P>::template output<O>::value>()), ...);
    }
  }
};

/// Blocks of 256 threads for n pieces of work: as many as there are, but no more than fill the device a few times.
template <class Device>
launch_shape shape_for(const Device& device, std::int64_t n) {
  const std::int64_t most = std::int64_t{8} * device.processors();
  const std::int64_t blocks = pieces(n, 256);
  return {.blocks = static_cast<unsigned>(blocks < most ? blocks : most)};
}

template <class P, int V, class Device>
void launch_flat(Device& device, std::int64_t size, const operands<P>& x, std::int64_t first) {
  device.launch(flat_map<P, V>{x, static_cast<std::uint32_t>(size), first}, shape_for(device, pieces(size, V)));
}
template <class P, int Rank, class Device, int N>
void launch_strided(Device& device, const kernel::nest<N>& n, const operands<P>& x, std::int64_t first) {
  strided_map<P, Rank> k{x, static_cast<std::uint32_t>(n.size()), first, {}, {}};
  for (int d = 0; d < Rank; ++d) {
    const int from = d - (Rank - n.rank);  // further dimensions have the extent 1
    k.extents[d] = divider(from < 0 ? 1 : static_cast<std::uint32_t>(n.extents[from]));
    for (int o = 0; o < N; ++o) k.strides[d][o] = from < 0 ? 0 : n.strides[o][from];
  }
  device.launch(k, shape_for(device, n.size()));
}

/// Whether n elements of every operand can be read and written by accesses of V.
template <class P, int... I, int... O>
bool is_aligned(const operands<P>& x, std::int64_t n, int v, std::integer_sequence<int, I...>, std::integer_sequence<int, O...>) {
  const auto fits = [&](const void* p, std::size_t width) { return reinterpret_cast<std::uintptr_t>(p) % (width * static_cast<std::size_t>(v)) == 0; };
  return n >= v && ((expr::detail::at<typename P::inputs, I>::inner == expr::walk::constant || fits(x.in[I], sizeof(typename operands<P>::template input_type<I>))) && ...) &&
         (fits(x.out[O], sizeof(typename operands<P>::template output<O>::type)) && ...);
}

template <class P, class Device>
void map_flat(Device& device, std::int64_t size, const operands<P>& x, std::int64_t first) {
  constexpr int v = neighbours<P>;
  if (v > 1 && is_aligned(x, size, v, std::make_integer_sequence<int, P::inputs::size>{}, std::make_integer_sequence<int, P::outputs::size>{}))
    launch_flat<P, v>(device, size, x, first);
  else launch_flat<P, 1>(device, size, x, first);
}

template <class P>
inline constexpr bool any_strided = false;
template <class... I, class L, class O>
inline constexpr bool any_strided<expr::program<expr::list<I...>, L, O>> = ((I::inner == expr::walk::strided) || ...);

/// Moves the operands by so many steps of a dimension.
template <class P, int N, int... I, int... O>
void advance(operands<P>& x, const kernel::nest<N>& n, int dimension, std::int64_t steps, std::integer_sequence<int, I...>, std::integer_sequence<int, O...>) {
  ((x.in[I] = x.in[I] == nullptr ? nullptr : static_cast<const typename operands<P>::template input_type<I>*>(x.in[I]) + steps * n.strides[I][dimension]), ...);
  ((x.out[O] = static_cast<typename operands<P>::template output<O>::type*>(x.out[O]) + steps * n.strides[P::inputs::size + O][dimension]), ...);
}

template <class P, int MostRank, class Device, int N>
void map_nest(Device& device, kernel::nest<N> n, operands<P> x, std::int64_t first) {
  constexpr std::int64_t most = std::int64_t{1} << 31;
  if (n.size() >= most) {  // piece by piece
    int outer = 0;
    while (n.extents[outer] == 1) ++outer;
    const std::int64_t inside = n.size() / n.extents[outer];
    const std::int64_t each = inside >= most ? 1 : (most - 1) / inside;
    const std::int64_t extent = n.extents[outer];
    for (std::int64_t done = 0; done < extent; done += each) {
      n.extents[outer] = each < extent - done ? each : extent - done;
      map_nest<P, MostRank>(device, n, x, first + done * inside);
      advance(x, n, outer, n.extents[outer], std::make_integer_sequence<int, P::inputs::size>{}, std::make_integer_sequence<int, P::outputs::size>{});
    }
    return;
  }
  if constexpr (!any_strided<P>) {
    bool flat = n.rank == 1;
    for (int k = 0; k < P::inputs::size; ++k) flat = flat && n.strides[k][0] == (kernel::detail::walks_of<P>::value[k] == expr::walk::constant ? 0 : 1);
    for (int k = P::inputs::size; k < N; ++k) flat = flat && n.strides[k][0] == 1;
    if (MostRank <= 1 || flat || n.size() == 1) return map_flat<P>(device, n.extents[0], x, first);
  }
  if constexpr (MostRank > 1 || any_strided<P>) {
    if constexpr (MostRank > 4)
      if (n.rank > 4) return launch_strided<P, max_rank>(device, n, x, first);
    if constexpr (MostRank > 2)
      if (n.rank > 2) return launch_strided<P, 4>(device, n, x, first);
    launch_strided<P, 2>(device, n, x, first);
  }
}

/// Several ranges, each with operands of its own: range k is the k-th row of blocks.
template <class P, int Parts>
struct parts_map {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  flat_map<P, 1> part[room<Parts>];

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    part[t.block_y()](t);
  }
};

}  // namespace detail

/// The same program over several short ranges of contiguous or constant operands, in one kernel where they fit one.
template <class P>
class flat_parts {
 public:
  template <class Device>
  void add(Device& device, std::int64_t size, const void* const* in, void* const* out) {
    if (size == 0) return;
    if (count_ == most) launch(device);
    kernel_.part[count_++] = {operands<P>(in, out, 0), static_cast<std::uint32_t>(size), 0};
    if (size > longest_) longest_ = size;
  }
  /// Runs those that were added since the last launch.
  template <class Device>
  void launch(Device& device) {
    if (count_ == 0) return;
    launch_shape s = detail::shape_for(device, longest_);
    s.blocks_y = static_cast<unsigned>(count_);
    device.launch(kernel_, s);
    count_ = 0, longest_ = 0;
  }

 private:
  static constexpr std::size_t fitting = 4032 / sizeof(detail::flat_map<P, 1>);
  static constexpr int most = fitting > 8 ? 8 : static_cast<int>(fitting);
  static_assert(most > 0);
  detail::parts_map<P, most> kernel_ = {};
  int count_ = 0;
  std::int64_t longest_ = 0;
};

/// Evaluates P over the nest: input k at in[k], output k at out[k], in device memory, but inputs named in `numbers` (a bit
/// each), which are single numbers in the host's. MostRank: the nest never has more dimensions (fewer kernels to compile).
template <class P, int MostRank = max_rank, class Device>
void map(Device& device, kernel::nest<kernel::operands_v<P>> n, const void* const* in, void* const* out, std::uint64_t numbers = 0) {
  if (n.size() == 0) return;
  kernel::collapse<P>(n);
  detail::map_nest<P, MostRank>(device, n, operands<P>(in, out, numbers), 0);
}

/// The same over `size` elements of operands that are all contiguous or constant.
template <class P, class Device>
void map_flat(Device& device, std::int64_t size, const void* const* in, void* const* out, std::uint64_t numbers = 0) {
  static_assert(!detail::any_strided<P>);
  kernel::nest<kernel::operands_v<P>> n;
  n.rank = 1, n.extents[0] = size;
  for (int k = 0; k < n.operands; ++k) n.strides[k][0] = k < P::inputs::size && kernel::detail::walks_of<P>::value[k] == expr::walk::constant ? 0 : 1;
  map<P, 1>(device, n, in, out, numbers);
}

}  // namespace rill::cuda
