// SPDX-License-Identifier: Apache-2.0
#include "rill/io/npy.hpp"

#include <doctest/doctest.h>

#include <complex>

#include "scratch.hpp"

using namespace rill;
using test::scratch_dir;

namespace {

/// Writes without waiting for the disk, which thousands of damaged files would.
void put(const std::string& path, const std::string& bytes) {
  io::writable_file f(path);
  f.append(bytes);
  f.close();
}

/// The bytes that NumPy 2 writes: magic, version, length, dictionary padded to a multiple of 64.
std::string numpy_file(const std::string& dictionary, const std::string& elements, int version = 1) {
  std::string d = dictionary;
  while ((d.size() + 1 + (version == 1 ? 10 : 12)) % 64 != 0) d += ' ';
  d += '\n';
  std::string s("\x93NUMPY", 6);
  s += static_cast<char>(version);
  s += '\0';
  s += static_cast<char>(d.size() & 0xFF);
  s += static_cast<char>(d.size() >> 8);
  if (version > 1) s += std::string(2, '\0');
  return s + d + elements;
}

template <class T>
T element_at(std::int64_t i) {
  if constexpr (std::is_same_v<T, std::string>) return std::string(static_cast<std::size_t>(i % 5), static_cast<char>('a' + i % 26));
  else if constexpr (std::is_same_v<T, bool>) return i % 3 == 0;
  else if constexpr (is_complex_v<T>) return T(static_cast<real_type_t<T>>(i), static_cast<real_type_t<T>>(-2 * i));
  else return static_cast<T>(static_cast<float>(i * 5 % 100));
}

template <class T>
void round_trip(const scratch_dir& dir) {
  CAPTURE(std::string(name_of(dtype_v<T>)));
  for (const tensor_shape& shape : {tensor_shape{}, tensor_shape{7}, tensor_shape{3, 5}, tensor_shape{2, 3, 4}, tensor_shape{0, 2}}) {
    tensor<T, any_rank> t(shape);
    for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = element_at<T>(i);
    for (int mode = 0; mode < 12; ++mode) {
      CAPTURE(mode);
      const io::npy_options o{.version = 1 + mode % 3, .fortran_order = mode / 3 % 2 != 0, .big_endian = mode / 6 != 0};
      const io::detail::npy_bytes bytes(dtype_v<T>, shape, t.data(), o);
      REQUIRE(bytes.header.size() % 64 == 0);
      put(dir / "x.npy", bytes.header + std::string(bytes.elements));
      const auto back = io::load_npy<T, any_rank>(dir / "x.npy");
      REQUIRE((back == t));
      const dynamic_tensor untyped = io::load_npy(dir / "x.npy");
      REQUIRE(untyped.type() == dtype_v<T>);
      REQUIRE((untyped.to<T, any_rank>() == t));
      const io::npy_header h = io::load_npy_header(dir / "x.npy");
      REQUIRE(h.version == o.version);
      REQUIRE(h.fortran_order == o.fortran_order);
    }
  }
}

}  // namespace

TEST_CASE("npy: every dtype, version, order and byte order round-trips") {
  const scratch_dir dir;
  round_trip<float>(dir);
  round_trip<double>(dir);
  round_trip<half>(dir);
  round_trip<bfloat16>(dir);
  round_trip<std::int8_t>(dir);
  round_trip<std::int16_t>(dir);
  round_trip<std::int32_t>(dir);
  round_trip<std::int64_t>(dir);
  round_trip<std::uint8_t>(dir);
  round_trip<std::uint16_t>(dir);
  round_trip<std::uint32_t>(dir);
  round_trip<std::uint64_t>(dir);
  round_trip<std::complex<float>>(dir);
  round_trip<std::complex<double>>(dir);
  round_trip<bool>(dir);
  round_trip<std::string>(dir);
}

TEST_CASE("npy: the bytes are NumPy's") {
  const scratch_dir dir;
  io::save_npy(dir / "x.npy", tensor<std::int16_t, 2, 2>{{1, 2}, {3, -4}});
  // np.save(f, np.array([[1, 2], [3, -4]], np.int16))
  CHECK(io::read_file(dir / "x.npy") ==
        numpy_file("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }", std::string("\1\0\2\0\3\0\xfc\xff", 8)));
  io::save_npy(dir / "x.npy", tensor<bool, 3>{true, false, true}, {.version = 2});
  CHECK(io::read_file(dir / "x.npy") ==
        numpy_file("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", std::string("\1\0\1", 3), 2));
  put(dir / "f.npy", numpy_file("{'descr': '>f4', 'fortran_order': True, 'shape': (2, 2), }",
                                test::from_hex("3f800000 40000000 40400000 40800000")));
  const auto f = io::load_npy<float, dyn, 2>(dir / "f.npy");
  CHECK(f == tensor<float, 2, 2>{{1, 3}, {2, 4}});
  // Other spellings that Python would read.
  put(dir / "s.npy", numpy_file("{\"shape\": (1L ,),'fortran_order':False, 'descr':'=u1'}", "\5"));
  CHECK(io::load_npy<std::uint8_t, 1>(dir / "s.npy")(0) == 5);
  put(dir / "s.npy", numpy_file("{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }",
                                test::from_hex("e4000000 00000000 ac200000 00f60100")));
  const auto s = io::load_npy<std::string, dyn>(dir / "s.npy");
  CHECK(s(0) == "\xc3\xa4");
  CHECK(s(1) == "\xe2\x82\xac\xf0\x9f\x98\x80");
  put(dir / "b.npy", numpy_file("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", std::string("\2\0\xff", 3)));
  const auto b = io::load_npy<bool, 3>(dir / "b.npy");
  CHECK(io::read_file(dir / "b.npy").size() == 131);
  CHECK((b(0) && !b(1) && b(2)));
  CHECK(static_cast<int>(reinterpret_cast<const unsigned char*>(b.data())[2]) == 1);
}

TEST_CASE("npy: views, expressions, static shapes; what does not match is named") {
  const scratch_dir dir;
  tensor<int, dyn, dyn> t({3, 4});
  for (int i = 0; i < 12; ++i) t.data()[i] = i;
  io::save_npy(dir / "v.npy", t(all, slice{0, 4, 2}));
  CHECK(io::load_npy<int, 3, 2>(dir / "v.npy") == tensor<int, 3, 2>{{0, 2}, {4, 6}, {8, 10}});
  io::save_npy(dir / "scalar.npy", tensor<double>(2.5));
  CHECK(io::load_npy<double>(dir / "scalar.npy")() == 2.5);
  CHECK_THROWS_WITH_AS((io::load_npy<float, dyn, dyn>(dir / "v.npy")), doctest::Contains("holds int32 of shape [3, 2], not float32"),
                       invalid_argument);
  CHECK_THROWS_WITH_AS((io::load_npy<int, dyn, 3>(dir / "v.npy")), doctest::Contains("of shape [3, 2], not of shape [?, 3]"),
                       invalid_argument);
  CHECK_THROWS_WITH_AS((io::load_npy<int, dyn>(dir / "v.npy")), doctest::Contains("not of shape [?]"), invalid_argument);
  CHECK_THROWS_AS(io::load_npy(dir / "none.npy"), not_found);
  CHECK_THROWS_AS(io::save_npy(dir / "v.npy", t, {.version = 4}), invalid_argument);
  CHECK_THROWS_AS(io::save_npy(dir / "v.npy", dynamic_tensor()), invalid_argument);
  CHECK_THROWS_WITH_AS(io::save_npy(dir / "v.npy", tensor<std::string>(std::string("a\0", 2))), doctest::Contains("zero byte"),
                       invalid_argument);
}

TEST_CASE("npy: wrong headers") {
  const scratch_dir dir;
  const auto load = [&](const std::string& bytes) {
    put(dir / "bad.npy", bytes);
    static_cast<void>(io::load_npy(dir / "bad.npy"));
  };
  const auto header = [&](const std::string& dictionary) { load(numpy_file(dictionary, std::string(8, '\0'))); };
  const auto shaped = [&](const std::string& shape) { header("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }"); };
  const auto typed = [&](const std::string& type) { header("{'descr': " + type + ", 'fortran_order': False, 'shape': (2,), }"); };
  CHECK_NOTHROW(shaped("(2,)"));
  CHECK_NOTHROW(shaped("(2,1,)"));
  CHECK_THROWS_WITH_AS(load(""), doctest::Contains("no .npy file"), invalid_argument);
  CHECK_THROWS_WITH_AS(load("PK\3\4abcdef"), doctest::Contains("no .npy file"), invalid_argument);
  CHECK_THROWS_WITH_AS(load(std::string("\x93NUMPY\1\1\0\0", 10)), doctest::Contains("version 1.1"), unimplemented);
  CHECK_THROWS_WITH_AS(load(std::string("\x93NUMPY\4\0\0\0", 10)), doctest::Contains("version 4.0"), unimplemented);
  CHECK_THROWS_WITH_AS(load(std::string("\x93NUMPY\2\0\xff\xff\xff\x7f", 12)), doctest::Contains("2147483647"), resource_exhausted);
  CHECK_THROWS_WITH_AS(load(std::string("\x93NUMPY\1\0\x40\0{", 11)), doctest::Contains("offset 11 inside its header of 64"), data_loss);
  for (const char* shape : {"2", "(2)", "(2 1)", "(-2,)", "(,)", "(2,", "[2]", "(2.0,)", "(99999999999999999999,)", "()", "(3,)",
                            "(4611686018427387904, 4611686018427387904)", "(0x2,)", "(2,,)"})
    CHECK_THROWS_AS(shaped(shape), data_loss);
  CHECK_THROWS_WITH_AS(shaped("(4611686018427387904, 8)"), doctest::Contains("more than 64 bits"), data_loss);
  CHECK_THROWS_WITH_AS(shaped("(1, 1, 1, 1, 1, 1, 1, 1, 2)"), doctest::Contains("more than 8 dimensions"), unimplemented);
  for (const char* type : {"'|O'", "'<M8[ns]'", "'<f16'", "'<i3'", "[('a', '<f4')]", "'|V8'", "'|S0'", "'<x4'", "'>U99999999999'"})
    CHECK_THROWS_AS(typed(type), unimplemented);
  CHECK_THROWS_WITH_AS(typed("'|O'"), doctest::Contains("pickled"), unimplemented);
  for (const char* type : {"''", "'|f4'", "'f4'", "4", "'<f4\\x00'"}) CHECK_THROWS_AS(typed(type), data_loss);
  for (const char* dictionary :
       {"", "{}", "{'descr': '<f4', 'fortran_order': False}", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}"})
    CHECK_THROWS_AS(header(dictionary), data_loss);
  CHECK_THROWS_WITH_AS(header("{'descr': '<f4', 'nonsense': False}"), doctest::Contains("at offset 27: the key 'nonsense'"), data_loss);
  put(dir / "u.npy", numpy_file("{'descr': '<U1', 'fortran_order': False, 'shape': (), }", std::string("\0\xd8\0\0", 4)));
  CHECK_THROWS_WITH_AS(io::load_npy(dir / "u.npy"), doctest::Contains("no character"), data_loss);
}

TEST_CASE("npz: arrays by name, stored and compressed") {
  const scratch_dir dir;
  const tensor<float, 2, 3> x{{1, 2, 3}, {4, 5, 6}};
  const tensor<std::int64_t, dyn> n({100000});
  for (const bool compressed : {false, true}) {
    const std::string path = dir / "a.npz";
    if (compressed) io::save_npz_compressed(path, "x", x, "sub/n", n, "e", x(slice{0, 2}, all));
    else io::save_npz(path, "x", x, "sub/n", n, "e", x(slice{0, 2}, all));
    CHECK((io::file_size(path) < 2000) == compressed);
    const io::npz_reader r(path);
    CHECK(r.names() == std::vector<std::string>{"x", "sub/n", "e"});
    CHECK(r.read<float, dyn, 3>("x") == x);
    CHECK(r.read<float, 2, 3>("x.npy") == x);
    CHECK(r.read<std::int64_t, dyn>("sub/n") == n);
    CHECK(r.header("e").shape == tensor_shape{2, 3});
    CHECK(r.contains("e"));
    CHECK_FALSE(r.contains("y"));
    CHECK_THROWS_WITH_AS(static_cast<void>(r.read("y")), doctest::Contains("no array 'y'"), not_found);
    CHECK_THROWS_WITH_AS(static_cast<void>(r.read<double, dyn>("x")), doctest::Contains("member 'x.npy' of"), invalid_argument);
    const auto everything = io::load_npz(path);
    CHECK(everything.size() == 3);
    CHECK(everything.at("e").to<float, 2, 3>()(1, 2) == 6);
    io::save_npz(dir / "b.npz", everything);
    CHECK(io::load_npz(dir / "b.npz").at("sub/n").size() == 100000);
  }
  io::npz_writer w(dir / "c.npz");
  w.add("x", x);
  CHECK_THROWS_AS(w.add("x", x), invalid_argument);
}

TEST_CASE("npy, npz: any byte changed or cut off is a typed error or another array, never more") {
  const scratch_dir dir;
  const tensor<float, 2, 3> x{{1, 2, 3}, {4, 5, 6}};
  const tensor<std::string, 2> words = [] {
    tensor<std::string, 2> t;
    t(0) = "ab", t(1) = "c";
    return t;
  }();
  io::save_npy(dir / "x.npy", x, {.fortran_order = true, .big_endian = true});
  io::save_npz(dir / "s.npz", "x", x, "w", words);
  io::save_npz_compressed(dir / "d.npz", "x", x);
  for (const char* name : {"x.npy", "s.npz", "d.npz"}) {
    const std::string good = io::read_file(dir / name);
    const auto survives = [&](const std::string& bytes) {
      put(dir / "bad", bytes);
      try {
        if (name[0] == 'x') return io::load_npy(dir / "bad").size() >= 0;
        static_cast<void>(io::load_npz(dir / "bad"));
        return true;
      } catch (const error&) {
        return false;
      }
    };
    REQUIRE(survives(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      for (const int flip : {0x01, 0x10, 0xFF}) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ flip);
        survives(bad);
      }
      REQUIRE_FALSE(survives(good.substr(0, i)));
    }
    test::random_bits random(7);
    for (int i = 0; i < 500; ++i) survives(test::mutate(good, random));
  }
}
