// SPDX-License-Identifier: Apache-2.0
// Moves, gathers and scatters in a graph whose batch is known at run time, with gradients, against the same run eagerly.

#include "tensors.hpp"

#include <rill/eager/gradient.hpp>
#include <rill/eager/indexing.hpp>
#include <rill/graph/session.hpp>

using namespace rill;
using test::below;
using test::check_error;
using test::list;
using test::made;
using test::noise;
using test::tensor_of;

namespace {


/// Rows of a table by ids of the batch, through most moves, and the gradient of the table.
struct lookup {
  constexpr auto operator()(symbol table, symbol ids, symbol x) const {
    symbol rows = gather(table, ids);                                        // [?, 4]
    symbol both = concat({rows, reverse(x, {1}), pad(index(x, all, slice{1, 3}), {{0, 0}, {1, 1}})}, {.axis = 1});
    symbol tall = stack({both, tile(index(both, all, slice{0, 6}), {1, 2})}, {.axis = 1});  // [?, 2, 12]
    auto [first, second] = split<2>(tall, {.axis = 1});
    symbol y = reshape_to(first * second, {x.shape()[0], 12});
    auto [dt] = gradients(reduce_sum(square(y)), table);
    return outputs(fetch("y", y), fetch("dt", dt), fetch("nd", scatter_nd(expand_dims(ids, 1), x, {5, 4})),
                   fetch("hot", one_hot(ids, 5, {.on_value = 2})));
  }
};
}  // namespace

TEST_CASE("indexing: in a graph, with a batch that is known at run time") {
  graph::session<lookup, tensor<float, 5, 4>, tensor<std::int32_t, dyn>, tensor<float, dyn, 4>> s;
  for (const std::int64_t n : {1, 3, 7}) {
    const dynamic_tensor table = cast_to(noise({5, 4}), dtype::float32), x = cast_to(noise({n, 4}, 2), dtype::float32);
    std::mt19937 g(5);
    const dynamic_tensor ids = tensor_of(dtype::int32, made({n}, [&](const tensor_shape&) { return below(g, 5); }));
    auto [y, dt, nd, hot] = s.run(table.to<float, 5, 4>(), ids.to<std::int32_t, dyn>(), x.to<float, dyn, 4>());
    eager::gradient_tape tape;
    tape.watch(table);
    const dynamic_tensor rows = gather(table, ids), both = concat({rows, reverse(x, {1}), pad(index(x, all, slice{1, 3}), {{0, 0}, {1, 1}})}, {.axis = 1});
    const dynamic_tensor want = both * tile(index(both, all, slice{0, 6}), {1, 2});
    const auto [dtable] = tape.gradient(reduce_sum(square(want)), table);
    CHECK(list(y) == list<float>(want));
    CHECK(list(nd) == list<float>(scatter_nd(expand_dims(ids, 1), x, {5, 4})));
    CHECK(list(hot) == list<float>(one_hot(ids, 5, {.on_value = 2})));
    for (std::int64_t k = 0; k < 20; ++k) CHECK(dt.data()[k] == doctest::Approx(dtable.span<float>()[static_cast<std::size_t>(k)]).epsilon(1e-4));
  }
  check_error<out_of_range>([&] { s.run(tensor<float, 5, 4>{}, tensor<std::int32_t, dyn>{0, 5}, tensor<float, dyn, 4>({2, 4})); }, "indices[1] = 5 is not in [0, 5)");
}
