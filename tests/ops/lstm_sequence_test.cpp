// SPDX-License-Identifier: Apache-2.0
// lstm_sequence against its cell applied step by step: outputs, states and all gradients, batches and units that fill no
// register, both directions, threads; what it refuses.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <rill/eager/gradient.hpp>
#include <rill/eager/movement.hpp>
#include <rill/kernel/rnn.hpp>

using namespace rill;

namespace {

/// Different numbers of [-1, 1].
dynamic_tensor spread(const tensor_shape& s, std::int64_t seed) {
  dynamic_tensor t = dynamic_tensor::uninitialized(dtype::float64, s);
  for (std::int64_t k = 0; k < t.size(); ++k) static_cast<double*>(t.mutable_data())[k] = static_cast<double>((k * 37 + seed * 11) % 101) / 50 - 1;
  return t;
}

/// The outputs [t, b, u] and the last state of the cell's own ops.
std::array<dynamic_tensor, 2> step_by_step(const dynamic_tensor& projected, const dynamic_tensor& kernel, dynamic_tensor c, dynamic_tensor h, bool reverse) {
  const std::int64_t time = projected.shape()[0];
  std::vector<dynamic_tensor> y(static_cast<std::size_t>(time));
  for (std::int64_t step = 0; step < time; ++step) {
    const std::int64_t t = reverse ? time - 1 - step : step;
    const dynamic_tensor gates = squeeze(slice_along(projected, 0, t, 1), {0}) + matmul(h, kernel);
    c = lstm_state(gates, c, 0.5);
    h = lstm_output(gates, c);
    y[static_cast<std::size_t>(t)] = expand_dims(h, 0);
  }
  return {concat(y, {0}), c};
}
double difference(const dynamic_tensor& a, const dynamic_tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t k = 0; k < a.size(); ++k) {
    const double d = a.span<double>()[static_cast<std::size_t>(k)] - b.span<double>()[static_cast<std::size_t>(k)];
    worst = std::max(worst, std::isnan(d) ? 1e9 : std::fabs(d));
  }
  return worst;
}

}  // namespace

TEST_CASE("an LSTM over a sequence is its cell, step by step") {
  for (const bool reverse : {false, true})
    for (const std::int64_t batch : {1, 13})
      for (const std::int64_t units : {1, 8, 19}) {
        const std::int64_t time = 3;
        INFO("batch ", batch, ", units ", units, ", reverse ", reverse);
        const dynamic_tensor p = spread({time, batch, 4 * units}, 1), kernel = spread({units, 4 * units}, 2), c = spread({batch, units}, 3), h = spread({batch, units}, 4);
        const dynamic_tensor weights = spread({time, batch, units}, 5);
        eager::gradient_tape tape({.persistent = true});
        tape.watch(p), tape.watch(kernel), tape.watch(c), tape.watch(h);
        const auto [y, states] = lstm_sequence(p, kernel, c, h, 0.5, reverse);
        const dynamic_tensor last = squeeze(slice_along(states, 0, time, 1), {0});
        const auto [want, want_last] = step_by_step(p, kernel, c, h, reverse);
        CHECK(difference(y, want) < 1e-13);
        CHECK(difference(last, want_last) < 1e-13);
        CHECK(difference(squeeze(slice_along(states, 0, 0, 1), {0}), c) == 0);
        const auto got = tape.gradient(reduce_sum(y * weights) + reduce_sum(square(last)), p, kernel, c, h);
        const auto expected = tape.gradient(reduce_sum(want * weights) + reduce_sum(square(want_last)), p, kernel, c, h);
        for (std::size_t k = 0; k < 4; ++k) CHECK(difference(got[k], expected[k]) < 1e-12);
      }
}

TEST_CASE("an LSTM over a sequence does not depend on the number of threads") {
  const dynamic_tensor p = cast_to(spread({4, 21, 4 * 70}, 1), dtype::float32), kernel = cast_to(spread({70, 4 * 70}, 2), dtype::float32) * 0.1,
                       state = cast_to(spread({21, 70}, 3), dtype::float32);
  const auto run = [&] {
    eager::gradient_tape tape;
    tape.watch(p);
    return tape.gradient(reduce_sum(square(lstm_sequence(p, kernel, state, state)[0])), p)[0];
  };
  const dynamic_tensor many = run();
  const thread_limit limit(1);
  const dynamic_tensor one = run();
  CHECK(std::memcmp(one.data(), many.data(), static_cast<std::size_t>(one.size()) * sizeof(float)) == 0);
}

TEST_CASE("what lstm_sequence refuses") {
  const dynamic_tensor p = spread({2, 3, 8}, 1), kernel = spread({2, 8}, 2), state = spread({3, 2}, 3);
  CHECK_THROWS_WITH_AS(lstm_sequence(p, spread({2, 7}, 2), state, state), doctest::Contains("LSTMSequence: needs inputs [time, batch, 4 units] and a kernel [units, 4 units]: got float64[2, 3, 8] and float64[2, 7]"), invalid_argument);
  CHECK_THROWS_WITH_AS(lstm_sequence(p, kernel, spread({3, 3}, 1), spread({3, 3}, 1)), doctest::Contains("LSTMSequence: needs a first state and output [2, batch, units]: got float64[2, 3, 8] and float64[2, 3, 3]"), invalid_argument);
  CHECK_THROWS_WITH_AS(lstm_sequence(cast_to(p, dtype::int32), kernel, state, state), doctest::Contains("LSTMSequence: needs float32 or float64"), invalid_argument);
}
