// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// IDX files, the format of MNIST: two zero bytes, a type byte, the rank, one big-endian u32 per dimension, then the
/// elements, big-endian. Plain or gzip, told apart by content. The size that the header promises must be exactly the
/// file's: a wrong magic number is `invalid_argument`; truncation, trailing bytes, dimensions that overflow or exceed
/// the file, a compressed file that would unfold more than 1000-fold are `data_loss` or `resource_exhausted`; each
/// names file and offset.
///
///     io::idx_array images = io::read_idx("train-images-idx3-ubyte");   // uint8, dims {60000, 28, 28}

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rill/core/dtype.hpp"
#include "rill/core/error.hpp"
#include "rill/core/function_ref.hpp"
#include "rill/core/text.hpp"
#include "rill/io/data_type.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/gzip.hpp"

namespace rill::io {

/// The content of an IDX file. `type` is uint8, int32, float32, float64, int8 or int16; `data` is
/// row-major in the machine's byte order.
struct idx_array {
  dtype type = dtype::invalid;
  std::vector<std::int64_t> dims;
  std::vector<std::byte> data;
};

/// Bounds on what an IDX file may hold.
struct idx_limits {
  std::uint64_t bytes = std::uint64_t{1} << 33;
  /// Decompressed bytes per compressed byte (after the first 64 KiB).
  std::uint64_t ratio = 1000;
};

namespace detail {

[[gnu::cold]] inline dtype idx_type(unsigned code) {
  switch (code) {
    case 0x08: return dtype::uint8;
    case 0x09: return dtype::int8;
    case 0x0B: return dtype::int16;
    case 0x0C: return dtype::int32;
    case 0x0D: return dtype::float32;
    case 0x0E: return dtype::float64;
    default: return dtype::invalid;
  }
}

inline void swap_elements(std::byte* p, std::size_t bytes, std::size_t width) {
  if (width == 1 || std::endian::native == std::endian::big) return;
  for (std::size_t i = 0; i + width <= bytes; i += width) std::reverse(p + i, p + i + width);
}

/// `read(dst, n)` returns how many bytes it delivered; `room` is the most that the elements may take; `whole` is the
/// file's exact size where it is known, else 0.
template <class = void>
idx_array parse_idx(const std::string& path, std::uint64_t room, bool exact, std::uint64_t whole,
                           function_ref<std::size_t(unsigned char*, std::size_t)> read) {
  const std::string name = "IDX file '" + path + "'";
  std::uint64_t offset = 0;
  const auto take = [&](unsigned char* p, std::size_t n, const char* part) {
    const std::size_t got = read(p, n);
    if (got != n) rill::detail::raise<data_loss>({name, " ends at offset ", offset + got, " inside its ", part});
    offset += n;
  };
  unsigned char head[4];
  take(head, 4, "header");
  const dtype type = idx_type(head[2]);
  if (head[0] != 0 || head[1] != 0 || type == dtype::invalid) {
    const char* digits = "0123456789abcdef";
    std::string hex;
    for (const unsigned char b : head) {
      hex += digits[b >> 4];
      hex += digits[b & 15];
    }
    rill::detail::raise<invalid_argument>({name, " has the magic number ", hex, " at offset 0; an IDX file starts with ",
                                           "0000 and a type code of 08, 09, 0b, 0c, 0d or 0e"});
  }
  if (head[3] > 8)
    rill::detail::raise<invalid_argument>({name, " has ", head[3], " dimensions at offset 3; at most 8 are read"});
  idx_array out;
  out.type = type;
  const std::size_t width = stored_size_of(type);
  std::uint64_t bytes = width;
  bool fits = true;
  std::string shape;
  for (unsigned i = 0; i < head[3]; ++i) {
    unsigned char d[4];
    take(d, 4, "dimensions");
    const std::uint32_t n = std::uint32_t{d[0]} << 24 | std::uint32_t{d[1]} << 16 | std::uint32_t{d[2]} << 8 | d[3];
    out.dims.push_back(n);
    shape += (i == 0 ? "" : ", ") + std::to_string(n);
    fits = checked_mul(bytes, n, bytes) && fits;
  }
  if (!fits || bytes > room || (exact && bytes != whole - offset)) {
    const std::string promise = name + " promises dimensions [" + shape + "] at offset 4, " +
                                (fits ? std::to_string(bytes) : "more than 2^64") + " bytes";
    if (!exact)
      rill::detail::raise<resource_exhausted>({promise, ", more than the limit of ", room, " for its size"});
    rill::detail::raise<data_loss>({promise, ", but ", whole - offset, " bytes follow at offset ", offset});
  }
  // Memory follows the data that really arrives.
  std::uint64_t step = io_step;
  while (out.data.size() < bytes) {
    const std::size_t old = out.data.size();
    const std::size_t n =
        exact ? static_cast<std::size_t>(bytes) : static_cast<std::size_t>(std::min<std::uint64_t>(step, bytes - old));
    out.data.resize(old + n);
    take(reinterpret_cast<unsigned char*>(out.data.data() + old), n, "elements");
    step = out.data.size();
  }
  unsigned char extra;
  if (read(&extra, 1) != 0)
    rill::detail::raise<data_loss>({name, " goes on after its dimensions [", shape, "] are filled, at offset ", offset});
  swap_elements(out.data.data(), out.data.size(), width);
  return out;
}

}  // namespace detail

/// Reads an IDX file, plain or gzip. When `path` does not exist and `path`.gz does, that is read.
template <class = void>
[[gnu::cold]] idx_array read_idx(const std::string& path, idx_limits limits = {}) {
  const std::string name = !exists(path) && exists(path + ".gz") ? path + ".gz" : path;
  random_access_file file(name);
  if (is_gzip(file)) {
    gzip_reader zip(std::move(file));
    std::uint64_t room = 0;
    if (!checked_mul(zip.compressed_size(), limits.ratio, room) || room > limits.bytes) room = limits.bytes;
    room = std::min(limits.bytes, room + (1 << 16));
    return detail::parse_idx(name, room, false, 0, [&](unsigned char* p, std::size_t n) { return zip.read(p, n); });
  }
  const std::uint64_t size = file.size();
  std::uint64_t at = 0;
  return detail::parse_idx(name, limits.bytes, true, size, [&](unsigned char* p, std::size_t n) {
    const std::size_t got = file.read_some(at, p, n);
    at += got;
    return got;
  });
}

/// The bytes of an IDX file.
template <class = void>
[[gnu::cold]] std::string encode_idx(const idx_array& a) {
  unsigned code = 0;
  for (const unsigned c : {0x08u, 0x09u, 0x0Bu, 0x0Cu, 0x0Du, 0x0Eu})
    if (detail::idx_type(c) == a.type) code = c;
  if (code == 0 || a.dims.size() > 8)
    rill::detail::raise<invalid_argument>({"an IDX file holds uint8, int8, int16, int32, float32 or float64 with at most 8 dimensions"});
  const std::size_t width = stored_size_of(a.type);
  std::uint64_t bytes = width;
  std::string out{'\0', '\0', static_cast<char>(code), static_cast<char>(a.dims.size())};
  for (const std::int64_t d : a.dims) {
    if (d < 0 || d > 0xFFFFFFFFLL || !checked_mul(bytes, static_cast<std::uint64_t>(d), bytes))
      rill::detail::raise<invalid_argument>({"dimension ", d, " does not fit an IDX file"});
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((d >> shift) & 0xFF);
  }
  if (bytes != a.data.size())
    rill::detail::raise<invalid_argument>({"the dimensions of an IDX array need ", bytes, " bytes, got ", a.data.size()});
  std::vector<std::byte> big = a.data;
  detail::swap_elements(big.data(), big.size(), width);
  return out.append(reinterpret_cast<const char*>(big.data()), big.size());
}

}  // namespace rill::io
