// SPDX-License-Identifier: Apache-2.0
#include <rill/core/storage.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using rill::storage;

TEST_CASE("storage: alignment, sharing and release") {
  const storage none;
  CHECK(none.data() == nullptr);
  CHECK(none.use_count() == 0);
  CHECK(storage::allocate(0).data() == nullptr);
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, std::size_t{1000003}}) {
    storage a = storage::allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
    CHECK(a.use_count() == 1);
    storage b = a;
    CHECK(b == a);
    CHECK(a.use_count() == 2);
    const storage c = std::move(b);
    CHECK(a.use_count() == 2);
    CHECK(!b);  // NOLINT: moved from on purpose
    a = storage();
    CHECK(c.use_count() == 1);
  }
}

TEST_CASE("storage: the count is safe between threads") {
  const storage s = storage::allocate(64);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([s] {
      for (int i = 0; i < 10000; ++i) {
        const storage copy = s;
        REQUIRE(copy.data() == s.data());
      }
    });
  for (auto& t : threads) t.join();
  threads.clear();
  CHECK(s.use_count() == 1);
}

namespace {
struct counted {
  static inline std::atomic<int> alive = 0;
  counted() noexcept { ++alive; }
  ~counted() { --alive; }
};
}  // namespace

TEST_CASE("short_handle: a thread keeps handles on small blocks, and no block longer than it may") {
  std::thread([] {}).join();  // from now on counting is atomic and handles are kept
  for (const std::size_t n : {std::size_t{10}, std::size_t{100'000}}) {  // small and large
    CAPTURE(n);
    const auto blocks = [n] { return counted::alive.load() / static_cast<int>(n); };
    auto s = storage::allocate_objects<counted>(n);
    for (int i = 0; i < 3; ++i) {
      const rill::short_handle a(s), b(s), c = b;
      CHECK(s.use_count() == 4);
    }
    CHECK(s.use_count() == 1);
    s = storage();
    CHECK(blocks() == 0);  // with the last handle that is not kept
    {
      s = storage::allocate_objects<counted>(n);
      const rill::short_handle a(s);
      s = storage();
      CHECK(blocks() == 1);
    }
    std::vector<storage> many;
    for (int i = 0; i < 100; ++i) const rill::short_handle a(many.emplace_back(storage::allocate_objects<counted>(n)));
    many.clear();
    CHECK(blocks() == 0);
    // What this thread keeps, another lets go, and the other way round.
    s = storage::allocate_objects<counted>(n);
    auto held = std::make_unique<rill::short_handle>(s);
    std::thread([&] {
      const rill::short_handle mine(s);
      held.reset();
      s = storage();
      CHECK(blocks() == 1);
    }).join();
    CHECK(blocks() == 0);
    std::thread([n] { const rill::short_handle a(storage::allocate_objects<counted>(n)); }).join();
    CHECK(blocks() == 0);
  }
}

TEST_CASE("storage: what cannot be allocated is resource_exhausted and names the size") {
  CHECK_THROWS_WITH_AS(storage::allocate(static_cast<std::size_t>(-1)),
                       "cannot allocate 18446744073709551615 bytes for a tensor", rill::resource_exhausted);
}
