// SPDX-License-Identifier: Apache-2.0
// Sorts (values alone, values with indices), top_k, cumulative sums and sums by segment. libtorch has one sort, which gives
// both values and indices; it is the peer of the two rows.
#include <rill/eager/scan.hpp>
#include <rill/eager/sort.hpp>

#include <algorithm>

#include "harness.hpp"
#if defined(RILL_BENCH_TORCH)
#include "peer_torch.hpp"
#include "sort_torch.hpp"
#endif

namespace bench {

namespace {

using rill::dynamic_tensor;

dynamic_tensor matrix(std::int64_t rows, std::int64_t columns) {
  dynamic_tensor t = dynamic_tensor::uninitialized(rill::dtype::float32, {rows, columns});
  const auto values = noise(static_cast<std::size_t>(t.size()), 7);
  std::copy(values.begin(), values.end(), static_cast<float*>(t.mutable_data()));
  return t;
}
const float* floats(const dynamic_tensor& t) { return static_cast<const float*>(t.data()); }

/// The values that `ours` gives against those of the peer.
template <class Ours, class Theirs>
duel prepare(const Ours& ours, [[maybe_unused]] const Theirs& theirs, double bytes, [[maybe_unused]] double tolerance) {
  duel result;
  result.cost.bytes = bytes;
  result.rill = {"Rill", [ours] {
                   const dynamic_tensor r = ours();
                   keep(r.data());
                 }};
#if defined(RILL_BENCH_TORCH)
  const dynamic_tensor y = ours();
  const auto call = theirs();
  expect_close(torch_peer::name(), call().values, floats(y), static_cast<std::size_t>(y.size()), tolerance);
  result.peers.push_back({torch_peer::name(), [call] { keep(call()); }});
#endif
  return result;
}
#if defined(RILL_BENCH_TORCH)
#define RILL_BENCH_PEER(call) [=] { return torch_peer::call; }
#else
#define RILL_BENCH_PEER(call) 0
#endif

}  // namespace

void add_sort() {
  struct shape {
    std::int64_t rows, columns;
    int axis;
  };
  const auto text = [](const shape& s) { return std::to_string(s.rows) + "x" + std::to_string(s.columns) + " along " + std::to_string(s.axis); };
  const shape shapes[] = {{1, 1000000, 1}, {1, 10000, 1}, {1000, 1000, 1}, {10000, 64, 1}, {1000, 500, 0}};
  for (const shape& s : shapes) {
    const double bytes = 8.0 * static_cast<double>(s.rows * s.columns);
    add("sort", text(s), many_threads(), [s, bytes] {
      const dynamic_tensor x = matrix(s.rows, s.columns);
      return prepare([x, s] { return rill::sort(x, {.axis = s.axis}); }, RILL_BENCH_PEER(sort(floats(x), s.rows, s.columns, s.axis)), bytes, 0);
    });
  }
  for (const shape& s : shapes) {
    const double bytes = 8.0 * static_cast<double>(s.rows * s.columns);
    add("sort with indices", text(s), many_threads(), [s, bytes] {
      const dynamic_tensor x = matrix(s.rows, s.columns);
      return prepare([x, s] { return take_along_axis(x, rill::argsort(x, {.axis = s.axis}), s.axis); },
                     RILL_BENCH_PEER(sort(floats(x), s.rows, s.columns, s.axis)), bytes, 0);
    });
  }
  struct selection {
    std::int64_t rows, columns, k;
  };
  for (const selection& s : {selection{1, 1000000, 10}, selection{1, 1000000, 1000}, selection{100, 1000, 5}, selection{128, 50000, 50}, selection{1000, 100, 50}})
    add("top_k", std::to_string(s.k) + " of " + std::to_string(s.rows) + "x" + std::to_string(s.columns), many_threads(), [s] {
      const dynamic_tensor x = matrix(s.rows, s.columns);
      return prepare([x, s] { return rill::top_k(x, s.k).values; }, RILL_BENCH_PEER(top_k(floats(x), s.rows, s.columns, s.k)),
                     4.0 * static_cast<double>(s.rows * s.columns), 0);
    });
  for (const shape& s : {shape{1, 1000000, 1}, shape{1000, 1000, 1}, shape{1000, 1000, 0}, shape{20000, 10, 1}, shape{32, 10000, 0}})
    add("cumsum", text(s), many_threads(), [s] {
      const dynamic_tensor x = matrix(s.rows, s.columns);
      return prepare([x, s] { return rill::cumsum(x, {.axis = s.axis}); }, RILL_BENCH_PEER(cumsum(floats(x), s.rows, s.columns, s.axis)),
                     8.0 * static_cast<double>(s.rows * s.columns), 1e-4);
    });
  struct grouping {
    std::int64_t rows, columns, segments;
  };
  for (const grouping& s : {grouping{100000, 16, 1000}, grouping{10000, 256, 100}, grouping{1000000, 1, 5000}})
    add("segment_sum", std::to_string(s.rows) + "x" + std::to_string(s.columns) + " into " + std::to_string(s.segments), many_threads(), [s] {
      const dynamic_tensor x = matrix(s.rows, s.columns);
      dynamic_tensor ids = dynamic_tensor::uninitialized(rill::dtype::int32, {s.rows});
      auto* p = static_cast<std::int32_t*>(ids.mutable_data());
      for (std::int64_t k = 0; k < s.rows; ++k) p[k] = static_cast<std::int32_t>(k * 7919 % s.segments);
      return prepare([x, ids, s] { return unsorted_segment_sum(x, ids, s.segments); },
                     RILL_BENCH_PEER(segment_sum(floats(x), s.rows, s.columns, static_cast<const std::int32_t*>(ids.data()), s.segments)),
                     4.0 * static_cast<double>(s.rows * s.columns + s.segments * s.columns), 1e-5);
    });
}

}  // namespace bench
