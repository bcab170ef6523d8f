// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Decompression of Snappy blocks, which TensorFlow uses inside the index files of checkpoints. (Rill writes such
/// blocks uncompressed, so there is no compressor.) The claimed length is compared with what Snappy can reach from so
/// many bytes before memory is taken; anything inconsistent is `data_loss` with the caller's sentence.
///
///     std::string raw;
///     if (!io::snappy_uncompress(block, raw)) ...

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "rill/io/wire.hpp"

namespace rill::io {

/// Decompresses a block into `out`; false when it is malformed.
inline bool snappy_uncompress(std::string_view in, std::string& out) {
  out.clear();
  std::uint64_t size = 0;
  if (!take_varint(in, size)) return false;
  if (size > in.size() * std::uint64_t{32}) return false;  // the densest tag makes 64 bytes out of 3
  out.reserve(static_cast<std::size_t>(size));
  const auto take = [&](std::size_t n) {  // a little-endian number; the caller has checked the length
    std::size_t v = 0;
    for (std::size_t k = 0; k < n; ++k) v |= std::size_t{static_cast<unsigned char>(in[k])} << (8 * k);
    in.remove_prefix(n);
    return v;
  };
  while (!in.empty()) {
    const std::size_t tag = take(1);
    if ((tag & 3) == 0) {
      std::size_t length = tag >> 2;
      if (length >= 60) {
        const std::size_t extra = length - 59;
        if (in.size() < extra) return false;
        length = take(extra);
      }
      ++length;
      if (length > in.size() || length > size - out.size()) return false;
      out.append(in.substr(0, length));
      in.remove_prefix(length);
      continue;
    }
    const std::size_t offset_bytes = (tag & 3) == 3 ? 4 : tag & 3;
    if (in.size() < offset_bytes) return false;
    std::size_t offset = take(offset_bytes);
    std::size_t length = 1 + (tag >> 2);
    if ((tag & 3) == 1) {
      length = 4 + ((tag >> 2) & 7);
      offset |= (tag >> 5) << 8;
    }
    if (offset == 0 || offset > out.size() || length > size - out.size()) return false;
    for (; length > 0; --length) out.push_back(out[out.size() - offset]);  // source and target may overlap
  }
  return out.size() == size;
}

}  // namespace rill::io
