// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `estimator`: trains, evaluates and applies a model whose state lives in a directory. Every call begins with the newest
/// valid checkpoint there, so training continues where it stopped, in this process or another; `train` saves the first
/// and the last step, and in between as its `run_config` says.
///
///   estimator classifier{multi_class_head<mnist_cnn, 10>{}, optimizers::gradient_descent{.learning_rate = 0.001f},
///                        run_config{.model_dir = "models/mnist"}};
///   classifier.train(train | data::shuffle(60000) | data::repeat() | data::batch(100), {.steps = 20000});
///   std::cout << classifier.evaluate(test | data::batch(100));      // {accuracy: 0.9733, global_step: 20000, loss: 0.0902}
///   for (const auto& p : classifier.predict(test | data::take(3) | data::batch(3))) std::cout << p.class_id << '\n';
///
/// Exact resume: a checkpoint also holds how many batches of the data were consumed and a fingerprint of them. A run that
/// was killed at any step and is started again with the same program ends with the weights of one that was not, bit for
/// bit. Data whose first batch differs, and data that had come to their end, start at the beginning.
///
/// Data are datasets of batches (`data::batch`): a pair (or a structure of two fields) of features and labels; `predict`
/// also takes features alone. Ctrl-C finishes the step, saves and throws `train::interrupted`.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/core/function_ref.hpp"
#include "rill/core/tensor.hpp"
#include "rill/core/text.hpp"
#include "rill/data/dataset.hpp"
#include "rill/estimator/evaluation.hpp"
#include "rill/estimator/head.hpp"
#include "rill/estimator/run_config.hpp"
#include "rill/graph/session.hpp"
#include "rill/graph/traced_run.hpp"
#include "rill/graph/variable_store.hpp"
#include "rill/io/crc32c.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/graph_def.hpp"
#include "rill/io/tensor_bundle.hpp"
#include "rill/summary/event_writer.hpp"
#include "rill/summary/graph.hpp"
#include "rill/train/hooks.hpp"
#include "rill/train/loop.hpp"
#include "rill/train/progress.hpp"
#include "rill/train/saver.hpp"

namespace rill {

/// How long to train. Without `steps` and `max_steps` until the data end; both at once are invalid_argument.
struct train_options {
  std::optional<std::int64_t> steps = std::nullopt;      ///< so many steps more
  std::optional<std::int64_t> max_steps = std::nullopt;  ///< until the global step is this; nothing if it is already
  train::hook_list hooks = {};
};

struct evaluate_options {
  std::optional<std::int64_t> steps = std::nullopt;  ///< batches to look at; all by default
  std::string name = {};                             ///< events go to model_dir/eval_NAME instead of model_dir/eval
  bool averages = false;                             ///< the model with the moving averages of its variables (optimizers::moving_average)
};

struct predict_options {
  bool averages = false;  ///< as in evaluate_options
};

namespace detail {

/// Features and labels of a batch.
template <class Element>
struct batch_parts {
  static_assert(data::detail::is_tensor<Element> || data::detail::is_product<Element>,
                "an estimator takes batches that are a tensor of features, or a pair of features and labels");
  static decltype(auto) features(Element& e) {
    if constexpr (data::detail::is_tensor<Element>) return (e);
    else return std::get<0>(data::detail::fields(e));
  }
  static decltype(auto) labels(Element& e) {
    if constexpr (data::detail::is_tensor<Element>)
      static_assert(!data::detail::is_tensor<Element>, "training and evaluation need labels: a pair of features and labels");
    else return std::get<1>(data::detail::fields(e));
  }
  using features_type = std::remove_cvref_t<decltype(features(std::declval<Element&>()))>;
};

template <class Element>
using features_of = typename batch_parts<Element>::features_type;
template <class Element>
using labels_of = std::remove_cvref_t<decltype(batch_parts<Element>::labels(std::declval<Element&>()))>;

/// A tensor where the CPU can read it: itself, or a copy of one in the memory of a device.
template <class X>
decltype(auto) readable(const X& x) {
  if constexpr (requires { x.on_host(); }) return x.on_host();
  else return (x);
}

/// Tells data sets apart by their structure, length and first batch.
template <class Dataset>
[[gnu::cold]] std::int64_t fingerprint(const Dataset& ds, typename Dataset::element& first) {
  const std::string what = data::output_shapes(ds) + data::output_types(ds) + std::to_string(data::cardinality(ds));
  std::uint32_t structure = io::crc32c(what), content = 0;
  data::detail::for_each_leaf(first, [&](const auto& component) {
    if constexpr (requires { component.shape(); }) {
      const auto& leaf = readable(component);
      const std::string shape = to_string(leaf.shape());
      structure = io::extend_crc32c(structure, shape);
      content = io::extend_crc32c(content, leaf.data(), static_cast<std::size_t>(leaf.size()) * sizeof(*leaf.data()));
    }
  });
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(structure) << 32 | content) >> 1);
}

inline std::int64_t& counter(graph::variable_store& store, std::string_view name) {
  graph::stored_variable& v = store.get(name, dtype::int64, {}, false);
  store.to_host(v);
  v.initialized = true;
  return *static_cast<std::int64_t*>(v.data);
}

[[gnu::cold]] inline std::string make_temporary_dir() {
  const char* base = std::getenv("TMPDIR");
  std::string path = io::join_path(base != nullptr && *base != '\0' ? base : P_tmpdir, "rill-XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) io::detail::throw_errno("create the directory", path, errno);
  return path;
}

/// What an estimator knows that depends on no model: its directory, the variables and the files around them.
class model_directory {
 public:
  model_directory(const model_directory&) = delete;
  model_directory& operator=(const model_directory&) = delete;

  /// Where checkpoints and events are.
  [[nodiscard]] const std::string& model_dir() const { return config_.model_dir; }
  [[nodiscard]] const run_config& config() const { return config_; }
  /// Prefix of the newest checkpoint; "" before the first.
  template <class = void>
  [[gnu::cold]] [[nodiscard]] std::string latest_checkpoint() const {
    const std::vector<std::string> found = io::checkpoint_candidates(config_.model_dir);
    return found.empty() ? std::string() : found.front();
  }
  /// Names of everything in the newest checkpoint, sorted: weights, slots, counters. not_found before the first.
  template <class = void>
  [[gnu::cold]] [[nodiscard]] std::vector<std::string> variable_names() const {
    const io::bundle_reader reader = open_latest();
    std::vector<std::string> names;
    for (const auto& [name, e] : reader.entries()) names.push_back(name);
    return names;
  }
  /// A tensor of the newest checkpoint. not_found for an unknown name, invalid_argument for another element type.
  template <class T>
  [[nodiscard]] tensor<T, any_rank> variable_value(std::string_view name) const {
    const io::bundle_reader reader = open_latest();
    const io::bundle_entry& e = reader.entry(name);
    if (e.type != dtype_v<T>)
      rill::detail::raise<invalid_argument>({"variable ", name, " holds ", name_of(e.type), ", not ", name_of(dtype_v<T>)});
    auto value = tensor<T, any_rank>::uninitialized(e.shape);
    reader.read(name, value.data(), static_cast<std::size_t>(value.size()) * sizeof(T));
    return value;
  }

 protected:
  [[gnu::cold]] explicit model_directory(run_config config) : config_(std::move(config)) {
    check(config_);
    if (config_.model_dir.empty()) config_.model_dir = make_temporary_dir();
  }
  ~model_directory() = default;

  static void check_count(const char* what, const std::optional<std::int64_t>& n) {
    if (n && *n <= 0) rill::detail::raise<invalid_argument>({what, " must be at least 1, got ", *n});
  }
  [[gnu::cold]] static void check_options(const train_options& options) {
    check_count("train: steps", options.steps);
    check_count("train: max_steps", options.max_steps);
    if (options.steps && options.max_steps)
      rill::detail::raise<invalid_argument>({"train: steps and max_steps cannot both be given"});
  }
  template <class X, class Y>
  static void check_rows(const X& x, const Y& y) {
    if (x.shape().rank() == 0 || y.shape().rank() == 0 || x.shape()[0] != y.shape()[0])
      rill::detail::raise<invalid_argument>({"a batch has features of shape ", to_string(x.shape()),
                                             " and labels of shape ", to_string(y.shape()),
                                             "; their first extents must be equal"});
  }

  /// The counters come first in the store, so that they are there whichever program is compiled first.
  template <class = void>
  [[gnu::cold]] void declare_counters() {
    if (store_.find("global_step") != nullptr) return;
    for (const char* name : {"global_step", "input_pipeline/position", "input_pipeline/epoch", "input_pipeline/fingerprint"})
      detail::counter(store_, name);
  }

  /// Brings the variables to the newest valid checkpoint. False when there is none.
  template <class = void>
  [[gnu::cold]] bool synchronize() {
    static constexpr std::string_view optional = "input_pipeline/";
    const std::string newest = latest_checkpoint();
    if (newest.empty()) return false;
    const std::size_t count = store_.variables().size();
    // A program that is new in this process (training after evaluation) adds variables, which are still to be read.
    if (newest != newest_seen_) restored_prefix_ = train::restore_newest(store_, config_.model_dir, {.optional = optional});
    else if (restored_ < count) train::restore(store_, restored_prefix_, {.first = restored_, .optional = optional});
    newest_seen_ = newest;
    restored_ = count;
    return true;
  }
  template <class = void>
  [[gnu::cold]] void require_checkpoint(const char* call) {
    if (!synchronize()) no_model(call);
  }
  /// Brings a store of a call's own to the moving averages in the newest valid checkpoint.
  template <class = void>
  [[gnu::cold]] void restore_averages(graph::variable_store& store, const char* call) const {
    counter(store, "global_step");
    if (train::restore_newest(store, config_.model_dir, {.averages = true}).empty()) no_model(call);
  }
  template <class = void>
  [[gnu::cold]] [[noreturn]] void no_model(const char* call) const {
    rill::detail::raise<not_found>({call, ": could not find a trained model in model_dir '", config_.model_dir, "'"});
  }
  template <class = void>
  [[gnu::cold]] [[nodiscard]] io::bundle_reader open_latest() const {
    const std::string newest = latest_checkpoint();
    if (newest.empty()) rill::detail::raise<not_found>({"could not find a trained model in model_dir '", config_.model_dir,
                                                        "'"});
    return io::bundle_reader(newest);
  }

  /// Puts the iterator behind what the checkpoint says was consumed, and reads the batch that comes next.
  template <class Dataset, class Iterator>
  [[gnu::cold]] bool place(const Dataset& ds, Iterator& it, typename Dataset::element& batch) {
    std::int64_t& position = detail::counter(store_, "input_pipeline/position");
    std::int64_t& epoch = detail::counter(store_, "input_pipeline/epoch");
    std::int64_t& known = detail::counter(store_, "input_pipeline/fingerprint");
    if (!it.next(batch)) rill::detail::raise<invalid_argument>({"train: the data have no elements"});
    const std::int64_t print = detail::fingerprint(ds, batch);
    if (known == print && (position > 0 || epoch > 0)) {
      if (epoch > 0) {
        it.restart(epoch);
        if (!it.next(batch)) rill::detail::raise<invalid_argument>({"train: the data have no elements"});
      }
      if (position == 0) return true;
      if (it.skip(position - 1) == position - 1 && it.next(batch)) return true;
      // Everything had been consumed, only the end had not been met: the next pass begins.
      ++epoch;
      position = 0;
      it.restart(epoch);
      return it.next(batch);
    }
    position = epoch = 0;
    known = print;
    return true;
  }

  template <class = void>
  [[gnu::cold]] void open_events(const io::graph_def& graph, std::int64_t first_step) {
    if (events_) return;
    events_.emplace(config_.model_dir);
    events_->add_graph(graph);
    // What an earlier process logged beyond the checkpoint is void; TensorBoard drops it at this mark.
    if (first_step > 0) events_->add_session_log(summary::session_status::start, first_step + 1);
    events_->flush();
    io::atomic_write(io::join_path(config_.model_dir, "graph.pbtxt"), io::to_pbtxt(graph));
  }

  /// The user's hooks, then the guard against NaN before anything is saved, then what reports, then what saves.
  template <class = void>
  [[gnu::cold]] train::hook_list standard_hooks(train::hook_list hooks, train::checkpoint_saver_hook*& saver) {
    hooks.push_back(train::nan_tensor_hook());
    if (config_.log_step_count_steps > 0) hooks.push_back(train::step_counter_hook({config_.log_step_count_steps}));
    if (config_.save_summary_steps > 0) hooks.push_back(train::summary_saver_hook({config_.save_summary_steps}));
    if (config_.progress) hooks.push_back(train::progress_hook({.log_step_count_steps = config_.log_step_count_steps}));
    auto saving = std::make_shared<train::checkpoint_saver_hook>(train::checkpoint_saver_hook::options{
        .checkpoint_dir = config_.model_dir,
        .save_secs = config_.save_checkpoints_secs.value_or(600),
        .save_steps = config_.save_checkpoints_steps.value_or(0),
        .max_to_keep = config_.keep_checkpoint_max});
    saver = saving.get();
    hooks.push_back(std::move(saving));
    return hooks;
  }

  /// While training runs the variables are ahead of the files; if anything fails they are read anew at the next call.
  struct forget_on_failure {
    model_directory* self;
    [[gnu::cold]] ~forget_on_failure() {
      if (self == nullptr) return;
      self->store_ = graph::variable_store();
      self->newest_seen_.clear();
      self->restored_ = 0;
      self->events_.reset();
    }
  };

  /// The loop with its hooks and files.
  template <class = void>
  [[gnu::cold]] void run(train::hook_list user_hooks, const io::graph_def& graph, std::int64_t first_step, std::int64_t last_step,
           function_ref<bool(train::step_context&)> step, forget_on_failure& guard) {
    open_events(graph, first_step);
    train::checkpoint_saver_hook* saver = nullptr;
    train::hook_list hooks = standard_hooks(std::move(user_hooks), saver);
    const train::train_context context{store_, first_step, last_step, &graph, &*events_};
    const train::loop_result result = train::run_steps(hooks, context, step);
    events_->flush();
    newest_seen_ = restored_prefix_ = saver->last_saved();
    restored_ = store_.variables().size();
    guard.self = nullptr;
    if (result.signal != 0)
      throw train::interrupted(result.signal,
                               rill::detail::join({"stopped by ", result.signal == SIGINT ? "Ctrl-C" : "SIGTERM", " after step ",
                                                   result.global_step, "; everything is saved in '", newest_seen_, "'"}));
  }

  /// Output I of the session's last step, over a batch of `rows`.
  template <std::size_t I, class Session>
  static train::step_value output(const Session& session, std::string_view name, std::int64_t rows) {
    constexpr auto& fetch = Session::code::tables.fetches[I];
    return {name, fetch.type, fetch.shape.with_batch(rows), session.template output<I>()};
  }
  struct evaluation_run {
    std::string folder;
    std::int64_t step;
    std::unique_ptr<summary::event_writer> writer;
  };
  template <class = void>
  [[gnu::cold]] void write_evaluation(const evaluation& result, std::int64_t step, const std::string& folder) {
    for (auto& w : evaluations_) {
      if (w.folder != folder) continue;
      if (w.step >= step) return;  // one point per step and tag
      w.step = step;
      write_scalars(*w.writer, result, step);
      return;
    }
    evaluations_.push_back({folder, step, std::make_unique<summary::event_writer>(io::join_path(config_.model_dir, folder))});
    write_scalars(*evaluations_.back().writer, result, step);
  }
  template <class = void>
  [[gnu::cold]] static void write_scalars(summary::event_writer& events, const evaluation& result, std::int64_t step) {
    for (const evaluation::entry& e : result) events.add_scalar(e.name, static_cast<float>(e.value), step);
    events.flush();
  }

  run_config config_;
  graph::variable_store store_;
  std::string newest_seen_;      // the newest checkpoint when the variables were last brought up to date
  std::string restored_prefix_;  // the one they came from: an older one if that was damaged
  std::size_t restored_ = 0;     // variables that are up to date with it
  std::optional<summary::event_writer> events_;
  std::vector<evaluation_run> evaluations_;
};

/// Evaluation and prediction, which do not depend on the optimizer.
template <class Head, class Target = graph::cpu_target>
class head_model : public model_directory {
 public:
  using prediction = typename Head::prediction;

  /// Averages loss and metrics over the data (or the first `steps` batches) at the newest checkpoint. not_found when
  /// nothing was trained yet; invalid_argument when the data are empty.
  template <data::dataset Dataset>
  evaluation evaluate(const Dataset& ds, const evaluate_options& options = {}) {
    check_count("evaluate: steps", options.steps);
    using element = typename Dataset::element;
    using parts = detail::batch_parts<element>;
    declare_counters();
    graph::variable_store averages, &store = options.averages ? averages : store_;
    graph::basic_session<Target, typename Head::evaluate_program, detail::features_of<element>, detail::labels_of<element>> session(store, {}, {}, target_);
    if (options.averages) restore_averages(store, "evaluate");
    else require_checkpoint("evaluate");

    typename Head::evaluator metrics;
    auto it = ds.iterator();
    element batch{};
    for (std::int64_t i = 0; (!options.steps || i < *options.steps) && it.next(batch); ++i) {
      auto& x = parts::features(batch);
      auto& y = parts::labels(batch);
      check_rows(x, y);
      const auto& labels = readable(y);
      Head::check_labels(labels);
      session.step(x, y);
      const auto* ids = static_cast<const std::int64_t*>(session.template output<1>());
      metrics.update(output<0>(session, "loss", y.size()).at(), labels, {ids, static_cast<std::size_t>(y.size())});
    }
    if (metrics.examples() == 0) rill::detail::raise<invalid_argument>({"evaluate: the data have no elements"});
    const std::int64_t step = detail::counter(store, "global_step");
    evaluation result;
    metrics.report(result);
    write_evaluation(result, step, options.name.empty() ? "eval" : "eval_" + options.name);
    result.set({"global_step", static_cast<double>(step), true});
    return result;
  }

  /// One prediction per example, in order. Labels, if the data have any, are not looked at.
  template <data::dataset Dataset>
  std::vector<prediction> predict(const Dataset& ds, const predict_options& options = {}) {
    using element = typename Dataset::element;
    declare_counters();
    graph::variable_store averages, &store = options.averages ? averages : store_;
    graph::basic_session<Target, typename Head::predict_program, detail::features_of<element>> session(store, {}, {}, target_);
    if (options.averages) restore_averages(store, "predict");
    else require_checkpoint("predict");
    std::vector<prediction> out;
    auto it = ds.iterator();
    element batch{};
    while (it.next(batch)) {
      auto& x = detail::batch_parts<element>::features(batch);
      session.step(x);
      const std::int64_t rows = x.shape()[0];
      const train::step_value ids = output<0>(session, "class_ids", rows), p = output<1>(session, "probabilities", rows);
      for (std::int64_t r = 0; r < rows; ++r) out.push_back(Head::predicted(ids, p, r));
    }
    return out;
  }

 protected:
  explicit head_model(run_config config, Target target = {}) : model_directory(std::move(config)), target_(std::move(target)) {}

  /// Training with any program: `step` runs it on a batch and reports to the loop, `graph` gives its graph for the files.
  template <data::dataset Dataset>
  [[gnu::cold]] void train_on(const Dataset& ds, train_options options,
                function_ref<void(features_of<typename Dataset::element>&, labels_of<typename Dataset::element>&, train::step_context&)> step,
                function_ref<io::graph_def()> graph_of) {
    using element = typename Dataset::element;
    using parts = batch_parts<element>;
    synchronize();
    const std::int64_t first_step = counter(store_, "global_step");
    if (options.max_steps && first_step >= *options.max_steps) return;
    std::int64_t last_step = options.max_steps ? *options.max_steps : options.steps ? first_step + *options.steps : -1;

    forget_on_failure guard{this};
    auto it = ds.iterator();
    element batch{};
    bool have_batch = place(ds, it, batch);
    if (const std::int64_t n = data::cardinality(ds); n >= 0) {
      const std::int64_t end = first_step + n - it.position() + 1;
      last_step = last_step < 0 ? end : std::min(last_step, end);
    }
    std::int64_t& position = counter(store_, "input_pipeline/position");
    std::int64_t& epoch = counter(store_, "input_pipeline/epoch");
    run(std::move(options.hooks), graph_of(), first_step, last_step, [&](train::step_context& c) {
      if (!have_batch && !it.next(batch)) {
        position = 0;
        ++epoch;
        return false;
      }
      have_batch = false;
      auto& x = parts::features(batch);
      auto& y = parts::labels(batch);
      check_rows(x, y);
      if constexpr (!requires { y.on_host(); }) Head::check_labels(y);  // it would wait for the device in every step
      step(x, y, c);
      position = it.position();
      return true;
    }, guard);
  }

  [[no_unique_address]] Target target_;
};

}  // namespace detail

/// `Target` is the machine that steps run on: the CPU, or what <rill/cuda.hpp> offers.
template <class Head, class Optimizer, class Target = graph::cpu_target>
class estimator : public detail::head_model<Head, Target> {
  using base = detail::model_directory;
  using base::check_options, base::config_, base::declare_counters, base::store_;

 public:
  using typename detail::head_model<Head, Target>::prediction;

  /// Builds nothing yet. invalid_argument when the config contradicts itself.
  explicit estimator(Head /*head*/, Optimizer optimizer, run_config config = {}, Target target = {})
      : detail::head_model<Head, Target>(std::move(config), std::move(target)), optimizer_(std::move(optimizer)) {}

  /// Trains. Errors: those of data, hooks and files; labels outside the head's range; `aborted` when the loss is not
  /// finite; `train::interrupted` after Ctrl-C or SIGTERM, with everything saved.
  template <data::dataset Dataset>
  estimator& train(const Dataset& ds, train_options options = {}) {
    check_options(options);
    using element = typename Dataset::element;
    using features = detail::features_of<element>;
    using labels = detail::labels_of<element>;
    using program = typename Head::template train_program<Optimizer>;

    declare_counters();
    graph::basic_session<Target, program, features, labels> session(store_, program{optimizer_}, {.seed = config_.seed}, this->target_);
    this->train_on(
        ds, std::move(options),
        [&](features& x, labels& y, train::step_context& c) {
          session.step({.trace = c.trace()}, x, y);
          c.end_step(detail::counter(store_, "global_step"), x.shape()[0]);
          add_values(session, c, std::make_index_sequence<Head::train_outputs.size()>{});
        },
        [] { return summary::graph_of<program, features, labels>(); });
    return *this;
  }

 private:
  template <class Session, std::size_t... I>
  static void add_values(const Session& session, train::step_context& c, std::index_sequence<I...>) {
    (c.add(base::template output<I>(session, Head::train_outputs[I], c.examples())), ...);
  }

  Optimizer optimizer_;
};

}  // namespace rill
