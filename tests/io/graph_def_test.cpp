// SPDX-License-Identifier: Apache-2.0
#include "rill/io/graph_def.hpp"
#include "rill/io/graph_def_reader.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;
using test::to_hex;

namespace {

io::graph_def sample() {
  io::tensor_proto five{.type = dtype::int32, .shape = {}, .content = from_hex("05000000"), .strings = {}};
  io::tensor_proto words{.type = dtype::string, .shape = {2}, .content = {}, .strings = {"ab", "c"}};
  tensor_shape unknown;
  unknown.overflow_ = true;
  io::graph_def g;
  g.nodes.push_back({.name = "hidden/alpha",
                     .op = "Const",
                     .inputs = {},
                     .device = "/cpu:0",
                     .attrs = {{"dtype", dtype::int32}, {"value", five}}});
  g.nodes.push_back({.name = "all",
                     .op = "NoOp",
                     .inputs = {"hidden/alpha", "x:1", "^y"},
                     .device = {},
                     .attrs = {{"i", -3},
                               {"f", 0.5f},
                               {"b", true},
                               {"s", "a\"b"},
                               {"shape", tensor_shape{dyn, 28, 0}},
                               {"unknown", unknown},
                               {"li", io::attr_value::list_int{1, -1, 300}},
                               {"lf", io::attr_value::list_float{1.5f}},
                               {"lt", io::attr_value::list_type{dtype::float32, dtype::string}},
                               {"ls", io::attr_value::list_string{"p", ""}},
                               {"_output_shapes", io::attr_value::list_shape{{2, 3}, {}}},
                               {"words", words},
                               {"none", io::attr_value()}}});
  return g;
}

const io::attr_value& get(const io::graph_def& g, const char* key) { return g.nodes.at(1).attrs.at(key); }

}  // namespace

TEST_CASE("graph_def: bytes of a small graph") {
  io::graph_def g;
  g.nodes.push_back({.name = "a", .op = "Const", .inputs = {}, .device = {}, .attrs = {{"dtype", dtype::float32}}});
  CHECK(to_hex(io::serialize(g)) ==
        to_hex(from_hex("0a17 0a0161 1205436f6e7374 2a0b 0a056474797065 12023001 2202081a")));
  CHECK(
      io::to_pbtxt(g) ==
      "node {\n  name: \"a\"\n  op: \"Const\"\n  attr {\n    key: \"dtype\"\n    value {\n      type: DT_FLOAT\n    }\n"
      "  }\n}\nversions {\n  producer: 26\n}\n");
}

TEST_CASE("graph_def: every kind of attribute comes back") {
  const io::graph_def g = sample();
  const std::string bytes = io::serialize(g);
  const io::graph_def h = io::parse_graph_def(bytes);
  CHECK(io::serialize(h) == bytes);
  CHECK(h.producer == 26);
  REQUIRE(h.nodes.size() == 2);
  CHECK(h.nodes[0].device == "/cpu:0");
  CHECK(h.nodes[1].inputs == g.nodes[1].inputs);
  CHECK(h.nodes[0].attrs.at("value").tensor.content == from_hex("05000000"));
  for (const auto& a : g.nodes[1].attrs) CHECK_MESSAGE(get(h, a.first.c_str()).kind == a.second.kind, a.first);
  CHECK(get(h, "i").i == -3);
  CHECK(get(h, "f").f == 0.5f);
  CHECK(get(h, "b").b);
  CHECK(get(h, "s").s == "a\"b");
  CHECK(get(h, "shape").shape == tensor_shape{dyn, 28, 0});
  CHECK(get(h, "unknown").shape.overflow_);
  CHECK(get(h, "li").ints == io::attr_value::list_int{1, -1, 300});
  CHECK(get(h, "lf").floats == io::attr_value::list_float{1.5f});
  CHECK(get(h, "lt").types == io::attr_value::list_type{dtype::float32, dtype::string});
  CHECK(get(h, "ls").strings == io::attr_value::list_string{"p", ""});
  CHECK(get(h, "_output_shapes").shapes.at(0) == tensor_shape{2, 3});
  CHECK(get(h, "words").tensor.strings == std::vector<std::string>{"ab", "c"});
  const std::string text = io::to_pbtxt(g);
  CHECK(io::to_pbtxt(h) == text);
  const auto fields = io::parse_text_proto(text);
  REQUIRE(fields.size() == 3);
  CHECK(fields[1].children.at(0).value == "all");
}

TEST_CASE("graph_def: a dimension that depends on the batch is written as unknown") {
  CHECK(to_hex(io::serialize(tensor_shape{-3136, 2})) == "120b08ffffffffffffffffff0112020802");
  CHECK(io::serialize(tensor_shape{}).empty());
}

TEST_CASE("graph_def: constants in TensorFlow's typed fields, in any order, one value for all") {
  const auto tensor = [](const char* hex) {
    const std::string bytes = from_hex(hex);
    return io::detail::parse_tensor(io::wire_reader(bytes));
  };
  // float_val before dtype; shape [3], one value 1.0
  CHECK(to_hex(tensor("2a04 0000803f 1204 12020803 0801").content) == "0000803f0000803f0000803f");
  CHECK(to_hex(tensor("0803 1204 12020802 3a02 0102").content) == "0100000002000000");
  CHECK(to_hex(tensor("0809 1200 50 ffffffffffffffffff01").content) == "ffffffffffffffff");
  CHECK(to_hex(tensor("080a 1204 12020803 5a02 0100").content) == "010000");
  CHECK(to_hex(tensor("0801 1204 12020802").content) == "0000000000000000");
  CHECK(tensor("0807 1204 12020803 420161").strings == std::vector<std::string>{"a", "a", "a"});
  CHECK_THROWS_AS(tensor("0801 1204 12020801 2a08 0000803f0000803f"), data_loss);          // too many values
  CHECK_THROWS_AS(tensor("0801 1204 12020802 2204 00000000"), data_loss);                  // too few bytes
  CHECK_THROWS_AS(tensor("0801 120d 120b08feffffffffffffffff01"), data_loss);              // dimension -2
  CHECK_THROWS_AS(tensor("0801 1210 12060880808080401206088080808040"), data_loss);        // 2^34 * 2^34
  CHECK_THROWS_AS(tensor("0801 1208 12060880808080012a04 0000803f"), resource_exhausted);  // 1 GiB of 1.0
  CHECK_THROWS_AS(tensor("0880021200"), data_loss);                                        // type 256
}

TEST_CASE("graph_def: random damage is an error or a graph, never a crash") {
  test::random_bits random(11);
  const std::string good = io::serialize(sample());
  for (int i = 0; i < 20000; ++i) {
    const std::string bad = test::mutate(good, random);
    try {
      (void)io::to_pbtxt(io::parse_graph_def(bad));
    } catch (const error&) {
    }
  }
}

TEST_CASE("meta graph: the graph comes back out of the file") {
  const test::scratch_dir dir;
  io::write_meta_graph(dir / "m", sample());
  CHECK(io::serialize(io::read_meta_graph(dir / "m")) == io::serialize(sample()));
  CHECK_THROWS_AS(io::read_meta_graph(dir / "none"), not_found);
}
