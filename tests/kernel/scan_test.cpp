// SPDX-License-Identifier: Apache-2.0
#include <rill/kernel/scan.hpp>
#include <rill/kernel/sort.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace rill;

TEST_CASE("scan: rows of every length around where they count as short, forwards, backwards, exclusive") {
  for (const std::int64_t rows : {1, 3, 4, 5, 9})
    for (const std::int64_t n : {1, 2, 3, 10, 63, 64, 65, 300})
      for (const bool exclusive : {false, true})
        for (const bool reverse : {false, true}) {
          CAPTURE(rows);
          CAPTURE(n);
          CAPTURE(exclusive);
          CAPTURE(reverse);
          std::vector<float> x(static_cast<std::size_t>(rows * n)), y(x.size());
          for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 41) - 20;  // sums are exact
          kernel::scan<ops::sum>(x.data(), y.data(), kernel::axis_layout(tensor_shape{rows, n}, 1), exclusive, reverse);
          for (std::int64_t r = 0; r < rows; ++r) {
            float total = 0;
            for (std::int64_t i = 0; i < n; ++i) {
              const auto k = static_cast<std::size_t>(r * n + (reverse ? n - 1 - i : i));
              const float before = total;
              total += x[k];
              REQUIRE(y[k] == (exclusive ? before : total));
            }
          }
        }
}

TEST_CASE("sort_words: every length up to where digits take over, with equal and with extreme numbers") {
  for (std::int64_t n = 0; n <= 210; ++n)
    for (const std::uint64_t modulus : {std::uint64_t{3}, std::uint64_t{1} << 40}) {
      CAPTURE(n);
          CAPTURE(modulus);
      std::vector<std::uint64_t> a(static_cast<std::size_t>(n)), spare(a.size());
      std::uint64_t state = static_cast<std::uint64_t>(n) + 1;
      for (auto& v : a) state = state * 6364136223846793005U + 1442695040888963407U, v = (state >> 20) % modulus;
      if (n > 4) a[3] = ~std::uint64_t{0}, a[4] = 0;
      auto want = a;
      std::sort(want.begin(), want.end());
      const std::uint64_t* const got = kernel::detail::sort_words<std::uint64_t, false>(a.data(), spare.data(), n);
      REQUIRE(std::equal(want.begin(), want.end(), got));
    }
}
