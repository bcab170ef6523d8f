// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), the checksum of TFRecord files and tensor bundles, and the
/// masking TensorFlow applies before it stores one (so that a CRC over bytes that contain CRCs stays useful). About 8
/// bytes per instruction where the processor has SSE4.2 (asked at run time), slicing by 8 elsewhere.
///
///     io::crc32c("123456789") == 0xE3069283;  io::mask_crc(0xE3069283) == 0xC78AB0E5

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace rill::io {
namespace detail {

struct crc_tables {
  std::uint32_t of[8][256];
};
inline crc_tables make_crc_tables() {
  crc_tables t;
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1u) != 0 ? (c >> 1) ^ 0x82F63B78u : c >> 1;
    t.of[0][i] = c;
  }
  for (int k = 1; k < 8; ++k)
    for (int i = 0; i < 256; ++i) t.of[k][i] = (t.of[k - 1][i] >> 8) ^ t.of[0][t.of[k - 1][i] & 0xFFu];
  return t;
}

/// The register after `n` bytes, without the initial and final inversion.
inline std::uint32_t crc_software(std::uint32_t c, const unsigned char* p, std::size_t n) {
  // made when first needed, which is never where the processor has the instruction
  static const crc_tables tables = make_crc_tables();
  const auto& t = tables.of;
  for (; n >= 8; p += 8, n -= 8) {
    const std::uint32_t lo =
        c ^ (std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 | std::uint32_t{p[2]} << 16 | std::uint32_t{p[3]} << 24);
    c = t[7][lo & 0xFFu] ^ t[6][(lo >> 8) & 0xFFu] ^ t[5][(lo >> 16) & 0xFFu] ^ t[4][lo >> 24] ^ t[3][p[4]] ^
        t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
  }
  for (; n > 0; ++p, --n) c = (c >> 8) ^ t[0][(c ^ *p) & 0xFFu];
  return c;
}

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
// The attribute, not the compiler's -march, brings the instruction, so the function is the same in every translation
// unit; the caller asks the processor.
__attribute__((target("sse4.2"))) inline std::uint32_t crc_hardware(std::uint32_t c, const unsigned char* p,
                                                                    std::size_t n) {
  unsigned long long r = c;
  for (; n >= 8; p += 8, n -= 8) {
    unsigned long long v;
    std::memcpy(&v, p, 8);
    r = __builtin_ia32_crc32di(r, v);
  }
  auto r32 = static_cast<unsigned int>(r);
  for (; n > 0; ++p, --n) r32 = __builtin_ia32_crc32qi(r32, *p);
  return r32;
}
inline bool has_hardware_crc() { return __builtin_cpu_supports("sse4.2") != 0; }
#else
inline std::uint32_t crc_hardware(std::uint32_t c, const unsigned char* p, std::size_t n) {
  return crc_software(c, p, n);
}
inline bool has_hardware_crc() { return false; }
#endif

}  // namespace detail

/// The CRC of A followed by B, given `crc` of A.
inline std::uint32_t extend_crc32c(std::uint32_t crc, const void* data, std::size_t bytes) {
  const auto* p = static_cast<const unsigned char*>(data);
  return ~(detail::has_hardware_crc() ? detail::crc_hardware(~crc, p, bytes) : detail::crc_software(~crc, p, bytes));
}
inline std::uint32_t extend_crc32c(std::uint32_t crc, std::string_view data) {
  return extend_crc32c(crc, data.data(), data.size());
}

/// The CRC-32C of some bytes.
inline std::uint32_t crc32c(const void* data, std::size_t bytes) { return extend_crc32c(0, data, bytes); }
inline std::uint32_t crc32c(std::string_view data) { return extend_crc32c(0, data); }

/// The form in which a CRC is stored: rotated right by 15 bits, plus a constant.
constexpr std::uint32_t mask_crc(std::uint32_t crc) { return std::rotr(crc, 15) + 0xA282EAD8u; }
/// The CRC of a stored form.
constexpr std::uint32_t unmask_crc(std::uint32_t masked) { return std::rotl(masked - 0xA282EAD8u, 15); }

}  // namespace rill::io
