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

/// The name of an output as a template argument: `s.get<"loss">()`.
struct output_name {
  char text[name_buffer::capacity + 1] = {};
  template <std::size_t N>
  consteval output_name(const char (&s)[N]) {  // NOLINT: implicit on purpose
    static_assert(N <= name_buffer::capacity + 1, "the name is too long");
    for (std::size_t k = 0; k < N; ++k) text[k] = s[k];
  }
  [[nodiscard]] constexpr std::string_view view() const { return text; }
};

struct session_options {
  std::uint64_t seed = 0;  ///< of initial values and of random ops
};

namespace detail {

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

template <class Model, class... Inputs>
class session {
 public:
  using code = compiled<Model, Inputs...>;

  /// Binds to the variables of a store, by name; those that are missing are made, and those not yet initialised get the
  /// values of their initializers. `model` carries the values of its hyperparameters.
  explicit session(variable_store& store, const Model& model = {}, session_options options = {})
      : model_(model), options_(options) {
    code::require();
    if constexpr (code::fits) {
      for (std::size_t k = 0; k < variables_count; ++k) {
        const variable_decl& d = code::tables.variables[k];
        stored_variable& v = store.get(d.name, d.type, d.shape, d.trainable);
        if (!v.initialized) initialize(v, d.init, options.seed);
        variables_[k] = v.data;
        if (d.name.view() == "global_step") global_step_ = static_cast<const std::int64_t*>(v.data);
      }
      set_constants();
    }
  }
  /// Owns its variables.
  explicit session(const Model& model = {}, session_options options = {})
      : session(std::make_unique<variable_store>(), model, options) {}

  session(const session&) = delete;
  session& operator=(const session&) = delete;

  /// Runs one step and returns the outputs in order: tensors (copies), `no_value` for ops. A model with a single unnamed output
  /// returns it as it is.
  auto run(const Inputs&... x) {
    step(x...);
    return outputs(std::make_index_sequence<fetch_count>{});
  }

  /// Runs one step; `output` then reads its results.
  void step(const Inputs&... x) {
    std::int64_t batch = -1;
    int position = 0;
    (check(x, position++, batch), ...);
    bind_batch(batch < 0 ? 1 : batch);
    const void* feeds[sizeof...(Inputs) + 1] = {static_cast<const void*>(x.data())..., nullptr};
    set_parameters();
    step_context c{feeds, variables_.data(), scalars_.data(), ranges_.data(), fixed_.get(), rows_.get(), batch_};
    run_all(c, std::make_index_sequence<step_count>{});
    ++steps_run_;
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
    return outputs_[I];
  }

  /// The hyperparameters of the steps to come.
  [[nodiscard]] Model& model() { return model_; }
  /// Bytes of the arena at the present batch capacity.
  [[nodiscard]] std::int64_t arena_bytes() const {
    return code::tables.fixed_bytes + capacity_ * code::tables.row_bytes;
  }
  /// The store it owns, or nullptr when it was given one.
  [[nodiscard]] variable_store* store() { return own_.get(); }

 private:
  static constexpr std::size_t variables_count = code::tables.variables.size();
  static constexpr std::size_t step_count = code::tables.steps.size();
  static constexpr std::size_t fetch_count = code::tables.fetches.size();

  session(std::unique_ptr<variable_store> store, const Model& model, session_options options)
      : session(*store, model, options) {
    own_ = std::move(store);
  }

  void set_constants() {
    for (std::size_t k = 0; k < code::tables.scalars.size(); ++k) {
      const scalar_desc& s = code::tables.scalars[k];
      if (!s.is_parameter) write(k, s.type, s.value, s.integer);
    }
    for (std::size_t k = 0; k < code::tables.ranges.size(); ++k) {
      const range_desc& r = code::tables.ranges[k];
      range_memory_[k] = detail::make_arena(r.extent * 8);
      for (std::int64_t i = 0; i < r.extent; ++i)
        write_element(range_memory_[k].get() + static_cast<std::size_t>(i) * size_of(r.type), r.type, static_cast<double>(i), i);
      ranges_[k] = range_memory_[k].get();
    }
    fixed_ = detail::make_arena(code::tables.fixed_bytes);
  }
  static void write_element(void* p, dtype type, double value, std::int64_t integer) {
    switch (type) {
      case dtype::float32: *static_cast<float*>(p) = static_cast<float>(value); break;
      case dtype::float64: *static_cast<double*>(p) = value; break;
      case dtype::int32: *static_cast<std::int32_t*>(p) = static_cast<std::int32_t>(integer); break;
      case dtype::int64: *static_cast<std::int64_t*>(p) = integer; break;
      case dtype::uint8: *static_cast<std::uint8_t*>(p) = static_cast<std::uint8_t>(integer); break;
      default: *static_cast<bool*>(p) = value != 0; break;
    }
  }
  void write(std::size_t cell, dtype type, double value, std::int64_t integer) {
    write_element(&scalars_[cell], type, value, integer);
  }
  void set_parameters() {
    double hyper[max_hyperparameters] = {};
    int count = 0;
    for_each_hyperparameter(model_, [&](const hyperparameter& h) {
      if (count < max_hyperparameters) hyper[count++] = h.value;
    });
    for (std::size_t k = 0; k < code::tables.scalars.size(); ++k) {
      const scalar_desc& s = code::tables.scalars[k];
      if (!s.is_parameter) continue;
      std::int64_t integer = 0;
      if (s.parameter == -1) integer = static_cast<std::int64_t>(options_.seed);
      else if (s.parameter == -2) integer = global_step_ ? *global_step_ : steps_run_;
      else if (s.parameter == -3) integer = s.scale * batch_;
      if (s.parameter < 0) write(k, s.type, static_cast<double>(integer), integer);
      else write(k, s.type, hyper[s.parameter], static_cast<std::int64_t>(hyper[s.parameter]));
    }
  }

  template <class T, std::int64_t... E>
  static void check(const tensor<T, E...>& x, int position, std::int64_t& batch) {
    constexpr std::int64_t extents[sizeof...(E) + 1] = {E..., 0};
    for (int d = 0; d < static_cast<int>(sizeof...(E)); ++d) {
      if (extents[d] >= 0) continue;
      const std::int64_t n = x.extent(d);
      if (batch >= 0 && n != batch)
        throw invalid_argument("session: input " + std::to_string(position) + " has a batch of " + std::to_string(n) +
                               ", an earlier input one of " + std::to_string(batch));
      batch = n;
    }
  }
  void bind_batch(std::int64_t batch) {
    if (batch > capacity_ || !rows_) {
      rows_.reset();
      rows_ = detail::make_arena(batch * code::tables.row_bytes);
      capacity_ = batch;
    }
    batch_ = batch;
  }

  template <std::size_t... S>
  void run_all(const step_context& c, std::index_sequence<S...>) {
    (run_step<code, S>(c), ...);
    bind_outputs(c, std::make_index_sequence<fetch_count>{});
  }
  template <std::size_t... K>
  void bind_outputs(const step_context& c, std::index_sequence<K...>) {
    ((outputs_[K] = detail::address<code>(c, code::tables.fetches[K].memory)), ...);
  }

  template <std::size_t K>
  auto output_tensor() const {
    using T = typename detail::fetched<code, K>::type;
    if constexpr (std::is_same_v<T, no_value>) {
      return no_value{};
    } else {
      const tensor_shape shape = code::tables.fetches[K].shape.with_batch(batch_);
      T t = T::uninitialized(shape);
      const auto bytes = static_cast<std::size_t>(shape.num_elements()) * size_of(code::tables.fetches[K].type);
      if (bytes != 0) std::memcpy(t.data(), outputs_[K], bytes);  // an empty tensor has no address to copy to
      return t;
    }
  }
  template <std::size_t... K>
  auto outputs(std::index_sequence<K...>) const {
    if constexpr (sizeof...(K) == 1 && code::single_output) return output_tensor<0>();
    else return std::make_tuple(output_tensor<K>()...);
  }

  static constexpr std::size_t index_of(std::string_view name) {
    std::size_t k = 0;
    while (k < fetch_count && code::tables.fetches[k].name.view() != name) ++k;
    return k;
  }
  static constexpr int max_hyperparameters = 32;

  Model model_;
  session_options options_;
  std::unique_ptr<variable_store> own_;
  std::array<void*, variables_count> variables_{};
  std::array<std::int64_t, code::tables.scalars.size()> scalars_{};
  std::array<const void*, code::tables.ranges.size()> ranges_{};
  std::array<detail::arena, code::tables.ranges.size()> range_memory_{};
  std::array<const void*, fetch_count> outputs_{};
  detail::arena fixed_, rows_;
  const std::int64_t* global_step_ = nullptr;
  std::int64_t batch_ = 1, capacity_ = 0, steps_run_ = 0;
};

}  // namespace graph
}  // namespace rill
