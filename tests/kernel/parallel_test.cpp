// SPDX-License-Identifier: Apache-2.0
#include <rill/kernel/parallel.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {
using chunk = std::pair<std::int64_t, std::int64_t>;

std::set<chunk> chunks_of(std::int64_t n, std::int64_t grain) {
  std::mutex lock;
  std::set<chunk> seen;
  std::size_t calls = 0;
  rill::parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard guard(lock);
    seen.emplace(begin, end);
    ++calls;
  });
  CHECK(calls == seen.size());
  return seen;
}

// The contract, written as the plain loop it describes.
std::set<chunk> expected_chunks(std::int64_t n, std::int64_t grain) {
  std::set<chunk> result;
  for (std::int64_t begin = 0; begin < n; begin += grain) result.emplace(begin, std::min(begin + grain, n));
  return result;
}
}  // namespace

TEST_CASE("parallel_for: covers every item once, in the chunks that n and grain say, for any thread count") {
  for (int threads : {1, 2, 4}) {
    const rill::thread_limit limit(threads);
    for (std::int64_t n : {0, 1, 2, 7, 8, 9, 63, 64, 65, 1009})
      for (std::int64_t grain : {1, 2, 8, 64, 1000, 5000}) {
        CAPTURE(threads);
        CAPTURE(n);
        CAPTURE(grain);
        CHECK(chunks_of(n, grain) == expected_chunks(n, grain));
      }
  }
}

TEST_CASE("parallel_for: nothing to do, and a grain below one") {
  CHECK(chunks_of(0, 4).empty());
  CHECK(chunks_of(-3, 4).empty());
  CHECK(chunks_of(3, 0) == expected_chunks(3, 1));
  CHECK(chunks_of(3, -5) == expected_chunks(3, 1));
}

TEST_CASE("parallel_for: a loop of one chunk runs in place") {
  std::thread::id where;
  rill::parallel_for(64, 64, [&](std::int64_t, std::int64_t) { where = std::this_thread::get_id(); });
  CHECK(where == std::this_thread::get_id());
}

TEST_CASE("parallel_for: a limit of one thread keeps everything on the caller") {
  const rill::thread_limit limit(1);
  CHECK(rill::max_threads() == 1);
  std::set<std::thread::id> where;
  rill::parallel_for(1000, 1, [&](std::int64_t, std::int64_t) { where.insert(std::this_thread::get_id()); });
  CHECK(where == std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST_CASE("parallel_for: an exception reaches the caller") {
  for (int threads : {1, 2}) {
    CAPTURE(threads);
    const rill::thread_limit limit(threads);
    std::string what;
    try {
      rill::parallel_for(100, 1, [](std::int64_t begin, std::int64_t) {
        if (begin == 57) throw std::runtime_error("item 57");
      });
    } catch (const std::runtime_error& e) {
      what = e.what();
    }
    CHECK(what == "item 57");
  }
}

TEST_CASE("parallel_for: loops nest") {
  std::atomic<std::int64_t> sum{0};
  rill::parallel_for(13, 1, [&](std::int64_t i, std::int64_t) {
    rill::parallel_for(17, 2, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin; j < end; ++j) sum += i * 100 + j;
    });
  });
  std::int64_t expected = 0;
  for (std::int64_t i = 0; i < 13; ++i)
    for (std::int64_t j = 0; j < 17; ++j) expected += i * 100 + j;
  CHECK(sum == expected);
}

TEST_CASE("thread_limit: the narrowest limit holds, and ends with its scope") {
  const int before = rill::max_threads();
  CHECK(before >= 1);
  {
    const rill::thread_limit outer(2);
    {
      const rill::thread_limit inner(1);
      CHECK(rill::max_threads() == 1);
    }
    CHECK(rill::max_threads() <= 2);
  }
  const rill::thread_limit none(0);
  CHECK(rill::max_threads() == before);
}

TEST_CASE("function_ref: refers to lambdas, function objects and const callables without copying them") {
  int calls = 0;
  auto counter = [&calls](int by) mutable { return calls += by; };
  const rill::function_ref<int(int)> ref = counter;
  CHECK(ref(2) == 2);
  CHECK(ref(3) == 5);
  CHECK(calls == 5);

  struct only_here {
    only_here() = default;
    only_here(const only_here&) = delete;
    int operator()(int x) const { return 10 * x; }
  };
  const only_here object;
  const rill::function_ref<int(int)> to_const = object;
  const rill::function_ref<int(int)> copy = to_const;  // refers to the object, not to the first reference
  CHECK(copy(4) == 40);
}

TEST_CASE("function_ref: forwards references and moved arguments") {
  auto append = [](std::string& to, std::string what) { to += what; };
  const rill::function_ref<void(std::string&, std::string)> ref = append;
  std::string text = "a";
  ref(text, "b");
  CHECK(text == "ab");
}
