// SPDX-License-Identifier: Apache-2.0
#include "rill/io/run_metadata.hpp"

#include <doctest/doctest.h>

#include <string>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;
using test::to_hex;

namespace {

io::run_metadata sample() {
  io::node_stats n{.node_name = "a"};
  n.all_start_micros = 1;
  n.op_start_rel_micros = 2;
  n.op_end_rel_micros = 3;
  n.all_end_rel_micros = 300;
  n.memory.push_back({"m", 5, 6, 7});
  n.outputs.push_back({0, dtype::float32, {2}, 8, 64, "m"});
  n.timeline_label = "a = B()";
  n.scheduled_micros = 4;
  n.thread_id = 9;
  n.all_start_nanos = 1000;
  n.op_start_rel_nanos = 2000;
  n.op_end_rel_nanos = 3000;
  n.all_end_rel_nanos = 4000;
  return {{{.device = "d:0", .nodes = {n, {.node_name = "b"}}, .thread_names = {{9, "t"}}}}};
}

}  // namespace

TEST_CASE("run metadata: the bytes that the message's definition gives, and back") {
  const std::string bytes = io::serialize(sample());
  // written by hand from the field numbers of RunMetadata, StepStats, DeviceStepStats, NodeExecStats
  const std::string node = from_hex(
      "0a0161 1001 1802 2003 28ac02"
      "3209 0a016d 1005 1806 2007"
      "3a13 1a11 0801 1204 12020802 2207 0808 1040 1a016d"
      "4207 61203d20422829 4804 5009 68e807 70d00f 78b817 8001a01f");
  CHECK(node.size() == 0x46);
  const std::string device = from_hex("0a03643a30 1246") + node + from_hex("1203 0a0162 1a05 0809 120174");
  CHECK(to_hex(bytes) == to_hex(from_hex("0a5b 0a59") + device));

  const io::run_metadata m = io::parse_run_metadata(bytes);
  CHECK(io::serialize(m) == bytes);
  REQUIRE(m.devices.size() == 1);
  REQUIRE(m.devices[0].nodes.size() == 2);
  const io::node_stats& n = m.devices[0].nodes[0];
  CHECK(n.node_name == "a");
  CHECK(n.all_end_rel_micros == 300);
  CHECK(n.all_end_rel_nanos == 4000);
  REQUIRE(n.memory.size() == 1);
  CHECK(n.memory[0].live_bytes == 7);
  REQUIRE(n.outputs.size() == 1);
  CHECK(n.outputs[0].shape == tensor_shape{2});
  CHECK(n.outputs[0].allocated_bytes == 64);
  CHECK(m.devices[0].thread_names.at(9) == "t");
  CHECK(io::parse_run_metadata("").devices.empty());
}

TEST_CASE("run metadata: malformed bytes are data_loss") {
  const std::string good = io::serialize(sample());
  for (std::size_t n = 1; n < good.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(io::parse_run_metadata(good.substr(0, n), "file"), data_loss);
  }
  CHECK_THROWS_WITH_AS(io::parse_run_metadata(from_hex("0a05 0a"), "events.1"), doctest::Contains("'events.1' at offset"), data_loss);
  test::random_bits random(7);
  for (int k = 0; k < 2000; ++k) {
    const std::string bad = test::mutate(good, random);
    try {
      const io::run_metadata m = io::parse_run_metadata(bad);
      CHECK(io::serialize(io::parse_run_metadata(io::serialize(m))) == io::serialize(m));
    } catch (const error&) {
    }
  }
}
