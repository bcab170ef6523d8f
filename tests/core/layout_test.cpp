// SPDX-License-Identifier: Apache-2.0
// Layouts: XLA's worked examples, every order of small arrays against nested loops, padding, wrong indices.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <rill/core/layout.hpp>
#include <string>
#include <vector>

using namespace rill;

namespace {

template <class E, class F>
void check_error(const F& f, const char* part) {
  try {
    f();
    FAIL_CHECK("nothing was thrown; wanted: ", part);
  } catch (const E& e) {
    INFO("got: ", e.what());
    CHECK(std::string(e.what()).find(part) != std::string::npos);
  }
}

std::string memory(const layout& l) {
  const std::string rows = "abcdef";
  std::string to(static_cast<std::size_t>(l.size({2, 3})), '?');
  to_layout(rows.data(), {2, 3}, l, to.data(), '0');
  return to;
}

}  // namespace

TEST_CASE("layout: the examples of XLA's shapes and layout") {
  CHECK(memory(layout{0, 1}) == "adbecf");
  CHECK(memory(layout{1, 0}) == "abcdef");
  CHECK(memory(layout{0, 1}.padded({3, 5})) == "ad0be0cf0000000");
  CHECK(memory(layout{1, 0}.padded({3, 5})) == "abc00def0000000");
  CHECK(layout::row_major(2) == layout{1, 0});
  CHECK(layout::column_major(2) == layout{0, 1});
  static_assert(linear_index({2, 3}, layout{0, 1}, {1, 0}) == 1);
  static_assert(multi_index({2, 3}, layout{0, 1}, 3) == tensor_shape{1, 1});
  CHECK(dimension_number({4, 5, 6}, -1) == 2);
  CHECK(dimension_number({4, 5, 6}, -2) == 1);
  CHECK(true_rank({4, 1, 3, 1}) == 2);
}

TEST_CASE("layout: every order of four dimensions agrees with nested loops") {
  std::array<int, 4> order{0, 1, 2, 3};
  const tensor_shape shape{2, 3, 1, 5}, wide{3, 3, 2, 8};
  do {
    for (const bool padding : {false, true}) {
      const layout plain{order[0], order[1], order[2], order[3]};
      const layout l = padding ? plain.padded(wide) : plain;
      const tensor_shape n = padding ? wide : shape;
      std::int64_t at = 0, i[4] = {};
      for (i[order[3]] = 0; i[order[3]] < n[order[3]]; ++i[order[3]])
        for (i[order[2]] = 0; i[order[2]] < n[order[2]]; ++i[order[2]])
          for (i[order[1]] = 0; i[order[1]] < n[order[1]]; ++i[order[1]])
            for (i[order[0]] = 0; i[order[0]] < n[order[0]]; ++i[order[0]], ++at) {
              const tensor_shape index(i, 4);
              REQUIRE(multi_index(shape, l, at) == index);
              if (contains(shape, index)) REQUIRE(linear_index(shape, l, index) == at);
            }
      CHECK(at == l.size(shape));
      std::vector<int> rows(30), there(static_cast<std::size_t>(l.size(shape))), back(30);
      for (int k = 0; k < 30; ++k) rows[static_cast<std::size_t>(k)] = 100 + k;
      to_layout(rows.data(), shape, l, there.data(), -1);
      from_layout(there.data(), shape, l, back.data());
      CHECK(back == rows);
      CHECK(std::count(there.begin(), there.end(), -1) == l.size(shape) - 30);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("layout: scalars and empty arrays") {
  const int x = 7;
  int y = 0;
  to_layout(&x, {}, layout{}, &y);
  CHECK(y == 7);
  CHECK(linear_index({}, layout{}, {}) == 0);
  CHECK(layout({0, 1}).size({0, 3}) == 0);
  to_layout(&x, {0, 3}, layout{0, 1}, &y, 1);
  CHECK(y == 7);
}

TEST_CASE("layout: wrong orders, shapes and indices") {
  check_error<invalid_argument>([] { layout({0, 0}); }, "does not name each dimension once");
  check_error<invalid_argument>([] { layout({1, 2}); }, "does not name each dimension once");
  check_error<invalid_argument>([] { (void)layout{0, 1}.padded({3}); }, "as many padded dimensions");
  check_error<invalid_argument>([] { (void)layout({0, 1}).size({2}); }, "does not fit the shape [2]");
  check_error<invalid_argument>([] { (void)layout({0, 1}).padded({2, 2}).size({2, 3}); }, "larger than its padded dimensions [2, 2]");
  check_error<out_of_range>([] { (void)linear_index({2, 3}, layout{0, 1}, {2, 0}); }, "[2, 0] is outside of the shape [2, 3]");
  check_error<out_of_range>([] { (void)linear_index({2, 3}, layout{0, 1}, {0}); }, "outside of the shape");
  check_error<out_of_range>([] { (void)multi_index({2, 3}, layout{0, 1}, 6); }, "linear index 6");
  check_error<out_of_range>([] { (void)dimension_number({2, 3}, 2); }, "dimension 2");
}
