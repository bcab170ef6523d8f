// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How the benchmarks measure. A row pits Rill against its peers on the same input, in the same process, with the same
/// number of threads: they take turns (ours, theirs, ours, theirs, ...), each turn warmed up and begun only when the
/// threads of the turn before have gone to sleep, so that noise and clock changes hit all alike. A row reports the
/// median and the minimum of all its samples, the rate, its share of what the machine can do (limits.hpp) and how many
/// times longer the fastest peer takes.
///
///   add("matmul", "64x64x64", 2, [] { return duel{{.flops = 2 * 64 * 64 * 64}, {"Rill", ours}, {{"Eigen", theirs}}}; });

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// One way to do the work of a row.
struct contender {
  std::string name;
  std::function<void()> call;
};

/// What a row has to do at least. Its limit is the longer of flops at the peak rate and bytes at the bandwidth of the
/// smallest level of memory that holds them.
struct work {
  double flops = 0;
  double bytes = 0;
  bool only_reads = false;  ///< the bytes are read, hardly any are written
};

struct duel {
  work cost;
  contender rill;
  std::vector<contender> peers;
};

/// A row of the family's table. `prepare` is called when the row's turn comes: it makes the data, checks that all
/// contenders agree on the result (wrong_result otherwise) and hands them over.
void add(std::string family, std::string label, int threads, std::function<duel()> prepare);

/// Thrown by `prepare` when a contender's result is not the expected one.
class wrong_result : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws wrong_result unless |got[i] - want[i]| <= tolerance * max |want| for all n elements.
void expect_close(const std::string& who, const float* got, const float* want, std::size_t n, double tolerance);

/// Keeps a value from being optimised away.
template <class T>
inline void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

/// Uniform numbers in [-1, 1), the same at every call.
std::vector<float> noise(std::size_t n, unsigned seed);

/// Number of threads that rows for "all cores" use: 2, or 1 on a machine with one core.
int many_threads();
/// Makes Rill and every peer use that many threads.
void use_threads(int threads);
/// True in a short run (--quick): fewer and shorter turns.
bool quick();

/// Names with versions.
std::string openblas_name();
std::string onednn_name();
std::string eigen_name();
std::string xtensor_name();

/// Seconds since some moment.
double now();
/// Sleeps until no thread of this process runs any more (at most some 270 ms).
void wait_for_quiet();

/// Runs everything whose name matches; called by main.
int run(int argc, char** argv);

// One per file.
/// `only_training`: the training step on all cores, in families whose names end in `suffix`.
void add_mnist_step(const std::string& suffix, bool only_training);
void add_cifar10_step();
void add_network_steps();
void add_matmul();
void add_matmul_low_precision();
void add_convolution();
void add_softmax();
void add_normalization();
void add_movement();
void add_expressions();
void add_reductions();
void add_unary();
void add_sort();
void add_fft();
void add_optimizers();

}  // namespace bench
