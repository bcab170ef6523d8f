// SPDX-License-Identifier: Apache-2.0
#include "rill/train/saver.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "../scratch.hpp"
#include "rill/io/graph_def_reader.hpp"

namespace io = rill::io;
namespace train = rill::train;
using rill::dtype;
using rill::graph::variable_store;

namespace {

/// A kernel, its slot, an empty variable and the global step, filled with numbers that depend on `salt`.
void fill(variable_store& store, int salt) {
  const auto put = [&](const char* name, dtype type, rill::tensor_shape shape, bool trainable) {
    auto& v = store.get(name, type, shape, trainable);
    for (std::size_t i = 0; i < v.bytes; ++i)
      static_cast<unsigned char*>(v.data)[i] = static_cast<unsigned char>(i * 31 + static_cast<std::size_t>(salt) * 7 + v.name.size());
    v.initialized = true;
  };
  put("dense/kernel", dtype::float32, {7, 3}, true);
  put("dense/bias", dtype::float64, {3}, true);
  put("dense/kernel/Momentum", dtype::float32, {7, 3}, false);
  put("empty", dtype::int32, {0, 4}, true);
  put("flags", dtype::boolean, {5}, false);
  put("global_step", dtype::int64, {}, false);
}
bool same(const variable_store& a, const variable_store& b) {
  if (a.variables().size() != b.variables().size()) return false;
  for (std::size_t i = 0; i < a.variables().size(); ++i)
    if (std::memcmp(a.variables()[i]->data, b.variables()[i]->data, a.variables()[i]->bytes) != 0) return false;
  return true;
}

void flip_byte(const std::string& path, std::size_t at) {
  std::string bytes = io::read_file(path);
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 0x40);
  io::atomic_write(path, bytes);
}

/// What is written to stderr while f runs.
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

TEST_CASE("saver: everything comes back, bit for bit, slots and step included") {
  const rill::test::scratch_dir dir;
  variable_store a, b;
  fill(a, 1);
  fill(b, 2);
  train::saver saver;
  CHECK(saver.save(a, dir / "model.ckpt", 200) == dir / "model.ckpt-200");
  CHECK_FALSE(same(a, b));
  train::restore(b, dir / "model.ckpt-200");
  CHECK(same(a, b));
  variable_store fresh;
  fresh.get("dense/bias", dtype::float64, {3}, true);  // a subset is enough
  train::restore(fresh, dir / "model.ckpt-200");
  CHECK(fresh.find("dense/bias")->initialized);
  CHECK(std::memcmp(fresh.find("dense/bias")->data, a.find("dense/bias")->data, 24) == 0);
}

TEST_CASE("saver: the documented layout, and the state file's text") {
  const rill::test::scratch_dir dir;
  variable_store store;
  fill(store, 1);
  train::saver saver;
  io::graph_def graph;
  graph.nodes.push_back({"x", "Placeholder", {}, "", {}});
  saver.save(store, dir / "model.ckpt", 1, &graph);
  saver.save(store, dir / "model.ckpt", 200, &graph);
  CHECK(io::list_dir(dir.path()) ==
        std::vector<std::string>{"checkpoint", "model.ckpt-1.data-00000-of-00001", "model.ckpt-1.index", "model.ckpt-1.meta",
                                 "model.ckpt-200.data-00000-of-00001", "model.ckpt-200.index", "model.ckpt-200.meta"});
  CHECK(io::read_file(dir / "checkpoint") ==
        "model_checkpoint_path: \"model.ckpt-200\"\n"
        "all_model_checkpoint_paths: \"model.ckpt-1\"\n"
        "all_model_checkpoint_paths: \"model.ckpt-200\"\n");
  CHECK(io::read_meta_graph(dir / "model.ckpt-200").nodes.size() == 1);
}

TEST_CASE("saver: keeps the newest five, another number, or all; the same step again is no second one") {
  for (const int keep : {5, 1, 0}) {
    CAPTURE(keep);
    const rill::test::scratch_dir dir;
    variable_store store;
    fill(store, 3);
    for (std::int64_t step = 1; step <= 8; ++step) {
      train::saver saver({.max_to_keep = keep});  // a new one each time, as after a restart
      saver.save(store, dir / "model.ckpt", step);
      saver.save(store, dir / "model.ckpt", step);
    }
    const auto state = io::read_checkpoint_state(dir.path());
    REQUIRE(state.has_value());
    const std::size_t expected = keep == 0 ? 8 : static_cast<std::size_t>(keep);
    CHECK(state->all_model_checkpoint_paths.size() == expected);
    CHECK(state->model_checkpoint_path == "model.ckpt-8");
    CHECK(state->all_model_checkpoint_paths.back() == "model.ckpt-8");
    CHECK(io::list_dir(dir.path()).size() == 1 + 2 * expected);
  }
}

TEST_CASE("saver: never deletes what the state file names outside of its directory") {
  const rill::test::scratch_dir dir;
  io::make_dirs(dir / "mine");
  io::make_dirs(dir / "other");
  variable_store store;
  fill(store, 4);
  train::saver({.max_to_keep = 5}).save(store, dir / "other/model.ckpt", 1);
  train::saver saver({.max_to_keep = 1});
  saver.save(store, dir / "mine/model.ckpt", 1);
  for (const std::string& victim : {std::string("../other/model.ckpt-1"), dir / "other/model.ckpt-1"}) {
    io::atomic_write(dir / "mine/checkpoint", "model_checkpoint_path: \"model.ckpt-1\"\nall_model_checkpoint_paths: \"" + victim +
                                                  "\"\nall_model_checkpoint_paths: \"model.ckpt-1\"\n");
    saver.save(store, dir / "mine/model.ckpt", 2);
    CHECK(io::exists(dir / "other/model.ckpt-1.index"));
    CHECK(io::exists(dir / "other/model.ckpt-1.data-00000-of-00001"));
    saver.save(store, dir / "mine/model.ckpt", 1);
  }
}

TEST_CASE("saver: mismatches name the tensor and both sides, and leave the store as it was") {
  const rill::test::scratch_dir dir;
  variable_store store;
  fill(store, 1);
  train::saver().save(store, dir / "model.ckpt", 7);
  const std::string prefix = dir / "model.ckpt-7";

  variable_store other;
  auto& bias = other.get("dense/bias", dtype::float64, {3}, true);
  auto& kernel = other.get("dense/kernel", dtype::float32, {7, 20}, true);
  (void)kernel;
  CHECK_THROWS_WITH_AS(train::restore(other, prefix),
                       ("tensor_name = dense/kernel; shape [7, 20] of the model does not match the shape stored in checkpoint '" +
                        prefix + "': [7, 3]").c_str(),
                       rill::invalid_argument);
  CHECK(*static_cast<double*>(bias.data) == 0.0);
  CHECK_FALSE(bias.initialized);

  variable_store types;
  types.get("dense/bias", dtype::float32, {3}, true);
  CHECK_THROWS_WITH_AS(train::restore(types, prefix),
                       ("tensor_name = dense/bias; type float32 of the model does not match the type stored in checkpoint '" +
                        prefix + "': float64").c_str(),
                       rill::invalid_argument);

  variable_store missing;
  missing.get("dense/bias/Adam", dtype::float64, {3}, false);
  CHECK_THROWS_WITH_AS(train::restore(missing, prefix),
                       ("tensor_name = dense/bias/Adam; not found in checkpoint '" + prefix +
                        "' (was it made by another model or optimizer?)").c_str(),
                       rill::not_found);
  CHECK_THROWS_AS(train::restore_newest(missing, dir.path()), rill::not_found);
  train::restore(missing, prefix, {.optional = "dense/bias/"});
  train::restore(missing, prefix, {.first = 1});
  CHECK_THROWS_AS(train::restore(store, dir / "model.ckpt-8"), rill::not_found);
}

TEST_CASE("saver: a store may take the moving averages that a checkpoint has") {
  const rill::test::scratch_dir dir;
  variable_store store;
  fill(store, 1);
  train::saver().save(store, dir / "model.ckpt", 7);
  auto& average = store.get("dense/kernel/ExponentialMovingAverage", dtype::float32, {7, 3}, false);
  std::memset(average.data, 42, average.bytes);
  train::saver().save(store, dir / "model.ckpt", 8);
  variable_store averages;
  const auto& kernel = averages.get("dense/kernel", dtype::float32, {7, 3}, true);
  const auto& step = averages.get("global_step", dtype::int64, {}, false);
  train::restore(averages, dir / "model.ckpt-8", {.averages = true});
  CHECK(std::memcmp(kernel.data, average.data, average.bytes) == 0);
  CHECK(std::memcmp(step.data, store.find("global_step")->data, 8) == 0);  // which has none
  CHECK_THROWS_WITH_AS(train::restore(averages, dir / "model.ckpt-7", {.averages = true}),
                       ("checkpoint '" + (dir / "model.ckpt-7") + "' has no moving averages of the model's variables (was it trained with optimizers::moving_average?)").c_str(),
                       rill::not_found);
}

TEST_CASE("saver: a damaged newest checkpoint is passed over with a warning that names it") {
  const rill::test::scratch_dir dir;
  variable_store old_one, newest, read;
  fill(old_one, 1);
  fill(newest, 2);
  fill(read, 3);
  train::saver saver;
  saver.save(old_one, dir / "model.ckpt", 100);
  saver.save(newest, dir / "model.ckpt", 200);
  std::string prefix;

  CHECK(warnings([&] { prefix = train::restore_newest(read, dir.path()); }).empty());
  CHECK(prefix == dir / "model.ckpt-200");
  CHECK(same(read, newest));

  SUBCASE("a flipped bit in the data") { flip_byte(dir / "model.ckpt-200.data-00000-of-00001", 17); }
  SUBCASE("a flipped bit in the index") { flip_byte(dir / "model.ckpt-200.index", 20); }
  SUBCASE("truncated data") {
    REQUIRE(::truncate((dir / "model.ckpt-200.data-00000-of-00001").c_str(), 100) == 0);
  }
  SUBCASE("an empty index") { io::atomic_write(dir / "model.ckpt-200.index", ""); }
  SUBCASE("no data") { io::remove(dir / "model.ckpt-200.data-00000-of-00001"); }
  const std::string text = warnings([&] { prefix = train::restore_newest(read, dir.path()); });
  CHECK(prefix == dir / "model.ckpt-100");
  CHECK(same(read, old_one));
  CHECK(text.find("warning: checkpoint '" + (dir / "model.ckpt-200") + "' is ") == 0);
  CHECK(text.find("restoring the older checkpoint '" + (dir / "model.ckpt-100") + "' instead") != std::string::npos);
}

TEST_CASE("saver: when every checkpoint is damaged that is data_loss, when there is none it is nothing") {
  const rill::test::scratch_dir dir;
  variable_store store;
  fill(store, 1);
  CHECK(train::restore_newest(store, dir.path()).empty());
  CHECK(train::restore_newest(store, dir / "not-there").empty());
  train::saver().save(store, dir / "model.ckpt", 1);
  flip_byte(dir / "model.ckpt-1.data-00000-of-00001", 0);
  warnings([&] { CHECK_THROWS_AS(train::restore_newest(store, dir.path()), rill::data_loss); });
}

TEST_CASE("saver: a lost or torn state file costs nothing") {
  const rill::test::scratch_dir dir;
  variable_store a, b;
  fill(a, 1);
  fill(b, 2);
  train::saver saver;
  saver.save(b, dir / "model.ckpt", 9);
  saver.save(a, dir / "model.ckpt", 10);
  SUBCASE("missing") { io::remove(dir / "checkpoint"); }
  SUBCASE("torn") { io::atomic_write(dir / "checkpoint", "model_checkpoint_path: \"mod"); }
  CHECK(train::restore_newest(b, dir.path()) == dir / "model.ckpt-10");
  CHECK(same(a, b));
  warnings([&] { saver.save(a, dir / "model.ckpt", 11); });
  CHECK(io::latest_checkpoint(dir.path()) == dir / "model.ckpt-11");
}

TEST_CASE("saver: a place that cannot be written to is a typed error that names it") {
  const rill::test::scratch_dir dir;
  variable_store store;
  fill(store, 1);
  CHECK_THROWS_AS(train::saver().save(store, dir / "not-there/model.ckpt", 1), rill::not_found);
  io::atomic_write(dir / "file", "x");
  CHECK_THROWS_AS(train::saver().save(store, dir / "file/model.ckpt", 1), rill::error);
  if (::geteuid() != 0) {  // root may write anywhere
    std::filesystem::permissions(dir.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    CHECK_THROWS_AS(train::saver().save(store, dir / "model.ckpt", 1), rill::permission_denied);
    std::filesystem::permissions(dir.path(), std::filesystem::perms::owner_all);
  }
}

TEST_CASE("saver: what a killed process left half written is cleared away, what a living one writes is not") {
  const rill::test::scratch_dir dir;
  variable_store store;
  fill(store, 1);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const std::string dead = "model.ckpt-5.index.tmp-" + std::to_string(child) + "-0";
  const std::string living = "model.ckpt-5.index.tmp-" + std::to_string(::getppid()) + "-0";
  const std::string foreign = "notes.tmp-" + std::to_string(child) + "-0";
  for (const std::string& name : {dead, living, foreign}) io::atomic_write(dir / name, "x");
  train::saver().save(store, dir / "model.ckpt", 6);
  CHECK_FALSE(io::exists(dir / dead));
  CHECK(io::exists(dir / living));
  CHECK(io::exists(dir / foreign));
}
