// SPDX-License-Identifier: Apache-2.0
// Sessions whose products are computed as they were asked for: rounded, or by a library where it can.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include <rill/cuda/session.cuh>
#include <rill/nn/dense.hpp>
#include <rill/nn/sequential.hpp>

#include "device.hpp"

namespace {

using namespace rill;

/// A library that knows some epilogues, and counts.
struct counting_library {
  explicit counting_library(test::device& d) : device(&d) {}
  test::device* device;
  static inline int asked = 0, done = 0;
  template <class T, cuda::precision P, class Program>
  bool multiply(std::int64_t m, std::int64_t n, std::int64_t k, bool ta, bool tb, const cuda::plain_operand<T>& a, const cuda::plain_operand<T>& b,
                const cuda::tile_epilogue<Program, T>& e) {
    static_assert(P == cuda::precision::tf32);
    constexpr auto kind = cuda::detail::library_epilogue_of<Program>;
    ++asked;
    if constexpr (kind == cuda::library_epilogue::none) return false;
    else {
      const T* const bias = static_cast<const T*>(cuda::detail::column_bias(e));
      CHECK((bias != nullptr) == cuda::detail::has_bias(kind));
      ++done;
      cuda::matmul<T>(*device, m, n, k, ta, tb, a, b, e);
      return true;
    }
  }
};
struct network {
  constexpr auto operator()(auto x) const {
    return nn::sequential(nn::dense{.units = 8, .activation = relu}, nn::dense{.units = 4, .activation = relu, .use_bias = false},
                          nn::dense{.units = 2, .activation = tanh})(x);
  }
};

TEST_CASE("a session's contractions are those it was asked for") {
  std::mt19937 random(4);
  std::uniform_real_distribution<float> d(-1, 1);
  tensor<float, dyn, 5> x({16, 5});
  for (float& v : x) v = d(random);
  test::device device;
  const auto by = [&]<class Contractions>(Contractions) {
    using target = cuda::basic_target<test::device, cuda::placement::strict, Contractions>;
    graph::variable_store store;
    graph::basic_session<target, network, tensor<float, dyn, 5>> s(store, {}, {.seed = 3}, target(device));
    return s.run(x);
  };
  const auto whole = by(cuda::contractions<>{}), rounded = by(cuda::contractions<cuda::precision::tf32>{}),
             library = by(cuda::contractions_by<counting_library, void, cuda::precision::tf32>{});
  for (std::int64_t i = 0; i < whole.size(); ++i) {
    CHECK(std::abs(rounded.data()[i] - whole.data()[i]) < 2e-3f);
    CHECK(std::abs(library.data()[i] - whole.data()[i]) < 2e-3f);
  }
  CHECK_FALSE(rounded == whole);
  CHECK(counting_library::asked == 3);
  CHECK(counting_library::done == 2);  // tanh is not one of its epilogues
}

}  // namespace
