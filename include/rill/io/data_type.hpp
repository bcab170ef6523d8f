// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Element types as they occur in files: every number of TensorFlow's DataType, also those that a `tensor` cannot hold
/// (a `dtype` from a file may have any of these values; `name_of` and `size_of` of core know only the computable ones).
///
///     io::stored_size_of(static_cast<dtype>(13)) == 4;  io::enum_name_of(dtype::float32) == "DT_FLOAT"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string_view>

#include "rill/core/dtype.hpp"

namespace rill::io {

/// Bytes of one stored element; 0 for types without a fixed size (string, resource, variant) and unknown numbers.
constexpr std::size_t stored_size_of(dtype d) {
  switch (static_cast<int>(d)) {
    case 4:
    case 6:
    case 10:
    case 11:
    case 12:
    case 24:
    case 25:
    case 26:
    case 27:
    case 28: return 1;
    case 5:
    case 14:
    case 15:
    case 16:
    case 17:
    case 19: return 2;
    case 1:
    case 3:
    case 13:
    case 22: return 4;
    case 2:
    case 8:
    case 9:
    case 23: return 8;
    case 18: return 16;
    default: return 0;
  }
}

/// The enumerator in text protos, "DT_FLOAT"; "" for a number this table does not know.
constexpr std::string_view enum_name_of(dtype d) {
  constexpr std::string_view names[] = {"DT_INVALID",  "DT_FLOAT",   "DT_DOUBLE", "DT_INT32",      "DT_UINT8",
                                        "DT_INT16",    "DT_INT8",    "DT_STRING", "DT_COMPLEX64",  "DT_INT64",
                                        "DT_BOOL",     "DT_QINT8",   "DT_QUINT8", "DT_QINT32",     "DT_BFLOAT16",
                                        "DT_QINT16",   "DT_QUINT16", "DT_UINT16", "DT_COMPLEX128", "DT_HALF",
                                        "DT_RESOURCE", "DT_VARIANT", "DT_UINT32", "DT_UINT64"};
  const auto n = static_cast<std::size_t>(d);
  if (n < std::size(names)) return names[n];
  if (n == 101) return "DT_FLOAT_REF";
  if (n == 102) return "DT_DOUBLE_REF";
  if (n == 103) return "DT_INT32_REF";
  if (n == 109) return "DT_INT64_REF";
  return "";
}

/// a * b, or false when the product does not fit: sizes from files are multiplied only through this.
constexpr bool checked_mul(std::uint64_t a, std::uint64_t b, std::uint64_t& product) {
  if (a != 0 && b > std::numeric_limits<std::uint64_t>::max() / a) return false;
  product = a * b;
  return true;
}

}  // namespace rill::io
