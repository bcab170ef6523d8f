// SPDX-License-Identifier: Apache-2.0
// The README's loops, branches and recurrent network, compiled and run.

#include <doctest/doctest.h>

#include <rill/eager/loops.hpp>
#include <rill/eager/module.hpp>
#include <rill/graph/control_flow.hpp>
#include <rill/graph/session.hpp>
#include <rill/kernel/indexing.hpp>
#include <rill/nn/dynamic_rnn.hpp>
#include <rill/nn/nn.hpp>

using namespace rill;

namespace {

struct collatz {  // data decides how often
  constexpr auto operator()(auto n) const {
    return while_loop([](auto k, auto) { return greater(k, 1); },
                      [](auto k, auto steps) {
                        auto next = cond(equal(k % 2, 0), [&] { return k / 2; }, [&] { return 3 * k + 1; });
                        return std::tuple(next, steps + 1);
                      },
                      std::tuple(n, 0));
  }
};

inline constexpr auto cells = nn::multi_rnn_cell(nn::basic_lstm_cell{.units = 20}, nn::basic_lstm_cell{.units = 20});
struct language_model {
  constexpr auto operator()(auto words) const {
    auto table = variable(words, {.name = "embedding", .shape = {100, 20}});
    auto [outputs, state] = nn::dynamic_rnn(cells, embedding_lookup(table, words));
    return nn::dense{.units = 100}(reshape(outputs, {-1, 20}));
  }
};

}  // namespace

TEST_CASE("the README's loop, in a model and on a tensor") {
  graph::session<collatz, tensor<int>> collatz_steps;
  auto [one, steps] = collatz_steps.run(tensor<int>{27});
  CHECK(one() == 1);
  CHECK(steps() == 111);
  CHECK(std::get<1>(collatz{}(dynamic_tensor(27))).item<int>() == 111);
}

TEST_CASE("the README's recurrent network") {
  graph::session<language_model, tensor<std::int32_t, dyn, 7>> s;
  const auto logits = s.run(tensor<std::int32_t, dyn, 7>({3, 7}));
  CHECK(logits.extent(0) == 21);
  CHECK(logits.extent(1) == 100);
  eager::module<language_model> at_once;  // the same weights: they follow from seed and names
  const dynamic_tensor eager_logits = at_once(dynamic_tensor(tensor<std::int32_t, 3, 7>{}));
  REQUIRE(eager_logits.shape() == tensor_shape{21, 100});
  for (std::int64_t k = 0; k < eager_logits.size(); ++k) CHECK(static_cast<const float*>(eager_logits.data())[k] == doctest::Approx(logits.data()[k]).epsilon(1e-5).scale(1));
}
