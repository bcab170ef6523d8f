// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What this machine can do, measured before anything else: the peak rate of fused multiply-adds, the bandwidth of every
/// level of memory, and what it costs to start a parallel loop. All other figures are given as shares of these.

#include <array>
#include <string>

namespace bench {

enum class level { l1, l2, l3, dram };

struct bandwidth {
  double read = 0;   ///< sum of an array, bytes per second
  double copy = 0;   ///< b = a, bytes read and written
  double triad = 0;  ///< a = b + s * c, bytes read and written
};

struct limits {
  /// By number of threads (1 or 2; index 0 is unused).
  std::array<double, 3> fma{};                          ///< float32, flops per second
  std::array<std::array<bandwidth, 3>, 4> memory{};     ///< by level
  double fork = 0;       ///< seconds of an empty parallel_for of two chunks, threads awake
  double cold_fork = 0;  ///< the same after a millisecond of sleep
};

/// The limits of this machine, measured at the first call (a few seconds; less in a quick run).
const limits& machine_limits();
/// The limits as text, for a child process, and taken from such text: then they are not measured again.
std::string save_limits();
void load_limits(const std::string& text);

/// Bytes that a level holds for one thread (DRAM: the size used for measuring it).
double level_bytes(level l);
/// The smallest level that holds `bytes` when `threads` threads share them evenly.
level level_for(double bytes, int threads);
const char* name_of(level l);

/// Seconds that the work takes at least with so many threads.
double least_time(double flops, double bytes, bool only_reads, int threads);

/// The limits as a Markdown table.
std::string limits_table();

}  // namespace bench
