// SPDX-License-Identifier: Apache-2.0
#include "rill/io/tensor_bundle.hpp"

#include <doctest/doctest.h>

#include "scratch.hpp"

using namespace rill;
using test::from_hex;
using test::scratch_dir;
using test::to_hex;

namespace {

const float two[] = {1.0f, 2.0f};

const char* const golden_index =
    "00000608011a02080100010f770801120412020802280835593ce5350000000001000000 000921adc3 0000000001000000 00c0f2a1b0"
    "0001027800240000000001000000 00ab30707f 2908360e"
    "000000000000000000000000000000000000000000000000000000000000000000000000 57fb808b247547db";

void write_raw(const std::string& path, std::string_view bytes) {
  io::writable_file f(path);
  f.append(bytes);
  f.close();
}

/// An index file with one compressed data block, as TensorFlow writes it.
std::string compressed_index(const std::vector<std::pair<std::string, std::string>>& entries,
                             std::string (*compress)(const std::string&)) {
  std::string file;
  const auto block = [&](const std::string& content, char type) {
    std::string handle;
    io::put_varint(handle, file.size());
    io::put_varint(handle, content.size());
    const std::string with_type = content + type;
    file += with_type;
    io::put_fixed32(file, io::mask_crc(io::crc32c(with_type)));
    return handle;
  };
  io::detail::block_builder data(16);
  for (const auto& [k, v] : entries) data.add(k, v);
  const std::string data_handle = block(compress(data.finish()), 1);
  const std::string meta_handle = block(io::detail::block_builder(16).finish(), 0);
  io::detail::block_builder index(1);
  index.add("zz", data_handle);
  std::string footer = meta_handle + block(index.finish(), 0);
  footer.resize(40, '\0');
  io::put_fixed64(footer, io::detail::table_magic);
  return file + footer;
}

/// Literals of up to 60 bytes, and a copy wherever the last 4 bytes repeat at a distance below 2048.
std::string snappy_compress(const std::string& s) {
  std::string out;
  io::put_varint(out, s.size());
  std::string literal;
  const auto flush = [&] {
    if (literal.empty()) return;
    out += static_cast<char>((literal.size() - 1) << 2);
    out += literal;
    literal.clear();
  };
  for (std::size_t i = 0; i < s.size();) {
    const std::size_t back = s.rfind(s.substr(i, 4), i == 0 ? 0 : i - 1);
    if (i > 0 && i + 4 <= s.size() && back != std::string::npos && back < i && i - back < 2048) {
      flush();
      out += static_cast<char>(1 | ((i - back) >> 8) << 5);
      out += static_cast<char>((i - back) & 255);
      i += 4;
    } else {
      literal += s[i++];
      if (literal.size() == 60) flush();
    }
  }
  flush();
  return out;
}

std::string header(int shards) {
  return io::wire_writer().int64(1, shards).message(3, io::wire_writer().int64(1, 1)).take();
}

std::string entry(dtype type, const tensor_shape& shape, int shard, std::uint64_t offset, std::string_view data) {
  io::bundle_entry e;
  e.type = type;
  e.shape = shape;
  e.shard = shard;
  e.offset = offset;
  e.size = data.size();
  e.crc32c = io::crc32c(data);
  return io::detail::serialize_entry(e);
}

std::string index_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  io::table_builder b;
  for (const auto& [k, v] : entries) b.add(k, v);
  return b.finish();
}

}  // namespace

TEST_CASE("bundle golden vectors") {
  const scratch_dir dir;
  io::bundle_writer w(dir / "m");
  w.add("w", dtype::float32, {2}, two, sizeof two);
  CHECK(io::list_dir(dir.path()).size() == 1);  // only the temporary data file
  CHECK_FALSE(io::exists(dir / "m.data-00000-of-00001"));
  w.finish();
  CHECK(io::list_dir(dir.path()) == std::vector<std::string>{"m.data-00000-of-00001", "m.index"});
  CHECK(to_hex(io::read_file(dir / "m.index")) == to_hex(from_hex(golden_index)));
  CHECK(to_hex(io::read_file(dir / "m.data-00000-of-00001")) == "0000803f00000040");

  io::bundle_writer s(dir / "s");
  const std::vector<std::string> words{"ab", "c"};
  s.add("s", {2}, words);
  s.finish();
  CHECK(to_hex(io::read_file(dir / "s.data-00000-of-00001")) == "020103717c67616263");
  CHECK(to_hex(io::read_file(dir / "s.index")) ==  // as TensorFlow 2.21 writes it
        to_hex(from_hex("00000608011a02080100010f730807120412020802280935d530d85f0000000001000000 000c123a40"
                        "0000000001000000 00c0f2a1b0 0001027400240000000001000000 0070bd1276 2908360e"
                        "000000000000000000000000000000000000000000000000000000000000000000000000 57fb808b247547db")));
}

TEST_CASE("bundle: what is written comes back, whatever the order, type and shape") {
  const scratch_dir dir;
  std::vector<double> big(300001);
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<double>(i) * 0.37;
  const std::int64_t step = 1234567890123;
  const std::int32_t ints[] = {-1, 2, -3};
  const std::uint8_t bytes[] = {0, 255};
  const bool bools[] = {true, false};
  const std::vector<std::string> words{"", std::string(200, 'x'), std::string("\0z", 2)};
  io::bundle_writer w(dir / "model.ckpt-7");
  w.add("z/bools", dtype::boolean, {2, 1}, bools, 2);
  w.add("global_step", dtype::int64, {}, &step, 8);
  w.add("big", dtype::float64, {300001}, big.data(), big.size() * 8);
  w.add("words", {3, 1}, words);
  w.add("empty", dtype::float32, {0, 5}, nullptr, 0);
  w.add("none", {0}, std::span<const std::string>());
  w.add("ints", dtype::int32, {3}, ints, 12);
  w.add("a/bytes", dtype::uint8, {1, 2}, bytes, 2);
  for (int i = 0; i < 100; ++i) w.add("layer_" + std::to_string(i) + "/bias", dtype::int32, {}, &i, 4);
  w.finish();

  const io::bundle_reader r(dir / "model.ckpt-7");
  CHECK(r.entries().size() == 108);
  CHECK(r.contains("big"));
  CHECK_FALSE(r.contains(""));
  CHECK_FALSE(r.contains("bi"));
  CHECK(r.entry("big").type == dtype::float64);
  CHECK(r.entry("a/bytes").shape == tensor_shape{1, 2});
  std::vector<double> got(big.size());
  r.read("big", got.data(), got.size() * 8);
  CHECK(got == big);
  std::int64_t s = 0;
  r.read("global_step", &s, 8);
  CHECK(s == step);
  std::int32_t i3[3];
  r.read("ints", i3, 12);
  CHECK(i3[2] == -3);
  r.read("empty", nullptr, 0);
  CHECK(r.read_strings("words") == words);
  CHECK(r.read_strings("none").empty());
  for (int i = 0; i < 100; ++i) {
    int v = -1;
    r.read("layer_" + std::to_string(i) + "/bias", &v, 4);
    REQUIRE(v == i);
  }
  CHECK_NOTHROW(r.verify_all());
  CHECK_THROWS_WITH_AS(r.read("nope", &s, 8), doctest::Contains("has no tensor 'nope'"), not_found);
  CHECK_THROWS_AS(r.read("ints", i3, 8), invalid_argument);
  CHECK_THROWS_AS(r.read("words", i3, 8), invalid_argument);
  CHECK_THROWS_AS((void)r.read_strings("ints"), invalid_argument);
}

TEST_CASE("bundle writer refuses what cannot be right") {
  const scratch_dir dir;
  io::bundle_writer w(dir / "m");
  w.add("w", dtype::float32, {2}, two, sizeof two);
  CHECK_THROWS_WITH_AS(w.add("v", dtype::float32, {3}, two, 8), doctest::Contains("shape [3] needs 12 bytes, got 8"),
                       invalid_argument);
  CHECK_THROWS_AS(w.add("w", dtype::float32, {2}, two, 8), invalid_argument);
  CHECK_THROWS_AS(w.add("", dtype::float32, {2}, two, 8), invalid_argument);
  CHECK_THROWS_AS(w.add("d", dtype::float32, {dyn}, two, 8), invalid_argument);
  CHECK_THROWS_AS(w.add("s", dtype::string, {2}, two, 8), invalid_argument);
  CHECK_THROWS_AS(w.add("huge", dtype::float32, {std::int64_t{1} << 40, std::int64_t{1} << 40}, two, 8),
                  invalid_argument);
  w.finish();
  CHECK_THROWS_AS(w.finish(), failed_precondition);
  CHECK_THROWS_AS(w.add("late", dtype::float32, {2}, two, 8), failed_precondition);
  CHECK_THROWS_AS(io::bundle_writer(dir / "no/such/m"), not_found);
}

TEST_CASE("bundle: a full disk leaves the previous checkpoint as it was and no other file") {
  const scratch_dir dir;
  io::bundle_writer first(dir / "m");
  first.add("w", dtype::float32, {2}, two, sizeof two);
  first.finish();
  const std::vector<float> big(100000, 1.0f);
  {
    const test::file_size_limit limit(100000);
    io::bundle_writer w(dir / "m");
    CHECK_THROWS_AS(w.add("w", dtype::float32, {100000}, big.data(), 400000), resource_exhausted);
    CHECK_THROWS_AS(w.finish(), failed_precondition);
    // The data fits, the index (long names) does not.
    io::bundle_writer v(dir / "m");
    for (int i = 0; i < 40; ++i) v.add(std::to_string(i) + std::string(4000, 'n'), dtype::float32, {2}, two, 8);
    CHECK_THROWS_AS(v.finish(), resource_exhausted);
  }
  CHECK(io::list_dir(dir.path()) == std::vector<std::string>{"m.data-00000-of-00001", "m.index"});
  CHECK_NOTHROW(io::bundle_reader(dir / "m").verify_all());
}

TEST_CASE("bundle: compressed index blocks and several data files") {
  const scratch_dir dir;
  const std::string a = from_hex("0000803f00000040");
  const std::string b = from_hex("0100000000000000");
  const std::vector<std::pair<std::string, std::string>> entries = {
      {"", header(3)},
      {"conv2d/bias", entry(dtype::float32, {2}, 0, 4, a)},
      {"conv2d/kernel", entry(dtype::float32, {1, 2}, 2, 0, a)},
      {"conv2d_1/kernel", entry(dtype::float32, {2, 1}, 2, 8, a)},
      {"global_step", entry(dtype::int64, {}, 2, 16, b)}};
  write_raw(dir / "m.data-00000-of-00003", "rest" + a);
  write_raw(dir / "m.data-00002-of-00003", a + a + b);
  for (const bool compressed : {false, true}) {
    const std::string index = compressed ? compressed_index(entries, snappy_compress) : index_of(entries);
    write_raw(dir / "m.index", index);
    const io::bundle_reader r(dir / "m");
    r.verify_all();
    CHECK(r.entries().size() == 4);
    float v[2] = {};
    r.read("conv2d_1/kernel", v, 8);
    CHECK(v[1] == 2.0f);
    CHECK(r.entry("conv2d/bias").offset == 4);
  }
  const std::string good = compressed_index(entries, snappy_compress);
  CHECK(good.size() < index_of(entries).size());
  write_raw(dir / "m.index", compressed_index(entries, [](const std::string&) { return from_hex("ffffffff0f00"); }));
  CHECK_THROWS_AS(io::bundle_reader(dir / "m"), data_loss);
  write_raw(dir / "m.index", good);
  io::remove(dir / "m.data-00002-of-00003");
  CHECK_THROWS_WITH_AS(io::bundle_reader(dir / "m"), doctest::Contains("m.data-00002-of-00003"), not_found);
  write_raw(dir / "m.data-00002-of-00003", a);
  CHECK_THROWS_WITH_AS(io::bundle_reader(dir / "m"), doctest::Contains("has 8 bytes, tensor"), data_loss);
}

TEST_CASE("bundle: indexes that lie are data_loss") {
  const scratch_dir dir;
  const std::string data = from_hex("0000803f00000040");
  write_raw(dir / "m.data-00000-of-00001", data);
  const auto open = [&](const std::string& first, const std::string& value) {
    write_raw(dir / "m.index", index_of({{"", first}, {"w", value}}));
    io::bundle_reader(dir / "m").verify_all();
  };
  const auto raw = [](std::int64_t type, const std::string& shape, std::int64_t shard, std::int64_t offset,
                      std::int64_t size) {
    return io::wire_writer()
        .int64(1, type)
        .bytes(2, shape)
        .int64(3, shard)
        .int64(4, offset)
        .int64(5, size)
        .fixed32(6, io::mask_crc(0))
        .take();
  };
  const auto dims = [](std::initializer_list<std::int64_t> sizes) {
    io::wire_writer w;
    for (const std::int64_t d : sizes) w.message(2, io::wire_writer().int64(1, d));
    return w.take();
  };
  CHECK_NOTHROW(open(header(1), entry(dtype::float32, {2}, 0, 0, data)));
  SUBCASE("negative dimension") {
    CHECK_THROWS_AS(open(header(1), raw(1, dims({-1}), 0, 0, 8)), data_loss);
    CHECK_THROWS_AS(open(header(1), raw(1, dims({-2, -1}), 0, 0, 8)), data_loss);
  }
  SUBCASE("tensor size overflow") {
    CHECK_THROWS_AS(open(header(1), raw(1, dims({std::int64_t{1} << 42, std::int64_t{1} << 22, 2}), 0, 0, 0)),
                    data_loss);
    CHECK_THROWS_AS(open(header(1), raw(1, dims({(std::int64_t{1} << 62) + 1, 4}), 0, 0, 16)), data_loss);
  }
  SUBCASE("size that the shape does not give") {
    CHECK_THROWS_AS(open(header(1), raw(1, dims({2}), 0, 0, 4)), data_loss);
    CHECK_THROWS_AS(open(header(1), raw(7, dims({5}), 0, 0, 8)), data_loss);
    CHECK_THROWS_AS(open(header(1), raw(7, dims({}), 0, 0, 3)), data_loss);
  }
  SUBCASE("place outside of the file") {
    CHECK_THROWS_AS(open(header(1), raw(1, dims({2}), 0, 1, 8)), data_loss);
    CHECK_THROWS_AS(open(header(1), raw(1, dims({2}), 0, -8, 8)), data_loss);
    CHECK_THROWS_AS(open(header(1), raw(1, dims({2}), 0, INT64_MAX, 8)), data_loss);
    CHECK_THROWS_AS(open(header(1), raw(1, dims({2}), 1, 0, 8)), data_loss);
    CHECK_THROWS_AS(open(header(1), raw(1, dims({2}), -1, 0, 8)), data_loss);
  }
  SUBCASE("missing type, unsupported type") {
    CHECK_THROWS_AS(open(header(1), raw(0, dims({2}), 0, 0, 8)), data_loss);
    CHECK_THROWS_AS(open(header(1), raw(300, dims({2}), 0, 0, 8)), data_loss);
    write_raw(dir / "m.index", index_of({{"", header(1)}, {"w", raw(21, dims({2}), 0, 0, 8)}}));
    float v[2];
    CHECK_THROWS_AS(io::bundle_reader(dir / "m").read("w", v, 8), unimplemented);
  }
  SUBCASE("more than eight dimensions can be listed, not read") {
    write_raw(dir / "m.index", index_of({{"", header(1)},
                                         {"w", entry(dtype::float32, {1}, 0, 0, data.substr(0, 4))},
                                         {"x", raw(1, dims({1, 1, 1, 1, 1, 1, 1, 1, 2}), 0, 0, 8)}}));
    const io::bundle_reader r(dir / "m");
    float v[2];
    r.read("w", v, 4);
    CHECK_THROWS_AS(r.read("x", v, 8), unimplemented);
  }
  SUBCASE("sliced tensors are listed") {
    const std::string slice_key = std::string("\0w", 2);
    io::wire_writer sliced;
    sliced.int64(1, 1).bytes(2, dims({2})).bytes(7, "");
    write_raw(dir / "m.index",
              index_of({{"", header(1)}, {slice_key, entry(dtype::float32, {2}, 0, 0, data)}, {"w", sliced.str()}}));
    const io::bundle_reader r(dir / "m");
    CHECK(r.entries().size() == 1);
    CHECK(r.entry("w").sliced);
    float v[2];
    CHECK_THROWS_AS(r.read("w", v, 8), unimplemented);
    CHECK_NOTHROW(r.verify_all());
  }
  SUBCASE("header") {
    CHECK_THROWS_AS(open(header(-1), entry(dtype::float32, {2}, 0, 0, data)), data_loss);
    CHECK_THROWS_AS(open(header(100000), entry(dtype::float32, {2}, 0, 0, data)), data_loss);
    CHECK_THROWS_AS(open(io::wire_writer().int64(1, 1).int64(2, 1).take(), ""), unimplemented);
    CHECK_THROWS_AS(
        open(io::wire_writer().int64(1, 1).message(3, io::wire_writer().int64(1, 9).int64(2, 2)).take(), ""),
        unimplemented);
    write_raw(dir / "m.index", index_of({{"w", entry(dtype::float32, {2}, 0, 0, data)}}));
    CHECK_THROWS_AS(io::bundle_reader(dir / "m"), data_loss);
    write_raw(dir / "m.index", index_of({}));
    CHECK_THROWS_AS(io::bundle_reader(dir / "m"), data_loss);
    write_raw(dir / "m.index", "");
    CHECK_THROWS_AS(io::bundle_reader(dir / "m"), data_loss);
    CHECK_THROWS_AS(io::bundle_reader(dir / "none"), not_found);
  }
  SUBCASE("limits") {
    write_raw(dir / "m.index", index_of({{"", header(1)},
                                         {"w", entry(dtype::float32, {2}, 0, 0, data)},
                                         {"xxxxx", entry(dtype::float32, {2}, 0, 0, data)}}));
    CHECK_NOTHROW(io::bundle_reader(dir / "m", {.tensors = 2, .name_bytes = 5}));
    CHECK_THROWS_AS(io::bundle_reader(dir / "m", {.tensors = 1}), resource_exhausted);
    CHECK_THROWS_AS(io::bundle_reader(dir / "m", {.name_bytes = 4}), resource_exhausted);
    CHECK_THROWS_AS(io::bundle_reader(dir / "m", {.index_bytes = 20}), resource_exhausted);
  }
}

TEST_CASE("bundle: each flipped byte gives the same tensors or a typed error; so does each shorter file") {
  const scratch_dir dir;
  io::bundle_writer w(dir / "m");
  w.add("w", dtype::float32, {2}, two, sizeof two);
  const std::vector<std::string> words{"ab", "c"};
  w.add("s", {2}, words);
  w.finish();
  const auto check = [&] {
    try {
      const io::bundle_reader r(dir / "m");
      r.verify_all();
      float v[2];
      r.read("w", v, 8);
      REQUIRE((v[0] == 1.0f && v[1] == 2.0f));
      const std::vector<std::string> got = r.read_strings("s");
      REQUIRE(got == words);
      REQUIRE(r.entries().size() == 2);
      return true;
    } catch (const error&) {
      return false;
    }
  };
  for (const std::string name : {"m.index", "m.data-00000-of-00001"}) {
    const std::string good = io::read_file(dir / name);
    for (std::size_t i = 0; i < good.size(); ++i) {
      for (const int flip : {1, 16, 128, 255}) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ flip);
        write_raw(dir / name, bad);
        const bool same = check();
        if (name != "m.index") REQUIRE_FALSE(same);
      }
      write_raw(dir / name, good.substr(0, i));
      REQUIRE_FALSE(check());
    }
    write_raw(dir / name, good);
    REQUIRE(check());
  }
}

TEST_CASE("bundle: random damage behind valid checksums is an error or a list, never a crash") {
  const scratch_dir dir;
  test::random_bits random(3);
  const std::string data = from_hex("0000803f00000040");
  write_raw(dir / "m.data-00000-of-00001", data);
  const std::string first = header(1);
  const std::string second = entry(dtype::float32, {2}, 0, 0, data);
  const std::string third = entry(dtype::string, {2}, 0, 0, data);
  for (int i = 0; i < 1500; ++i) {
    const auto maybe = [&](const std::string& s) { return random.below(2) == 0 ? s : test::mutate(s, random); };
    static test::random_bits* bits;
    bits = &random;
    const std::vector<std::pair<std::string, std::string>> entries = {
        {"", maybe(first)}, {"s", maybe(third)}, {"w", maybe(second)}};
    write_raw(dir / "m.index", i % 2 == 0 ? index_of(entries) : compressed_index(entries, [](const std::string& s) {
                return test::mutate(snappy_compress(bits->below(2) == 0 ? s : test::mutate(s, *bits)), *bits);
              }));
    try {
      const io::bundle_reader r(dir / "m");
      r.verify_all();
    } catch (const error&) {
    }
  }
}
