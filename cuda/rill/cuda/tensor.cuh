// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Tensors in a device's memory: `gpu_tensor<T, E...>` (basic_tensor on a GPU) owns row-major elements there, as tensor does
/// on the host. Ops give expressions of the same nodes, and assigning one is one kernel. Work is asynchronous; what brings
/// elements to the host waits for it.
///
///   gpu_tensor<float, dyn, 784> x = to(images, gpu(0));
///   gpu_tensor<float, dyn, 784> y = relu(x * 2 + b);      // one kernel
///   tensor<float> total = to(reduce_sum(y * y), cpu);     // one more; waits
///
/// All operands of an expression live on one device: operands of the host do not compile (numbers do), operands of another
/// device are invalid_argument. Copying copies the elements. For one thread per device at a time.

#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include <rill/core/print.hpp>
#include <rill/expr/contraction.hpp>
#include <rill/expr/expression.hpp>
#include <rill/expr/reduction.hpp>

#ifdef __CUDACC__
#include "device.cuh"
#endif
#include "arg_reduce.cuh"
#include "contraction.cuh"
#include "map.cuh"
#include "reduce.cuh"
#include "softmax.cuh"
#include "transpose.cuh"

namespace rill {

/// Where to(x, cpu) brings a tensor.
struct cpu_t {};
inline constexpr cpu_t cpu{};

namespace cuda {

struct front_end;
template <class Device, class T, std::int64_t... E>
class basic_tensor;
template <class Device, class Node>
class expression;

/// A tensor or an expression on a device.
template <class X>
concept device_operand = requires { typename std::remove_cvref_t<X>::front_end; } && std::is_same_v<typename std::remove_cvref_t<X>::front_end, front_end>;

namespace detail {

/// Elements on a device, freed with their last handle.
template <class Device>
struct block {
  Device& device;
  void* data;
  block(Device& d, std::size_t bytes) : device(d), data(d.allocate(bytes)) {}
  block(const block&) = delete;
  block& operator=(const block&) = delete;
  ~block() { device.release(data); }
};

/// The elements of a tensor in an expression, which keeps them alive.
template <class Device, class T, std::int64_t... E>
struct tensor_leaf {
  using element_type = T;
  using extents_type = extents<E...>;
  static constexpr bool is_leaf = true;
  static constexpr bool contiguous = true;
  std::shared_ptr<block<Device>> owner;
  const T* data;
  extents_type extents_of_data;
  [[nodiscard]] tensor_shape shape() const { return extents_of_data.shape(); }
  [[nodiscard]] const extents_type& dims() const { return extents_of_data; }
  template <class R>
  void bind_flat(expr::detail::flat_binder<R>& b) const {
    b.operand(data, sizeof(T), extents_of_data);
  }
  void bind(expr::detail::binder& b) const { b.dense(data, sizeof(T), shape(), false); }
};

/// Which leaves, in order, are numbers of the host: a bit each.
template <class X>
struct leaves {
  static constexpr int count = 1;
  static constexpr std::uint64_t numbers = 0;
};
template <class T>
struct leaves<expr::detail::number_leaf<T>> {
  static constexpr int count = 1;
  static constexpr std::uint64_t numbers = 1;
};
template <class Op, class... A, class T, std::int64_t... E>
struct leaves<expr::node<Op, expr::list<A...>, T, E...>> {
  static constexpr int count = (0 + ... + leaves<A>::count);
  static constexpr std::uint64_t numbers = [] {
    std::uint64_t bits = 0;
    int at = 0;
    ((bits |= leaves<A>::numbers << at, at += leaves<A>::count), ...);
    return bits;
  }();
};

/// The host's tensors are no operands of a device.
template <class X>
struct operand_is_on_the_host {
  static_assert(std::is_void_v<X>, "an operand is in the host's memory: bring it to the device with to(x, gpu(0))");
};

template <class X>
struct device_of_operand {
  using type = void;
};
template <class Device, class T, std::int64_t... E>
struct device_of_operand<basic_tensor<Device, T, E...>> {
  using type = Device;
};
template <class Device, class Node>
struct device_of_operand<expression<Device, Node>> {
  using type = Device;
};
template <class... A>
struct first_device;
template <class A, class... R>
struct first_device<A, R...> {
  using type = typename first_device<R...>::type;
};
template <class A, class... R>
  requires device_operand<A>
struct first_device<A, R...> {
  using type = typename device_of_operand<std::remove_cvref_t<A>>::type;
};
template <class... A>
using device_t = typename first_device<A...>::type;

/// The device that all operands live on.
template <class... A>
auto& common_device(const A&... a) {
  device_t<A...>* d = nullptr;
  (..., [&] {
    if constexpr (device_operand<A>) {
      if (d != nullptr && d != &a.device()) throw invalid_argument("operands live on different devices: bring them together with to(x, gpu(k))");
      d = &a.device();
    }
  }());
  return *d;
}

/// An operand in the form that flattens to a program.
template <class T, class A>
auto as_leaf(const A& a) {
  if constexpr (device_operand<A>) return a.leaf();
  else if constexpr (operand<A>) return operand_is_on_the_host<A>{};
  else return expr::detail::as_operand<T>(a);
}

template <class Device, class Node, class T>
void evaluate(Device& device, const Node& x, T* to, const tensor_shape& shape, bool fresh) {
  std::int64_t strides[max_rank] = {};
  rill::detail::row_major_strides(shape, strides);
  const auto at = reinterpret_cast<std::uintptr_t>(to);
  const std::size_t bytes = static_cast<std::size_t>(shape.num_elements()) * sizeof(T);
  using X = typename Node::extents_type;
  constexpr int most = X::has_any_rank ? max_rank : X::rank;
  bool conflict = false;
  const auto into = [&](T* p) {
    expr::detail::with_program<false>(x, shape, fresh || p != to ? rill::detail::byte_range{} : rill::detail::byte_range{at, at + bytes}, p, strides, sizeof(T), true,
                                      conflict, [&](auto which, const auto& n, const void* const* in) {
                                        void* out[] = {p};
                                        map<typename decltype(which)::program, decltype(which)::flat ? 1 : most>(device, n, in, out, leaves<Node>::numbers);
                                      });
  };
  into(to);
  if (!conflict) return;
  const block<Device> middle(device, bytes);  // operands are read at other indices than the result is written at
  into(static_cast<T*>(middle.data));
  device.copy(to, middle.data, bytes);
}

}  // namespace detail

/// Applies ops to tensors and expressions of a device, and to numbers.
struct front_end {
  template <class Op, class... A>
  static auto apply(A&&... a) {
    static_assert(sizeof...(A) == Op::arity, "wrong number of operands");
    constexpr bool conditional = Op::arity == 3 && std::is_same_v<Op, ops::select>;
    using T = typename expr::detail::common_element<conditional, A...>::type;
    auto& device = detail::common_device(a...);
    return build<Op, T, conditional>(device, a...);
  }

 private:
  template <class Op, class T, bool Conditional, class Device, class First, class... A>
  static auto build(Device& device, const First& first, const A&... a) {
    using F = std::conditional_t<Conditional, bool, T>;
    expr::detail::check_dtype<F, First>();
    (expr::detail::check_dtype<T, A>(), ...);
    return make<Op>(device, detail::as_leaf<F>(first), detail::as_leaf<T>(a)...);
  }
  template <class Op, class Device, class... L>
  static auto make(Device& device, L&&... leaf) {
    using T = typename Op::template result<typename std::remove_cvref_t<L>::element_type...>;
    using X = expr::broadcast_t<typename std::remove_cvref_t<L>::extents_type...>;
    using N = typename expr::detail::node_type<Op, T, X, std::remove_cvref_t<L>...>::type;
    return expression<Device, N>(device, N(std::forward<L>(leaf)...));
  }
};

/// An unevaluated op on operands of a device, which it holds; assign it to a tensor there, or `eval` it.
template <class Device, class Node>
class expression {
 public:
  using front_end = cuda::front_end;
  using element_type = typename Node::element_type;
  using extents_type = typename Node::extents_type;

  expression(Device& device, Node node) : device_(&device), node_(std::move(node)) {}
  [[nodiscard]] Device& device() const { return *device_; }
  [[nodiscard]] tensor_shape shape() const { return node_.shape(); }
  [[nodiscard]] const extents_type& dims() const { return node_.dims(); }
  [[nodiscard]] const Node& leaf() const { return node_; }

 private:
  Device* device_;
  Node node_;
};

template <class Device, class T, std::int64_t... E>
class basic_tensor {
  static_assert(element<T> && std::is_trivially_copyable_v<T>, "a tensor on a device holds numbers or bools");

 public:
  using value_type = T;
  using element_type = T;
  using extents_type = extents<E...>;
  using front_end = cuda::front_end;
  using device_type = Device;

  /// None yet: to be assigned to.
  basic_tensor() = default;
  /// Zeros.
  basic_tensor(Device& device, const tensor_shape& shape) : basic_tensor(uninitialized(device, shape)) { device.zero(data(), bytes()); }
  /// Elements that have no value yet.
  static basic_tensor uninitialized(Device& device, const tensor_shape& shape) { return basic_tensor(checked(shape), device); }

  basic_tensor(const basic_tensor& o) : basic_tensor(o.extents_, o.device()) { this->device().copy(data(), o.data(), bytes()); }
  basic_tensor(basic_tensor&&) noexcept = default;
  basic_tensor& operator=(const basic_tensor& o) {
    if (this == &o) return *this;
    if (block_ != nullptr && &device() == &o.device() && shape() == o.shape()) device().copy(data(), o.data(), bytes());
    else *this = basic_tensor(o);
    return *this;
  }
  basic_tensor& operator=(basic_tensor&&) noexcept = default;
  /// From a tensor of the same shape known more or less statically; invalid_argument when the shapes differ.
  template <std::int64_t... F>
    requires(!std::is_same_v<extents<E...>, extents<F...>>)
  basic_tensor(const basic_tensor<Device, T, F...>& o) : basic_tensor(matching<F...>(o.shape()), o.device()) {  // NOLINT: implicit on purpose
    device().copy(data(), o.data(), bytes());
  }
  /// Evaluates an expression; invalid_argument when the shapes differ.
  template <class Node>
  basic_tensor(const expression<Device, Node>& x) : basic_tensor(matching_node(x), x.device()) {  // NOLINT: implicit on purpose
    detail::evaluate(device(), x.leaf(), data(), shape(), true);
  }
  template <class Node>
  basic_tensor& operator=(const expression<Device, Node>& x) {
    if (&device() != &x.device() || !(x.shape() == shape())) return *this = basic_tensor(x);
    static_cast<void>(matching_node(x));
    detail::evaluate(device(), x.leaf(), data(), shape(), false);
    return *this;
  }
  template <class X>
  basic_tensor& operator+=(const X& x) {
    return *this = *this + x;
  }
  template <class X>
  basic_tensor& operator-=(const X& x) {
    return *this = *this - x;
  }
  template <class X>
  basic_tensor& operator*=(const X& x) {
    return *this = *this * x;
  }
  template <class X>
  basic_tensor& operator/=(const X& x) {
    return *this = *this / x;
  }

  /// Device memory.
  [[nodiscard]] T* data() { return static_cast<T*>(block_->data); }
  [[nodiscard]] const T* data() const { return static_cast<const T*>(block_->data); }
  [[nodiscard]] std::int64_t size() const { return extents_.size(); }
  [[nodiscard]] tensor_shape shape() const { return extents_.shape(); }
  [[nodiscard]] const extents_type& dims() const { return extents_; }
  [[nodiscard]] int rank() const { return shape().rank(); }
  [[nodiscard]] std::int64_t extent(int i) const { return extents_[i]; }
  [[nodiscard]] static constexpr dtype type() { return dtype_v<T>; }
  [[nodiscard]] Device& device() const { return block_->device; }
  static constexpr bool on_device() { return true; }
  /// Whether there is a tensor.
  [[nodiscard]] bool exists() const { return block_ != nullptr; }
  /// A copy in the host's memory, when the work before is done.
  [[nodiscard]] tensor<T, E...> on_host() const {
    auto y = tensor<T, E...>::uninitialized(shape());
    device().copy_out(y.data(), data(), bytes());
    return y;
  }
  [[nodiscard]] auto leaf() const { return detail::tensor_leaf<Device, T, E...>{block_, data(), extents_}; }
  /// The value of a tensor of one element, when it is there; invalid_argument when it has more or fewer.
  explicit operator T() const {
    if (size() != 1) throw invalid_argument("a tensor of shape " + to_string(shape()) + " is not one element");
    T v;
    device().copy_out(&v, data(), sizeof v);
    return v;
  }

 private:
  template <class D, class U, std::int64_t... F>
  friend class basic_tensor;

  basic_tensor(const extents_type& e, Device& device)
      : extents_(e), block_(std::make_shared<detail::block<Device>>(device, static_cast<std::size_t>(e.size()) * sizeof(T))) {}
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(size()) * sizeof(T); }
  static extents_type checked(const tensor_shape& s) {
    checked_size(s);
    return extents_type(s);
  }
  template <std::int64_t... F>
  static extents_type matching(const tensor_shape& from) {
    static_assert(shapes_match<extents<E...>, extents<F...>>, "the shapes of tensor and value differ");
    if constexpr (!extents_type::has_any_rank)
      if (!extents_type::fits(from)) rill::detail::throw_assign(from, extents_type::declared());
    return checked(from);
  }
  template <class Node>
  static extents_type matching_node(const expression<Device, Node>& x) {
    static_assert(std::is_same_v<typename Node::element_type, T>, "the expression has another dtype than the tensor: cast it");
    return [&]<std::int64_t... F>(extents<F...>) { return matching<F...>(x.shape()); }(typename Node::extents_type(x.dims()));
  }

  extents_type extents_{};
  std::shared_ptr<detail::block<Device>> block_;
};

/// A tensor's elements on a device.
template <class Device, class T, std::int64_t... E>
  requires requires(Device& d) { d.processors(); }
basic_tensor<Device, T, E...> to(const tensor<T, E...>& x, Device& device) {
  auto y = basic_tensor<Device, T, E...>::uninitialized(device, x.shape());
  device.copy_in(y.data(), x.data(), static_cast<std::size_t>(x.size()) * sizeof(T));
  return y;
}
/// On another device, by way of the host.
template <class Device, class T, std::int64_t... E>
basic_tensor<Device, T, E...> to(const basic_tensor<Device, T, E...>& x, Device& device) {
  if (&x.device() == &device) return x;
  return to(to(x, cpu), device);
}

namespace detail {

template <class Device, class T, class X>
struct tensor_of;
template <class Device, class T, std::int64_t... E>
struct tensor_of<Device, T, extents<E...>> {
  using type = basic_tensor<Device, T, E...>;
};

}  // namespace detail

/// The value of an expression, as a tensor; a tensor as it is.
template <device_operand X>
auto eval(const X& x) {
  using result = typename detail::tensor_of<detail::device_t<X>, typename X::element_type, typename X::extents_type>::type;
  return result(x);
}

namespace detail {

template <class R, class X, class Out>
void reduce_into(const X& x, unsigned mask, Out& to) {
  const auto& root = x.leaf();
  expr::detail::with_reduction(root, x.shape(), mask, [&](auto which, const auto& n, const void* const* in, unsigned m) {
    using P = typename decltype(which)::program;
    reduce<P, R>(x.device(), n, m, in, to.data(), leaves<std::remove_cvref_t<decltype(root)>>::numbers);
  });
}
template <class R, bool Keep, class X, std::int64_t... A>
auto reduce_static(const X& x, axis_t<A...>) {
  using E = typename X::extents_type;
  using T = typename X::element_type;
  using Device = device_t<X>;
  if constexpr (E::has_any_rank) {
    const unsigned mask = expr::detail::mask_of(R::name, axis_list{A...}, x.shape());
    auto r = basic_tensor<Device, T, any_rank>::uninitialized(x.device(), expr::detail::reduced_shape(x.shape(), mask, Keep));
    reduce_into<R>(x, mask, r);
    return r;
  } else {
    using D = expr::detail::reduced_declared<E, Keep, A...>;
    static_assert(D::in_range, "an axis is out of range");
    using declared = typename rill::detail::with_shape<tensor, T, D>::type::extents_type;
    auto r = tensor_of<Device, T, declared>::type::uninitialized(x.device(), expr::detail::reduced_shape(x.shape(), D::mask, Keep));
    reduce_into<R>(x, D::mask, r);
    return r;
  }
}
template <class R, class X>
auto reduce_some(const X& x, const reduce_options& o) {
  const unsigned mask = expr::detail::mask_of(R::name, o.axis, x.shape());
  auto r = basic_tensor<device_t<X>, typename X::element_type, any_rank>::uninitialized(x.device(), expr::detail::reduced_shape(x.shape(), mask, o.keepdims));
  reduce_into<R>(x, mask, r);
  return r;
}
template <bool Largest, class X>
auto arg_some(const X& x, const arg_options& o) {
  const auto t = eval(x);
  const tensor_shape s = t.shape();
  const std::int64_t a = o.axis < 0 ? o.axis + s.rank() : o.axis;
  if (a < 0 || a >= s.rank()) expr::detail::throw_axis(Largest ? "argmax" : "argmin", s);
  if (s[static_cast<int>(a)] == 0) throw invalid_argument("argmax: axis " + std::to_string(a) + " of shape " + to_string(s) + " is empty");
  auto r = basic_tensor<device_t<X>, std::int64_t, any_rank>::uninitialized(t.device(), expr::detail::reduced_shape(s, 1U << a, false));
  arg_reduce<typename X::element_type, Largest>(t.device(), s, static_cast<int>(a), t.data(), r.data());
  return r;
}

}  // namespace detail
}  // namespace cuda

/// Copies to the host, when the work before is done.
template <class Device, class T, std::int64_t... E>
tensor<T, E...> to(const cuda::basic_tensor<Device, T, E...>& x, cpu_t) {
  return x.on_host();
}
template <class Device, class Node>
auto to(const cuda::expression<Device, Node>& x, cpu_t) {
  return to(cuda::eval(x), cpu);
}
template <class Device, class T, std::int64_t... E>
std::ostream& operator<<(std::ostream& out, const cuda::basic_tensor<Device, T, E...>& x) {
  return out << to(x, cpu);
}

// ---- functions of tensors on a device: the meanings and options are those of the host's -----------------------------------

namespace cuda {

/// Reductions along axes, the expression evaluated while it is read.
#define RILL_DETAIL_DEVICE_REDUCTION(function, reducer)                              \
  template <device_operand X>                                                       \
  auto function(const X& x) {                                                       \
    return detail::reduce_static<reducer, false>(x, axis_t<>{});                    \
  }                                                                                 \
  template <device_operand X>                                                       \
  auto function(const X& x, const reduce_options& o) {                              \
    return detail::reduce_some<reducer>(x, o);                                      \
  }                                                                                 \
  template <device_operand X, std::int64_t... A>                                    \
  auto function(const X& x, axis_t<A...> a) {                                       \
    return detail::reduce_static<reducer, false>(x, a);                             \
  }                                                                                 \
  template <device_operand X, std::int64_t... A>                                    \
  auto function(const X& x, axis_t<A...> a, keepdims_t) {                           \
    return detail::reduce_static<reducer, true>(x, a);                              \
  }
RILL_DETAIL_DEVICE_REDUCTION(reduce_sum, ops::sum)
RILL_DETAIL_DEVICE_REDUCTION(reduce_mean, ops::mean)
RILL_DETAIL_DEVICE_REDUCTION(reduce_prod, ops::prod)
RILL_DETAIL_DEVICE_REDUCTION(reduce_max, ops::max)
RILL_DETAIL_DEVICE_REDUCTION(reduce_min, ops::min)
RILL_DETAIL_DEVICE_REDUCTION(reduce_any, ops::any)
RILL_DETAIL_DEVICE_REDUCTION(reduce_all, ops::all)
#undef RILL_DETAIL_DEVICE_REDUCTION

/// The index of the first largest (smallest) element along an axis.
template <device_operand X>
auto argmax(const X& x, const arg_options& o = {}) {
  return detail::arg_some<true>(x, o);
}
template <device_operand X>
auto argmin(const X& x, const arg_options& o = {}) {
  return detail::arg_some<false>(x, o);
}

/// The product of two matrices, of which either may be given transposed.
template <device_operand A, device_operand B>
auto matmul(const A& a, const B& b, const matmul_options& o = {}) {
  using T = typename A::element_type;
  static_assert(std::is_same_v<T, typename B::element_type>, "matmul: the operands have different dtypes");
  auto& device = detail::common_device(a, b);
  const auto x = eval(a);
  const auto y = eval(b);
  const tensor_shape s = x.shape(), t = y.shape();
  const bool matrices = s.rank() == 2 && t.rank() == 2;
  const std::int64_t m = matrices ? s[o.transpose_a ? 1 : 0] : 0, k = matrices ? s[o.transpose_a ? 0 : 1] : 0, n = matrices ? t[o.transpose_b ? 0 : 1] : 0;
  if (!matrices || k != t[o.transpose_b ? 1 : 0])
    throw invalid_argument("matmul: shapes " + to_string(s) + (o.transpose_a ? " (transposed)" : "") + " and " + to_string(t) + (o.transpose_b ? " (transposed)" : "") +
                           " are no matrices that can be multiplied");
  auto r = basic_tensor<detail::device_t<A>, T, dyn, dyn>::uninitialized(device, {m, n});
  store_epilogue<T> store;
  store.output(0, r.data(), n), store.columns = n;
  matmul<T>(device, m, n, k, o.transpose_a, o.transpose_b, plain_operand<T>{x.data(), s[1]}, plain_operand<T>{y.data(), t[1]}, store);
  return r;
}

/// exp(x) along the last axis, divided by its sum.
template <device_operand X>
auto softmax(const X& x) {
  const auto t = eval(x);
  const tensor_shape s = t.shape();
  if (s.rank() == 0) throw invalid_argument("softmax: a scalar has no axis");
  auto r = decltype(eval(x))::uninitialized(t.device(), s);
  const std::int64_t columns = s[s.rank() - 1];
  if (columns != 0) softmax(t.device(), t.size() / columns, columns, t.data(), r.data());
  return r;
}

/// The axes in another order: `order[d]` becomes axis d; reversed by default.
template <device_operand X>
auto transpose(const X& x, const axis_list& order = {}) {
  const auto t = eval(x);
  const tensor_shape s = t.shape();
  int axes[max_rank] = {};
  unsigned seen = 0;
  tensor_shape result;
  for (int d = 0; d < s.rank(); ++d) {
    const std::int64_t a = order.count == 0 ? s.rank() - 1 - d : d < order.count ? order.axes[d] : -1;
    if (a < 0 || a >= s.rank() || (seen >> a & 1U) != 0 || (order.count != 0 && order.count != s.rank())) expr::detail::throw_axis("transpose", s);
    seen |= 1U << a;
    axes[d] = static_cast<int>(a), result.push_back(s[static_cast<int>(a)]);
  }
  auto r = basic_tensor<detail::device_t<X>, typename X::element_type, any_rank>::uninitialized(t.device(), result);
  transpose(t.device(), sizeof(typename X::element_type), s, axes, t.data(), r.data());
  return r;
}

}  // namespace cuda

#ifdef __CUDACC__
/// A tensor in the memory of a GPU.
template <class T, std::int64_t... E>
using gpu_tensor = cuda::basic_tensor<cuda::device, T, E...>;

/// A copy of a tensor's elements on a GPU; invalid_argument when there is no such GPU.
template <class T, std::int64_t... E>
gpu_tensor<T, E...> to(const tensor<T, E...>& x, gpu which) {
  return to(x, cuda::device_of(which));
}
template <class T, std::int64_t... E>
gpu_tensor<T, E...> to(const gpu_tensor<T, E...>& x, gpu which) {
  return to(x, cuda::device_of(which));
}
#endif

}  // namespace rill
