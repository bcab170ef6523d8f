// SPDX-License-Identifier: Apache-2.0
// NumPy reads the .npy and .npz files that Rill writes, and the other way round. Runs where the environment variable
// RILL_ORACLE_PYTHON names a Python with numpy; says so where it does not.
#include "rill/io/npy.hpp"

#include <doctest/doctest.h>

#include <complex>
#include <cstdio>
#include <cstdlib>

#include "../io/scratch.hpp"

using namespace rill;
using test::scratch_dir;

namespace {

/// Runs the script; its output, or nothing (after one line that says why) without an oracle.
std::string ask(const char* command, const scratch_dir& dir, bool& asked) {
  const char* python = std::getenv("RILL_ORACLE_PYTHON");
  asked = python != nullptr && *python != '\0';
  if (!asked) {
    static bool said = false;
    if (!said) std::printf("skipped: nobody to exchange .npy files with, RILL_ORACLE_PYTHON names no python with numpy\n");
    said = true;
    return {};
  }
  const std::string line = "'" + std::string(python) + "' '" + io::join_path(io::dir_name(__FILE__), "npy.py") + "' " + command +
                           " '" + dir.path() + "' >'" + dir / "out" + "' 2>'" + dir / "err" + "'";
  if (std::system(line.c_str()) != 0) FAIL("the oracle failed on ", command, ": ", io::read_file(dir / "err"));
  return io::read_file(dir / "out");
}

template <class T>
T element_at(std::int64_t i) {
  const std::int64_t v = i * 5 % 100;
  if constexpr (std::is_same_v<T, bool>) return v % 3 == 0;
  else if constexpr (is_complex_v<T>) return T(static_cast<real_type_t<T>>(v), static_cast<real_type_t<T>>(-2 * v));
  else return static_cast<T>(static_cast<float>(v));
}

template <class T>
void check_read(const scratch_dir& dir, const std::string& kind) {
  for (const char* order : {"lc", "lf", "bc", "bf"})
    for (const char* version : {"1", "2", "3"}) {
      const std::string name = kind + "_" + order + "_" + version + ".npy";
      CAPTURE(name);
      const auto t = io::load_npy<T, 2, dyn, 4>(dir / name);
      REQUIRE(t.shape() == tensor_shape{2, 3, 4});
      bool equal = true;
      for (std::int64_t i = 0; i < t.size(); ++i) equal = equal && t.data()[i] == element_at<T>(i);
      CHECK(equal);
      // What NumPy writes of the same array is what we write.
      const io::npy_header h = io::load_npy_header(dir / name);
      io::save_npy(dir / "again", t,
                   {.version = version[0] - '0', .fortran_order = h.fortran_order, .big_endian = order[0] == 'b'});
      CHECK(io::read_file(dir / "again") == io::read_file(dir / name));
    }
}

template <class T>
void write_one(const scratch_dir& dir, const std::string& name, const io::npy_options& o) {
  tensor<T, 2, 3> t;
  for (std::int64_t i = 0; i < 6; ++i) t.data()[i] = element_at<T>(i);
  io::save_npy(dir / (name + ".npy"), t, o);
}

bool has(const std::string& text, const std::string& line) { return ("\n" + text).find("\n" + line + "\n") != std::string::npos; }

}  // namespace

TEST_CASE("oracle: we read what NumPy saves") {
  const scratch_dir dir;
  bool asked = false;
  ask("write", dir, asked);
  if (!asked) return;
  check_read<half>(dir, "f2");
  check_read<float>(dir, "f4");
  check_read<double>(dir, "f8");
  check_read<std::int8_t>(dir, "i1");
  check_read<std::int16_t>(dir, "i2");
  check_read<std::int32_t>(dir, "i4");
  check_read<std::int64_t>(dir, "i8");
  check_read<std::uint8_t>(dir, "u1");
  check_read<std::uint16_t>(dir, "u2");
  check_read<std::uint32_t>(dir, "u4");
  check_read<std::uint64_t>(dir, "u8");
  check_read<bool>(dir, "b1");
  check_read<std::complex<float>>(dir, "c8");
  check_read<std::complex<double>>(dir, "c16");
  CHECK(io::load_npy<float>(dir / "scalar.npy")() == 2.5f);
  CHECK(io::load_npy<std::int16_t, dyn, 3>(dir / "empty.npy").shape() == tensor_shape{0, 3});
  const auto b = io::load_npy<std::string, 2, 2>(dir / "bytes.npy");
  CHECK((b(0, 0) == "ab" && b(0, 1).empty() && b(1, 0) == "c" && b(1, 1) == "def"));
  const auto t = io::load_npy<std::string, 4>(dir / "text.npy");
  CHECK((t(0) == "\xc3\xa4" "b" && t(1).empty() && t(2) == "\xe2\x82\xac" && t(3) == "\xf0\x9f\x98\x80"));
  CHECK_THROWS_WITH_AS(io::load_npy(dir / "objects.npy"), doctest::Contains("pickled"), unimplemented);
  CHECK_THROWS_WITH_AS(io::load_npy(dir / "records.npy"), doctest::Contains("records"), unimplemented);
  for (const char* name : {"stored.npz", "packed.npz"}) {
    const io::npz_reader r(dir / name);
    CHECK(r.names() == std::vector<std::string>{"x", "n", "deep/y"});
    const auto x = r.read<float, 3, 5>("x");
    CHECK(x(2, 4) == element_at<float>(14));
    const auto n = r.read<std::int64_t, dyn>("n");
    bool equal = n.size() == 100000;
    for (std::int64_t i = 0; i < n.size(); ++i) equal = equal && n.data()[i] == i;
    CHECK(equal);
    CHECK(io::load_npz(dir / name).at("deep/y").type() == dtype::complex128);
  }
}

TEST_CASE("oracle: NumPy loads what we save") {
  const scratch_dir dir;
  write_one<half>(dir, "half", {});
  write_one<float>(dir, "float", {});
  write_one<double>(dir, "double_fortran", {.version = 2, .fortran_order = true});
  write_one<std::int16_t>(dir, "int16_big", {.big_endian = true});
  write_one<std::uint64_t>(dir, "uint64_all", {.version = 3, .fortran_order = true, .big_endian = true});
  write_one<bool>(dir, "bool", {});
  write_one<std::complex<float>>(dir, "complex_big", {.big_endian = true});
  write_one<bfloat16>(dir, "bfloat", {});
  tensor<std::string, 2> words;
  words(0) = "ab";
  io::save_npy(dir / "words.npy", words);
  io::save_npy(dir / "scalar.npy", tensor<std::int32_t>(7));
  io::save_npy(dir / "empty.npy", tensor<float, 0, 3>());
  tensor<std::int64_t, dyn> n({100000});
  for (std::int64_t i = 0; i < 100000; ++i) n(i) = i;
  io::save_npz(dir / "a.npz", "n", n, "sub/x", tensor<float, 2>{1, 2});
  io::save_npz_compressed(dir / "b.npz", "n", n, "e", tensor<float, 0>());
  io::save_npz(dir / "c.npz", io::load_npz(dir / "a.npz"), {.deflate = true, .zip64 = true});
  bool asked = false;
  const std::string out = ask("read", dir, asked);
  if (!asked) return;
  CAPTURE(out);
  const std::string plain = "[0.0, 5.0, 10.0, 15.0, 20.0, 25.0]";
  CHECK(has(out, "half.npy float16 [2, 3] C " + plain));
  CHECK(has(out, "float.npy float32 [2, 3] C " + plain));
  CHECK(has(out, "double_fortran.npy float64 [2, 3] F " + plain));
  CHECK(has(out, "int16_big.npy int16 [2, 3] C [0, 5, 10, 15, 20, 25]"));
  CHECK(has(out, "uint64_all.npy uint64 [2, 3] F [0, 5, 10, 15, 20, 25]"));
  CHECK(has(out, "bool.npy bool [2, 3] C [True, False, False, True, False, False]"));
  CHECK(has(out, "complex_big.npy complex64 [2, 3] C [0j, (5-10j), (10-20j), (15-30j), (20-40j), (25-50j)]"));
  CHECK(out.find("bfloat.npy void16 [2, 3]") != std::string::npos);
  CHECK(has(out, "words.npy bytes16 [2] C [b'ab', b'']"));
  CHECK(has(out, "scalar.npy int32 [] C [7]"));
  CHECK(has(out, "empty.npy float32 [0, 3] F []"));
  for (const char* name : {"a", "b", "c"}) CHECK(has(out, name + std::string(".npz:n int64 [100000] C 4999950000")));
  CHECK(has(out, "a.npz:sub/x float32 [2] C [1.0, 2.0]"));
  CHECK(has(out, "b.npz:e float32 [0] C []"));
}
