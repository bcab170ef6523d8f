// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Data parallelism: several machines ("towers") that train one model together. Each has the same compiled steps and a copy
/// of the variables; a batch is split between them by rows, the gradients of an optimizer's `minimize` are averaged over the
/// rows of all, and every tower makes the same update. What comes out is what one machine computes from the whole batch, but
/// for the order in which sums are taken. `towers` is a target: the models, sessions and estimators are those of one machine.
///
///   estimator classifier{head{}, optimizers::adam{}, run_config{}, graph::towers(4)};                          // CPU
///   estimator classifier{head{}, optimizers::adam{}, run_config{}, cuda::towers(gpu(0), gpu(1))};              // <rill/cuda/towers.cuh>
///   graph::basic_session<graph::towers<>, step, tensor<float, dyn, 4>> s(store, {}, {}, graph::towers(2));
///
/// - Inputs with a batch are split along their first axis, the first towers get a row more when it does not divide; others
///   go to all. Outputs with a batch are put together again, others are averaged, weighted by rows (integers: the first
///   tower's). So a loss must be a mean over the rows, as those of rill::losses are.
/// - What else a model assigns and makes of its rows, such as the moving averages of batch normalization, is the first
///   tower's (tf's CIFAR-10 example does the same); batch statistics are those of a tower's own rows.
/// - Random numbers differ from tower to tower. A traced run traces the first one.
/// - The variables of a store belong to the first tower; `to_host`, `from_host` and checkpoints work as on one device.
///
/// Sums are taken in the order of the towers, so a run can be repeated bit for bit. Towers on one CPU run one after the other,
/// each on all cores: that serves to try a program for several GPUs.

#include <cstring>
#include <memory>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "../core/storage.hpp"
#include "../kernel/parallel.hpp"
#include "../ops/all_reduce.hpp"
#include "graph_view.hpp"
#include "session.hpp"

namespace rill {

namespace graph {

/// A value that all towers have: its places, by tower.
struct tower_value {
  dtype type = dtype::invalid;
  std::int64_t count = 0;  ///< elements
  std::vector<const void*> from;
  std::vector<void*> to;
};

/// What moves values between towers: `to` becomes the sum of all `from` of floating type, or the first of any type. In the
/// order of each tower's own work; values of one call may travel together.
template <class C>
concept communicator = requires(C& c, std::span<const tower_value> values) {
  c.all_reduce(values);
  c.broadcast(values);
};

/// What a tower on a target is made of. Specialised for each kind of target.
template <class Target>
struct tower_of;

template <>
struct tower_of<cpu_target> {
  /// As on the CPU, but no two steps side by side: the towers meet between steps.
  struct passes {
    static constexpr image run(builder b) { return run_passes(std::move(b), 1e300); }
  };
  /// A tower's variables: the store's own memory, or a copy.
  class replica {
   public:
    explicit replica(bool first) : first_(first) {}
    void* place(stored_variable& v) {
      if (first_) return v.data;
      for (const copy& c : copies_)
        if (c.of == &v) return c.data.data();
      copies_.push_back({&v, storage::allocate(v.bytes)});
      std::memcpy(copies_.back().data.data(), v.data, v.bytes);
      return copies_.back().data.data();
    }
    void to_host() {}
    void to_host(const stored_variable&) {}
    void from_host() {
      for (const copy& c : copies_) std::memcpy(c.data.data(), c.of->data, c.of->bytes);
    }

   private:
    struct copy {
      const stored_variable* of;
      storage data;
    };
    bool first_;
    std::vector<copy> copies_;
  };
  static std::unique_ptr<replica> make_replica(const cpu_target&, bool first) { return std::make_unique<replica>(first); }
  static bool same(const cpu_target&, const cpu_target&) { return true; }
  static void bind(detail::session_core& core, variable_store& store, replica& r) {
    core.bind(store);
    for (std::size_t k = 0; k < core.tables.variables.size(); ++k) core.bind(k, r.place(*store.find(core.tables.variables[k].name)));
  }
  static void run(detail::session_core&, cpu_target::run_function steps, const step_context& c) { steps(c); }
  static void copy(const cpu_target&, void* to, const void* from, std::size_t bytes) {
    if (bytes != 0) std::memcpy(to, from, bytes);
  }
  static void copy_in(const cpu_target& t, void* to, const void* from, std::size_t bytes) { copy(t, to, from, bytes); }
  static void copy_out(const cpu_target& t, void* to, const void* from, std::size_t bytes) { copy(t, to, from, bytes); }

  template <class C, std::size_t First, std::size_t Count, bool Traced>
  static constexpr cpu_target::run_function run_range = [](const step_context& c) {
    if (Traced && First == 0) c.trace->begin_run(view_of_compiled<C>, c.batch);
    detail::run_steps_from<C, First, Traced>(c, std::make_index_sequence<Count>{});
    if (Traced && First + Count == C::tables.own_steps) c.trace->end_run();
  };
};

namespace detail {

/// to[i] = from[0][i] + from[1][i] + ..., in this order; half and bfloat16 are summed up as float.
template <class T>
void add_in_order(std::span<const void* const> from, std::int64_t count, void* to) {
  using sum = std::conditional_t<std::is_same_v<T, double>, double, float>;
  parallel_for(count, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t most = 256;
    sum s[most];
    for (std::int64_t first = begin; first < end; first += most) {
      const std::int64_t n = end - first < most ? end - first : most;
      for (std::size_t t = 0; t < from.size(); ++t) {
        const T* const x = static_cast<const T*>(from[t]) + first;
        for (std::int64_t i = 0; i < n; ++i) s[i] = t == 0 ? static_cast<sum>(x[i]) : s[i] + static_cast<sum>(x[i]);
      }
      for (std::int64_t i = 0; i < n; ++i) static_cast<T*>(to)[first + i] = static_cast<T>(s[i]);
    }
  });
}

}  // namespace detail

/// Moves values through the memory of the host, where the CPU sums them up.
template <class Target>
class host_communicator {
  using tower = tower_of<Target>;

 public:
  explicit host_communicator(std::vector<Target> towers) : towers_(std::move(towers)) {}

  void all_reduce(std::span<const tower_value> values) {
    for (const tower_value& v : values)
      visit_floating(v.type, [&]<class T>(std::type_identity<T>) {
        const std::size_t bytes = static_cast<std::size_t>(v.count) * sizeof(T);
        std::vector<storage> memory;
        std::vector<const void*> from;
        for (std::size_t t = 0; t < towers_.size(); ++t) {
          memory.push_back(storage::allocate(bytes));
          from.push_back(memory.back().data());
          tower::copy_out(towers_[t], memory.back().data(), v.from[t], bytes);
        }
        detail::add_in_order<T>(from, v.count, memory[0].data());
        for (std::size_t t = 0; t < towers_.size(); ++t) tower::copy_in(towers_[t], v.to[t], memory[0].data(), bytes);
      }, "all_reduce");
  }
  void broadcast(std::span<const tower_value> values) {
    for (const tower_value& v : values) {
      const std::size_t bytes = static_cast<std::size_t>(v.count) * size_of(v.type);
      const storage memory = storage::allocate(bytes);
      tower::copy_out(towers_[0], memory.data(), v.from[0], bytes);
      for (std::size_t t = 1; t < towers_.size(); ++t) tower::copy_in(towers_[t], v.to[t], memory.data(), bytes);
    }
  }

 private:
  std::vector<Target> towers_;
};

namespace detail {

/// The parameter that is a tower's share of the whole batch: behind the hyperparameters of a model.
inline constexpr int share_parameter = max_hyperparameters;

/// The gradients of the whole batch's loss. A tower's loss counts by its share of the rows.
template <class = void>
constexpr std::vector<int> average_gradients(builder& b, symbol loss, const std::vector<int>& targets) {
  std::vector<int> g = gradients(b, loss * cast_to(parameter(&b, dtype::float32, share_parameter), loss.type()), targets);
  for (int& id : g)
    if (id >= 0) id = b.add(&info_of<ops::all_reduce_op>, b.nodes[static_cast<std::size_t>(id)].sig(), {id}).id;
  return g;
}

template <class Target>
struct tower_passes {
  static constexpr builder::gradient_function average_gradients = &detail::average_gradients<>;
  static constexpr image run(builder b) { return tower_of<Target>::passes::run(std::move(b)); }
};

/// A value that is summed over the towers, after the steps of a segment.
struct reduced_value {
  memory_ref from, to;
  dtype type = dtype::invalid;
  std::int64_t count = 0;
};
/// Steps that each tower runs by itself, and what they sum up then.
template <class Target>
struct tower_segment {
  typename Target::run_function run;
  std::size_t first_value, values;
};
/// A compiled model as towers run it.
template <class Target>
struct tower_steps {
  std::span<const tower_segment<Target>> segments, traced = {};  ///< the latter for the first tower
  std::span<const reduced_value> values = {};
  std::span<const int> broadcast = {};  ///< variables that are the first tower's
};

constexpr bool is_all_reduce(const frozen_step& s) { return s.kind == group_kind::opaque && s.op < 0 && s.name == ops::all_reduce_op::name; }

/// Where the steps of a compiled model meet.
template <class C>
struct tower_plan {
  static constexpr const auto& tables = C::tables;
  struct range {
    std::size_t first = 0, count = 0, first_value = 0, values = 0;
  };
  static constexpr std::size_t value_count = [] {
    std::size_t n = 0;
    for (std::size_t k = 0; k < tables.own_steps; ++k) n += is_all_reduce(tables.steps[k]);
    return n;
  }();
  static constexpr std::size_t range_count = [] {
    std::size_t n = 1;
    for (std::size_t k = 0; k < tables.own_steps; ++k) n += is_all_reduce(tables.steps[k]) && (k + 1 == tables.own_steps || !is_all_reduce(tables.steps[k + 1]));
    return n;
  }();
  static constexpr std::array<range, range_count> ranges = [] {
    std::array<range, range_count> r{};
    std::size_t n = 0, value = 0;
    for (std::size_t k = 0; k < tables.own_steps; ++k) {
      if (!is_all_reduce(tables.steps[k])) {
        if (r[n].values > 0) r[++n] = {k, 0, value, 0};
        ++r[n].count;
      } else {
        ++r[n].values, ++value;
      }
    }
    if (r[n].values > 0) r[++n] = {tables.own_steps, 0, value, 0};
    return r;
  }();
  static constexpr std::array<reduced_value, value_count> values = [] {
    std::array<reduced_value, value_count> v{};
    std::size_t n = 0;
    for (std::size_t k = 0; k < tables.own_steps; ++k)
      if (const frozen_step& s = tables.steps[k]; is_all_reduce(s))
        v[n++] = {s.operands[0].memory, tables.outputs[static_cast<std::size_t>(s.program.output)].memory, s.out.type, s.out.shape.num_elements()};
    return v;
  }();

  /// Per variable whether it is assigned what a tower made of its own rows or random numbers.
  static constexpr std::array<bool, tables.variables.size()> local_variables = [] {
    std::array<bool, tables.variables.size()> r{};
    std::array<bool, tables.nodes.size()> local{};
    for (std::size_t k = 0; k < tables.nodes.size(); ++k) {
      const frozen_node& n = tables.nodes[k];
      if (n.id == id_of<source::parameter>) local[k] = (n.i < 0 && n.i != -2) || n.i == share_parameter;
      else local[k] = n.id == id_of<source::input> || n.kind == op_kind::control;  // bodies may draw random numbers
      for (int j = 0; j < n.arity; ++j) local[k] = local[k] || local[static_cast<std::size_t>(n.in[j])];
      if (n.id == id_of<ops::all_reduce_op>) local[k] = false;
      if (n.kind == op_kind::assign) r[static_cast<std::size_t>(n.i)] = local[k];
    }
    return r;
  }();
  static constexpr std::size_t broadcast_count = [] {
    std::size_t n = 0;
    for (bool b : local_variables) n += b;
    return n;
  }();
  static constexpr std::array<int, broadcast_count> broadcast = [] {
    std::array<int, broadcast_count> r{};
    std::size_t n = 0;
    for (std::size_t k = 0; k < local_variables.size(); ++k)
      if (local_variables[k]) r[n++] = static_cast<int>(k);
    return r;
  }();
  static constexpr bool trains_alone = [] {
    for (std::size_t k = 0; k < local_variables.size(); ++k)
      if (local_variables[k] && tables.variables[k].trainable) return true;
    return false;
  }();
  static_assert(!trains_alone, "towers: a trainable variable is assigned what each tower makes of its own rows; let an optimizer's minimize update it");

  template <class Target, bool Traced>
  static constexpr auto segments = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<tower_segment<Target>, range_count>{
        tower_segment<Target>{tower_of<Target>::template run_range<C, ranges[I].first, ranges[I].count, Traced>, ranges[I].first_value, ranges[I].values}...};
  }(std::make_index_sequence<range_count>{});
};

/// A store's variables on all towers; the first one's are those that count.
template <class Target>
class tower_mirror final : public variable_mirror {
  using replica = typename tower_of<Target>::replica;

 public:
  explicit tower_mirror(const std::vector<Target>& towers) : towers_(towers) {
    for (std::size_t t = 0; t < towers.size(); ++t) replicas_.push_back(tower_of<Target>::make_replica(towers[t], t == 0));
  }
  /// The store's, made when there is none. invalid_argument when the store's variables are elsewhere already.
  static tower_mirror& of(variable_store& store, const std::vector<Target>& towers) {
    if (store.mirror() == nullptr) store.set_mirror(std::make_shared<tower_mirror>(towers));
    auto* const m = dynamic_cast<tower_mirror*>(store.mirror());
    bool same = m != nullptr && m->towers_.size() == towers.size();
    for (std::size_t t = 0; same && t < towers.size(); ++t) same = tower_of<Target>::same(m->towers_[t], towers[t]);
    if (!same) throw invalid_argument("towers: the variables of this store live on other devices");
    return *m;
  }
  replica& at(std::size_t tower) { return *replicas_[tower]; }

  void to_host() override { replicas_[0]->to_host(); }
  void to_host(const stored_variable& v) override { replicas_[0]->to_host(v); }
  void from_host() override {
    for (const auto& r : replicas_) r->from_host();
  }

 private:
  std::vector<Target> towers_;
  std::vector<std::unique_ptr<replica>> replicas_;
};

/// Rows of an input, as a tower reads them.
template <class T>
struct input_rows {
  using value_type = T;
  const T* first;
  std::int64_t count;
  [[nodiscard]] const T* data() const { return first; }
  [[nodiscard]] std::int64_t size() const { return count; }
};

/// The memory and steps of a session on several towers.
template <class Target, class Communicator>
class tower_core {
  using traits = tower_of<Target>;
  using core = typename Target::core;

  struct tower {
    std::vector<void*> variables;
    std::vector<std::int64_t> scalars;
    std::vector<const void*> ranges, outputs, feeds;
    std::unique_ptr<arena[]> range_memory;
    std::unique_ptr<loop_state[]> loops;
    std::unique_ptr<stack_state[]> stacks;
    core own;
    step_context context = {};

    tower(const table_view& t, const session_options& o)
        : variables(t.variables.size()), scalars(2 * t.scalars.size()), ranges(t.ranges.size()), outputs(t.fetches.size()),
          range_memory(std::make_unique<arena[]>(t.ranges.size())), loops(std::make_unique<loop_state[]>(t.controls.size())),
          stacks(std::make_unique<stack_state[]>(t.stacks.size())),
          own{t, o, variables.data(), scalars.data(), ranges.data(), range_memory.get(), outputs.data(), loops.get(), stacks.get()} {}
  };

 public:
  /// The memory that a session has for one machine stays unused.
  tower_core(const table_view& t, session_options o, void**, std::int64_t*, const void**, arena*, const void**, loop_state*, stack_state*)
      : tables_(t), options_(o), fetched_(t.fetches.size()) {}

  template <class T>
  void use(const T& target) {
    targets_ = target.machines();
    communicator_ = target.shared_communicator();
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      session_options o = options_;
      o.seed += t * 0x9e3779b97f4a7c15u;
      towers_.push_back(std::make_unique<tower>(tables_, o));
      if constexpr (requires { towers_[t]->own.use(targets_[t]); }) towers_[t]->own.use(targets_[t]);
    }
  }
  void bind(variable_store& store) {
    auto& mirror = tower_mirror<Target>::of(store, targets_);
    for (std::size_t t = 0; t < towers_.size(); ++t) traits::bind(towers_[t]->own, store, mirror.at(t));
  }

  /// Splits an input.
  template <class T, std::int64_t... E>
  const void* feed(std::size_t k, const tensor<T, E...>& x) {
    constexpr std::int64_t extents[sizeof...(E) + 1] = {E..., 0};
    constexpr int batches = (0 + ... + (E < 0));
    static_assert(batches == 0 || (batches == 1 && extents[0] < 0), "towers split inputs along their first axis: only that one may be the batch");
    const std::int64_t rows = batches == 0 ? 0 : x.extent(0), row = rows == 0 ? 0 : x.size() / rows;
    for (std::size_t t = 0; t < towers_.size(); ++t) {
      const share s = share_of(rows, t);
      auto& feeds = towers_[t]->feeds;
      if (feeds.size() < k + 2) feeds.resize(k + 2);
      feeds[k] = towers_[t]->own.feed(k, batches == 0 ? input_rows<T>{x.data(), x.size()} : input_rows<T>{x.data() + s.first * row, s.rows * row});
    }
    return nullptr;
  }

  void step(std::int64_t rows_given, const void* const*, const double* hyper, const tower_steps<Target>& steps, tracer* trace) {
    batch = rows_given < 0 ? 1 : rows_given;
    capacity = batch > capacity ? batch : capacity;
    split_ = rows_given >= 0;
    double parameters[max_hyperparameters + 1];
    for (int k = 0; k < max_hyperparameters; ++k) parameters[k] = hyper[k];
    for (std::size_t t = 0; t < towers_.size(); ++t) {
      tower& w = *towers_[t];
      const share s = split_ ? share_of(batch, t) : share{0, 1, t == 0, t == 0 ? 1.0 : 0.0};
      parameters[share_parameter] = s.of_all;
      w.context = w.own.begin(s.rows, w.feeds.data(), parameters, t == 0 ? trace : nullptr);
    }
    try {
      run_segments(steps);
    } catch (...) {  // some towers have done what others have not: all get what the first one has
      std::vector<int> all;
      for (std::size_t k = 0; k < tables_.variables.size(); ++k) all.push_back(static_cast<int>(k));
      try {
        broadcast(all);
      } catch (const std::exception&) {  // of a device that does nothing any more: what it refused first is the error
      }
      for (storage& s : fetched_) s = storage();
      throw;
    }
    for (const auto& w : towers_) w->own.end(w->context);
    for (storage& s : fetched_) s = storage();
  }
  void run_segments(const tower_steps<Target>& steps) {
    for (std::size_t k = 0; k < steps.segments.size(); ++k) {
      const tower_segment<Target>& segment = steps.segments[k];
      for (std::size_t t = 0; t < towers_.size(); ++t)
        traits::run(towers_[t]->own, t == 0 && !steps.traced.empty() ? steps.traced[k].run : segment.run, towers_[t]->context);
      if (segment.values == 0) continue;
      values_.resize(segment.values);
      for (std::size_t v = 0; v < segment.values; ++v) {
        const reduced_value& r = steps.values[segment.first_value + v];
        describe(values_[v], r.type, r.count, [&](const step_context& c) { return std::pair(address(c, r.from), address(c, r.to)); });
      }
      communicator_->all_reduce(values_);
    }
    broadcast(steps.broadcast);
  }
  /// Gives all towers what the first one has in these variables.
  void broadcast(std::span<const int> variables) {
    if (variables.empty() || towers_.size() < 2) return;
    values_.resize(variables.size());
    for (std::size_t v = 0; v < values_.size(); ++v) {
      const auto k = static_cast<std::size_t>(variables[v]);
      const variable_decl& d = tables_.variables[k];
      describe(values_[v], d.type, d.shape.num_elements(), [&](const step_context& c) { return std::pair(c.variables[k], c.variables[k]); });
    }
    communicator_->broadcast(values_);
  }

  /// Puts output k together.
  void read(std::size_t k, void* to) const {
    const frozen_fetch& f = tables_.fetches[k];
    int axis = 0;
    while (axis < f.shape.rank() && f.shape[axis] >= 0) ++axis;
    if (axis == f.shape.rank()) return read_mean(k, to);
    std::int64_t outer = 1, inner = static_cast<std::int64_t>(size_of(f.type)) * -f.shape[axis];  // bytes of a row
    for (int d = 0; d < axis; ++d) outer *= f.shape[d];
    for (int d = axis + 1; d < f.shape.rank(); ++d) inner *= f.shape[d];
    auto* const bytes = static_cast<unsigned char*>(to);
    for (std::size_t t = 0; t < towers_.size(); ++t) {
      const share s = share_of(batch, t);
      if (!s.counts) continue;
      if (outer == 1) {
        towers_[t]->own.read(k, bytes + s.first * inner);
        continue;
      }
      const storage part = storage::allocate(static_cast<std::size_t>(outer * s.rows * inner));
      towers_[t]->own.read(k, part.data());
      const auto n = static_cast<std::size_t>(s.rows * inner);
      for (std::int64_t o = 0; n != 0 && o < outer; ++o)
        std::memcpy(bytes + (o * batch + s.first) * inner, static_cast<const unsigned char*>(part.data()) + static_cast<std::size_t>(o) * n, n);
    }
  }
  [[nodiscard]] const void* fetched(std::size_t k) const {
    storage& s = fetched_[k];
    if (!s) {
      const frozen_fetch& f = tables_.fetches[k];
      s = storage::allocate(static_cast<std::size_t>(f.shape.with_batch(batch).num_elements()) * size_of(f.type));
      read(k, s.data());
    }
    return s.data();
  }

  std::int64_t batch = 1, capacity = 0;

 private:
  /// The rows of a tower. One without any runs the first row again, which then counts nothing.
  struct share {
    std::int64_t first = 0, rows = 0;
    bool counts = true;
    double of_all = 1;
  };
  [[nodiscard]] share share_of(std::int64_t rows, std::size_t t) const {
    const auto n = static_cast<std::int64_t>(towers_.size()), k = static_cast<std::int64_t>(t);
    const std::int64_t each = rows / n, more = rows % n, own = each + (k < more);
    if (own == 0) return {0, rows == 0 ? 0 : 1, k == 0, k == 0 ? 1.0 : 0.0};
    return {each * k + (k < more ? k : more), own, true, static_cast<double>(own) / static_cast<double>(rows)};
  }
  template <class Places>
  void describe(tower_value& v, dtype type, std::int64_t count, const Places& places) const {
    v.type = type, v.count = count;
    v.from.resize(towers_.size()), v.to.resize(towers_.size());
    for (std::size_t t = 0; t < towers_.size(); ++t) std::tie(v.from[t], v.to[t]) = places(towers_[t]->context);
  }
  /// An output of all rows: the mean of those of the towers, each by its share.
  void read_mean(std::size_t k, void* to) const {
    const frozen_fetch& f = tables_.fetches[k];
    towers_[0]->own.read(k, to);
    if (!is_floating(f.type) || !split_) return;
    const auto n = static_cast<std::size_t>(f.shape.num_elements());
    visit_floating(f.type, [&]<class T>(std::type_identity<T>) {
      T* const first = static_cast<T*>(to);
      std::vector<double> mean(n);
      std::vector<char> same(n, 1);
      std::vector<T> other(n);
      for (std::size_t i = 0; i < n; ++i) mean[i] = share_of(batch, 0).of_all * static_cast<double>(first[i]);
      for (std::size_t t = 1; t < towers_.size(); ++t) {
        const share s = share_of(batch, t);
        if (!s.counts) continue;
        towers_[t]->own.read(k, other.data());
        for (std::size_t i = 0; i < n; ++i) mean[i] += s.of_all * static_cast<double>(other[i]), same[i] = same[i] && other[i] == first[i];
      }
      for (std::size_t i = 0; i < n; ++i)
        if (!same[i]) first[i] = static_cast<T>(mean[i]);
    });
  }

  const table_view& tables_;
  session_options options_;
  std::vector<Target> targets_;
  std::shared_ptr<Communicator> communicator_;
  std::vector<std::unique_ptr<tower>> towers_;
  std::vector<tower_value> values_;
  mutable std::vector<storage> fetched_;
  bool split_ = true;
};

}  // namespace detail

/// A target of several others, of one kind.
template <class Target = cpu_target, communicator Communicator = host_communicator<Target>>
class towers {
 public:
  using core = detail::tower_core<Target, Communicator>;
  using run_function = detail::tower_steps<Target>;
  using passes = detail::tower_passes<Target>;

  /// invalid_argument for an empty list; what the communicator throws.
  explicit towers(std::vector<Target> machines)
      : machines_(checked(std::move(machines))), communicator_(std::make_shared<Communicator>(machines_)) {}
  /// So many on the CPU.
  explicit towers(int n)
    requires std::is_same_v<Target, cpu_target>
      : towers(std::vector<cpu_target>(static_cast<std::size_t>(n > 0 ? n : 0))) {}

  [[nodiscard]] const std::vector<Target>& machines() const { return machines_; }
  [[nodiscard]] const std::shared_ptr<Communicator>& shared_communicator() const { return communicator_; }

  template <class C>
  static constexpr run_function run_all = {.segments = detail::tower_plan<C>::template segments<Target, false>,
                                           .values = detail::tower_plan<C>::values,
                                           .broadcast = detail::tower_plan<C>::broadcast};
  template <class C>
  static run_function run_all_traced() {
    run_function f = run_all<C>;
    f.traced = detail::tower_plan<C>::template segments<Target, true>;
    return f;
  }

 private:
  static std::vector<Target> checked(std::vector<Target> machines) {
    if (machines.empty()) throw invalid_argument("towers: there must be one at least");
    return machines;
  }
  std::vector<Target> machines_;
  std::shared_ptr<Communicator> communicator_;
};
towers(int) -> towers<>;

}  // namespace graph
}  // namespace rill
