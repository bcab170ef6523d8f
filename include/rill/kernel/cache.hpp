// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The size of the last-level cache, and the fence after streaming stores: results that no cache will hold are written past
/// the caches.
///
///   if (bytes_written > kernel::detail::last_level_cache()) ...

#include <cstdint>

#if defined(__linux__)
#include <fcntl.h>
#include <unistd.h>
#endif
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace rill::kernel::detail {

/// A size as Linux writes it ("32768K"), in bytes; 0 when it is none.
constexpr std::int64_t parse_cache_size(const char* text, std::int64_t length) {
  std::int64_t n = 0;
  std::int64_t i = 0;
  for (; i < length && i < 12 && text[i] >= '0' && text[i] <= '9'; ++i) n = n * 10 + (text[i] - '0');
  if (i < length && text[i] == 'K') n <<= 10;
  else if (i < length && text[i] == 'M') n <<= 20;
  return n;
}

/// Bytes of one last-level cache. The C library may count those of all groups of cores, the kernel's file does not, and
/// either may be missing: the smaller one that makes sense is taken.
inline std::int64_t last_level_cache() {
  static const std::int64_t bytes = [] {
    std::int64_t best = 0;
    [[maybe_unused]] const auto offer = [&](std::int64_t n) {
      if (n >= (std::int64_t{1} << 20) && (best == 0 || n < best)) best = n;
    };
#if defined(_SC_LEVEL3_CACHE_SIZE)
    offer(sysconf(_SC_LEVEL3_CACHE_SIZE));
#endif
#if defined(__linux__)
    if (const int file = open("/sys/devices/system/cpu/cpu0/cache/index3/size", O_RDONLY | O_CLOEXEC); file >= 0) {
      char text[16];
      offer(parse_cache_size(text, read(file, text, sizeof(text))));
      close(file);
    }
#endif
    return best > 0 ? best : std::int64_t{32} << 20;
  }();
  return bytes;
}

/// Makes streaming stores of this thread visible to others before what it does next.
inline void store_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace rill::kernel::detail
