// SPDX-License-Identifier: Apache-2.0
// lstm_sequence and gru_sequence against their cells applied step by step: outputs, states and all gradients, batches and units
// that fill no register, both directions, threads; what they refuse.

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

/// Outputs [t, b, u]: next(inputs' share of the gates), for each time step.
template <class Next>
dynamic_tensor step_by_step(const dynamic_tensor& projected, bool reverse, const Next& next) {
  const std::int64_t time = projected.shape()[0];
  std::vector<dynamic_tensor> y(static_cast<std::size_t>(time));
  for (std::int64_t step = 0; step < time; ++step) {
    const std::int64_t t = reverse ? time - 1 - step : step;
    y[static_cast<std::size_t>(t)] = expand_dims(next(squeeze(slice_along(projected, 0, t, 1), {0})), 0);
  }
  return concat(y, {0});
}
/// The outputs and the last state of the cell's own ops.
std::array<dynamic_tensor, 2> lstm_steps(const dynamic_tensor& projected, const dynamic_tensor& kernel, dynamic_tensor c, dynamic_tensor h, bool reverse) {
  const dynamic_tensor y = step_by_step(projected, reverse, [&](const dynamic_tensor& z) {
    const dynamic_tensor gates = z + matmul(h, kernel);
    c = lstm_state(gates, c, 0.5);
    return h = lstm_output(gates, c);
  });
  return {y, c};
}
dynamic_tensor gru_steps(const dynamic_tensor& projected, const dynamic_tensor& kernel, dynamic_tensor h, bool reverse) {
  const std::int64_t u = h.shape()[1];
  return step_by_step(projected, reverse, [&](const dynamic_tensor& z) {
    const dynamic_tensor gates = sigmoid(slice_along(z, 1, 0, 2 * u) + matmul(h, slice_along(kernel, 1, 0, 2 * u)));
    const dynamic_tensor reset = slice_along(gates, 1, 0, u), update = slice_along(gates, 1, u, u);
    const dynamic_tensor c = tanh(slice_along(z, 1, 2 * u, u) + matmul(reset * h, slice_along(kernel, 1, 2 * u, u)));
    return h = update * h + (1.0 - update) * c;
  });
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
        const auto [want, want_last] = lstm_steps(p, kernel, c, h, reverse);
        CHECK(difference(y, want) < 1e-13);
        CHECK(difference(last, want_last) < 1e-13);
        CHECK(difference(squeeze(slice_along(states, 0, 0, 1), {0}), c) == 0);
        const auto got = tape.gradient(reduce_sum(y * weights) + reduce_sum(square(last)), p, kernel, c, h);
        const auto expected = tape.gradient(reduce_sum(want * weights) + reduce_sum(square(want_last)), p, kernel, c, h);
        for (std::size_t k = 0; k < 4; ++k) CHECK(difference(got[k], expected[k]) < 1e-12);
      }
}

TEST_CASE("a GRU over a sequence is its cell, step by step") {
  for (const bool reverse : {false, true})
    for (const std::int64_t batch : {1, 23})
      for (const std::int64_t units : {1, 8, 19}) {
        INFO("batch ", batch, ", units ", units, ", reverse ", reverse);
        const dynamic_tensor p = spread({3, batch, 3 * units}, 1), kernel = spread({units, 3 * units}, 2), h = spread({batch, units}, 3);
        const dynamic_tensor weights = spread({3, batch, units}, 5);
        eager::gradient_tape tape({.persistent = true});
        tape.watch(p), tape.watch(kernel), tape.watch(h);
        const dynamic_tensor y = gru_sequence(p, kernel, h, reverse), want = gru_steps(p, kernel, h, reverse);
        CHECK(difference(y, want) < 1e-13);
        const auto got = tape.gradient(reduce_sum(y * weights), p, kernel, h), expected = tape.gradient(reduce_sum(want * weights), p, kernel, h);
        for (std::size_t k = 0; k < 3; ++k) CHECK(difference(got[k], expected[k]) < 1e-12);
      }
}

TEST_CASE("recurrence over a sequence does not depend on the number of threads") {
  const auto numbers = [](const tensor_shape& s, std::int64_t seed) { return cast_to(spread(s, seed), dtype::float32) * 0.3f; };
  const dynamic_tensor four = numbers({4, 21, 4 * 70}, 1), four_kernel = numbers({70, 4 * 70}, 2), state = numbers({21, 70}, 3);
  const dynamic_tensor three = numbers({4, 21, 3 * 70}, 1), three_kernel = numbers({70, 3 * 70}, 2);
  const auto run = [&] {
    eager::gradient_tape tape;
    tape.watch(four), tape.watch(three);
    const dynamic_tensor y = lstm_sequence(four, four_kernel, state, state)[0] + gru_sequence(three, three_kernel, state);
    return tape.gradient(reduce_sum(square(y)), four, three);
  };
  const auto many = run();
  const thread_limit limit(1);
  const auto one = run();
  for (std::size_t k = 0; k < 2; ++k) CHECK(std::memcmp(one[k].data(), many[k].data(), static_cast<std::size_t>(one[k].size()) * sizeof(float)) == 0);
}

TEST_CASE("what sequences refuse") {
  const dynamic_tensor p = spread({2, 3, 8}, 1), kernel = spread({2, 8}, 2), state = spread({3, 2}, 3);
  CHECK_THROWS_WITH_AS(lstm_sequence(p, spread({2, 7}, 2), state, state), doctest::Contains("LSTMSequence: needs inputs [time, batch, 4 units] and a kernel [units, 4 units]: got float64[2, 3, 8] and float64[2, 7]"), invalid_argument);
  CHECK_THROWS_WITH_AS(lstm_sequence(p, kernel, spread({3, 3}, 1), spread({3, 3}, 1)), doctest::Contains("LSTMSequence: needs a first state and output [2, batch, units]: got float64[2, 3, 8] and float64[2, 3, 3]"), invalid_argument);
  CHECK_THROWS_WITH_AS(lstm_sequence(cast_to(p, dtype::int32), kernel, state, state), doctest::Contains("LSTMSequence: needs float32 or float64"), invalid_argument);
  CHECK_THROWS_WITH_AS(gru_sequence(p, kernel, state), doctest::Contains("GRUSequence: needs inputs [time, batch, 3 units] and a kernel [units, 3 units]: got float64[2, 3, 8] and float64[2, 8]"), invalid_argument);
  CHECK_THROWS_WITH_AS(gru_sequence(spread({2, 3, 6}, 1), spread({2, 6}, 2), spread({1, 2}, 3)), doctest::Contains("GRUSequence: needs a first state [batch, units]: got float64[2, 3, 6] and float64[1, 2]"), invalid_argument);
}
