// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A compiled model on a device. `cuda::session<Model, Inputs...>` is graph::session with another target: the same model
/// types, inputs, outputs and variables; only where the steps run differs.
///
///   cuda::session<step, tensor<float, dyn, 784>, tensor<std::int32_t, dyn>> s(store, {}, {}, cuda::on(gpu(0)));
///   auto [loss, _] = s.run(xs, ys);     // host tensors in, host tensors out
///   store.to_host();                    // the variables as they are now, to save or print
///
/// Variables live on the device from the first session on and are shared by all sessions of a store there
/// (variable_mirror); the store's own memory is brought up to date by `to_host`, and changed values go to the device by
/// `from_host`. After the first step at a batch the step is recorded once and then replayed by a single call. Loops over rows
/// are part of that, as long as they are; a branch, or a loop that the data ends, is run anew each time, as is an op on the
/// host: what lies between these is recorded. Steps are asynchronous; reading an output waits.
///
/// Every op needs a kernel on the device: one that has none does not compile. `soft_session` (for estimators,
/// `cuda::on(gpu(0), cuda::soft_placement)`) runs it on the CPU, between two copies. Where ops run is logged when
/// `cuda::on(gpu(0), {.log_device_placement = true})` asks for it.

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rill/graph/session.hpp>

#ifdef __CUDACC__
#include "device.cuh"
#endif
#include "placement.cuh"
#include "step.cuh"

namespace rill::cuda {

/// The values of a store's variables on a device.
template <class Device>
class variable_mirror final : public graph::variable_mirror {
 public:
  explicit variable_mirror(Device& device) : device_(device) {}
  variable_mirror(const variable_mirror&) = delete;
  variable_mirror& operator=(const variable_mirror&) = delete;
  ~variable_mirror() override {
    for (const auto& [v, place] : places_) device_.release(place.data);
  }

  /// The mirror of a store on this device, made when there is none. invalid_argument when the store's variables are
  /// elsewhere already.
  static variable_mirror& of(graph::variable_store& store, Device& device) {
    if (store.mirror() == nullptr) store.set_mirror(std::make_shared<variable_mirror>(device));
    auto* const m = dynamic_cast<variable_mirror*>(store.mirror());
    if (m == nullptr || &m->device_ != &device) throw invalid_argument("cuda::session: the variables of this store live on another device");
    return *m;
  }
  /// Where a variable lies, with its present value.
  void* place(graph::stored_variable& v) {
    auto it = places_.find(&v);
    if (it == places_.end()) {
      it = places_.emplace(&v, entry{device_.allocate(v.bytes)}).first;
      device_.copy_in(it->second.data, v.data, v.bytes);
    }
    return it->second.data;
  }
  /// Says that a step has written variables.
  void written() { newer_ = true; }

  void to_host() override {
    if (!newer_) return;
    for (const auto& [v, place] : places_) device_.copy_out(v->data, place.data, v->bytes);
    newer_ = false;
  }
  void to_host(const graph::stored_variable& v) override {
    if (const auto it = places_.find(const_cast<graph::stored_variable*>(&v)); newer_ && it != places_.end()) device_.copy_out(v.data, it->second.data, v.bytes);
  }
  void from_host() override {
    for (const auto& [v, place] : places_) device_.copy_in(place.data, v->data, v->bytes);
    newer_ = false;
  }

 private:
  struct entry {
    void* data;
  };
  Device& device_;
  std::map<graph::stored_variable*, entry> places_;
  bool newer_ = false;  ///< than the host's
};

namespace detail {

/// Memory of a device, freed with its owner.
template <class Device>
class buffer {
 public:
  buffer() = default;
  buffer(Device& device, std::size_t bytes) : device_(&device), data_(device.allocate(bytes)), bytes_(bytes) {}
  buffer(buffer&& o) noexcept : device_(o.device_), data_(std::exchange(o.data_, nullptr)), bytes_(std::exchange(o.bytes_, 0)) {}
  buffer& operator=(buffer o) noexcept {
    std::swap(device_, o.device_), std::swap(data_, o.data_), std::swap(bytes_, o.bytes_);
    return *this;
  }
  ~buffer() {
    if (data_ != nullptr) device_->release(data_);
  }
  [[nodiscard]] unsigned char* data() const { return static_cast<unsigned char*>(data_); }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  Device* device_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Steps in a row that are recorded together, or run one by one.
template <class Device>
struct piece {
  typename machine<Device>::region run = nullptr;
  bool recordable = false;
};
/// What a model's steps are on a device.
template <class Device>
struct steps {
  std::span<const piece<Device>> pieces;
  typename machine<Device>::region traced = nullptr;  ///< all of them, with a word to who listens
  const graph::graph_view* graph = nullptr;
};

/// Steps [Begin, End) of a model cut where recording ends: piece k begins with step first[k].
template <class C, std::size_t Begin, std::size_t End>
struct cuts {
  static constexpr bool begins(std::size_t k) { return k == Begin || is_recordable(C::tables, k) != is_recordable(C::tables, k - 1); }
  static constexpr std::size_t count = [] {
    std::size_t n = 0;
    for (std::size_t k = Begin; k < End; ++k) n += begins(k);
    return n;
  }();
  static constexpr std::array<std::size_t, count + 1> first = [] {
    std::array<std::size_t, count + 1> at{};
    std::size_t n = 0;
    for (std::size_t k = Begin; k < End; ++k)
      if (begins(k)) at[n++] = k;
    at[n] = End;
    return at;
  }();
};
template <class C, class Device, std::size_t Begin = 0, std::size_t End = C::tables.own_steps, class = std::make_index_sequence<cuts<C, Begin, End>::count>>
struct pieces_of;
template <class C, class Device, std::size_t Begin, std::size_t End, std::size_t... K>
struct pieces_of<C, Device, Begin, End, std::index_sequence<K...>> {
  using cut = cuts<C, Begin, End>;
  static constexpr std::array<piece<Device>, sizeof...(K)> list = {
      piece<Device>{&run_range<C, cut::first[K], cut::first[K + 1] - cut::first[K], false, Device>, is_recordable(C::tables, cut::first[K])}...};
};

/// Steps First, First + 1, ... of that number, traced; the first and the last of a model's begin and end its run.
template <class C, std::size_t First, std::size_t Count, class Device>
void run_traced(Device& device, const step_context& c) {
  if (First == 0) c.trace->begin_run(graph::view_of_compiled<C>, c.batch);
  run_range<C, First, Count, true>(device, c);
  if (First + Count == C::tables.own_steps) c.trace->end_run();
}

/// Named in the compiler's output: an op that has no kernel on devices.
template <graph::fixed_text Op>
struct op_without_a_device_kernel {
  static constexpr bool value = false;
};
template <class C, std::size_t... S>
constexpr std::size_t first_on_host(std::index_sequence<S...>) {
  std::size_t found = sizeof...(S);
  ((found = found == sizeof...(S) && needs_host(C::tables.steps[S]) ? S : found), ...);
  return found;
}
template <class C>
constexpr void require_kernels() {
  constexpr std::size_t n = C::tables.steps.size(), step = first_on_host<C>(std::make_index_sequence<n>{});
  if constexpr (step < n) {
    constexpr auto name = [] {
      constexpr std::string_view from = C::tables.steps[step].name;
      graph::fixed_text<from.size()> t;
      for (std::size_t k = 0; k < from.size(); ++k) t.text[k] = from[k];
      return t;
    }();
    static_assert(op_without_a_device_kernel<name>::value,
                  "an op of the model, named above, has no kernel on this device: cuda::soft_session and cuda::on(gpu(0), cuda::soft_placement) run it on the CPU");
  }
}

/// A session's memory and steps on a device: the functions of graph::detail::session_core.
template <class Device>
class session_core {
 public:
  template <class... A>
  explicit session_core(const graph::table_view& t, A&&... a) : host_{t, std::forward<A>(a)...}, batch(host_.batch), capacity(host_.capacity) {}

  session_core(const session_core&) = delete;
  session_core& operator=(const session_core&) = delete;
  ~session_core() {
    for (std::size_t k = 0; k < host_.tables.stacks.size(); ++k)  // of the device: `host_` must not free them
      if (graph::stack_state& s = host_.stacks[k]; s.data != nullptr) device_->release(std::exchange(s.data, nullptr));
  }

  template <class Target>
  void use(const Target& target) {
    device_ = &target.on();
    log_placement_ = target.options().log_device_placement;
  }
  void bind(graph::variable_store& store) {
    bind(store, variable_mirror<Device>::of(store, *device_));
  }
  void bind(graph::variable_store& store, variable_mirror<Device>& mirror) {
    host_.bind(store);
    mirror_ = &mirror;
    for (std::size_t k = 0; k < host_.tables.variables.size(); ++k) {
      const std::string_view name = host_.tables.variables[k].name;
      host_.variables[k] = mirror_->place(*store.find(name));
      if (name == "global_step") global_step_ = host_.variables[k];
    }
    host_.global_step = nullptr;  // it counts on the device
    prepare();
  }
  static void check(const std::int64_t* declared, const std::int64_t* given, int rank, int position, std::int64_t& rows) {
    graph::detail::session_core::check(declared, given, rank, position, rows);
  }
  /// Brings an input to its place on the device.
  template <class X>
  const void* feed(std::size_t k, const X& x) {
    const std::size_t bytes = static_cast<std::size_t>(x.size()) * sizeof(typename X::value_type);
    if (feeds_.size() <= k) feeds_.resize(k + 1);
    if (feeds_[k].size() < bytes) {
      recordings_.clear();  // they read the old place
      feeds_[k] = buffer<Device>();
      feeds_[k] = buffer<Device>(*device_, bytes);
    }
    if constexpr (requires { x.on_device(); }) {
      if (&x.device() != device_) throw invalid_argument("session: an input of the model lives on another device");
      device_->copy(feeds_[k].data(), x.data(), bytes);
    } else {
      device_->copy_in(feeds_[k].data(), x.data(), bytes);
    }
    return feeds_[k].data();
  }

  void step(std::int64_t rows_given, const void* const* feeds, const double* hyper, const steps<Device>& all, graph::tracer* trace) {
    const step_context c = begin(rows_given, feeds, hyper, trace);
    run(all, c);
    end(c);
  }
  /// What goes before and after the calls, and these.
  step_context begin(std::int64_t rows_given, const void* const* feeds, const double* hyper, graph::tracer* trace) {
    batch = rows_given < 0 ? 1 : rows_given;
    if (batch > capacity || rows_.size() == 0) {
      recordings_.clear();
      rows_ = buffer<Device>();
      rows_ = buffer<Device>(*device_, bytes_of(batch * host_.tables.row_bytes));
      capacity = batch;
    }
    host_.batch = batch;
    host_.set_parameters(hyper);
    send_scalars();
    feed_places_.assign(feeds, feeds + feeds_.size() + 1);
    return {feed_places_.data(),  host_.variables, reinterpret_cast<std::int64_t*>(scalars_.data()), ranges_.data(), fixed_.data(),
                         rows_.data(), batch,     &host_.tables, trace, host_.loops, host_.stacks, nullptr};
  }
  void run(const steps<Device>& all, const step_context& c) {
    if (std::exchange(log_placement_, false)) {
      const std::string text = placement_of(*all.graph, device_name(*device_));
      static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
    }
    if (all.traced != nullptr) all.traced(*device_, c);
    else run_or_replay(all.pieces, c);
  }
  void end(const step_context& c) {
    for (std::size_t k = 0; k < host_.tables.fetches.size(); ++k) host_.outputs[k] = graph::detail::address(c, host_.tables.fetches[k].memory);
    mirror_->written();
    ++host_.steps_run;
    fetched_.clear();
  }
  /// Copies output k to the host.
  void read(std::size_t k, void* to) const { device_->copy_out(to, host_.outputs[k], bytes_of_fetch(k)); }
  /// Output k of the last step, in the host's memory.
  [[nodiscard]] const void* fetched(std::size_t k) const {
    storage& s = fetched_[k];
    if (!s) {
      s = storage::allocate(bytes_of_fetch(k));
      read(k, s.data());
    }
    return s.data();
  }

 private:
  graph::detail::session_core host_;

 public:
  std::int64_t batch, capacity;

 private:
  static std::size_t bytes_of(std::int64_t n) { return static_cast<std::size_t>(n > 0 ? n : 64); }
  [[nodiscard]] std::size_t bytes_of_fetch(std::size_t k) const {
    const graph::frozen_fetch& f = host_.tables.fetches[k];
    return static_cast<std::size_t>(f.shape.with_batch(batch).num_elements()) * size_of(f.type);
  }
  void prepare() {
    fixed_ = buffer<Device>(*device_, bytes_of(host_.tables.fixed_bytes));
    scalars_ = buffer<Device>(*device_, bytes_of(static_cast<std::int64_t>(host_.tables.scalars.size() * 16)));
    ranges_.resize(host_.tables.ranges.size() + 1);
    for (std::size_t k = 0; k < host_.tables.ranges.size(); ++k) {
      const graph::range_desc& r = host_.tables.ranges[k];
      const std::size_t bytes = static_cast<std::size_t>(r.extent) * size_of(r.type);
      range_memory_.emplace_back(*device_, bytes);
      device_->copy_in(range_memory_.back().data(), host_.ranges[k], bytes);
      ranges_[k] = range_memory_.back().data();
    }
  }
  void send_scalars() {
    const std::size_t words = 2 * host_.tables.scalars.size();
    for (std::size_t first = 0; first < words; first += 2 * set_scalars::most) {
      set_scalars k{};
      const std::size_t n = words - first < 2 * set_scalars::most ? words - first : 2 * set_scalars::most;
      k.cells = reinterpret_cast<std::int64_t*>(scalars_.data()) + first, k.count = static_cast<std::uint32_t>(n);
      for (std::size_t i = 0; i < n; ++i) k.value[i] = host_.scalars[first + i];
      device_->launch(k, {.blocks = 1, .threads = 256});
    }
    // The step's number is a variable of the device.
    for (std::size_t i = 0; i < host_.tables.scalars.size(); ++i)
      if (const graph::scalar_desc& s = host_.tables.scalars[i]; s.is_parameter && s.parameter == -2 && global_step_ != nullptr)
        device_->copy(scalars_.data() + 16 * i, global_step_, sizeof(std::int64_t));
  }
  /// A piece's first run at a batch sizes scratch memory and loads kernels; if it can be, it is recorded in the next one. Where
  /// scratch memory has moved since, both begin anew: what was recorded knows where it was.
  void run_or_replay(std::span<const piece<Device>> pieces, const step_context& c) {
    const std::pair now(batch, pieces.data());
    std::vector<recorded>& all = recordings_[now];
    all.resize(pieces.size());
    for (std::size_t k = 0; k < pieces.size(); ++k) {
      const piece<Device>& p = pieces[k];
      recorded& r = all[k];
      if (!p.recordable || r.scratch != device_->scratch_moves()) {
        r = {};
        p.run(*device_, c);
        r.scratch = device_->scratch_moves();
        continue;
      }
      if (!r.work) r.work = device_->record([device = device_, run = p.run, c] { run(*device, c); });
      device_->replay(r.work);
    }
    if (recordings_.size() > most_recordings)
      for (auto it = recordings_.begin(); it != recordings_.end(); it = it->first == now ? std::next(it) : recordings_.erase(it)) {}
  }
  static constexpr std::size_t most_recordings = 8;
  struct recorded {  ///< a piece
    typename Device::recording_type work = {};
    std::int64_t scratch = -1;  ///< how often scratch memory had moved when it ran; it has not
  };

  Device* device_ = nullptr;
  variable_mirror<Device>* mirror_ = nullptr;
  const void* global_step_ = nullptr;
  buffer<Device> fixed_, rows_, scalars_;
  std::vector<buffer<Device>> feeds_, range_memory_;
  std::vector<const void*> ranges_, feed_places_;
  std::map<std::pair<std::int64_t, const piece<Device>*>, std::vector<recorded>> recordings_;  ///< by batch and pieces
  bool log_placement_ = false;
  mutable std::map<std::size_t, storage> fetched_;
};

}  // namespace detail

/// Where the ops of a model may run: those without a kernel for devices do not compile, or run on the CPU.
enum class placement { strict, soft };
/// Says `placement::soft` to `on`.
struct soft_placement_t {};
inline constexpr soft_placement_t soft_placement{};

struct target_options {
  bool log_device_placement = false;  ///< each session says to stderr, before its first step, where its ops run
};

/// Runs a session's steps on a device.
template <class Device, placement Where = placement::strict, class Contractions = contractions<>>
class basic_target {
 public:
  using core = detail::session_core<Device>;
  using run_function = detail::steps<Device>;
  using passes = basic_passes<Contractions>;

  explicit basic_target(Device& device, target_options options = {}) : device_(&device), options_(options) {}
  /// What may run some ops on the CPU runs all of those that run without.
  template <placement Other>
    requires(Where == placement::soft && Other == placement::strict)
  basic_target(const basic_target<Device, Other, Contractions>& other) : basic_target(other.on(), other.options()) {}  // NOLINT: implicit on purpose
  [[nodiscard]] Device& on() const { return *device_; }
  [[nodiscard]] const target_options& options() const { return options_; }

  template <class C>
  static constexpr run_function run_all = [] {
    if constexpr (Where == placement::strict) detail::require_kernels<C>();
    return run_function{detail::pieces_of<C, Device>::list, nullptr, &graph::view_of_compiled<C>};
  }();
  template <class C>
  static run_function run_all_traced() {
    return {{}, &detail::run_traced<C, 0, C::tables.own_steps, Device>, &graph::view_of_compiled<C>};
  }

 private:
  Device* device_;
  target_options options_;
};

#ifdef __CUDACC__
/// Runs the steps of sessions and estimators on a GPU.
using target = basic_target<device>;
/// The same with the ops that have no kernel there on the CPU.
using soft_target = basic_target<device, placement::soft>;
/// invalid_argument when there is no such GPU.
inline target on(gpu which, target_options options = {}) { return target(device_of(which), options); }
inline soft_target on(gpu which, soft_placement_t, target_options options = {}) { return soft_target(device_of(which), options); }
/// With products and convolutions computed so: contractions<P>, or library_contractions<P> (libraries.cuh).
template <class Contractions>
  requires requires { Contractions::accuracy; }
basic_target<device, placement::strict, Contractions> on(gpu which, Contractions, target_options options = {}) {
  return basic_target<device, placement::strict, Contractions>(device_of(which), options);
}

/// graph::session on a GPU: `cuda::session<Model, Inputs...> s(store, {}, {}, cuda::on(gpu(0)));`. An op without a kernel
/// there does not compile.
template <class Model, class... Inputs>
using session = graph::basic_session<target, Model, Inputs...>;
/// The same with contractions of one's choice:
/// `cuda::session_by<cuda::contractions<cuda::precision::tf32>, Model, Inputs...> s(store, {}, {}, cuda::on(gpu(0), cuda::contractions<cuda::precision::tf32>{}));`.
template <class Contractions, class Model, class... Inputs>
using session_by = graph::basic_session<basic_target<device, placement::strict, Contractions>, Model, Inputs...>;
/// The same for any model: what has no kernel there runs on the CPU, between two copies (TensorFlow's allow_soft_placement).
template <class Model, class... Inputs>
using soft_session = graph::basic_session<soft_target, Model, Inputs...>;
#endif

}  // namespace rill::cuda
