// SPDX-License-Identifier: Apache-2.0
// Batches on a device, asked for by a second thread.
// expect: prefetch: these batches are made on a device

#include <rill/cuda/data.cuh>
#include <rill/data/batch.hpp>
#include <rill/data/prefetch.hpp>
#include <rill/data/range.hpp>

#include "../cuda/emulator.hpp"

int main() {
  emulator::device device;
  auto numbers = rill::data::range(10) | rill::data::batch(2);
#ifdef RILL_MUST_FAIL
  auto batches = numbers | rill::cuda::prefetch_to_device(device) | rill::data::prefetch(1);
#else
  auto batches = numbers | rill::data::prefetch(1) | rill::cuda::prefetch_to_device(device);
#endif
  return batches.cardinality() == 5 ? 0 : 1;
}
