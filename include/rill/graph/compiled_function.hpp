// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A model compiled ahead of time, as TensorFlow's tfcompile makes them: `compiled_function<Model, Inputs...>` is a function
/// of fixed shapes whose arguments and results are plain row-major memory, 64-byte aligned where it allocates it.
///
///   graph::compiled_function<product, tensor<float, 2, 3>, tensor<float, 3, 2>> f;
///   f.arg<0>(0, 0) = 1; ...                 // or f.arg_data<0>(), or memory of one's own with f.set_arg_data<0>(p)
///   if (!f.run()) std::puts(f.error());     // never throws
///   float y = f.result<0>(0, 0);
///
/// All memory is allocated by the constructor (or by set_weights and set_thread_pool): run() allocates nothing, from the
/// first call on and from any thread, if the model updates no variables (else from the second call on) and consists of
/// library operations whose kernels need no tables of run-time size (sorting, FFT, linear algebra and gradients of loops
/// of unknown length do). One object is used by one thread at a time; the results are those of a session, bit for bit.
///
/// `rill_add_compiled_model` of the CMake package makes a library of one: a class that needs no header of Rill.

#include <array>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>

#include "../kernel/scratch.hpp"
#include "session.hpp"

namespace rill::graph {

/// Which buffers a compiled function allocates: arguments too, or only what is not an argument.
enum class alloc_mode { args_results_and_temps, results_and_temps_only };

namespace detail {

template <class T>
inline constexpr bool is_fixed_input = false;
template <class T, std::int64_t... E>
inline constexpr bool is_fixed_input<tensor<T, E...>> = ((E >= 0) && ...) && std::is_trivially_copyable_v<T>;

constexpr std::int64_t next_line(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }
constexpr std::int64_t bytes_of(dtype type, const tensor_shape& s) { return s.num_elements() * static_cast<std::int64_t>(size_of(type)); }

}  // namespace detail

/// What a compiled function takes and gives, known without compiling its kernels.
template <class Model, class... Inputs>
struct compiled_signature {
  static_assert((detail::is_fixed_input<Inputs> && ...),
                "compiled_function: every extent of an input is known ahead of time: give a number instead of rill::dyn, and elements of fixed size");
  using code = compiled<Model, Inputs...>;

  /// A buffer: where it lies in memory of its kind, if that holds one buffer after the other on lines of 64 bytes.
  struct buffer {
    dtype type = dtype::invalid;
    tensor_shape shape;
    std::int64_t offset = 0, bytes = 0;
    int fetch = -1;  ///< of a result: its number among all the model's outputs
  };
  static constexpr std::size_t arg_count = sizeof...(Inputs);
  static constexpr std::size_t result_count = [] {
    std::size_t n = 0;
    for (const frozen_fetch& f : code::tables.fetches) n += f.is_op ? 0 : 1;
    return n;
  }();
  static constexpr std::size_t weight_count = code::tables.variables.size();

  template <std::size_t N>
  struct buffers {
    std::array<buffer, N> list{};
    std::int64_t bytes = 0;
    constexpr void add(std::size_t k, dtype type, const tensor_shape& shape, int fetch = -1) {
      const std::int64_t n = detail::bytes_of(type, shape);
      list[k] = {type, shape, bytes, n, fetch};
      bytes += detail::next_line(n == 0 ? 1 : n);
    }
  };
  static constexpr auto args = [] {
    buffers<arg_count> b;
    std::size_t k = 0;
    const auto add = [&](const signature& s) { b.add(k++, s.type, s.shape); };
    (add(input_signature<Inputs>::value()), ...);
    return b;
  }();
  /// Outputs that are values, in order. Operations give no result.
  static constexpr auto results = [] {
    buffers<result_count> b;
    std::size_t k = 0;
    int fetch = 0;
    for (const frozen_fetch& f : code::tables.fetches) {
      if (!f.is_op) b.add(k++, f.type, f.shape, fetch);
      ++fetch;
    }
    return b;
  }();
  /// The model's variables, in the order in which it declares them.
  static constexpr auto weights = [] {
    buffers<weight_count> b;
    std::size_t k = 0;
    for (const variable_decl& d : code::tables.variables) b.add(k++, d.type, d.shape);
    return b;
  }();
  static_assert([] {
    for (const auto& r : results.list)
      if (r.type == dtype::string) return false;
    return true;
  }(), "compiled_function: results have elements of fixed size; strings have not");
  /// Whether a run writes variables.
  static constexpr bool updates_weights = [] {
    bool any = false;
    for (const auto& o : code::tables.outputs) any |= o.memory.kind == memory_ref::variable;
    for (const auto& s : code::tables.steps) any |= s.kind == group_kind::reduce && s.operands[max_operands - 1].memory.kind == memory_ref::variable;
    for (const auto& c : code::tables.copies) any |= c.to.kind == memory_ref::variable;
    return any;
  }();
  /// The name of a weight, as checkpoints call it.
  static constexpr std::string_view weight_name(std::size_t k) { return code::tables.variables[k].name.view(); }
};

template <class Model, class... Inputs>
class compiled_function {
 public:
  using signature = compiled_signature<Model, Inputs...>;
  using code = typename signature::code;
  template <std::size_t N>
  using arg_type = type_of_t<signature::args.list[N].type>;
  template <std::size_t N>
  using result_type = type_of_t<signature::results.list[N].type>;

  /// Allocates everything. `model` carries the values of its hyperparameters.
  explicit compiled_function(alloc_mode mode = alloc_mode::args_results_and_temps, const Model& model = {})
      : core_{view_, {}, variables_.data(), scalars_.data(), ranges_.data(), range_memory_.data(), outputs_.data(), loops_.data(), stacks_.data()} {
    code::require();
    if constexpr (code::fits) {
      std::size_t count = 0;
      Model m = model;
      for_each_hyperparameter(m, [&](const hyperparameter& h) {
        if (count < max_hyperparameters) hyper_[count++] = h.value;
      });
      core_.prepare();
      core_.reserve(1);
      clear(core_.fixed, view_.fixed_bytes);
      clear(core_.rows, view_.row_bytes);
      if (mode == alloc_mode::args_results_and_temps) {
        arg_memory_ = memory(signature::args.bytes);
        for (std::size_t k = 0; k < signature::arg_count; ++k) args_[k] = arg_memory_.get() + signature::args.list[k].offset;
      }
      result_memory_ = memory(signature::results.bytes);
      for (std::size_t k = 0; k < signature::result_count; ++k) {
        const memory_ref m_k = fetched(k);
        results_[k] = in_place(m_k) ? core_.fixed.get() + view_.slots[static_cast<std::size_t>(m_k.index)].offset
                                    : result_memory_.get() + signature::results.list[k].offset;
      }
      has_weights_ = signature::weight_count == 0;
      warm_up();
    }
  }
  compiled_function(const compiled_function&) = delete;
  compiled_function& operator=(const compiled_function&) = delete;

  // ---- arguments and results -----------------------------------------------------------------------------------------

  /// The elements of argument N, row-major.
  template <std::size_t N>
  [[nodiscard]] arg_type<N>* arg_data() {
    return static_cast<arg_type<N>*>(args_[N]);
  }
  /// Reads argument N from there, 32-byte aligned, until told otherwise. The memory is only read, during run().
  template <std::size_t N>
  void set_arg_data(const arg_type<N>* p) {
    args_[N] = const_cast<arg_type<N>*>(p);
  }
  /// One element of argument N; indices are not checked.
  template <std::size_t N, std::integral... I>
  [[nodiscard]] arg_type<N>& arg(I... i) {
    static_assert(sizeof...(I) == static_cast<std::size_t>(signature::args.list[N].shape.rank()), "compiled_function: one index for each axis");
    return arg_data<N>()[place(signature::args.list[N].shape, i...)];
  }
  /// All arguments' memory.
  [[nodiscard]] void** args() { return args_.data(); }

  /// The elements of result N, row-major, after a run() that gave true and until the next. Operations count for nothing: N is
  /// the number among the outputs that are values.
  template <std::size_t N>
  [[nodiscard]] result_type<N>* result_data() {
    return static_cast<result_type<N>*>(results_[N]);
  }
  template <std::size_t N, std::integral... I>
  [[nodiscard]] result_type<N>& result(I... i) {
    static_assert(sizeof...(I) == static_cast<std::size_t>(signature::results.list[N].shape.rank()), "compiled_function: one index for each axis");
    return result_data<N>()[place(signature::results.list[N].shape, i...)];
  }
  /// All results' memory. It stays where it is.
  [[nodiscard]] void** results() { return results_.data(); }

  // ---- weights -------------------------------------------------------------------------------------------------------

  /// Adds the model's variables to a store, without values, so that a checkpoint can be restored into it:
  /// `f.declare(store); train::restore(store, "model/model.ckpt-200"); f.set_weights(store);`.
  static void declare(variable_store& store) {
    for (const variable_decl& d : code::tables.variables) store.get(d.name, d.type, d.shape, d.trainable);
  }
  /// Takes the variables of a store, by name, without copying. failed_precondition: one has no value;
  /// invalid_argument: one is of another type or shape.
  void set_weights(variable_store& store) {
    std::size_t k = 0;
    for (const variable_decl& d : code::tables.variables) {
      const stored_variable& v = store.get(d.name, d.type, d.shape, d.trainable);
      if (!v.initialized)
        throw failed_precondition("compiled_function: variable " + v.name + " has no value; restore a checkpoint or initialise it first");
      core_.bind(k++, v.data);
    }
    has_weights_ = true;
    warm_up();
  }
  /// Takes `signature::weights.bytes` bytes, 64-byte aligned, without copying: the variables in order of declaration, each
  /// on the next line of 64 bytes (`signature::weights.list[k].offset`).
  void set_weights(const void* all) {
    static_assert(!signature::updates_weights, "compiled_function: the model updates variables, which constants cannot be: give it a variable_store");
    for (std::size_t k = 0; k < signature::weight_count; ++k)
      core_.bind(k, static_cast<unsigned char*>(const_cast<void*>(all)) + signature::weights.list[k].offset);
    has_weights_ = true;
    warm_up();
  }

  // ---- running -------------------------------------------------------------------------------------------------------

  /// Runs the kernels in this pool instead of oneTBB's (nullptr: as without it); it must outlive its use. As in a session,
  /// two small kernels that do not depend on each other run at the same time in it.
  void set_thread_pool(thread_pool* pool) {
    pool_ = pool;
    warm_up();
  }
  /// Computes the results. False when it could not: `error()` then says why.
  bool run() noexcept {
    error_[0] = 0;
    if (!has_weights_) return fail("compiled_function: the weights are not set: call set_weights");
    for (std::size_t k = 0; k < signature::arg_count; ++k) {
      if (args_[k] == nullptr) return fail("compiled_function: an argument has no memory: call set_arg_data");
      if (reinterpret_cast<std::uintptr_t>(args_[k]) % 32 != 0) return fail("compiled_function: the memory of an argument is not 32-byte aligned");
    }
    try {
      in_own_places([&] { core_.step(1, args_.data(), hyper_.data(), &detail::run_all<code>, nullptr); });
      for (std::size_t k = 0; k < signature::result_count; ++k) {
        const auto& r = signature::results.list[k];
        if (!in_place(fetched(k)) && r.bytes != 0) std::memcpy(results_[k], outputs_[static_cast<std::size_t>(r.fetch)], static_cast<std::size_t>(r.bytes));
      }
      return true;
    } catch (const std::exception& e) {
      return fail(e.what());
    } catch (...) {
      return fail("compiled_function: an exception of unknown type");
    }
  }
  /// What kept the last run() from succeeding, or "".
  [[nodiscard]] const char* error() const noexcept { return error_; }

  /// Bytes that it allocated: arguments, results and temporaries.
  [[nodiscard]] std::int64_t allocated_bytes() const {
    return view_.fixed_bytes + view_.row_bytes + signature::results.bytes + (arg_memory_ ? signature::args.bytes : 0);
  }

 private:
  static constexpr int max_hyperparameters = 32;

  static constexpr memory_ref fetched(std::size_t k) {
    return code::tables.fetches[static_cast<std::size_t>(signature::results.list[k].fetch)].memory;
  }
  /// Whether a result may be read where the plan has it.
  static constexpr bool in_place(const memory_ref& m) {
    if (m.kind != memory_ref::slot) return false;
    const slot_desc& s = code::tables.slots[static_cast<std::size_t>(m.index)];
    return !s.per_row && s.offset % 64 == 0;
  }
  static void clear(detail::arena& a, std::int64_t bytes) {
    if (bytes > 0) std::memset(a.get(), 0, static_cast<std::size_t>(bytes));
  }
  static detail::arena memory(std::int64_t bytes) {
    detail::arena a = detail::make_arena(bytes);
    clear(a, bytes);
    return a;
  }
  template <class... I>
  static std::size_t place(const tensor_shape& s, I... i) {
    std::int64_t at = 0;
    int d = 0;
    ((at = at * s[d++] + static_cast<std::int64_t>(i)), ...);
    return static_cast<std::size_t>(at);
  }
  bool fail(const char* why) noexcept {
    std::snprintf(error_, sizeof error_, "%s", why);
    return false;
  }
  /// With this object's scratch memory and pool.
  template <class F>
  void in_own_places(F&& f) {
    const kernel::scratch_memory::scope own(scratch_);
    if (pool_ == nullptr) return f();
    const pool_scope pool(pool_);
    f();
  }

  /// Makes the scratch memory grow to what run() needs: runs the kernels that use some (matrix products, convolutions,
  /// pooling) on zeros. Nothing of that is seen, unless they write variables or belong to loops that keep a history.
  void warm_up() {
    if constexpr (code::fits && !signature::updates_weights && code::tables.stacks.empty()) {
      if (!has_weights_) return;
      const detail::arena zeros = memory(signature::args.bytes);
      std::array<const void*, signature::arg_count + 1> feeds{};
      for (std::size_t k = 0; k < signature::arg_count; ++k) feeds[k] = zeros.get() + signature::args.list[k].offset;
      const step_context c{feeds.data(), variables_.data(), scalars_.data(), ranges_.data(), core_.fixed.get(), core_.rows.get(), 1,
                           &view_, nullptr, loops_.data(), stacks_.data(), core_.sides};
      in_own_places([&] {
        [&]<std::size_t... S>(std::index_sequence<S...>) { (run_if_tile<S>(c), ...); }
        (std::make_index_sequence<code::tables.steps.size()>{});
      });
    }
  }
  template <std::size_t S>
  static void run_if_tile(const step_context& c) {
    constexpr auto is_tile = [](std::size_t k) { return code::tables.steps[k].kind == group_kind::tile; };
    if constexpr (code::tables.steps[S].beside) {  // each of the two in memory of its own
      if constexpr (is_tile(S) || is_tile(S + 1)) detail::run_in_turn<code, S>(c);
    } else if constexpr (is_tile(S) && (S == 0 || !code::tables.steps[S == 0 ? 0 : S - 1].beside)) {
      run_step<code, S>(c);
    }
  }

  const table_view view_{code::tables};
  std::array<void*, signature::arg_count> args_{};
  std::array<void*, signature::result_count> results_{};
  detail::arena arg_memory_, result_memory_;
  std::array<double, max_hyperparameters> hyper_{};
  std::array<void*, code::tables.variables.size()> variables_{};
  std::array<std::int64_t, 2 * code::tables.scalars.size()> scalars_{};
  std::array<const void*, code::tables.ranges.size()> ranges_{};
  std::array<detail::arena, code::tables.ranges.size()> range_memory_{};
  std::array<const void*, code::tables.fetches.size()> outputs_{};
  std::array<loop_state, code::loop_count> loops_{};
  std::array<stack_state, code::tables.stacks.size()> stacks_{};
  detail::session_core core_;
  kernel::scratch_memory scratch_;
  thread_pool* pool_ = nullptr;
  bool has_weights_ = false;
  char error_[256] = {};
};

}  // namespace rill::graph
