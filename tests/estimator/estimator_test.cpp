// SPDX-License-Identifier: Apache-2.0
#include "rill/estimator/estimator.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <new>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "rill/data/batch.hpp"
#include "rill/data/prefetch.hpp"
#include "rill/data/repeat.hpp"
#include "rill/data/shuffle.hpp"
#include "rill/data/slices.hpp"
#include "rill/data/take.hpp"
#include "rill/nn/nn.hpp"
#include "rill/optimizers/adam.hpp"
#include "rill/optimizers/moving_average.hpp"
#include "rill/summary/event_reader.hpp"
#include "rill/train/profiler_hook.hpp"
#include "../scratch.hpp"

// Every allocation of this program is counted, for the test of the training loop. (Not inlined: g++ would see malloc and
// free under new and delete and warn of a mismatch.)
#define RILL_NOINLINE __attribute__((noinline))
namespace {
std::atomic<std::int64_t> allocations{0};
void* allocate(std::size_t bytes, std::align_val_t alignment = std::align_val_t{alignof(std::max_align_t)}) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  const auto a = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(a, (bytes + a) / a * a);
}
void* checked(void* p) {
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
}  // namespace
RILL_NOINLINE void* operator new(std::size_t n) { return checked(allocate(n)); }
RILL_NOINLINE void* operator new[](std::size_t n) { return checked(allocate(n)); }
RILL_NOINLINE void* operator new(std::size_t n, std::align_val_t a) { return checked(allocate(n, a)); }
RILL_NOINLINE void* operator new[](std::size_t n, std::align_val_t a) { return checked(allocate(n, a)); }
RILL_NOINLINE void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return allocate(n); }
RILL_NOINLINE void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return allocate(n); }
RILL_NOINLINE void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return allocate(n, a); }
RILL_NOINLINE void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return allocate(n, a); }
RILL_NOINLINE void operator delete(void* p) noexcept { std::free(p); }
RILL_NOINLINE void operator delete[](void* p) noexcept { std::free(p); }
RILL_NOINLINE void operator delete(void* p, std::size_t) noexcept { std::free(p); }
RILL_NOINLINE void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
RILL_NOINLINE void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
RILL_NOINLINE void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
RILL_NOINLINE void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
RILL_NOINLINE void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

using namespace rill;

namespace {

// A net with everything a resumed run must get right: initial weights, dropout, slots, averages, shuffled data.
inline constexpr auto net =
    nn::sequential(nn::dense{.units = 12, .activation = relu}, nn::dropout{.rate = 0.25f}, nn::dense{.units = 4});
struct model {
  constexpr auto operator()(auto x) const { return net(x); }
};
using classifier = estimator<multi_class_head<model, 4>, optimizers::moving_average<optimizers::adam>>;

/// Four noisy clusters in six dimensions.
auto clusters(std::int64_t n, unsigned seed) {
  std::mt19937 rng(seed);
  tensor<float, dyn, 6> x({n, 6});
  tensor<std::int32_t, dyn> y(tensor_shape{n});
  for (std::int64_t i = 0; i < n; ++i) {
    const int c = static_cast<int>(rng() % 4);
    y(i) = c;
    for (int f = 0; f < 6; ++f) {
      const float noise = static_cast<float>(rng() % 1000) / 1000.0f - 0.5f;
      x(i, f) = static_cast<float>((c * 5 + f * 3) % 7) / 3.0f - 1.0f + noise;
    }
  }
  return data::from_tensor_slices(std::pair(std::move(x), std::move(y)));
}
auto endless(unsigned seed = 1) {
  return clusters(203, seed) | data::shuffle(203, {.seed = 5}) | data::repeat() | data::batch(16) | data::prefetch(2);
}

classifier make(const std::string& dir, std::int64_t save_steps = 10, std::uint64_t seed = 3, float rate = 0.01f) {
  return classifier(multi_class_head<model, 4>{}, optimizers::moving_average{optimizers::adam{.learning_rate = rate}, 0.99},
                    run_config{.model_dir = dir, .seed = seed, .save_checkpoints_steps = save_steps, .progress = false});
}

/// Everything in the newest checkpoint, as bytes.
std::map<std::string, std::string> saved(const std::string& dir) {
  const io::bundle_reader reader(io::latest_checkpoint(dir));
  std::map<std::string, std::string> out;
  for (const auto& [name, e] : reader.entries()) {
    std::string bytes(static_cast<std::size_t>(e.size), '\0');
    reader.read(name, bytes.data(), bytes.size());
    out[name] = bytes;
  }
  return out;
}

struct at_step : train::hook {
  std::int64_t step;
  void (*act)();
  at_step(std::int64_t s, void (*a)()) : step(s), act(a) {}
  void after_step(train::step_context& c) override {
    if (c.global_step() == step) act();
  }
};

template <class F>
std::string warnings(F f) {
  std::ostringstream text;
  struct redirect {
    std::streambuf* before;
    ~redirect() { std::cerr.rdbuf(before); }
  } const guard{std::cerr.rdbuf(text.rdbuf())};
  f();
  return text.str();
}

}  // namespace

TEST_CASE("estimator: trains, evaluates and predicts; files and dictionary as documented") {
  const test::scratch_dir dir;
  // deduced as in the documentation
  estimator c{multi_class_head<model, 4>{}, optimizers::moving_average{optimizers::adam{.learning_rate = 0.01f}, 0.95},
              run_config{.model_dir = dir.path(), .progress = false}};
  c.train(endless(), {.steps = 200});
  CHECK(c.model_dir() == dir.path());
  CHECK(c.latest_checkpoint() == dir / "model.ckpt-200");
  std::vector<std::string> files = io::list_dir(dir.path());
  std::erase_if(files, [](const std::string& f) { return f.find("tfevents") != std::string::npos; });
  CHECK(files == std::vector<std::string>{"checkpoint", "graph.pbtxt", "model.ckpt-1.data-00000-of-00001", "model.ckpt-1.index",
                                          "model.ckpt-1.meta", "model.ckpt-200.data-00000-of-00001", "model.ckpt-200.index",
                                          "model.ckpt-200.meta"});

  const auto test = clusters(101, 2);
  const evaluation e = c.evaluate(test | data::batch(25));
  CHECK(e["accuracy"] > 0.95);
  CHECK(e["global_step"] == 200);
  CHECK(e.size() == 3);
  CHECK(e.to_string().find("global_step: 200, loss: 0.") != std::string::npos);
  // the size of the batches changes nothing, apart from the rounding of the batch means
  const evaluation one = c.evaluate(test | data::batch(101));
  CHECK(one["accuracy"] == e["accuracy"]);
  CHECK(one["loss"] == doctest::Approx(e["loss"]).epsilon(1e-5));
  CHECK(c.evaluate(test | data::batch(25), {.steps = 1})["accuracy"] ==
        c.evaluate(test | data::take(25) | data::batch(25))["accuracy"]);

  // with the averages the model is another, which changes nothing for those who do not ask for them
  const evaluation averaged = c.evaluate(test | data::batch(25), {.averages = true});
  CHECK(averaged["accuracy"] > 0.95);
  CHECK(averaged["global_step"] == 200);
  CHECK(std::fabs(averaged["loss"] - e["loss"]) > 1e-4);
  CHECK(c.evaluate(test | data::batch(25))["loss"] == e["loss"]);

  for (const bool averages : {false, true}) {
    const evaluation& wanted = averages ? averaged : e;
    const auto predictions = c.predict(test | data::batch(25), {.averages = averages});
    REQUIRE(predictions.size() == 101);
    double right = 0, loss = 0;
    auto it = test.iterator();
    std::pair<tensor<float, 6>, std::int32_t> example;
    for (const auto& p : predictions) {
      REQUIRE(it.next(example));
      double sum = 0;
      for (const float v : p.probabilities) sum += static_cast<double>(v);
      CHECK(sum == doctest::Approx(1).epsilon(1e-5));
      for (const float v : p.probabilities) CHECK(v <= p.probability());
      right += p.class_id == example.second;
      loss -= std::log(static_cast<double>(p.probabilities[static_cast<std::size_t>(example.second)]));
    }
    CHECK(right / 101 == doctest::Approx(wanted["accuracy"]));
    CHECK(loss / 101 == doctest::Approx(wanted["loss"]).epsilon(1e-4));
  }

  const std::vector<std::string> names = c.variable_names();
  for (const char* name : {"dense/kernel", "dense/bias", "dense_1/kernel", "dense/kernel/Adam", "dense_1/bias/Adam_1", "dense_1/bias/ExponentialMovingAverage",
                           "global_step", "input_pipeline/position"}) {
    CAPTURE(name);
    CHECK(std::find(names.begin(), names.end(), name) != names.end());
  }
  CHECK(c.variable_value<float>("dense/kernel").shape() == tensor_shape{6, 12});
  CHECK(*c.variable_value<std::int64_t>("global_step").data() == 200);
  CHECK_THROWS_AS((void)c.variable_value<float>("dense/kernle"), not_found);
  CHECK_THROWS_AS((void)c.variable_value<double>("dense/kernel"), invalid_argument);
}

TEST_CASE("estimator: steps add, max_steps is a bound, finite data end") {
  const test::scratch_dir dir;
  auto c = make(dir.path(), 1000);
  const auto step = [&] { return *c.variable_value<std::int64_t>("global_step").data(); };
  c.train(endless(), {.steps = 7}).train(endless(), {.steps = 5});
  CHECK(step() == 12);
  c.train(endless(), {.max_steps = 12});
  CHECK(step() == 12);
  c.train(endless(), {.max_steps = 15});
  CHECK(step() == 15);
  c.train(clusters(40, 9) | data::batch(16));
  CHECK(step() == 18);
  c.train(clusters(40, 9) | data::batch(16), {.steps = 2});
  CHECK(step() == 20);
  c.train(clusters(40, 9) | data::batch(16), {.steps = 100});  // the one that is left of this pass
  CHECK(step() == 21);
  CHECK_THROWS_WITH_AS(c.train(endless(), {.steps = 0}), "train: steps must be at least 1, got 0", invalid_argument);
  CHECK_THROWS_AS(c.train(endless(), {.steps = 1, .max_steps = 1}), invalid_argument);
  CHECK_THROWS_WITH_AS(c.train(clusters(40, 9) | data::take(0) | data::batch(16)), "train: the data have no elements",
                       invalid_argument);
  CHECK(step() == 21);
}

TEST_CASE("estimator: the same seed gives the same weights, another seed others") {
  const test::scratch_dir a, b, c;
  make(a.path()).train(endless(), {.steps = 30});
  make(b.path()).train(endless(), {.steps = 30});
  make(c.path(), 10, 4).train(endless(), {.steps = 30});
  CHECK(saved(a.path()) == saved(b.path()));
  CHECK(saved(a.path())["dense/kernel"] != saved(c.path())["dense/kernel"]);
}

TEST_CASE("estimator: training in pieces, in this process or in others, equals training at once") {
  const test::scratch_dir whole, pieces, mixed;
  make(whole.path()).train(endless(), {.max_steps = 60});
  for (const std::int64_t until : {1, 17, 18, 43, 60}) make(pieces.path()).train(endless(), {.max_steps = until});
  auto c = make(mixed.path());
  for (const std::int64_t until : {10, 31, 60}) {
    c.train(endless(), {.max_steps = until});
    c.evaluate(clusters(20, 8) | data::batch(7));  // looks, touches nothing
  }
  CHECK(saved(whole.path()) == saved(pieces.path()));
  CHECK(saved(whole.path()) == saved(mixed.path()));
}

TEST_CASE("estimator: killed at any step and resumed equals not killed, bit for bit") {
  const test::scratch_dir whole, killed;
  make(whole.path()).train(endless(), {.max_steps = 60});
  for (const std::int64_t step : {1, 10, 27, 59}) {
    const int status = test::in_child([&] {
      make(killed.path()).train(endless(), {.max_steps = 60, .hooks = {at_step(step, [] { ::raise(SIGKILL); })}});
      return 0;
    });
    CAPTURE(step);
    CHECK(WIFSIGNALED(status));
  }
  make(killed.path()).train(endless(), {.max_steps = 60});
  CHECK(saved(whole.path()) == saved(killed.path()));
}

TEST_CASE("estimator: Ctrl-C and SIGTERM finish the step, save, and lose nothing") {
  for (const int signal : {SIGINT, SIGTERM}) {
    CAPTURE(signal);
    const test::scratch_dir whole, stopped;
    make(whole.path()).train(endless(), {.max_steps = 40});
    const int status = test::in_child([&] {
      try {
        void (*interrupt)() = signal == SIGINT ? +[] { ::raise(SIGINT); } : +[] { ::raise(SIGTERM); };
        make(stopped.path(), 1000).train(endless(), {.max_steps = 40, .hooks = {at_step(23, interrupt)}});
      } catch (const train::interrupted& e) {
        const bool said = std::string(e.what()).find("after step 23; everything is saved in '") != std::string::npos;
        return said ? e.exit_code() : 1;
      }
      return 0;
    });
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 128 + signal);
    CHECK(io::latest_checkpoint(stopped.path()) == stopped / "model.ckpt-23");
    make(stopped.path()).train(endless(), {.max_steps = 40});
    CHECK(saved(whole.path()) == saved(stopped.path()));
  }
}

TEST_CASE("estimator: data that ended begin a new pass, other data begin at their start") {
  const test::scratch_dir dir;
  const auto finite = clusters(50, 3) | data::shuffle(50, {.seed = 1}) | data::batch(16);
  const auto counters = [&] {
    const auto position = make(dir.path()).variable_value<std::int64_t>("input_pipeline/position");
    return std::pair(*position.data(), *make(dir.path()).variable_value<std::int64_t>("input_pipeline/epoch").data());
  };
  make(dir.path()).train(finite, {.steps = 3});
  CHECK(counters() == std::pair<std::int64_t, std::int64_t>(3, 0));
  make(dir.path()).train(finite);  // one batch is left
  CHECK(make(dir.path()).evaluate(finite)["global_step"] == 4);
  make(dir.path()).train(finite);  // the second pass
  CHECK(make(dir.path()).evaluate(finite)["global_step"] == 8);
  CHECK(counters().second >= 1);
  make(dir.path()).train(endless(), {.steps = 2});
  CHECK(counters() == std::pair<std::int64_t, std::int64_t>(2, 0));
}

TEST_CASE("estimator: a damaged newest checkpoint costs the steps since the one before, and says so") {
  const test::scratch_dir whole, damaged;
  make(whole.path()).train(endless(), {.max_steps = 40});
  make(damaged.path()).train(endless(), {.max_steps = 25});
  const std::string newest = damaged / "model.ckpt-25.data-00000-of-00001";
  std::string bytes = io::read_file(newest);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  io::atomic_write(newest, bytes);
  const std::string text = warnings([&] { make(damaged.path()).train(endless(), {.max_steps = 40}); });
  CHECK(text.find("model.ckpt-25' is damaged and is passed over") != std::string::npos);
  CHECK(text.find("model.ckpt-21' instead") != std::string::npos);
  CHECK(saved(whole.path()) == saved(damaged.path()));
}

TEST_CASE("estimator: a diverging run is aborted and leaves the last good state, in files and in memory") {
  const test::scratch_dir dir;
  auto c = make(dir.path(), 5);
  c.train(endless(), {.max_steps = 20});
  const auto before = saved(dir.path());
  const evaluation good = c.evaluate(clusters(40, 2) | data::batch(40));
  struct poison : train::hook {
    void after_step(train::step_context& s) override {
      if (s.global_step() == 23) static_cast<float*>(s.variables().find("dense/kernel")->data)[0] = std::nanf("");
    }
  };
  CHECK_THROWS_AS(c.train(endless(), {.steps = 50, .hooks = {poison{}}}), aborted);
  CHECK(c.latest_checkpoint() == dir / "model.ckpt-21");
  CHECK(c.evaluate(clusters(40, 2) | data::batch(40))["global_step"] == 21);
  const test::scratch_dir other;
  auto fresh = make(other.path(), 5);
  CHECK_THROWS_AS(fresh.train(endless(), {.steps = 50, .hooks = {at_step(1, [] { throw cancelled("no"); })}}), cancelled);
  CHECK(fresh.latest_checkpoint().empty());  // user hooks run before the first save
  fresh.train(endless(), {.max_steps = 20});
  auto again = saved(other.path());
  CHECK(again["dense/kernel"] == before.at("dense/kernel"));
}

TEST_CASE("estimator: wrong calls and places are typed errors with a sentence") {
  const test::scratch_dir dir;
  auto c = make(dir.path());
  const auto data = clusters(20, 1) | data::batch(10);
  CHECK_THROWS_WITH_AS(c.evaluate(data), ("evaluate: could not find a trained model in model_dir '" + dir.path() + "'").c_str(),
                       not_found);
  CHECK_THROWS_AS((void)c.predict(data), not_found);
  CHECK_THROWS_AS((void)c.variable_names(), not_found);
  CHECK(c.latest_checkpoint().empty());
  c.train(data, {.steps = 1});
  CHECK_THROWS_AS(c.evaluate(clusters(20, 1) | data::take(0) | data::batch(10)), invalid_argument);
  CHECK_THROWS_AS(c.evaluate(data, {.steps = 0}), invalid_argument);

  const auto labelled = data::from_tensor_slices(std::pair(tensor<float, dyn, 6>({3, 6}), tensor<std::int32_t, dyn>{0, 1, 4}));
  CHECK_THROWS_WITH_AS(c.train(labelled | data::batch(3)), "label 4 in row 2 of the batch is outside [0, 4)", invalid_argument);

  io::atomic_write(dir / "file", "x");
  CHECK_THROWS_AS(make(dir / "file").train(data), error);
  CHECK(io::read_file(dir / "file") == "x");
  CHECK_THROWS_AS(make(dir.path(), 0), invalid_argument);

  // an empty model_dir is a new temporary directory
  auto temporary = make("");
  CHECK(io::is_directory(temporary.model_dir()));
  std::filesystem::remove_all(temporary.model_dir());
}

TEST_CASE("estimator: event files hold graph, loss, speed, marks and evaluations, steps rising in every tag") {
  const test::scratch_dir dir;
  const auto test = clusters(40, 2) | data::batch(40);
  {
    auto c = make(dir.path(), 1000);
    c.train(endless(), {.steps = 150});
    c.train(endless(), {.steps = 100});
    c.evaluate(test);
    c.evaluate(test);
    c.evaluate(test, {.name = "small"});
  }
  make(dir.path(), 1000).train(endless(), {.steps = 150});
  const auto log = summary::read_event_dir(dir.path());
  CHECK(log.torn.empty());
  for (const char* tag : {"loss", "global_step/sec"}) {
    CAPTURE(tag);
    const auto points = summary::scalars(log, tag);
    CHECK(points.size() >= 2);
    for (std::size_t i = 1; i < points.size(); ++i) CHECK(points[i].step > points[i - 1].step);
  }
  int graphs = 0, starts = 0;
  for (const auto& e : log.events) {
    graphs += !e.graph_def.empty();
    if (e.session_status == 1) {
      ++starts;
      CHECK(e.step == 251);
    }
  }
  CHECK(graphs == 2);
  CHECK(starts == 1);  // only the second process resumed
  for (const char* folder : {"eval", "eval_small"}) {
    const auto evaluations = summary::read_event_dir(dir / folder);
    for (const char* tag : {"accuracy", "loss"}) {
      REQUIRE(summary::scalars(evaluations, tag).size() == 1);
      CHECK(summary::scalars(evaluations, tag)[0].step == 250);
    }
  }
}

TEST_CASE("estimator: a step allocates nothing, also beside a profiler") {
  struct counting : train::hook {
    std::int64_t from = 0, to = 0;
    void after_step(train::step_context& c) override {
      if (c.global_step() == 30) from = allocations.load();
      if (c.global_step() == 80) to = allocations.load();
    }
  };
  const test::scratch_dir dir;
  classifier c(multi_class_head<model, 4>{}, optimizers::moving_average{optimizers::adam{}},
               run_config{.model_dir = dir.path(), .log_step_count_steps = 1000, .save_summary_steps = 1000});
  counting hook;
  warnings([&] {
    c.train(endless(), {.steps = 100, .hooks = {&hook, train::profiler_hook({.save_steps = 1000, .output_dir = dir / "profile"})}});
  });
  CHECK(hook.to > 0);
  CHECK(hook.to - hook.from == 0);
  // a profile of the first step, in its file and for TensorBoard
  CHECK(io::list_dir(dir / "profile") == std::vector<std::string>{"timeline-1.json"});
  int profiles = 0;
  for (const auto& e : summary::read_event_dir(dir.path()).events) profiles += e.run_metadata_tag == "step1";
  CHECK(profiles == 1);
}
