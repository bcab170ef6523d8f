// SPDX-License-Identifier: Apache-2.0
// Uses the library as any program would: headers by their public names, nothing but rill::rill linked.
#include <rill/core/shape.hpp>
#include <rill/kernel/parallel.hpp>

#include <atomic>
#include <cstdint>

int main() {
  std::atomic<std::int64_t> sum{0};
  rill::parallel_for(1000, 10, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) sum += i;
  });
  return sum == 499500 && rill::tensor_shape{rill::dyn, 3}.with_batch(2).num_elements() == 6 ? 0 : 1;
}
