// SPDX-License-Identifier: Apache-2.0
// Random arrays of all dtypes under random print options look as NumPy prints them. Runs where the environment variable
// RILL_ORACLE_PYTHON names a Python with numpy 2.3 or later; says so where it does not.
#include "rill/core/print.hpp"

#include <doctest/doctest.h>

#include <complex>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "../io/scratch.hpp"
#include "rill/core/dynamic_tensor.hpp"
#include "rill/io/filesystem.hpp"

using namespace rill;

TEST_CASE("oracle: NumPy prints the same text") {
  const char* python = std::getenv("RILL_ORACLE_PYTHON");
  if (python == nullptr || *python == '\0') {
    std::printf("skipped: nothing to compare printed tensors with, RILL_ORACLE_PYTHON names no python with numpy\n");
    return;
  }
  const test::scratch_dir dir;
  const char* seed = std::getenv("RILL_TEST_SEED");
  const char* cases = std::getenv("RILL_TEST_CASES");
  const std::string line = "'" + std::string(python) + "' '" + io::join_path(io::dir_name(__FILE__), "print.py") + "' '" +
                           dir / "cases" + "' " + (seed ? seed : "1") + " " + (cases ? cases : "2000") + " 2>'" + dir / "err" + "'";
  const int status = std::system(line.c_str());
  if (status == 3 << 8) {
    std::printf("skipped: %s", io::read_file(dir / "err").c_str());
    return;
  }
  if (status != 0) FAIL("the oracle failed: ", io::read_file(dir / "err"));
  const std::string file = io::read_file(dir / "cases");
  std::size_t at = 0;
  int count = 0;
  int different = 0;
  while (at < file.size()) {
    const std::size_t end = file.find('\n', at);
    const std::string head = file.substr(at, end - at);
    std::istringstream words(head);
    std::string type, sign, floats;
    int rank = 0;
    words >> type >> rank;
    tensor_shape shape;
    for (int i = 0; i < rank; ++i) {
      std::int64_t d = 0;
      words >> d;
      shape.push_back(d);
    }
    print_options o;
    std::size_t bytes = 0;
    std::size_t characters = 0;
    words >> o.precision >> o.threshold >> o.edge_items >> o.line_width >> o.suppress >> sign >> floats >> bytes >> characters;
    REQUIRE(words);
    o.sign = sign == "_" ? ' ' : sign[0];
    o.floats = floats == "maxprec"         ? float_mode::maxprec
               : floats == "maxprec_equal" ? float_mode::maxprec_equal
               : floats == "fixed"         ? float_mode::fixed
                                           : float_mode::unique;
    dynamic_tensor t = dynamic_tensor::uninitialized(dtype_from_name(type), shape);
    REQUIRE(static_cast<std::size_t>(t.size()) * size_of(t.type()) == bytes);
    if (bytes > 0) std::memcpy(t.mutable_data(), file.data() + end + 1, bytes);
    const std::string expected = file.substr(end + 1 + bytes, characters);
    const std::string text = visit_dtype(t.type(), [&]<class T>(std::type_identity<T>) { return to_string(t.as<T>(), o); });
    ++count;
    if (text != expected && ++different <= 10) {
      CAPTURE(head);
      CHECK(text == expected);
    }
    at = end + 1 + bytes + characters;
  }
  CHECK(different == 0);
  CHECK(count > 0);
}
