// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Tensors of random numbers. Numbers are a function of a seed and a step: equal ones give equal tensors, whatever the
/// number of threads. `random_generator` counts the steps, as TensorFlow's stateful ops do; in a model every random op has
/// a stream of its own and the session counts, so each step draws anew and a resumed run continues.
///
///   tensor<float, dyn> noise = random_normal({1000}, {.stddev = 0.1, .seed = 7});
///   random_generator g(42);
///   auto a = g.next([](auto o) { return random_uniform({3}, o); });

#include "../graph/trace.hpp"
#include "../kernel/random.hpp"
#include "../expr/create.hpp"
#include "lift.hpp"

namespace rill {

/// mean and standard deviation, seed and step.
struct random_normal_options {
  double mean = 0, stddev = 1;
  std::uint64_t seed = 0, step = 0;
};
/// [minval, maxval), seed and step.
struct random_range_options {
  double minval = 0, maxval = 1;
  std::uint64_t seed = 0, step = 0;
};

/// Makes the seed of an op out of a graph-level and an op-level seed, as TensorFlow combines them.
constexpr std::uint64_t combine_seeds(std::uint64_t graph_seed, std::uint64_t op_seed) {
  return graph_seed * 0x9e3779b97f4a7c15u + op_seed;
}

namespace eager::detail {
template <class T, std::size_t N>
auto uninitialized_of(const std::int64_t (&dims)[N]) {
  return expr::detail::of_rank<tensor, T, static_cast<int>(N)>::type::uninitialized(tensor_shape(dims, static_cast<int>(N)));
}
inline void check_stddev(const char* op, double stddev) {
  if (!(stddev >= 0)) throw invalid_argument(std::string(op) + ": stddev must not be negative, got " + std::to_string(stddev));
}
/// Applies a random op with tensor parameters at once.
template <ops::distribution D>
dynamic_tensor draw(const dynamic_tensor& parameter, const attributes& at, const random_options& o) {
  const auto scalar = [](std::uint64_t v) { return dynamic_tensor(static_cast<std::int64_t>(v)); };
  return front_end::emit<ops::random_op<D>>({parameter, scalar(o.seed), dynamic_tensor(std::int64_t{0}), scalar(o.step)}, at);
}
/// The same as a node of a graph.
template <ops::distribution D>
constexpr symbol draw_node(symbol parameter, const attributes& at) {
  if (parameter.id < 0) return parameter;
  graph::builder* b = parameter.g;
  const symbol seed = graph::parameter(b, dtype::int64, -1), stream = graph::random_stream(b),
               step = graph::parameter(b, dtype::int64, -2);
  if constexpr (ops::random_op<D>::parameters == 1) return graph::emit<ops::random_op<D>>({parameter, seed, stream, step}, at);
  else return graph::emit<ops::random_op<D>>({seed, stream, step}, at);
}
/// Whether two parameters can be those of XLA's RngNormal or RngUniform.
template <class Name>
constexpr bool are_parameters(symbol p, symbol q, symbol& bad) {
  if (p.id < 0 || q.id < 0) return bad = p.id < 0 ? p : q, false;
  failure f;
  if (p.type() != q.type() || p.rank() != 0 || q.rank() != 0) f.set("needs two scalars of one dtype", "", {p.type(), p.shape()}, {q.type(), q.shape()});
  else if (!is_floating(p.type()) && !(Name::integers && is_integer(p.type()) && size_of(p.type()) <= 4))
    f.set("numbers of this dtype cannot be drawn", Name::integers ? "floating dtypes and integers of up to 32 bits" : "floating dtypes", {p.type(), p.shape()});
  if (f) bad = symbol::front_end::template fail<Name>(f, p);
  return !f;
}
}  // namespace eager::detail

namespace ops {
struct rng_normal_name : function_name {
  static constexpr auto name = "RngNormal";
  static constexpr bool integers = false;
};
struct rng_uniform_name : function_name {
  static constexpr auto name = "RngUniform";
  static constexpr bool integers = true;
};
}  // namespace ops

// ---- typed tensors ---------------------------------------------------------------------------------------------------

/// Uniform in [minval, maxval): random_uniform<double>({2, 3}, {.minval = -1, .maxval = 1}); integers need maxval.
template <class T, std::size_t N>
auto random_uniform(const std::int64_t (&dims)[N], random_range_options o = {}) {
  if (std::is_integral_v<T> && !(o.minval < o.maxval)) throw invalid_argument("random_uniform: minval must be less than maxval");
  auto r = eager::detail::uninitialized_of<T>(dims);
  kernel::random_uniform(r.data(), r.size(), {o.seed, o.step}, static_cast<T>(o.minval), static_cast<T>(o.maxval));
  return r;
}
/// Normal numbers.
template <class T = float, std::size_t N>
auto random_normal(const std::int64_t (&dims)[N], random_normal_options o = {}) {
  eager::detail::check_stddev("random_normal", o.stddev);
  auto r = eager::detail::uninitialized_of<T>(dims);
  kernel::random_normal(r.data(), r.size(), {o.seed, o.step}, o.mean, o.stddev);
  return r;
}
/// Normal numbers within two standard deviations of the mean.
template <class T = float, std::size_t N>
auto truncated_normal(const std::int64_t (&dims)[N], random_normal_options o = {}) {
  eager::detail::check_stddev("truncated_normal", o.stddev);
  auto r = eager::detail::uninitialized_of<T>(dims);
  kernel::truncated_normal(r.data(), r.size(), {o.seed, o.step}, o.mean, o.stddev);
  return r;
}
/// Gamma(alpha, beta) for each alpha: the shape is dims followed by alpha's. Divide by a rate beta afterwards.
template <std::size_t N, expr::eager A>
auto random_gamma(const std::int64_t (&dims)[N], const A& alpha, random_options o = {}) {
  const auto at = ops::random_op<ops::distribution::gamma>::make(dtype_v<typename A::element_type>, {dims, static_cast<int>(N)});
  return eager::lift([&](const dynamic_tensor& a) { return eager::detail::draw<ops::distribution::gamma>(a, at, o); }, alpha);
}
/// Poisson numbers for each mean: the shape is dims followed by lam's.
template <std::size_t N, expr::eager L>
auto random_poisson(const L& lam, const std::int64_t (&dims)[N], random_options o = {}) {
  const auto at = ops::random_op<ops::distribution::poisson>::make(dtype_v<typename L::element_type>, {dims, static_cast<int>(N)});
  return eager::lift([&](const dynamic_tensor& l) { return eager::detail::draw<ops::distribution::poisson>(l, at, o); }, lam);
}
/// num_samples class numbers (int64) for each row of logits [batch, classes].
template <expr::eager L>
tensor<std::int64_t, any_rank> multinomial(const L& logits, std::int64_t num_samples, random_options o = {}) {
  const auto at = ops::random_op<ops::distribution::multinomial>::make(dtype::int64, {num_samples});
  return eager::lift_as<std::int64_t>([&](const dynamic_tensor& l) { return eager::detail::draw<ops::distribution::multinomial>(l, at, o); }, logits);
}
/// The rows (first axis) in random order.
template <expr::eager X>
auto random_shuffle(const X& x, random_options o = {}) {
  return eager::lift([&](const dynamic_tensor& v) { return eager::detail::draw<ops::distribution::shuffle>(v, {}, o); }, x);
}

namespace xla {
/// Normal numbers of a mean and a standard deviation (XLA's RngNormal).
template <element T, std::size_t N>
auto rng_normal(T mu, std::type_identity_t<T> sigma, const std::int64_t (&shape)[N], random_options o = {}) {
  return random_normal<T>(shape, {.mean = static_cast<double>(mu), .stddev = static_cast<double>(sigma), .seed = o.seed, .step = o.step});
}
/// Uniform numbers of [a, b), of a's dtype (XLA's RngUniform); b <= a is refused where that is integral.
template <element T, std::size_t N>
auto rng_uniform(T a, std::type_identity_t<T> b, const std::int64_t (&shape)[N], random_options o = {}) {
  return random_uniform<T>(shape, {.minval = static_cast<double>(a), .maxval = static_cast<double>(b), .seed = o.seed, .step = o.step});
}
}  // namespace xla

/// Counts the steps of a seed: next(f) calls f(random_options) with a step that was not used before.
class random_generator {
 public:
  explicit random_generator(std::uint64_t seed = 0) : options_{seed, 0} {}
  template <class F>
  auto next(F&& f) {
    const random_options o = options_;
    ++options_.step;
    return f(o);
  }

 private:
  random_options options_;
};

// ---- in a model ------------------------------------------------------------------------------------------------------

/// Uniform numbers of a model; `context` is any symbol of the trace.
constexpr symbol random_uniform(symbol context, const tensor_shape& shape, random_range_options o, dtype type = dtype::float32) {
  return eager::detail::draw_node<ops::distribution::uniform>(
      context, ops::random_op<ops::distribution::uniform>::make(type, shape, o.minval, o.maxval));
}
constexpr symbol random_normal(symbol context, const tensor_shape& shape, random_normal_options o = {}, dtype type = dtype::float32) {
  return eager::detail::draw_node<ops::distribution::normal>(
      context, ops::random_op<ops::distribution::normal>::make(type, shape, o.mean, o.stddev));
}
constexpr symbol truncated_normal(symbol context, const tensor_shape& shape, random_normal_options o = {}, dtype type = dtype::float32) {
  return eager::detail::draw_node<ops::distribution::truncated_normal>(
      context, ops::random_op<ops::distribution::truncated_normal>::make(type, shape, o.mean, o.stddev));
}
constexpr symbol random_gamma(const tensor_shape& shape, symbol alpha) {
  return eager::detail::draw_node<ops::distribution::gamma>(alpha, ops::random_op<ops::distribution::gamma>::make(alpha.type(), shape));
}
constexpr symbol random_poisson(symbol lam, const tensor_shape& shape) {
  return eager::detail::draw_node<ops::distribution::poisson>(lam, ops::random_op<ops::distribution::poisson>::make(lam.type(), shape));
}
constexpr symbol multinomial(symbol logits, std::int64_t num_samples) {
  return eager::detail::draw_node<ops::distribution::multinomial>(
      logits, ops::random_op<ops::distribution::multinomial>::make(dtype::int64, {num_samples}));
}
constexpr symbol random_shuffle(symbol x) { return eager::detail::draw_node<ops::distribution::shuffle>(x, {}); }

namespace xla {
/// XLA's RngNormal and RngUniform in a model: mu and sigma, a and b are scalars of one dtype, which is the result's; they may
/// be computed, and the numbers can be differentiated by them.
constexpr symbol rng_normal(symbol mu, symbol sigma, const tensor_shape& shape) {
  symbol bad{};
  if (!eager::detail::are_parameters<ops::rng_normal_name>(mu, sigma, bad)) return bad;
  return rill::random_normal(mu, shape, {}, mu.type()) * sigma + mu;
}
constexpr symbol rng_uniform(symbol a, symbol b, const tensor_shape& shape) {
  symbol bad{};
  if (!eager::detail::are_parameters<ops::rng_uniform_name>(a, b, bad)) return bad;
  if (is_integer(a.type())) {  // 53 random bits for at most 2^32 numbers
    const symbol u = rill::random_uniform(a, shape, {}, dtype::float64), low = cast_to(a, dtype::float64);
    return cast_to(floor(u * (cast_to(b, dtype::float64) - low)) + low, a.type());
  }
  const symbol y = rill::random_uniform(a, shape, {}, a.type()) * (b - a) + a;
  return select(less(y, b), y, broadcast_to(a, shape));  // what was rounded up to b
}
}  // namespace xla

}  // namespace rill
