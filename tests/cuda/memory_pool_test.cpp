// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include <rill/cuda/memory_pool.hpp>

namespace {

using namespace rill;

/// A device of so many bytes; none of them is there.
struct device_state {
  std::size_t total = std::size_t{1} << 30, free = total, largest = SIZE_MAX;
  std::uintptr_t next = std::uintptr_t{1} << 40;
  std::map<void*, std::size_t> given;
};
struct source {
  device_state* s;
  void* allocate(std::size_t n) {
    if (n > s->free || n > s->largest) return nullptr;
    void* const p = reinterpret_cast<void*>(s->next);
    s->next += n + 4096, s->free -= n, s->given[p] = n;
    return p;
  }
  void release(void* p) { s->free += s->given.at(p), s->given.erase(p); }
  [[nodiscard]] std::size_t free_bytes() const { return s->free; }
  [[nodiscard]] std::size_t total_bytes() const { return s->total; }
};
using pool = cuda::memory_pool<source>;

TEST_CASE("blocks never overlap, and everything comes back") {
  device_state d;
  {
    pool p({.allow_growth = true}, source{&d});
    std::mt19937 random(11);
    std::map<char*, std::size_t> used;
    std::size_t bytes = 0;
    for (int step = 0; step < 20000; ++step) {
      if (random() % 2 == 0 || used.empty()) {
        const std::size_t n = 1 + random() % (random() % 8 == 0 ? 3000000 : 5000);
        auto* const at = static_cast<char*>(p.allocate(n));
        CHECK(reinterpret_cast<std::uintptr_t>(at) % 512 == 0);
        const auto after = used.lower_bound(at);
        CHECK((after == used.end() || at + n <= after->first));
        if (after != used.begin()) CHECK(std::prev(after)->first + std::prev(after)->second <= at);
        used[at] = n, bytes += n;
      } else {
        auto it = used.begin();
        std::advance(it, static_cast<long>(random() % used.size()));
        p.release(it->first);
        bytes -= it->second;
        used.erase(it);
      }
      CHECK(p.used() >= bytes);
      CHECK(p.reserved() >= p.used());
    }
    for (const auto& [at, n] : used) p.release(at);
    CHECK(p.used() == 0);
    CHECK(p.peak() > 0);
    // Whole again: one block of nearly the first region.
    void* const all = p.allocate(std::size_t{2} << 20);
    p.release(all);
    CHECK_THROWS_AS(p.release(all), invalid_argument);
    CHECK(p.allocate(0) == nullptr);
  }
  CHECK(d.given.empty());
}

TEST_CASE("how much is taken from the device") {
  device_state d;
  {
    pool p({}, source{&d});  // nearly everything at once
    static_cast<void>(p.allocate(100));
    CHECK(p.reserved() > d.total / 100 * 94);
  }
  {
    pool p({.allow_growth = true}, source{&d});
    static_cast<void>(p.allocate(100));
    CHECK(p.reserved() == std::size_t{2} << 20);
    static_cast<void>(p.allocate(std::size_t{5} << 20));
    CHECK(p.reserved() == std::size_t{7} << 20);
  }
  {
    pool p({.allow_growth = true, .per_process_gpu_memory_fraction = 0.25}, source{&d});
    static_cast<void>(p.allocate(d.total / 5));
    CHECK_THROWS_WITH_AS(p.allocate(d.total / 5), doctest::Contains("no memory for 214748672 bytes on the GPU"), resource_exhausted);
    CHECK(p.reserved() <= d.total / 4);
  }
  {
    d.largest = std::size_t{64} << 20;  // free, but in pieces
    pool p({}, source{&d});
    static_cast<void>(p.allocate(std::size_t{40} << 20));
    static_cast<void>(p.allocate(std::size_t{40} << 20));
    CHECK_THROWS_AS(p.allocate(std::size_t{65} << 20), resource_exhausted);
  }
  CHECK_THROWS_WITH_AS(pool({.per_process_gpu_memory_fraction = 1.5}, source{&d}), doctest::Contains("wanted 0 to 1"), invalid_argument);
  pool p({}, source{&d});
  CHECK_THROWS_AS(p.allocate(SIZE_MAX), resource_exhausted);
}

}  // namespace
