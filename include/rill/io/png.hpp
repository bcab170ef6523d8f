// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A small PNG writer: 8 bits per channel, 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA) channels. Compressed with
/// zlib where it is installed, else stored uncompressed, which every reader takes as well.
///
///     std::string file = io::encode_png(28, 28, 1, pixels);      // pixels: height x width x channels, row-major

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"
#include "rill/io/filesystem.hpp"

#if __has_include(<zlib.h>)
#include <zlib.h>
#endif

namespace rill::io {

namespace detail {

/// The register of PNG's and zip's CRC after more bytes.
inline std::uint32_t extend_crc32(std::uint32_t c, std::string_view bytes) {
  struct table {
    std::uint32_t of[256];
    table() {  // not at compile time, where it would cost every program that includes this
      for (std::uint32_t i = 0; i < 256; ++i) {
        of[i] = i;
        for (int k = 0; k < 8; ++k) of[i] = (of[i] & 1u) != 0 ? (of[i] >> 1) ^ 0xEDB88320u : of[i] >> 1;
      }
    }
  };
  static const table t;
  for (const char b : bytes) c = (c >> 8) ^ t.of[(c ^ static_cast<unsigned char>(b)) & 0xFFu];
  return c;
}

inline void put_big32(std::string& out, std::uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((v >> shift) & 0xFFu);
}

inline void put_png_chunk(std::string& out, std::string_view type, std::string_view data) {
  put_big32(out, static_cast<std::uint32_t>(data.size()));
  std::uint32_t c = 0xFFFFFFFFu;
  for (const std::string_view part : {type, data}) {
    c = extend_crc32(c, part);
    out.append(part);
  }
  put_big32(out, ~c);
}

/// A zlib stream of stored blocks.
inline std::string zlib_stored(std::string_view data) {
  std::string out("\x78\x01", 2);
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  for (const char c : data) {
    a = (a + static_cast<unsigned char>(c)) % 65521u;
    b = (b + a) % 65521u;
  }
  do {
    const std::size_t n = std::min<std::size_t>(data.size(), 65535);
    const auto len = static_cast<std::uint32_t>(n);
    out += n == data.size() ? '\1' : '\0';
    for (const std::uint32_t v : {len, ~len}) {
      out += static_cast<char>(v & 0xFFu);
      out += static_cast<char>((v >> 8) & 0xFFu);
    }
    out.append(data.substr(0, n));
    data.remove_prefix(n);
  } while (!data.empty());
  put_big32(out, b << 16 | a);
  return out;
}

inline std::string zlib_compressed(std::string_view data) {
#if __has_include(<zlib.h>)
  std::string out(compressBound(static_cast<uLong>(data.size())), '\0');
  uLongf size = static_cast<uLongf>(out.size());
  if (compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(data.data()),
                static_cast<uLong>(data.size()), 6) == Z_OK) {
    out.resize(size);
    return out;
  }
#endif
  return zlib_stored(data);
}

}  // namespace detail

/// The bytes of a PNG file. `pixels` has height * width * channels bytes; sides of 1 to 2^24 and at most 2^29 pixels.
inline std::string encode_png(std::int64_t width, std::int64_t height, int channels,
                              std::span<const std::uint8_t> pixels) {
  constexpr std::int64_t side = std::int64_t{1} << 24;
  if (width < 1 || height < 1 || width > side || height > side || width * height > (std::int64_t{1} << 29))
    rill::detail::raise<invalid_argument>({"a PNG of ", width, " x ", height, " pixels cannot be written"});
  if (channels < 1 || channels > 4)
    rill::detail::raise<invalid_argument>({"a PNG has 1 to 4 channels, got ", channels});
  const auto row = static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
  if (pixels.size() != row * static_cast<std::size_t>(height))
    rill::detail::raise<invalid_argument>({"a PNG of ", width, " x ", height, " pixels with ", channels, " channels needs ",
                                           row * static_cast<std::size_t>(height), " bytes, got ", pixels.size()});
  std::string raw;
  raw.reserve((row + 1) * static_cast<std::size_t>(height));
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
    raw += '\0';  // filter: none
    raw.append(reinterpret_cast<const char*>(pixels.data()) + y * row, row);
  }
  constexpr char colour[] = {0, 4, 2, 6};
  std::string head;
  detail::put_big32(head, static_cast<std::uint32_t>(width));
  detail::put_big32(head, static_cast<std::uint32_t>(height));
  head += {8, colour[channels - 1], 0, 0, 0};
  std::string out("\x89PNG\r\n\x1a\n", 8);
  detail::put_png_chunk(out, "IHDR", head);
  const std::string data = detail::zlib_compressed(raw);
  constexpr std::size_t chunk = std::size_t{1} << 30;
  for (std::size_t at = 0; at < data.size(); at += chunk)
    detail::put_png_chunk(out, "IDAT", std::string_view(data).substr(at, chunk));
  detail::put_png_chunk(out, "IEND", {});
  return out;
}

/// Writes a PNG file, atomically.
inline void write_png(const std::string& path, std::int64_t width, std::int64_t height, int channels,
                      std::span<const std::uint8_t> pixels) {
  atomic_write(path, encode_png(width, height, channels, pixels));
}

}  // namespace rill::io
