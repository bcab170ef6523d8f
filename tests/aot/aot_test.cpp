// SPDX-License-Identifier: Apache-2.0
// A library that rill_add_compiled_model made, with the weights of a checkpoint as constants, against a session.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <rill/core/philox.hpp>
#include <rill/graph/compiled_function.hpp>
#include <rill/io/tensor_bundle.hpp>
#include <rill/nn/nn.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "counting_new.hpp"
#include "dense_model.h"
#include "models.hpp"

using namespace rill;

namespace {

using rows = tensor<float, 33, 8>;

rows features() {
  rows x;
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = 2 * philox_uniform(static_cast<std::uint64_t>(i), 0, 5) - 1;
  return x;
}

struct convolutions {
  constexpr auto operator()(symbol x) const {
    symbol h = nn::conv2d{.filters = 32, .kernel_size = {3, 3}, .padding = same, .activation = relu}(x);
    h = nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}}(h);
    return nn::dense{.units = 10}(nn::flatten{}(nn::conv2d{.filters = 16, .kernel_size = {5, 5}}(h)));
  }
};
struct two_sides {
  constexpr auto operator()(symbol x) const {
    const symbol a = nn::conv2d{.filters = 24, .kernel_size = {3, 3}, .padding = same}(x), b = nn::conv2d{.filters = 24, .kernel_size = {3, 3}, .padding = same}(x);
    return matmul(reshape(a, {288, 24}), reshape(b, {288, 24}), {.transpose_a = true});
  }
};

}  // namespace

TEST_CASE("the class gives a session's results, bit for bit, and allocates nothing") {
  static_assert(Dense::kNumArgs == 1 && Dense::kNumResults == 2 && Dense::kWeightsAreConstants);
  static_assert(Dense::ArgSize(0) == 33 * 8 * sizeof(float) && Dense::ResultSize(1) == 33 * sizeof(std::int64_t));
  static_assert(std::is_same_v<decltype(std::declval<Dense>().result1_data()), std::int64_t*>);
  CHECK(std::string(Dense::WeightName(2)) == "dense_1/kernel");

  graph::variable_store store;
  graph::compiled_function<models::dense_graph, rows>::declare(store);
  const io::bundle_reader checkpoint(RILL_DENSE_CHECKPOINT);
  for (const auto& v : store.variables()) checkpoint.read(v->name, v->data, v->bytes), v->initialized = true;
  graph::session<models::dense_graph, rows> s(store);
  const rows x = features();
  const auto expected = s.run(x);

  Dense dense;
  std::memcpy(dense.arg0_data(), x.data(), sizeof(float) * 33 * 8);
  CHECK(dense.arg0(32, 7) == x(32, 7));
  const long before = allocations;
  const bool ok = dense.Run() && dense.Run();
  CHECK(allocations == before);
  REQUIRE(ok);
  CHECK(std::memcmp(dense.result0_data(), std::get<0>(expected).data(), Dense::ResultSize(0)) == 0);
  CHECK(std::memcmp(dense.result1_data(), std::get<1>(expected).data(), Dense::ResultSize(1)) == 0);
  CHECK(dense.result1(32) == std::get<1>(expected)(32));

  struct forwards : Dense::ThreadPool {
    int calls = 0;
    int NumThreads() const noexcept override { return 2; }
    void ParallelFor(std::int64_t n, void (*body)(void*, std::int64_t, std::int64_t), void* context) override {
      ++calls;
      body(context, 0, n);
    }
  } pool;
  dense.set_thread_pool(&pool);
  std::memset(dense.result0_data(), 1, Dense::ResultSize(0));
  REQUIRE(dense.Run());
  CHECK(std::memcmp(dense.result0_data(), std::get<0>(expected).data(), Dense::ResultSize(0)) == 0);
  dense.set_thread_pool(nullptr);
}

TEST_CASE("two small convolutions of one picture run side by side, in memory that is there before") {
  constexpr const auto& steps = graph::compiled<two_sides, tensor<float, 2, 12, 12, 16>>::tables.steps;
  CHECK(std::any_of(steps.begin(), steps.end(), [](const auto& s) { return s.beside && graph::worth_a_fork(s.work, s.work, 1); }));
  graph::variable_store store;
  graph::session<two_sides, tensor<float, 2, 12, 12, 16>> s(store);
  graph::compiled_function<two_sides, tensor<float, 2, 12, 12, 16>> f;
  f.set_weights(store);
  for (int i = 0; i < 2 * 12 * 12 * 16; ++i) f.arg_data<0>()[i] = static_cast<float>(i % 13) - 6;
  tensor<float, 2, 12, 12, 16> x;
  std::memcpy(x.data(), f.arg_data<0>(), sizeof(float) * 2 * 12 * 12 * 16);
  const long before = allocations;
  const bool ok = f.run() && f.run();
  CHECK(allocations == before);
  CHECK(ok);
  const auto y = s.run(x);
  CHECK(std::memcmp(f.result_data<0>(), y.data(), static_cast<std::size_t>(y.size()) * sizeof(float)) == 0);
}

TEST_CASE("convolutions, pooling and products allocate nothing from the first run on") {
  graph::variable_store store;
  graph::session<convolutions, tensor<float, 4, 16, 16, 3>> s(store);
  graph::compiled_function<convolutions, tensor<float, 4, 16, 16, 3>> f;
  f.set_weights(store);
  const long before = allocations;
  const bool ok = f.run() && f.run();
  CHECK(allocations == before);
  CHECK(ok);
}
