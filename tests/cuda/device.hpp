// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `test::device`: what the tests of kernels run on - a GPU where nvcc compiles them (gpu/device.hpp), else the host.

#ifdef __CUDACC__
#include "../gpu/device.hpp"
#else
#include "emulator.hpp"
namespace test {
using emulator::device;
}
#endif
