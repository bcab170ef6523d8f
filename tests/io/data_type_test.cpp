// SPDX-License-Identifier: Apache-2.0
#include "rill/io/data_type.hpp"

#include <doctest/doctest.h>

using namespace rill;

TEST_CASE("stored types: sizes and names agree with the computable ones") {
  for (const dtype d : {dtype::float16, dtype::bfloat16, dtype::float32, dtype::float64, dtype::int8, dtype::int16, dtype::int32,
                        dtype::int64, dtype::uint8, dtype::uint16, dtype::uint32, dtype::uint64, dtype::complex64,
                        dtype::complex128, dtype::boolean})
    CHECK(io::stored_size_of(d) == size_of(d));
  CHECK(io::stored_size_of(dtype::string) == 0);
  CHECK(io::stored_size_of(dtype::invalid) == 0);
  CHECK(io::stored_size_of(static_cast<dtype>(255)) == 0);
  CHECK(io::stored_size_of(dtype::float16) == 2);
  CHECK(io::enum_name_of(dtype::boolean) == "DT_BOOL");
  CHECK(io::enum_name_of(dtype::float16) == "DT_HALF");
  CHECK(io::enum_name_of(static_cast<dtype>(101)) == "DT_FLOAT_REF");
  CHECK(io::enum_name_of(static_cast<dtype>(77)).empty());
}

TEST_CASE("checked_mul") {
  std::uint64_t r = 0;
  CHECK(io::checked_mul(0, UINT64_MAX, r));
  CHECK(r == 0);
  CHECK(io::checked_mul(UINT64_MAX, 1, r));
  CHECK(io::checked_mul(1u << 16, std::uint64_t{1} << 47, r));
  CHECK_FALSE(io::checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 32, r));
}
