// SPDX-License-Identifier: Apache-2.0
#include "rill/io/checkpoint_state.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>

#include <csignal>
#include <vector>

#include "rill/io/tensor_bundle.hpp"
#include "scratch.hpp"

using namespace rill;
using test::scratch_dir;

TEST_CASE("checkpoint state: written as TensorFlow does, relative paths kept relative") {
  const scratch_dir dir;
  CHECK_FALSE(io::read_checkpoint_state(dir.path()).has_value());
  CHECK(io::latest_checkpoint(dir.path()).empty());
  io::write_checkpoint_state(dir.path(), {dir / "model.ckpt-20", {"model.ckpt-10", dir / "model.ckpt-20"}});
  CHECK(io::read_file(dir / "checkpoint") ==
        "model_checkpoint_path: \"model.ckpt-20\"\n"
        "all_model_checkpoint_paths: \"model.ckpt-10\"\n"
        "all_model_checkpoint_paths: \"model.ckpt-20\"\n");
  const auto s = io::read_checkpoint_state(dir.path());
  REQUIRE(s);
  CHECK(s->model_checkpoint_path == "model.ckpt-20");
  CHECK(s->all_model_checkpoint_paths == std::vector<std::string>{"model.ckpt-10", "model.ckpt-20"});
  CHECK(io::latest_checkpoint(dir.path()).empty());  // named, but not there
  io::atomic_write(dir / "model.ckpt-20.index", "");
  CHECK(io::latest_checkpoint(dir.path()) == (dir / "model.ckpt-20"));
}

TEST_CASE("checkpoint state: unknown keys are ignored, absolute paths stay, nonsense is data_loss") {
  const scratch_dir dir;
  io::atomic_write(dir / "checkpoint",
                   "model_checkpoint_path: \"/elsewhere/m-3\"\nall_model_checkpoint_timestamps: 1.7e9\n"
                   "last_preserved_timestamp: 3\nfuture { x: 1 }\nall_model_checkpoint_paths: '/elsewhere/m-3'\n");
  CHECK(io::read_checkpoint_state(dir.path())->model_checkpoint_path == "/elsewhere/m-3");
  CHECK(io::latest_checkpoint(dir.path()).empty());
  for (const char* bad : {"", "model_checkpoint_path: \"x", "all_model_checkpoint_paths: \"x\"", "\x01\x02"}) {
    io::atomic_write(dir / "checkpoint", bad);
    CHECK_THROWS_AS(io::read_checkpoint_state(dir.path()), data_loss);
  }
}

TEST_CASE("checkpoint candidates: newest first, also those that only the directory knows") {
  const scratch_dir dir;
  CHECK(io::checkpoint_candidates(dir.path()).empty());
  CHECK(io::checkpoint_candidates(dir / "none").empty());
  for (const char* name : {"model.ckpt-5", "model.ckpt-10", "model.ckpt-100", "model.ckpt-20", "other"})
    io::atomic_write((dir / name) + ".index", "");
  const auto in = [&](std::vector<std::string> names) {
    for (std::string& n : names) n = dir / n;
    return names;
  };
  CHECK(io::checkpoint_candidates(dir.path()) ==
        in({"model.ckpt-100", "model.ckpt-20", "model.ckpt-10", "model.ckpt-5", "other"}));
  io::write_checkpoint_state(dir.path(),
                             {"model.ckpt-20", {"model.ckpt-5", "gone-15", "model.ckpt-10", "model.ckpt-20"}});
  CHECK(io::checkpoint_candidates(dir.path()) ==
        in({"model.ckpt-20", "model.ckpt-10", "model.ckpt-5", "model.ckpt-100", "other"}));
  io::atomic_write(dir / "checkpoint", "torn: \"");
  CHECK(io::checkpoint_candidates(dir.path()).front() == (dir / "model.ckpt-100"));
  CHECK(io::checkpoint_step("a/model.ckpt-120") == 120);
  CHECK(io::checkpoint_step("model") == -1);
  CHECK(io::checkpoint_step("model-") == -1);
  CHECK(io::checkpoint_step("model-1x") == -1);
  CHECK(io::checkpoint_step("model-99999999999999999999") == -1);
}

TEST_CASE("a saver killed at any moment leaves a valid newest checkpoint") {
  const scratch_dir dir;
  test::random_bits random(17);
  std::int64_t step = 0;
  for (int round = 0; round < 25; ++round) {
    CAPTURE(round);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        for (std::int64_t n = step + 1;; ++n) {
          const std::vector<std::int64_t> values(5000, n);
          const std::string name = "model.ckpt-" + std::to_string(n);
          io::bundle_writer w(dir / name);
          w.add("global_step", dtype::int64, {}, &n, 8);
          w.add("values", dtype::int64, {5000}, values.data(), 40000);
          w.finish();
          io::write_checkpoint_state(dir.path(), {name, {name}});
          if (n > 3) {
            io::remove_if_exists((dir / "model.ckpt-") + std::to_string(n - 3) + ".index");
            io::remove_if_exists((dir / "model.ckpt-") + std::to_string(n - 3) + ".data-00000-of-00001");
          }
        }
      } catch (...) {
      }
      ::_exit(1);
    }
    // On a busy machine 20 ms may not be enough for one save: the last round waits for one, for 30 s at most.
    for (int wait = 0; round == 24 && wait < 30000 && io::latest_checkpoint(dir.path()).empty(); ++wait) ::usleep(1000);
    ::usleep(static_cast<useconds_t>(500 + random.below(20000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    const std::string latest = io::latest_checkpoint(dir.path());
    if (latest.empty()) {
      REQUIRE(step == 0);  // killed before the first save was over
      continue;
    }
    const io::bundle_reader r(latest);
    REQUIRE_NOTHROW(r.verify_all());
    std::int64_t got = 0;
    r.read("global_step", &got, 8);
    REQUIRE(got == io::checkpoint_step(latest));
    REQUIRE(got >= step);
    step = got;
  }
  CHECK(step > 0);
}
