// SPDX-License-Identifier: Apache-2.0
// The fused chain in xtensor, vectorised by xsimd and parallel by oneTBB.
#include <cstdint>
#include <functional>
#include <memory>

#if defined(RILL_BENCH_XTENSOR)
#define XTENSOR_USE_TBB
#include <xtensor/xadapt.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xtensor.hpp>
#endif

namespace bench {

#if defined(RILL_BENCH_XTENSOR)

std::function<void()> xtensor_chain(std::int64_t n, const float* a, const float* b, const float* c, float* d, int) {
  const auto adapt = [n](auto* p) {
    return xt::adapt(p, static_cast<std::size_t>(n), xt::no_ownership(), std::array<std::size_t, 1>{static_cast<std::size_t>(n)});
  };
  return [=] {
    const auto x = adapt(a), y = adapt(b), z = adapt(c);
    auto result = adapt(d);
    xt::noalias(result) = xt::maximum(x * y + z, 0.f) * 0.5f - x;
  };
}

#else

std::function<void()> xtensor_chain(std::int64_t, const float*, const float*, const float*, float*, int) { return {}; }

#endif

}  // namespace bench
