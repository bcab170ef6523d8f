// SPDX-License-Identifier: Apache-2.0
// Compiled functions: the documentation's product, borrowed memory, weights, failures, pools of one's own, allocations.

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <rill/eager/indexing.hpp>
#include <rill/graph/compiled_function.hpp>
#include <rill/nn/nn.hpp>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using namespace rill;

namespace {

struct product {
  constexpr auto operator()(symbol x, symbol y) const { return matmul(x, y); }
};

struct network {
  constexpr auto operator()(symbol x) const {
    symbol h = nn::conv2d{.filters = 8, .kernel_size = {3, 3}, .padding = same, .activation = relu}(x);
    h = nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}}(h);
    h = nn::dense{.units = 70, .activation = tanh}(nn::flatten{}(h));
    symbol y = nn::dense{.units = 5}(h);
    return outputs(fetch("probabilities", softmax(y)), fetch("class", argmax(y, {.axis = 1})));
  }
};
using picture_batch = tensor<float, 6, 20, 20, 3>;

struct in_and_out {  // results that are an argument, a constant, a variable, and the same value twice
  constexpr auto operator()(symbol x) const {
    symbol w = variable(x, {.name = "w", .shape = {3}, .initializer = constant(2)});
    symbol y = x * w;
    return outputs(fetch("x", x), fetch("w", w), fetch("y", y), fetch("again", y), fetch("seven", reduce_sum(x * 0.f) * 0.f + 7.f));
  }
};

struct lookup {
  constexpr auto operator()(symbol table, symbol index) const { return gather(table, index); }
};

// Threads that take ranges in turn, one item at a time and the last first.
class backward_pool : public thread_pool {
 public:
  explicit backward_pool(int threads) : threads_(threads) {}
  int num_threads() const noexcept override { return threads_; }
  void parallel_for(std::int64_t n, function_ref<void(std::int64_t, std::int64_t)> body) override {
    ++calls;
    std::atomic<std::int64_t> next{n};
    const auto work = [&] {
      for (std::int64_t k = --next; k >= 0; k = --next) body(k, k + 1);
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads_; ++t) others.emplace_back(work);
    work();
    for (std::thread& t : others) t.join();
  }
  std::atomic<int> calls{0};

 private:
  int threads_;
};

picture_batch pixels() {
  picture_batch x;
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = 2 * philox_uniform(static_cast<std::uint64_t>(i), 0, 3) - 1;
  return x;
}

}  // namespace

TEST_CASE("the matrix product of the documentation") {
  graph::compiled_function<product, tensor<float, 2, 3>, tensor<float, 3, 2>> f;
  for (int i = 0; i < 6; ++i) f.arg_data<0>()[i] = static_cast<float>(i + 1), f.arg_data<1>()[i] = static_cast<float>(i + 7);
  CHECK(f.arg<0>(1, 2) == 6);
  CHECK(f.arg<1>(2, 1) == 12);
  REQUIRE(f.run());
  CHECK(std::string(f.error()).empty());
  CHECK(f.result<0>(0, 0) == 58);
  CHECK(f.result<0>(0, 1) == 64);
  CHECK(f.result<0>(1, 0) == 139);
  CHECK(f.result<0>(1, 1) == 154);
  CHECK(f.args()[1] == f.arg_data<1>());
  CHECK(f.results()[0] == f.result_data<0>());
  for (const void* p : {f.args()[0], f.args()[1], f.results()[0]}) CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
}

TEST_CASE("arguments in memory of the caller's own") {
  alignas(32) const float x[] = {1, 2, 3, 4, 5, 6}, y[] = {7, 8, 9, 10, 11, 12};
  alignas(32) float shifted[16] = {};
  graph::compiled_function<product, tensor<float, 2, 3>, tensor<float, 3, 2>> f(graph::alloc_mode::results_and_temps_only);
  CHECK(f.arg_data<0>() == nullptr);
  CHECK_FALSE(f.run());
  CHECK(std::string(f.error()).find("call set_arg_data") != std::string::npos);
  f.set_arg_data<0>(x);
  f.set_arg_data<1>(shifted + 1);
  CHECK_FALSE(f.run());
  CHECK(std::string(f.error()).find("32-byte aligned") != std::string::npos);
  f.set_arg_data<1>(y);
  REQUIRE(f.run());
  CHECK(f.result<0>(1, 1) == 154);
  CHECK(std::string(f.error()).empty());
}

TEST_CASE("a network gives a session's results, bit for bit, with the weights of a store, of constants and in any pool") {
  graph::variable_store store;
  graph::session<network, picture_batch> s(store);
  const picture_batch x = pixels();
  const auto both = s.run(x);
  const auto &p = std::get<0>(both);
  const auto &c = std::get<1>(both);

  graph::compiled_function<network, picture_batch> f;
  using interface = decltype(f)::signature;
  CHECK_FALSE(f.run());
  CHECK(std::string(f.error()).find("call set_weights") != std::string::npos);
  const auto agrees = [&] {
    std::memcpy(f.arg_data<0>(), x.data(), static_cast<std::size_t>(x.size()) * sizeof(float));
    REQUIRE(f.run());
    CHECK(std::memcmp(f.result_data<0>(), p.data(), static_cast<std::size_t>(p.size()) * sizeof(float)) == 0);
    CHECK(std::memcmp(f.result_data<1>(), c.data(), static_cast<std::size_t>(c.size()) * sizeof(std::int64_t)) == 0);
    std::memset(f.result_data<0>(), 1, static_cast<std::size_t>(p.size()) * sizeof(float));
  };
  f.set_weights(store);
  agrees();

  CHECK(interface::weight_count == 6);
  CHECK(interface::weight_name(0) == "conv2d/kernel");
  CHECK_FALSE(interface::updates_weights);
  std::vector<unsigned char> room(static_cast<std::size_t>(interface::weights.bytes) + 64);
  unsigned char* packed = room.data() + (64 - reinterpret_cast<std::uintptr_t>(room.data()) % 64) % 64;
  for (std::size_t k = 0; k < interface::weight_count; ++k)
    std::memcpy(packed + interface::weights.list[k].offset, store.find(interface::weight_name(k))->data, static_cast<std::size_t>(interface::weights.list[k].bytes));
  f.set_weights(static_cast<const void*>(packed));
  agrees();

  for (int threads : {1, 2, 3, 7}) {
    CAPTURE(threads);
    backward_pool pool(threads);
    f.set_thread_pool(&pool);
    agrees();
    CHECK((pool.calls > 0) == (threads > 1));
    f.set_thread_pool(nullptr);
  }
  std::thread elsewhere(agrees);
  elsewhere.join();
}

TEST_CASE("weights that are missing") {
  graph::variable_store store;
  graph::compiled_function<network, picture_batch> f;
  f.declare(store);
  CHECK(store.variables().size() == 6);
  CHECK_THROWS_WITH_AS(f.set_weights(store), doctest::Contains("conv2d/kernel has no value"), failed_precondition);
  graph::variable_store other;
  other.get("conv2d/kernel", dtype::float32, {3, 3, 1, 8}, true);
  CHECK_THROWS_WITH_AS(f.set_weights(other), doctest::Contains("conv2d/kernel"), invalid_argument);
  CHECK_FALSE(f.run());
}

TEST_CASE("results that no kernel writes") {
  graph::variable_store store;
  graph::session<in_and_out, tensor<float, 3>> s(store);
  graph::compiled_function<in_and_out, tensor<float, 3>> f;
  f.set_weights(store);
  for (int i = 0; i < 3; ++i) f.arg<0>(i) = static_cast<float>(i);
  REQUIRE(f.run());
  for (int i = 0; i < 3; ++i) {
    CHECK(f.result<0>(i) == static_cast<float>(i));
    CHECK(f.result<1>(i) == 2);
    CHECK(f.result<2>(i) == static_cast<float>(2 * i));
    CHECK(f.result<3>(i) == static_cast<float>(2 * i));
  }
  CHECK(f.result<4>() == 7);
  CHECK(f.result_data<0>() != f.arg_data<0>());
}

TEST_CASE("what an operation throws is a sentence") {
  graph::compiled_function<lookup, tensor<float, 4>, tensor<std::int32_t, 2>> f;
  for (int i = 0; i < 4; ++i) f.arg<0>(i) = static_cast<float>(i);
  f.arg<1>(1) = 3;
  REQUIRE(f.run());
  CHECK(f.result<0>(1) == 3);
  f.arg<1>(0) = 4;
  CHECK_FALSE(f.run());
  CHECK(std::string(f.error()).find('4') != std::string::npos);
  f.arg<1>(0) = 2;
  REQUIRE(f.run());
  CHECK(f.result<0>(0) == 2);
}

TEST_CASE("a pool's loops: exceptions come back, loops inside run in place, the caller's target is restored") {
  backward_pool pool(3);
  {
    const pool_scope scope(&pool);
    CHECK(max_threads() == 3);
    CHECK_THROWS_AS(parallel_for(100, 1, [](std::int64_t k, std::int64_t) { if (k == 57) throw out_of_range("57"); }), out_of_range);
    std::atomic<std::int64_t> sum{0};
    std::atomic<int> most{0};
    parallel_for(10, 2, [&](std::int64_t begin, std::int64_t end) {
      if (max_threads() != 1) ++most;
      parallel_for(end - begin, 1, [&](std::int64_t a, std::int64_t) { sum += begin + a; });
    });
    CHECK(sum == 45);
    CHECK(most == 0);
  }
  const int calls = pool.calls;
  parallel_for(100, 1, [](std::int64_t, std::int64_t) {});
  CHECK(pool.calls == calls);
}
