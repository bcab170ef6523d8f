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
/// `from_host`. After the first step at a batch the whole step is recorded once and then replayed by a single call, unless
/// one of its ops runs on the host. Steps are asynchronous; reading an output waits.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <rill/graph/graph_view.hpp>
#include <rill/graph/session.hpp>

#ifdef __CUDACC__
#include "device.cuh"
#endif
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

/// Sets a step's scalars: their values travel with the launch, so that no host memory is read later.
struct set_scalars {
  using shared = no_shared;
  static constexpr bool synchronizes = false;
  static constexpr int most = 128;
  std::int64_t value[2 * most];
  std::int64_t* cells;
  std::uint32_t count;  ///< words

  template <class Threads>
  RILL_GPU void operator()(const Threads& t) const {
    for (std::uint32_t k = t.index(); k < count; k += t.count()) cells[k] = value[k];
  }
};

/// What a model's steps are on a device, and whether they can be recorded.
template <class Device>
struct steps {
  void (*run)(Device&, const step_context&) = nullptr;
  bool recordable = false;
};
template <class C, class Device, std::size_t... S>
void run_all_of(Device& device, const step_context& c, std::index_sequence<S...>) {
  (run_step<C, S>(device, c), ...);
}
template <class C, class Device>
void run_all(Device& device, const step_context& c) {
  run_all_of<C>(device, c, std::make_index_sequence<C::tables.own_steps>{});
}
template <class C, class Device, std::size_t... S>
void run_all_traced_of(Device& device, const step_context& c, std::index_sequence<S...>) {
  c.trace->begin_run(graph::view_of_compiled<C>, c.batch);
  (..., [&] {
    c.trace->begin(S);
    run_step<C, S>(device, c);
    device.synchronize();
    c.trace->end();
  }());
  c.trace->end_run();
}
template <class C, std::size_t... S>
constexpr bool all_on_device(std::index_sequence<S...>) {
  return (!runs_on_host<C, S> && ...);
}

/// A session's memory and steps on a device: the functions of graph::detail::session_core.
template <class Device>
class session_core {
 public:
  template <class... A>
  explicit session_core(const graph::table_view& t, A&&... a) : host_{t, std::forward<A>(a)...}, batch(host_.batch), capacity(host_.capacity) {}

  template <class Target>
  void use(const Target& target) {
    device_ = &target.on();
  }
  void bind(graph::variable_store& store) {
    host_.bind(store);
    mirror_ = &variable_mirror<Device>::of(store, *device_);
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
    if constexpr (requires { x.on_device(); }) device_->copy(feeds_[k].data(), x.data(), bytes);
    else device_->copy_in(feeds_[k].data(), x.data(), bytes);
    return feeds_[k].data();
  }

  void step(std::int64_t rows_given, const void* const* feeds, const double* hyper, const steps<Device>& all, graph::tracer* trace) {
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
    const step_context c{feed_places_.data(),  host_.variables, reinterpret_cast<std::int64_t*>(scalars_.data()), ranges_.data(), fixed_.data(),
                         rows_.data(), batch,     &host_.tables, trace, nullptr, nullptr, nullptr};
    if (trace != nullptr || !all.recordable) all.run(*device_, c);
    else run_or_replay(all, c);
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
  void run_or_replay(const steps<Device>& all, const step_context& c) {
    recorded& r = recordings_[batch];
    if (r.work) device_->replay(r.work);
    else if (!r.seen) {
      all.run(*device_, c);  // sizes scratch memory, loads kernels
      r.seen = true;
    } else {
      r.work = device_->record([device = device_, run = all.run, c] { run(*device, c); });
      device_->replay(r.work);
    }
    if (recordings_.size() > most_recordings)
      for (auto it = recordings_.begin(); it != recordings_.end(); it = it->first == batch ? std::next(it) : recordings_.erase(it)) {}
  }
  static constexpr std::size_t most_recordings = 8;
  struct recorded {
    bool seen = false;
    typename Device::recording_type work;
  };

  Device* device_ = nullptr;
  variable_mirror<Device>* mirror_ = nullptr;
  const void* global_step_ = nullptr;
  buffer<Device> fixed_, rows_, scalars_;
  std::vector<buffer<Device>> feeds_, range_memory_;
  std::vector<const void*> ranges_, feed_places_;
  std::map<std::int64_t, recorded> recordings_;
  mutable std::map<std::size_t, storage> fetched_;
};

}  // namespace detail

/// Runs a session's steps on a device.
template <class Device>
class basic_target {
 public:
  using core = detail::session_core<Device>;
  using run_function = detail::steps<Device>;
  using passes = cuda::passes;

  explicit basic_target(Device& device) : device_(&device) {}
  [[nodiscard]] Device& on() const { return *device_; }

  template <class C>
  static constexpr run_function run_all = {&detail::run_all<C, Device>, detail::all_on_device<C>(std::make_index_sequence<C::tables.own_steps>{})};
  template <class C>
  static run_function run_all_traced() {
    return {[](Device& d, const graph::step_context& c) { detail::run_all_traced_of<C>(d, c, std::make_index_sequence<C::tables.own_steps>{}); }, false};
  }

 private:
  Device* device_;
};

#ifdef __CUDACC__
/// Runs the steps of sessions and estimators on a GPU.
using target = basic_target<device>;
/// invalid_argument when there is no such GPU.
inline target on(gpu which) { return target(device_of(which)); }

/// graph::session on a GPU: `cuda::session<Model, Inputs...> s(store, {}, {}, cuda::on(gpu(0)));`
template <class Model, class... Inputs>
using session = graph::basic_session<target, Model, Inputs...>;
#endif

}  // namespace rill::cuda
