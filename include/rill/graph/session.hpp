// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A compiled model, ready to run: `session<Model, Inputs...>` binds the variables of a store, owns one arena laid out by
/// the plan, and runs the steps one after the other. No step allocates, dispatches or walks a graph.
///
///   graph::session<step, tensor<float, dyn>, tensor<float, dyn>> s;       // compiled here
///   for (int i = 0; i < 300; ++i) auto [loss, _] = s.run(xs, ys);
///
/// One session is used by one thread at a time. The batch may differ from run to run (the arena grows when it must).
///
/// Where the steps run is a policy: `session` is `basic_session<cpu_target, ...>`; <rill/cuda.hpp> has the one for a GPU.

#include <memory>
#include <tuple>

#include "../core/philox.hpp"
#include "initialize.hpp"
#include "step.hpp"
#include "variable_store.hpp"

namespace rill {

/// What fetching an op gives: nothing.
struct no_value {
  friend constexpr bool operator==(no_value, no_value) { return true; }
};

namespace graph {

struct session_options {
  std::uint64_t seed = 0;  ///< of initial values and of random ops
};

/// How one run is made.
struct run_options {
  tracer* trace = nullptr;  ///< where the times of its kernels go (graph/trace_log.hpp); nullptr: a run as any other
};

namespace detail {

inline constexpr int max_hyperparameters = 32;  ///< of a model

struct arena_deleter {
  void operator()(unsigned char* p) const { ::operator delete(p, std::align_val_t{64}); }
};
using arena = std::unique_ptr<unsigned char[], arena_deleter>;

inline arena make_arena(std::int64_t bytes) {
  const auto n = static_cast<std::size_t>(bytes > 0 ? bytes : 64);
  auto* p = static_cast<unsigned char*>(::operator new(n, std::align_val_t{64}, std::nothrow));
  if (p == nullptr) throw resource_exhausted("session: no memory for an arena of " + std::to_string(n) + " bytes");
  return arena(p);
}

/// What a session does that depends on no model; the arrays belong to the session, sized by its tables.
struct session_core {
  const table_view& tables;
  session_options options;
  void** variables;
  std::int64_t* scalars;
  const void** ranges;
  arena* range_memory;
  const void** outputs;
  loop_state* loops;
  stack_state* stacks;
  kernel::scratch_memory sides[2] = {};
  arena fixed = {}, rows = {};
  const std::int64_t* global_step = nullptr;
  std::int64_t batch = 1, capacity = 0, steps_run = 0;

  [[gnu::cold]] void bind(variable_store& store) {
    std::size_t k = 0;
    for (const variable_decl& d : tables.variables) {
      stored_variable& v = store.get(d.name, d.type, d.shape, d.trainable);
      if (!v.initialized) {
        if (d.like < 0) initialize(v, d.init, options.seed);
        else std::memcpy(v.data, variables[d.like], v.bytes), v.initialized = true;
      }
      bind(k++, v.data);
    }
    prepare();
  }
  /// Variable k lies there.
  void bind(std::size_t k, void* data) {
    variables[k] = data;
    if (tables.variables[k].name.view() == "global_step") global_step = static_cast<const std::int64_t*>(data);
  }
  /// Writes what is known before the first step, and makes the arena but for the rows of a batch.
  [[gnu::cold]] void prepare() {
    std::size_t k = 0;
    for (const scalar_desc& s : tables.scalars) {
      if (!s.is_parameter) write_number(&scalars[2 * k], s.type, s.value, s.integer);
      ++k;
    }
    k = 0;
    for (const range_desc& r : tables.ranges) {
      range_memory[k] = make_arena(r.extent * static_cast<std::int64_t>(size_of(r.type)));
      for (std::int64_t i = 0; i < r.extent; ++i)
        write_number(range_memory[k].get() + static_cast<std::size_t>(i) * size_of(r.type), r.type, static_cast<double>(i), i);
      ranges[k] = range_memory[k].get();
      ++k;
    }
    fixed = make_arena(tables.fixed_bytes);
  }

  /// Makes the extents that are the batch agree: those of input `position` with what earlier ones said.
  static void check(const std::int64_t* declared, const std::int64_t* given, int rank, int position, std::int64_t& rows_given) {
    for (int d = 0; d < rank; ++d) {
      if (declared[d] >= 0) continue;
      if (rows_given >= 0 && given[d] != rows_given)
        throw invalid_argument("session: input " + std::to_string(position) + " has a batch of " + std::to_string(given[d]) +
                               ", an earlier input one of " + std::to_string(rows_given));
      rows_given = given[d];
    }
  }

  /// Makes room for a batch of so many rows.
  void reserve(std::int64_t rows_given) {
    if (rows_given <= capacity && rows) return;
    rows.reset();
    rows = make_arena(rows_given * tables.row_bytes);
    capacity = rows_given;
  }

  /// One step: `run` makes the calls.
  void step(std::int64_t rows_given, const void* const* feeds, const double* hyper, void (*run)(const step_context&),
            tracer* trace) {
    const step_context c = begin(rows_given, feeds, hyper, trace);
    run(c);
    end(c);
  }
  /// What goes before and after the calls.
  step_context begin(std::int64_t rows_given, const void* const* feeds, const double* hyper, tracer* trace) {
    if (rows_given < 0) rows_given = 1;
    reserve(rows_given);
    batch = rows_given;
    set_parameters(hyper);
    return {feeds, variables, scalars, ranges, fixed.get(), rows.get(), batch, &tables, trace, loops, stacks, sides};
  }
  void end(const step_context& c) {
    for (std::size_t k = 0; k < tables.fetches.size(); ++k) outputs[k] = address(c, tables.fetches[k].memory);
    ++steps_run;
  }
  /// Where the elements of an input lie that steps read.
  template <class X>
  static const void* feed(std::size_t, const X& x) {
    return x.data();
  }
  /// Output k of the last step, in the host's memory.
  [[nodiscard]] const void* fetched(std::size_t k) const { return outputs[k]; }
  /// Copies output k out.
  void read(std::size_t k, void* to) const {
    const frozen_fetch& f = tables.fetches[k];
    const auto bytes = static_cast<std::size_t>(f.shape.with_batch(batch).num_elements()) * size_of(f.type);
    if (bytes != 0) std::memcpy(to, outputs[k], bytes);  // an empty tensor has no address to copy to
  }

  /// Writes the scalars that differ from run to run.
  void set_parameters(const double* hyper) {
    std::size_t k = 0;
    for (const scalar_desc& s : tables.scalars) {
      std::int64_t* cell = &scalars[2 * k++];
      if (!s.is_parameter) continue;
      std::int64_t integer = 0;
      if (s.parameter == -1) integer = static_cast<std::int64_t>(options.seed);
      else if (s.parameter == -2) integer = global_step ? *global_step : steps_run;
      else if (s.parameter == -3) integer = s.scale * batch;
      if (s.parameter < 0) write_number(cell, s.type, static_cast<double>(integer), integer);
      else if (const double h = hyper[s.parameter]; h >= -0x1p63 && h < 0x1p63) write_number(cell, s.type, h, static_cast<std::int64_t>(h));
      else write_number(cell, s.type, h, 0);
    }
  }
};

template <class C>
void run_all(const step_context& c) {
  run_steps_from<C, 0, false>(c, std::make_index_sequence<C::tables.own_steps>{});
}
/// The same with the time of every step noted: defined in traced_run.hpp, which trace_log.hpp includes.
template <class C>
void run_all_traced(const step_context& c);

template <dtype T, std::int64_t... Dims>
struct fetched_tensor {
  using type = tensor<type_of_t<T>, Dims...>;
};
template <class C, std::size_t K, std::size_t... I>
auto fetched_type(std::index_sequence<I...>)
    -> fetched_tensor<C::tables.fetches[K].type, (C::tables.fetches[K].shape[static_cast<int>(I)] < 0
                                                      ? dyn
                                                      : C::tables.fetches[K].shape[static_cast<int>(I)])...>;
template <class C, std::size_t K>
struct fetched {
  using type = typename decltype(fetched_type<C, K>(
      std::make_index_sequence<static_cast<std::size_t>(C::tables.fetches[K].shape.rank())>{}))::type;
};
template <class C, std::size_t K>
  requires(C::tables.fetches[K].is_op)
struct fetched<C, K> {
  using type = no_value;
};

}  // namespace detail

/// Runs steps on the CPU. A target names what a session's memory and steps are made of: `core` (session_core, or what has
/// its functions), the passes that compile a model, and the function that runs all steps of a compiled one.
struct cpu_target {
  using core = detail::session_core;
  using run_function = void (*)(const step_context&);
  using passes = cpu_passes;
  template <class C>
  static constexpr run_function run_all = &detail::run_all<C>;
  template <class C>
  static run_function run_all_traced() { return &detail::run_all_traced<C>; }
};

template <class Target, class Model, class... Inputs>
class basic_session {
 public:
  using code = basic_compiled<typename Target::passes, Model, Inputs...>;

  /// Binds to the variables of a store, by name; those that are missing are made, and those not yet initialised get the
  /// values of their initializers. `model` carries the values of its hyperparameters.
  explicit basic_session(variable_store& store, const Model& model = {}, session_options options = {}, Target target = {})
      : model_(model), target_(std::move(target)),
        core_{view_, options, variables_.data(), scalars_.data(), ranges_.data(), range_memory_.data(), outputs_.data(), loops_.data(), stacks_.data()} {
    code::require();
    if constexpr (requires { core_.use(target_); }) core_.use(target_);
    if constexpr (code::fits) core_.bind(store);
  }
  /// Owns its variables.
  explicit basic_session(const Model& model = {}, session_options options = {}, Target target = {})
      : basic_session(std::make_unique<variable_store>(), model, options, std::move(target)) {}

  basic_session(const basic_session&) = delete;
  basic_session& operator=(const basic_session&) = delete;

  /// Runs one step and returns the outputs in order: tensors (copies), `no_value` for ops, in std::tuple, nested as the model
  /// nested them. A model with a single unnamed output returns it as it is.
  auto run(const Inputs&... x) {
    step(x...);
    return outputs(std::make_index_sequence<fetch_count>{});
  }

  /// The same, traced: `s.run({.trace = &log}, x)`.
  auto run(const run_options& o, const Inputs&... x) {
    step(o, x...);
    return outputs(std::make_index_sequence<fetch_count>{});
  }

  /// Runs one step; `output` then reads its results.
  void step(const Inputs&... x) { start(Target::template run_all<code>, nullptr, x...); }
  void step(const run_options& o, const Inputs&... x) {
    if (o.trace == nullptr) step(x...);
    else start(Target::template run_all_traced<code>(), o.trace, x...);
  }

  /// An output of the last step, by the name it is fetched under (a copy).
  template <output_name Name>
  [[nodiscard]] auto get() const {
    constexpr std::size_t k = index_of(Name.view());
    static_assert(k < fetch_count, "the model has no output of this name");
    return output_tensor<k>();
  }

  /// The elements of output I of the last step, in the session's memory until the next step.
  template <std::size_t I>
  [[nodiscard]] const void* output() const {
    return core_.fetched(I);
  }

  /// The hyperparameters of the steps to come.
  [[nodiscard]] Model& model() { return model_; }
  /// Bytes of the arena at the present batch capacity.
  [[nodiscard]] std::int64_t arena_bytes() const {
    return code::tables.fixed_bytes + core_.capacity * code::tables.row_bytes;
  }
  /// The store it owns, or nullptr when it was given one.
  [[nodiscard]] variable_store* store() { return own_.get(); }

 private:
  using returned = detail::returned_t<Model, Inputs...>;
  static constexpr std::size_t fetch_count = code::tables.fetches.size();

  basic_session(std::unique_ptr<variable_store> store, const Model& model, session_options options, Target target)
      : basic_session(*store, model, options, std::move(target)) {
    own_ = std::move(store);
  }

  void start(typename Target::run_function steps, tracer* trace, const Inputs&... x) {
    std::int64_t batch = -1;
    int position = 0;
    (check(x, position++, batch), ...);
    std::size_t number = 0;
    const void* feeds[sizeof...(Inputs) + 1] = {core_.feed(number++, x)..., nullptr};
    double hyper[detail::max_hyperparameters] = {};
    int count = 0;
    for_each_hyperparameter(model_, [&](const hyperparameter& h) {
      if (count < detail::max_hyperparameters) hyper[count++] = h.value;
    });
    core_.step(batch, feeds, hyper, steps, trace);
  }

  template <template <class, class, std::int64_t...> class Tensor, class Device, class T, std::int64_t... E>
  static void check(const Tensor<Device, T, E...>& x, int position, std::int64_t& batch) {  // in the memory of a device
    check_extents<E...>(x, position, batch);
  }
  template <class T, std::int64_t... E>
  static void check(const tensor<T, E...>& x, int position, std::int64_t& batch) {
    check_extents<E...>(x, position, batch);
  }
  template <std::int64_t... E, class X>
  static void check_extents(const X& x, int position, std::int64_t& batch) {
    constexpr int rank = static_cast<int>(sizeof...(E));
    constexpr std::int64_t declared[sizeof...(E) + 1] = {E..., 0};
    std::int64_t given[sizeof...(E) + 1] = {};
    for (int d = 0; d < rank; ++d) given[d] = x.extent(d);
    detail::session_core::check(declared, given, rank, position, batch);
  }

  template <std::size_t K>
  auto output_tensor() const {
    using T = typename detail::fetched<code, K>::type;
    if constexpr (std::is_same_v<T, no_value>) {
      return no_value{};
    } else {
      T t = T::uninitialized(code::tables.fetches[K].shape.with_batch(core_.batch));
      core_.read(K, t.data());
      return t;
    }
  }
  template <std::size_t... K>
  auto outputs(std::index_sequence<K...>) const {
    if constexpr (::rill::detail::is_nest<returned>) return nested<0, returned>();
    else if constexpr (sizeof...(K) == 1 && code::single_output) return output_tensor<0>();
    else return std::make_tuple(output_tensor<K>()...);
  }
  /// Outputs from number First on, nested as the model returned them.
  template <std::size_t First, class R>
  auto nested() const {
    if constexpr (::rill::detail::is_nest<R>) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return std::make_tuple(nested<First + before<R, I>(), std::tuple_element_t<I, R>>()...);
      }(std::make_index_sequence<std::tuple_size_v<R>>{});
    } else if constexpr (requires(R r) { r.list; }) {
      return [&]<std::size_t... K>(std::index_sequence<K...>) {
        return std::make_tuple(output_tensor<First + K>()...);
      }(std::make_index_sequence<leaves<R>()>{});
    } else {
      return output_tensor<First>();
    }
  }
  template <class R>
  static constexpr std::size_t leaves() {
    if constexpr (::rill::detail::is_nest<R>) return before<R, std::tuple_size_v<R>>();
    else if constexpr (requires(R r) { r.list; }) return sizeof(R::list) / sizeof(named_output);
    else return 1;
  }
  template <class R, std::size_t N>
  static constexpr std::size_t before() {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return (std::size_t{0} + ... + leaves<std::tuple_element_t<I, R>>()); }
    (std::make_index_sequence<N>{});
  }

  static constexpr std::size_t index_of(std::string_view name) {
    std::size_t k = 0;
    while (k < fetch_count && code::tables.fetches[k].name.view() != name) ++k;
    return k;
  }
  const table_view view_{code::tables};

  Model model_;
  [[no_unique_address]] Target target_;
  std::unique_ptr<variable_store> own_;
  std::array<void*, code::tables.variables.size()> variables_{};
  std::array<std::int64_t, 2 * code::tables.scalars.size()> scalars_{};
  std::array<const void*, code::tables.ranges.size()> ranges_{};
  std::array<detail::arena, code::tables.ranges.size()> range_memory_{};
  std::array<const void*, fetch_count> outputs_{};
  std::array<loop_state, code::loop_count> loops_{};
  std::array<stack_state, code::tables.stacks.size()> stacks_{};
  typename Target::core core_;
};

/// On the CPU.
template <class Model, class... Inputs>
using session = basic_session<cpu_target, Model, Inputs...>;

}  // namespace graph
}  // namespace rill
