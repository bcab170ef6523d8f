// SPDX-License-Identifier: Apache-2.0
#include <rill/core/storage.hpp>

#include <doctest/doctest.h>

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

TEST_CASE("storage: what cannot be allocated is resource_exhausted and names the size") {
  CHECK_THROWS_WITH_AS(storage::allocate(static_cast<std::size_t>(-1)),
                       "cannot allocate 18446744073709551615 bytes for a tensor", rill::resource_exhausted);
}
