// SPDX-License-Identifier: Apache-2.0
// Scans, segments and sorts in a graph whose batch is known at run time, with gradients, against the same run eagerly.

#include "tensors.hpp"

#include <rill/eager/gradient.hpp>
#include <rill/eager/scan.hpp>
#include <rill/eager/sort.hpp>
#include <rill/graph/session.hpp>

using namespace rill;
using test::noise;

namespace {

/// The same for symbols and tensors.
template <class V>
constexpr V all_of(const V& x, const V& ids) {
  const V sums = cumsum(x, {.axis = 0, .reverse = true}) * cumprod(x, {.axis = 1, .exclusive = true});
  const V smooth = cumulative_logsumexp(x, {.axis = 1}) + cummax(x, {.axis = 0}) + sort(x, {.axis = 0});
  const V groups = segment_mean(x, ids, {.num_segments = 3}), parts = unsorted_segment_prod(x, ids, 3);
  const V best = top_k(x, 2).values;
  return reduce_sum(square(sums) + smooth) + reduce_sum(groups * parts) + reduce_sum(square(best)) + reduce_sum(reduce_logsumexp(x, {.axis = {1}})) +
         reduce_sum(moments(x, {0}).variance);
}

struct larger {
  constexpr auto operator()(auto a, auto b) const { return a < b ? b : a; }
};
struct falling {
  constexpr bool operator()(float a, float b, std::int32_t, std::int32_t) const { return a > b; }
};

struct model {
  constexpr auto operator()(symbol x, symbol ids) const {
    const symbol loss = all_of(x, ids);
    auto [dx] = gradients(loss, x);
    const symbol init = graph::constant_of(x.g, dtype::float32, -9);
    const symbol keys = nth_element(x, 1);
    return outputs(fetch("loss", loss), fetch("dx", dx), fetch("order", argsort(x)), fetch("largest", xla::reduce(x, init, larger{}, {1})),
                   fetch("ids", xla::sort<float, std::int32_t>(falling{}, 0, keys, ids)[1]), fetch("where", searchsorted(sort(keys), keys)),
                   fetch("nonzero", count_nonzero(x)));
  }
};

}  // namespace

TEST_CASE("scans, segments and sorts in a graph") {
  graph::session<model, tensor<float, dyn, 5>, tensor<std::int32_t, dyn>> s;
  for (const std::int64_t n : {1, 4, 7}) {
    const dynamic_tensor x = cast_to(noise({n, 5}), dtype::float32);
    dynamic_tensor ids = dynamic_tensor::uninitialized(dtype::int32, {n});
    for (std::int64_t k = 0; k < n; ++k) static_cast<std::int32_t*>(ids.mutable_data())[k] = static_cast<std::int32_t>(k / 3);
    auto [loss, dx, order, largest, sorted_ids, place, nonzero] = s.run(x.to<float, dyn, 5>(), ids.to<std::int32_t, dyn>());
    eager::gradient_tape tape;
    tape.watch(x);
    const dynamic_tensor want = all_of(x, ids);
    const auto [g] = tape.gradient(want, x);
    CHECK(*loss.data() == doctest::Approx(want.item<float>()).epsilon(1e-5));
    for (std::int64_t k = 0; k < 5 * n; ++k) CHECK(dx.data()[k] == doctest::Approx(g.span<float>()[static_cast<std::size_t>(k)]).epsilon(1e-4));
    CHECK(order == argsort(x).to<std::int32_t, any_rank>());
    CHECK(largest == reduce_max(x, {.axis = {1}}).to<float, any_rank>());
    const dynamic_tensor keys = nth_element(x, 1);
    CHECK(sorted_ids == take_along_axis(ids, argsort(keys, {.direction = sort_direction::descending}), 0).to<std::int32_t, any_rank>());
    CHECK(place == invert_permutation(argsort(keys)).to<std::int32_t, any_rank>());
    CHECK(*nonzero.data() == 5 * n);
  }
}
