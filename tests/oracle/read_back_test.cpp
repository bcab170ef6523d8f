// SPDX-License-Identifier: Apache-2.0
// TensorFlow and TensorBoard read what Rill writes, and the other way round. Runs where the environment variable
// RILL_ORACLE_PYTHON names a Python with tensorflow and tensorboard; says so where it does not.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "../io/scratch.hpp"
#include "ask.hpp"
#include "rill/io/checkpoint_state.hpp"
#include "rill/io/graph_def_reader.hpp"
#include "rill/io/record.hpp"
#include "rill/io/tensor_bundle.hpp"
#include "rill/summary/event_reader.hpp"
#include "rill/summary/event_writer.hpp"

using namespace rill;
using test::ask;
using test::has;
using test::scratch_dir;
using test::to_hex;

namespace {

io::graph_def small_graph() {
  io::graph_def g;
  const io::attr_value::list_shape shapes{{dyn, 2}};
  io::tensor_proto ones{
      .type = dtype::float32, .shape = {2, 1}, .content = test::from_hex("0000803f0000803f"), .strings = {}};
  g.nodes.push_back(
      {.name = "x",
       .op = "Placeholder",
       .inputs = {},
       .device = {},
       .attrs = {{"dtype", dtype::float32}, {"shape", tensor_shape{dyn, 2}}, {"_output_shapes", shapes}}});
  g.nodes.push_back({.name = "dense/kernel",
                     .op = "Const",
                     .inputs = {},
                     .device = {},
                     .attrs = {{"dtype", dtype::float32}, {"value", ones}}});
  g.nodes.push_back({.name = "dense/MatMul",
                     .op = "MatMul",
                     .inputs = {"x", "dense/kernel"},
                     .device = "/device:CPU:0",
                     .attrs = {{"T", dtype::float32}, {"transpose_a", false}, {"transpose_b", false}}});
  return g;
}

}  // namespace

TEST_CASE("oracle: TensorFlow reads our checkpoint") {
  const scratch_dir dir;
  const float kernel[] = {1.5f, -2.0f, 0.0f, 3.25f};
  const std::int64_t step = 42;
  const std::int32_t i32[] = {-7};
  const double f64[] = {0.1, 1e300};
  const std::uint8_t u8[] = {0, 255};
  const bool b[] = {true, false};
  const std::vector<std::string> words{"ab", "", "c"};
  io::bundle_writer w(dir / "model.ckpt-42");
  w.add("dense/kernel", dtype::float32, {2, 2}, kernel, sizeof kernel);
  w.add("global_step", dtype::int64, {}, &step, 8);
  w.add("i32", dtype::int32, {1}, i32, 4);
  w.add("f64", dtype::float64, {2}, f64, 16);
  w.add("u8", dtype::uint8, {1, 2}, u8, 2);
  w.add("bools", dtype::boolean, {2}, b, 2);
  w.add("words", {3}, words);
  w.add("empty", dtype::float32, {0, 4}, nullptr, 0);
  for (int i = 0; i < 200; ++i) w.add("many/" + std::to_string(i), dtype::int32, {1}, &i, 4);
  w.finish();
  io::write_meta_graph(dir / "model.ckpt-42", small_graph());
  io::write_checkpoint_state(dir.path(), {"model.ckpt-42", {"model.ckpt-42"}});
  bool asked = false;
  const std::string out = ask("checkpoint", dir / "model.ckpt-42", asked);
  if (!asked) return;
  CAPTURE(out);
  CHECK(has(out, "dense/kernel float32 [2, 2] [[1.5, -2.0], [0.0, 3.25]]"));
  CHECK(has(out, "global_step int64 [] 42"));
  CHECK(has(out, "i32 int32 [1] [-7]"));
  CHECK(has(out, "f64 float64 [2] [0.1, 1e+300]"));
  CHECK(has(out, "u8 uint8 [1, 2] [[0, 255]]"));
  CHECK(has(out, "bools bool [2] [True, False]"));
  CHECK(has(out, "words string [3] [b'ab', b'', b'c']"));
  CHECK(has(out, "empty float32 [0, 4] []"));
  for (const int i : {0, 1, 99, 199})
    CHECK(has(out, "many/" + std::to_string(i) + " int32 [1] [" + std::to_string(i) + "]"));
  CHECK(has(out, "meta dense/MatMul MatMul ['x:0', 'dense/kernel:0'] ['(None, 1)']"));
  CHECK(has(out, "meta producer 26"));
  CHECK(has(out, "latest model.ckpt-42"));
}

TEST_CASE("oracle: TensorBoard reads our events") {
  const scratch_dir dir;
  const std::string logdir = dir / "logs";
  {
    summary::event_writer w(logdir);
    w.add_graph(small_graph());
    w.add_session_log(summary::session_status::start, 0);
    w.add_scalar("loss", 0.5f, 1);
    w.add_scalars({{"loss", 0.25f}, {"accuracy", 0.75f}}, 2);
    const std::vector<float> values{-1, 0, 0, 2};
    w.add_histogram("weights", values, 2);
    const std::vector<std::uint8_t> pixels{0, 64, 128, 255, 7, 9};
    w.add_image("digit", 3, 2, 1, pixels, 2);
    w.add_image("colour", 1, 2, 3, pixels, 2);
    w.add_text("note", "hello", 2);
    w.add_session_log(summary::session_status::checkpoint, 2, "model.ckpt-2");
  }
  bool asked = false;
  const std::string out = ask("events", logdir, asked);
  if (!asked) return;
  CAPTURE(out);
  CHECK(has(out, "scalar loss [(1, 0.5), (2, 0.25)]"));
  CHECK(has(out, "scalar accuracy [(2, 0.75)]"));
  CHECK(has(out, "histogram weights 2 -1.0 2.0 4.0 1.0 5.0"));
  CHECK(has(out, "image digit 2 3 2 [0, 64, 128, 255, 7, 9]"));
  CHECK(has(out, "image colour 2 1 2 [0, 64, 128, 255, 7, 9]"));
  CHECK(has(out, "tensor note 2 [b'hello']"));
  CHECK(has(out,
            "graph [('x', 'Placeholder', []), ('dense/kernel', 'Const', []), ('dense/MatMul', 'MatMul', ['x', "
            "'dense/kernel'])]"));
}

TEST_CASE("oracle: TensorFlow reads our records and our graph text") {
  const scratch_dir dir;
  io::record_writer w(dir / "r");
  w.write("abc");
  w.write("");
  w.close();
  io::atomic_write(dir / "graph.pbtxt", io::to_pbtxt(small_graph()));
  bool asked = false;
  CHECK((has(ask("records", dir / "r", asked), "records [b'abc', b'']") || !asked));
  const std::string out = ask("pbtxt", dir / "graph.pbtxt", asked);
  if (!asked) return;
  CAPTURE(out);
  CHECK(has(out,
            "pbtxt [('x', 'Placeholder', [], ['_output_shapes', 'dtype', 'shape']), "
            "('dense/kernel', 'Const', [], ['dtype', 'value']), "
            "('dense/MatMul', 'MatMul', ['x', 'dense/kernel'], ['T', 'transpose_a', 'transpose_b'])]"));
  CHECK(has(out, "bytes " + to_hex(io::serialize(small_graph()))));  // the same message, byte for byte
}

TEST_CASE("oracle: we read what TensorFlow writes") {
  const scratch_dir dir;
  bool asked = false;
  const std::string out = ask("write", dir / "made", asked);
  if (!asked) return;
  MESSAGE(out);
  const io::bundle_reader tf1(dir / "made/tf1");
  tf1.verify_all();
  CHECK(tf1.entries().size() == 44);
  for (int i = 0; i < 40; ++i) {
    float k[6];
    tf1.read("layer_" + std::to_string(i) + "/kernel", k, sizeof k);
    CHECK((k[0] == static_cast<float>(i) && k[5] == static_cast<float>(i)));
  }
  std::int64_t step = 0;
  tf1.read("global_step", &step, 8);
  CHECK(step == 7);
  CHECK(tf1.read_strings("words") == std::vector<std::string>{"ab", "", std::string(300, 'c')});
  CHECK(tf1.entry("parts").sliced);
  CHECK(tf1.entry("half").type == dtype::float16);
  CHECK(io::latest_checkpoint(dir / "made") == (dir / "made/tf1"));
  const io::graph_def meta = io::read_meta_graph(dir / "made/tf1");
  CHECK(meta.nodes.size() > 100);
  CHECK(std::any_of(meta.nodes.begin(), meta.nodes.end(), [](const io::node_def& n) { return n.op == "SaveV2"; }));

  const io::bundle_reader tf2(dir / "made/tf2");
  tf2.verify_all();
  float v[2];
  tf2.read("v/.ATTRIBUTES/VARIABLE_VALUE", v, sizeof v);
  CHECK(v[1] == 2.0f);
  CHECK(tf2.read_strings("_CHECKPOINTABLE_OBJECT_GRAPH").at(0).size() > 10);

  const summary::event_log log = summary::read_event_dir(dir / "made/events");
  CHECK(log.torn.empty());
  CHECK(summary::scalars(log, "loss").at(0).value == 0.25f);
  // The same values through our histogram give TensorFlow's message.
  summary::histogram ours;
  for (int i = 0; i <= 1000; ++i) ours.add(-3.0 + i * (6.0 / 1000));
  for (int i = 0; i < 7; ++i) ours.add(0);
  ours.add(1e-13);
  ours.add(1e25);
  const std::string bytes = ours.serialize();
  const summary::histogram_value mine = summary::detail::parse_histogram(io::wire_reader(bytes));
  bool found = false;
  for (const summary::event& e : log.events)
    for (const summary::summary_value& value : e.values)
      if (value.histogram) {
        found = true;
        CHECK(value.histogram->limits == mine.limits);
        CHECK(value.histogram->buckets == mine.buckets);
        CHECK(value.histogram->min == mine.min);
        CHECK(value.histogram->max == mine.max);
        CHECK(value.histogram->count == mine.count);
      }
  CHECK(found);
  std::string rec;
  io::record_reader records(dir / "made/records");
  CHECK(records.next(rec));
  CHECK(records.next(rec));
  CHECK(rec == "abc");
  CHECK(records.next(rec));
  CHECK(rec == std::string(100000, 'x'));
  CHECK_FALSE(records.next(rec));
}
