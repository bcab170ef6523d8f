// SPDX-License-Identifier: Apache-2.0
// Rill's benchmarks; see README.md.
#include "harness.hpp"

int main(int argc, char** argv) { return bench::run(argc, argv); }
