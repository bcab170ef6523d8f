// SPDX-License-Identifier: Apache-2.0
// Ops that move elements: transposes, concat, slices, paddings, tiles, reversals, rows at indices and their gradient.
#include <rill/eager/indexing.hpp>

#include <algorithm>
#include <memory>

#include "harness.hpp"
#if defined(RILL_BENCH_TORCH)
#include "movement_torch.hpp"
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

using rill::dynamic_tensor;
using rill::tensor_shape;
using extents = std::vector<std::int64_t>;
using peer = std::function<const float*()>;

tensor_shape shape_of(const extents& e) { return {e.data(), static_cast<int>(e.size())}; }
rill::axis_list axes_of(const extents& e) {
  rill::axis_list a;
  for (const std::int64_t k : e) a.axes[a.count++] = k;
  return a;
}
dynamic_tensor filled(const extents& e, unsigned seed) {
  dynamic_tensor t = dynamic_tensor::uninitialized(rill::dtype::float32, shape_of(e));
  const auto values = noise(static_cast<std::size_t>(t.size()), seed);
  std::copy(values.begin(), values.end(), static_cast<float*>(t.mutable_data()));
  return t;
}
const float* floats(const dynamic_tensor& t) { return static_cast<const float*>(t.data()); }

/// `ours` gives the result; `theirs`, where there is libtorch, is the same move there.
duel prepare(const std::function<dynamic_tensor()>& ours, [[maybe_unused]] const peer& theirs, double read) {
  const dynamic_tensor y = ours();
  duel result;
  result.cost.bytes = 4 * (read + static_cast<double>(y.size()));
  result.rill = {"Rill", [ours] {
                   const dynamic_tensor r = ours();
                   keep(r.data());
                 }};
#if defined(RILL_BENCH_TORCH)
  expect_close(torch_peer::name(), theirs(), floats(y), static_cast<std::size_t>(y.size()), 1e-6);
  result.peers.push_back({torch_peer::name(), [theirs] { keep(theirs()); }});
#endif
  return result;
}
#if defined(RILL_BENCH_TORCH)
#define RILL_BENCH_PEER(call) peer(torch_peer::call)
#else
#define RILL_BENCH_PEER(call) peer()
#endif

std::string text(const extents& e) {
  std::string s;
  for (const std::int64_t n : e) s += (s.empty() ? "" : "x") + std::to_string(n);
  return s;
}

}  // namespace

void add_movement() {
  struct permutation {
    extents shape, order;
  };
  const permutation permutations[] = {{{1024, 1024}, {1, 0}},       {{2047, 1031}, {1, 0}},           {{100, 784}, {1, 0}},
                                      {{32, 56, 56, 64}, {0, 3, 1, 2}}, {{32, 64, 56, 56}, {0, 2, 3, 1}}, {{32, 224, 224, 3}, {0, 3, 1, 2}},
                                      {{8, 128, 12, 64}, {0, 2, 1, 3}}, {{64, 96, 128}, {2, 1, 0}}};
  for (const auto& p : permutations)
    add("transpose", text(p.shape) + " by " + text(p.order), many_threads(), [p] {
      const dynamic_tensor x = filled(p.shape, 1);
      return prepare([x, p] { return transpose(x, axes_of(p.order)); }, RILL_BENCH_PEER(transpose(floats(x), p.shape, p.order)),
                     static_cast<double>(x.size()));
    });
  for (const int axis : {0, 1})
    add("concat and slice", "4 of 512x256 along " + std::to_string(axis), many_threads(), [axis] {
      std::vector<dynamic_tensor> parts;
      std::vector<const float*> p;
      for (unsigned k = 0; k < 4; ++k) parts.push_back(filled({512, 256}, k)), p.push_back(floats(parts.back()));
      return prepare([parts, axis] { return concat(parts, {axis}); }, RILL_BENCH_PEER(concat(p, {512, 256}, axis)), 4 * 512 * 256);
    });
  for (const extents& size : {extents{500, 500}, extents{1000, 10}})
    add("concat and slice", text(size) + " of 1000x1000", many_threads(), [size] {
      const dynamic_tensor x = filled({1000, 1000}, 1);
      return prepare([x, size] { return slice_from(x, {0, 100}, shape_of(size)); }, RILL_BENCH_PEER(slice(floats(x), {1000, 1000}, {0, 100}, size)),
                     static_cast<double>(size[0] * size[1]));
    });
  add("pad, tile, reverse", "pad 32x56x56x64 by 0, 1, 1, 0", many_threads(), [] {
    const dynamic_tensor x = filled({32, 56, 56, 64}, 1);
    return prepare([x] { return pad(x, {{0, 0}, {1, 1}, {1, 1}, {0, 0}}); }, RILL_BENCH_PEER(pad(floats(x), {32, 56, 56, 64}, {0, 1, 1, 0})),
                   static_cast<double>(x.size()));
  });
  for (const extents& s : {extents{64, 64}, extents{1000, 3}})
    add("pad, tile, reverse", "tile " + text(s) + " by 8x16", many_threads(), [s] {
      const dynamic_tensor x = filled(s, 1);
      return prepare([x] { return tile(x, {8, 16}); }, RILL_BENCH_PEER(tile(floats(x), s, {8, 16})), static_cast<double>(x.size()));
    });
  for (const std::int64_t axis : {0, 1})
    add("pad, tile, reverse", "reverse 1000x1000 along " + std::to_string(axis), many_threads(), [axis] {
      const dynamic_tensor x = filled({1000, 1000}, 1);
      return prepare([x, axis] { return reverse(x, {axis}); }, RILL_BENCH_PEER(reverse(floats(x), {1000, 1000}, {axis})), 1e6);
    });
  struct rows {
    std::int64_t table, width, n;
  };
  constexpr rows lookups[] = {{100000, 64, 20000}, {1000, 300, 4096}, {1000000, 1, 100000}, {50000, 4, 50000}};
  const auto ids_of = [](const rows& r) {
    dynamic_tensor ids = dynamic_tensor::uninitialized(rill::dtype::int32, {r.n});
    auto* p = static_cast<std::int32_t*>(ids.mutable_data());
    for (std::int64_t k = 0; k < r.n; ++k) p[k] = static_cast<std::int32_t>(k * 7919 % r.table);
    return ids;
  };
  const auto label = [](const rows& r) { return std::to_string(r.n) + " of " + std::to_string(r.table) + "x" + std::to_string(r.width); };
  for (const rows& r : lookups)
    add("gather", label(r), many_threads(), [r, ids_of] {
      const dynamic_tensor x = filled({r.table, r.width}, 1), ids = ids_of(r);
      return prepare([x, ids] { return gather(x, ids); },
                     RILL_BENCH_PEER(gather_rows(floats(x), r.table, r.width, static_cast<const std::int32_t*>(ids.data()), r.n)),
                     static_cast<double>(r.n * r.width));
    });
  for (const rows& r : lookups)
    add("gradient of gather", label(r), many_threads(), [r, ids_of] {
      const dynamic_tensor dy = filled({r.n, r.width}, 1), ids = ids_of(r);
      return prepare([dy, ids, r] { return scatter_slices(dy, ids, tensor_shape{r.table, r.width}, {}); },
                     RILL_BENCH_PEER(add_rows(floats(dy), r.table, r.width, static_cast<const std::int32_t*>(ids.data()), r.n)),
                     static_cast<double>(r.n * r.width));
    });
}

}  // namespace bench
