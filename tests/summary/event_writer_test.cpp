// SPDX-License-Identifier: Apache-2.0
#include "rill/summary/event_writer.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "../io/scratch.hpp"
#include "rill/summary/event_reader.hpp"

using namespace rill;
using test::scratch_dir;
using test::to_hex;

TEST_CASE("event golden records") {
  io::wire_writer version;
  version.bytes(3, "brain.Event:2");
  CHECK(to_hex(io::encode_record(summary::encode_event(1.0, 0, version))) ==
        "1800000000000000a37f4b22"
        "09000000000000f03f1a0d627261696e2e4576656e743a32"
        "86bf577a");
  const io::wire_writer v = summary::detail::scalar_value("loss", 0.5f);
  CHECK(to_hex(io::encode_record(summary::encode_event(2.0, 7, summary::detail::summary_field({&v})))) ==
        "1a00000000000000129bd82d"
        "09000000000000004010072a0d0a0b0a046c6f7373150000003f"
        "c33fc24a");
}

TEST_CASE("events of every kind come back") {
  const scratch_dir dir;
  const std::string logdir = dir / "a/train";
  {
    summary::event_writer w(logdir, {.suffix = ".v2"});
    const std::string name = io::base_name(w.path());
    CHECK(name.rfind("events.out.tfevents.", 0) == 0);
    CHECK(name.substr(name.size() - 3) == ".v2");
    CHECK(name[30] == '.');
    io::graph_def g;
    g.nodes.push_back(
        {.name = "x", .op = "Placeholder", .inputs = {}, .device = {}, .attrs = {{"dtype", dtype::float32}}});
    w.add_graph(g);
    w.add_session_log(summary::session_status::start, 5);
    w.add_scalar("loss", 0.25f, 6);
    w.add_scalars({{"accuracy", 0.5f}, {"lr", 0.1f}}, 6);
    const std::vector<float> values{1, 2, 3};
    w.add_histogram("weights", values, 6);
    const std::vector<std::uint8_t> pixels{0, 128, 255, 1, 2, 3};
    w.add_image("digit", 2, 1, 3, pixels, 6);
    w.add_text("note", "**hello**", 6);
    w.add_session_log(summary::session_status::checkpoint, 7, "model.ckpt-7");
    w.add_run_metadata("step7", "abc", 7);
    w.flush();
    CHECK(summary::read_event_dir(logdir).events.size() == 10);
    w.add_scalar("loss", 0.125f, 8);
    CHECK_THROWS_WITH_AS(w.add_histogram("bad", std::vector<float>{NAN}, 8), doctest::Contains("histogram 'bad'"),
                         invalid_argument);
    CHECK_THROWS_AS(w.add_image("bad", 2, 2, 3, pixels, 8), invalid_argument);
  }
  const summary::event_log log = summary::read_event_dir(logdir);
  CHECK(log.torn.empty());
  REQUIRE(log.events.size() == 11);
  CHECK(log.events[0].file_version == "brain.Event:2");
  CHECK(io::parse_graph_def(log.events[1].graph_def).nodes.at(0).op == "Placeholder");
  CHECK(log.events[2].session_status == 1);
  CHECK(log.events[2].step == 5);
  const auto loss = summary::scalars(log, "loss");
  REQUIRE(loss.size() == 2);
  CHECK(loss[0].step == 6);
  CHECK(loss[0].value == 0.25f);
  CHECK(loss[1].value == 0.125f);
  CHECK(loss[0].wall_time > 1.6e9);
  CHECK(summary::scalars(log, "lr").at(0).value == 0.1f);
  const auto& weights = *log.events[5].values.at(0).histogram;
  CHECK(weights.sum == 6);
  CHECK(weights.max == 3);
  const auto& digit = *log.events[6].values.at(0).image;
  CHECK(digit.width == 2);
  CHECK(digit.height == 1);
  CHECK(digit.colorspace == 3);
  CHECK(digit.encoded.substr(1, 3) == "PNG");
  CHECK(log.events[7].values.at(0).plugin == "text");
  CHECK(log.events[7].values.at(0).tensor->strings.at(0) == "**hello**");
  CHECK(log.events[8].checkpoint_path == "model.ckpt-7");
  CHECK(log.events[9].run_metadata == "abc");
}

TEST_CASE("a restarted writer opens a new file that sorts after the old ones") {
  const scratch_dir dir;
  std::vector<std::string> names;
  for (int i = 0; i < 12; ++i) {
    summary::event_writer w(dir.path());
    names.push_back(io::base_name(w.path()));
    w.add_scalar("x", static_cast<float>(i), i);
  }
  CHECK(io::list_dir(dir.path()) == names);
  const auto points = summary::scalars(summary::read_event_dir(dir.path()), "x");
  REQUIRE(points.size() == 12);
  for (int i = 0; i < 12; ++i) CHECK(points[static_cast<std::size_t>(i)].step == i);
}

TEST_CASE("several threads may write") {
  const scratch_dir dir;
  {
    summary::event_writer w(dir.path(), {.suffix = {}, .flush_seconds = 0});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&w, t] {
        for (int i = 0; i < 200; ++i) w.add_scalar("t" + std::to_string(t), static_cast<float>(i), i);
      });
    for (std::thread& t : threads) t.join();
  }
  const summary::event_log log = summary::read_event_dir(dir.path());
  CHECK(log.torn.empty());
  for (int t = 0; t < 4; ++t) CHECK(summary::scalars(log, "t" + std::to_string(t)).size() == 200);
}

TEST_CASE("a directory that cannot be made or written is a typed error; a full disk is reported once") {
  const scratch_dir dir;
  io::atomic_write(dir / "plain", "x");
  CHECK_THROWS_WITH_AS(summary::event_writer(dir / "plain/logs"), doctest::Contains("plain"), failed_precondition);
  ::chmod(dir.path().c_str(), 0555);
  {
    const test::without_rights nobody;
    CHECK_THROWS_AS(summary::event_writer(dir.path()), permission_denied);
    CHECK_THROWS_AS(summary::event_writer(dir / "new"), permission_denied);
  }
  ::chmod(dir.path().c_str(), 0755);
  summary::event_writer w(dir / "logs");
  {
    const test::file_size_limit limit(1000);
    for (int i = 0; i < 100; ++i) w.add_scalar("some/long/tag", 1.0f, i);
    CHECK_THROWS_AS(w.flush(), resource_exhausted);
    CHECK_NOTHROW(w.add_scalar("x", 1.0f, 101));
    CHECK_NOTHROW(w.flush());
    CHECK_NOTHROW(w.close());
  }
  const summary::event_log log = summary::read_event_dir(dir / "logs");
  CHECK_FALSE(log.torn.empty());
  CHECK(log.events.size() > 5);
}
