// SPDX-License-Identifier: Apache-2.0
// Sums and extremes by segments against plain loops: dtypes, ids in and out of order, empty segments, threads, errors.

#include "tensors.hpp"

#include <rill/eager/segment.hpp>
#include <rill/expr/create.hpp>

using namespace rill;
using test::below;
using test::between;
using test::check_error;
using test::holds;
using test::made;
using test::noise;
using test::numbers;
using test::random_shape;
using test::tensor_of;

namespace {

enum class by { sum, prod, max, min };

/// [segments, ..] by a plain loop; the first `axes` axes of x are those of the ids.
numbers by_segment(const numbers& x, const numbers& ids, std::int64_t segments, by r, std::int64_t empty) {
  tensor_shape s{segments};
  for (int d = ids.shape.rank(); d < x.shape.rank(); ++d) s.push_back(x.shape[d]);
  numbers y(s);
  std::int64_t inner = 1;
  for (int d = 1; d < s.rank(); ++d) inner *= s[d];
  for (std::int64_t g = 0; g < segments; ++g)
    for (std::int64_t j = 0; j < inner; ++j) {
      bool any = false;
      std::int64_t total = r == by::sum ? 0 : 1;
      for (std::size_t k = 0; k < ids.at.size(); ++k) {
        if (ids.at[k] != g) continue;
        const std::int64_t v = x.at[k * static_cast<std::size_t>(inner) + static_cast<std::size_t>(j)];
        if (r == by::sum) total += v;
        else if (r == by::prod) total *= v;
        else total = !any || (r == by::max ? v > total : v < total) ? v : total;
        any = true;
      }
      y.at[static_cast<std::size_t>(g * inner + j)] = any || r == by::sum || r == by::prod ? total : empty;
    }
  return y;
}

}  // namespace

TEST_CASE("segments of every dtype and rank against plain loops") {
  std::mt19937 g(11);
  for (const dtype type : {dtype::float32, dtype::float64, dtype::float16, dtype::bfloat16, dtype::int8, dtype::int16, dtype::int32,
                           dtype::int64, dtype::uint8, dtype::uint16, dtype::uint32, dtype::uint64, dtype::complex64})
    for (int rank = 1; rank <= 5; ++rank)
      for (int round = 0; round < 4; ++round) {
        const tensor_shape s = random_shape(g, rank);
        const int axes = static_cast<int>(between(g, 1, rank));
        tensor_shape lead;
        for (int d = 0; d < axes; ++d) lead.push_back(s[d]);
        const std::int64_t segments = between(g, 0, 6);
        const dtype index = g() % 2 == 0 ? dtype::int32 : dtype::int64;
        const numbers x = made(s, [&](const tensor_shape&) { return g() % 3 == 0 ? between(g, 0, 2) : 1; });
        const numbers ids = made(lead, [&](const tensor_shape&) { return between(g, -1, segments - 1); });
        const dynamic_tensor v = tensor_of(type, x), i = tensor_of(index, ids);
        INFO(std::string(name_of(type)), to_string(s), to_string(lead), segments);
        if (s.num_elements() < 40) REQUIRE((is_complex(type) || holds(unsorted_segment_prod(v, i, segments), type, by_segment(x, ids, segments, by::prod, 1))));
        if (s.num_elements() < 100) REQUIRE(holds(unsorted_segment_sum(v, i, segments), type, by_segment(x, ids, segments, by::sum, 0)));
        std::vector<std::int64_t> ordered(static_cast<std::size_t>(s[0]));
        for (auto& e : ordered) e = below(g, 5);
        std::sort(ordered.begin(), ordered.end());
        numbers up({s[0]});
        up.at = ordered;
        const std::int64_t n = ordered.empty() ? 0 : ordered.back() + 1;
        const dynamic_tensor u = tensor_of(index, up);
        if (s.num_elements() < 100) REQUIRE(holds(segment_sum(v, u), type, by_segment(x, up, n, by::sum, 0)));
        REQUIRE(holds(segment_sum(v * 0, u, {.num_segments = 7}), type, by_segment(made(s, [](const auto&) { return 0; }), up, 7, by::sum, 0)));
        if (is_complex(type)) continue;
        REQUIRE(holds(segment_max(v, u), type, by_segment(x, up, n, by::max, 0)));
        REQUIRE(holds(segment_min(v, u), type, by_segment(x, up, n, by::min, 0)));
      }
}

TEST_CASE("the documentation's examples, means, empty segments") {
  const tensor<int, 3, 4> x{{1, 2, 3, 4}, {-1, -2, -3, -4}, {5, 6, 7, 8}};
  CHECK((segment_sum(x, tensor<int, 3>{0, 0, 1}) == tensor<int, 2, 4>{{0, 0, 0, 0}, {5, 6, 7, 8}}));
  CHECK((sparse_segment_sum(x, tensor<int, 2>{0, 1}, tensor<int, 2>{0, 0}) == tensor<int, 1, 4>{{0, 0, 0, 0}}));
  CHECK((sparse_segment_sum(x, tensor<int, 2>{0, 1}, tensor<int, 2>{0, 1}) == tensor<int, 2, 4>{{1, 2, 3, 4}, {-1, -2, -3, -4}}));
  CHECK((sparse_segment_sum(x, tensor<std::int64_t, 3>{0, 1, 2}, tensor<int, 3>{0, 0, 1}) == segment_sum(x, tensor<int, 3>{0, 0, 1})));
  const tensor<float, 4> v{1, 3, 5, 8};
  const tensor<int, 4> ids{0, 0, 2, 2};
  CHECK((segment_mean(v, ids) == tensor<float, 3>{2, 0, 6.5F}));
  CHECK((segment_prod(v, ids) == tensor<float, 3>{3, 1, 40}));
  CHECK((segment_max(v, ids) == tensor<float, 3>{3, 0, 8}));
  CHECK((segment_min(v, ids, {.num_segments = 4}) == tensor<float, 4>{1, 0, 5, 0}));
  const tensor<int, 4> mixed{2, 0, -1, 2};
  CHECK((unsorted_segment_mean(v, mixed, 3) == tensor<float, 3>{3, 0, 4.5F}));
  CHECK((unsorted_segment_sqrt_n(v, mixed, 3) == tensor<float, 3>{3, 0, 9 / std::sqrt(2.F)}));
  CHECK((unsorted_segment_max(v, mixed, 3) == tensor<float, 3>{3, std::numeric_limits<float>::lowest(), 8}));
  CHECK((unsorted_segment_min(tensor<std::uint8_t, 4>{1, 3, 5, 8}, mixed, 3) == tensor<std::uint8_t, 3>{3, 255, 1}));
  const tensor<float, 3, 2> rows{{1, 2}, {3, 4}, {5, 6}};
  CHECK((sparse_segment_mean(rows, tensor<int, 3>{2, 0, 1}, tensor<int, 3>{0, 0, 3}) == tensor<float, 4, 2>{{3, 4}, {0, 0}, {0, 0}, {3, 4}}));
  CHECK((sparse_segment_sqrt_n(rows, tensor<int, 4>{2, 0, 1, 1}, tensor<int, 4>{0, 0, 0, 0}, {.num_segments = 2}) == tensor<float, 2, 2>{{6, 8}, {0, 0}}));
  CHECK(segment_sum(tensor<float, 0, 3>(), tensor<int, 0>()).shape() == tensor_shape{0, 3});
  CHECK(std::isnan(segment_max(tensor<float, 2>{NAN, 1}, tensor<int, 2>{0, 0})(0)));
  // half is added up in float: 2048 + 1 would stay 2048
  tensor<half, dyn> many(full({3000}, half(1)));
  CHECK((static_cast<float>(segment_sum(many, tensor<int, dyn>(full({3000}, 0)))(0)) == 3000.0F));
}

TEST_CASE("the same bits for any number of threads") {
  std::mt19937 g(3);
  struct size {
    std::int64_t n, inner, segments;
  };
  for (const size& s : {size{60000, 3, 500}, size{60000, 1, 7}, size{70, 2500, 9}, size{5000, 33, 4000}}) {
    const dynamic_tensor x = cast_to(noise({s.n, s.inner}, 5), dtype::float32);
    const dynamic_tensor ids = tensor_of(dtype::int32, made({s.n}, [&](const tensor_shape&) { return between(g, -1, s.segments - 1); }));
    dynamic_tensor one, most;
    {
      thread_limit limit(1);
      one = unsorted_segment_sum(x, ids, s.segments);
      most = unsorted_segment_max(x, ids, s.segments);
    }
    thread_limit limit(4);
    const dynamic_tensor four = unsorted_segment_sum(x, ids, s.segments);
    CHECK(one.to<float, any_rank>() == four.to<float, any_rank>());
    CHECK(most.to<float, any_rank>() == unsorted_segment_max(x, ids, s.segments).to<float, any_rank>());
    std::vector<float> want(static_cast<std::size_t>(s.segments * s.inner));
    for (std::int64_t k = 0; k < s.n; ++k) {
      const std::int64_t id = ids.span<std::int32_t>()[static_cast<std::size_t>(k)];
      for (std::int64_t j = 0; id >= 0 && j < s.inner; ++j)
        want[static_cast<std::size_t>(id * s.inner + j)] += x.span<float>()[static_cast<std::size_t>(k * s.inner + j)];
    }
    CHECK(std::equal(want.begin(), want.end(), four.span<float>().begin()));
  }
}

TEST_CASE("errors say what is wrong") {
  const dynamic_tensor x = noise({4, 2}), ids = tensor<int, 4>{0, 1, 1, 2};
  check_error<invalid_argument>([&] { segment_sum(x, dynamic_tensor(tensor<int, 4>{0, 2, 1, 2})); }, "SegmentSum: segment ids must not descend: segment_ids[2] = 1 follows 2");
  check_error<out_of_range>([&] { segment_sum(x, ids, {.num_segments = 2}); }, "SegmentSum: segment_ids[3] = 2 is not in [0, 2)");
  check_error<out_of_range>([&] { segment_mean(x, dynamic_tensor(tensor<int, 4>{-1, 0, 0, 1})); }, "SegmentSum: segment_ids[0] = -1 is not in [0, 2)");
  check_error<invalid_argument>([&] { segment_max(x, dynamic_tensor(tensor<int, 3>{0, 1, 1})); }, "SegmentMax: needs one segment id per slice of the first axis: got float64[4, 2] and int32[3]");
  check_error<invalid_argument>([&] { segment_min(x, dynamic_tensor(tensor<float, 4>{0, 1, 1, 2}), {.num_segments = 3}); }, "SegmentMin: segment ids must be int32 or int64");
  check_error<invalid_argument>([&] { segment_prod(dynamic_tensor(tensor<std::string, 1>{"a"}), dynamic_tensor(tensor<int, 1>{0})); }, "SegmentProd: does not take data of this dtype");
  check_error<out_of_range>([&] { unsorted_segment_sum(x, dynamic_tensor(tensor<int, 4, 2>{{0, 1}, {2, 3}, {-1, 0}, {0, 0}}), 3); }, "UnsortedSegmentSum: segment_ids[1,1] = 3 is not in [0, 3)");
  check_error<invalid_argument>([&] { unsorted_segment_max(x, dynamic_tensor(tensor<int, 2>{0, 1}), 3); }, "UnsortedSegmentMax: the shape of the ids must begin the shape of the data");
  check_error<invalid_argument>([&] { unsorted_segment_prod(x, ids, -2); }, "UnsortedSegmentProd: the number of segments must be given and not negative");
  check_error<invalid_argument>([&] { unsorted_segment_min(dynamic_tensor(tensor<std::complex<float>, 1>{1.F}), dynamic_tensor(tensor<int, 1>{0}), 1); }, "UnsortedSegmentMin: does not take data of this dtype");
  check_error<out_of_range>([&] { sparse_segment_sum(x, dynamic_tensor(tensor<int, 2>{0, 4}), dynamic_tensor(tensor<int, 2>{0, 0})); }, "SparseSegmentSum: indices[1] = 4 is not in [0, 4)");
  check_error<invalid_argument>([&] { sparse_segment_mean(x, dynamic_tensor(tensor<int, 2>{0, 1}), ids); }, "SparseSegmentSum: needs one segment id per slice");
  check_error<invalid_argument>([&] { sparse_segment_sqrt_n(x, dynamic_tensor(tensor<int, 2>{0, 1}), dynamic_tensor(tensor<int, 2>{1, 0})); }, "SparseSegmentSum: segment ids must not descend");
}
