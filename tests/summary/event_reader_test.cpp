// SPDX-License-Identifier: Apache-2.0
#include "rill/summary/event_reader.hpp"

#include <doctest/doctest.h>

#include "../io/scratch.hpp"
#include "rill/summary/event_writer.hpp"

using namespace rill;
using test::from_hex;
using test::scratch_dir;

TEST_CASE("events: a torn tail ends the list and is told") {
  const scratch_dir dir;
  {
    summary::event_writer w(dir.path());
    w.add_scalar("x", 1.0f, 1);
    w.add_scalar("x", 2.0f, 2);
  }
  const std::string path = dir / io::list_dir(dir.path()).at(0);
  const std::string bytes = io::read_file(path);
  io::atomic_write(path, bytes.substr(0, bytes.size() - 3));
  const summary::event_log log = summary::read_events(path);
  CHECK(log.events.size() == 2);
  CHECK(log.torn.find("ends inside the record at offset") != std::string::npos);
}

TEST_CASE("events: scalars in the newer style, unpacked and out of order") {
  // summary{ value{ metadata{plugin "scalars"} tensor{float_val 0.5, dtype FLOAT, shape {}} tag "l" } } step 3, time 1
  const std::string bytes =
      from_hex("2a1d 0a1b 4a0b0a090a077363616c617273 4209 2d0000003f 0801 1200 0a016c 1003 09000000000000f03f");
  const summary::event e = summary::parse_event(bytes);
  CHECK(e.step == 3);
  CHECK(e.wall_time == 1.0);
  REQUIRE(e.values.size() == 1);
  CHECK(e.values[0].tag == "l");
  CHECK(e.values[0].plugin == "scalars");
  CHECK(e.values[0].scalar.value_or(0) == 0.5f);
}

TEST_CASE("events: random damage is an error or an event, never a crash") {
  io::wire_writer image, histogram, metadata, values;
  summary::histogram h;
  h.add(1);
  h.add(-2);
  io::tensor_proto t{.type = dtype::string, .shape = {}, .content = {}, .strings = {"text"}};
  image.bytes(1, "i").message(4, io::wire_writer().int64(1, 2).int64(2, 3).bytes(4, "png"));
  histogram.bytes(1, "h").bytes(5, h.serialize());
  metadata.bytes(1, "t")
      .bytes(8, io::serialize(t))
      .message(9, io::wire_writer().message(1, io::wire_writer().bytes(1, "text")));
  const std::string good =
      summary::encode_event(1.0, 5, summary::detail::summary_field({&image, &histogram, &metadata}));
  CHECK(summary::parse_event(good).values.size() == 3);
  test::random_bits random(13);
  for (int i = 0; i < 20000; ++i) {
    const std::string bad = test::mutate(good, random);
    try {
      (void)summary::parse_event(bad);
    } catch (const error&) {
    }
  }
}
