// SPDX-License-Identifier: Apache-2.0
// Peak arithmetic, memory bandwidth and fork cost of this machine.
#include "limits.hpp"

#include <rill/kernel/matmul.hpp>
#include <rill/kernel/parallel.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "harness.hpp"
#include "table.hpp"

namespace bench {

namespace {

using rill::kernel::detail::lanes;
using rill::kernel::detail::multiply_add;
using vector = rill::kernel::detail::vec<float>;
constexpr std::int64_t width = lanes<float>;

float sum_lanes(const vector& v) {
  alignas(64) float lane[std::size_t{width}];
  v.store_aligned(lane);
  float sum = 0;
  for (const float x : lane) sum += x;
  return sum;
}

/// Runs `body(thread)` on `threads` threads at once; seconds from the common start to the last end.
template <class F>
double together(int threads, F&& body) {
  std::atomic<int> ready{0}, done{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t)
    others.emplace_back([&, t] {
      ready.fetch_add(1);
      while (!go.load(std::memory_order_acquire)) {
      }
      body(t);
      done.fetch_add(1, std::memory_order_release);
    });
  while (ready.load() != threads - 1) std::this_thread::yield();
  const double begin = now();
  go.store(true, std::memory_order_release);
  body(0);
  while (done.load(std::memory_order_acquire) != threads - 1) {
  }
  const double seconds = now() - begin;
  for (auto& t : others) t.join();
  return seconds;
}

/// Independent chains of multiply-adds: enough to hide their latency on two pipes, few enough to stay in registers.
constexpr int chains = rill::kernel::detail::vector_registers == 32 ? 24 : 12;

[[gnu::noinline]] float multiply_adds(std::int64_t rounds) {
  const vector x(0.999f), y(0.001f);
  vector a[std::size_t{chains}];
#pragma GCC unroll 32
  for (int i = 0; i < chains; ++i) a[i] = vector(static_cast<float>(i) * 0.125f);
  for (std::int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 32
    for (int i = 0; i < chains; ++i) a[i] = multiply_add(a[i], x, y);
  }
  vector sum(0.f);
#pragma GCC unroll 32
  for (int i = 0; i < chains; ++i) sum += a[i];
  return sum_lanes(sum);
}

double measure_fma(int threads) {
  const std::int64_t rounds = quick() ? 100'000 : 500'000;
  double best = 1e30;
  for (int repeat = 0; repeat < 60; ++repeat)
    best = std::min(best, together(threads, [&](int) { keep(multiply_adds(rounds)); }));
  return 2.0 * chains * static_cast<double>(width * rounds * threads) / best;
}

enum class pattern { read, copy, triad };

/// One pass over n floats (a multiple of 8 vectors); `Past` writes past the caches.
template <pattern P, bool Past>
[[gnu::noinline]] void pass(const float* b, const float* c, float* a, std::int64_t n) {
  const vector s(0.5f);
  vector sum[8];
#pragma GCC unroll 8
  for (auto& v : sum) v = vector(0.f);
  const auto store = [](float* to, const vector& v) __attribute__((always_inline)) {
#if defined(__AVX512F__)
    if constexpr (Past) return _mm512_stream_ps(to, v);
#elif defined(__AVX__)
    if constexpr (Past) return _mm256_stream_ps(to, v);
#endif
    v.store_aligned(to);
  };
  for (std::int64_t i = 0; i < n; i += 8 * width) {
#pragma GCC unroll 8
    for (int k = 0; k < 8; ++k) {
      const std::int64_t at = i + k * width;
      if constexpr (P == pattern::read) sum[k] += vector::load_aligned(b + at);
      else if constexpr (P == pattern::copy) store(a + at, vector::load_aligned(b + at));
      else store(a + at, multiply_add(s, vector::load_aligned(c + at), vector::load_aligned(b + at)));
    }
  }
  if constexpr (P == pattern::read) {
    vector all(0.f);
    for (const auto& v : sum) all += v;
    keep(sum_lanes(all));
  }
}

struct aligned_floats {
  explicit aligned_floats(std::int64_t n)
      : data(static_cast<float*>(::operator new(static_cast<std::size_t>(n) * sizeof(float), std::align_val_t{64}))) {}
  aligned_floats(const aligned_floats&) = delete;
  aligned_floats& operator=(const aligned_floats&) = delete;
  ~aligned_floats() { ::operator delete(data, std::align_val_t{64}); }
  float* data;
};

template <pattern P>
double measure_pattern(level l, int threads, float* memory) {
  constexpr int arrays = P == pattern::read ? 1 : P == pattern::copy ? 2 : 3;
  // Half of a private level, so that nothing else pushes the data out; all threads share the last one.
  const double share = l == level::l3 || l == level::dram ? 1.0 / threads : 1.0;
  const double bytes = level_bytes(l) * (l == level::dram ? 1.0 : 0.5) * share;
  // A gap between the arrays keeps them from the same sets of the cache.
  const auto n = static_cast<std::int64_t>(bytes / arrays / 4) / (8 * width) * (8 * width);
  const std::int64_t stride = arrays * (n + 256);
  const double volume = 4.0 * static_cast<double>(arrays * n);
  const auto passes = std::max<std::int64_t>(1, static_cast<std::int64_t>((quick() ? 1e7 : 5e7) / volume));
  double best = 1e30;
  for (const bool past : {false, true}) {
    if (past && (l != level::dram || P == pattern::read)) continue;
    for (int repeat = 0; repeat < (quick() ? 5 : 20); ++repeat)
      best = std::min(best, together(threads, [&](int thread) {
                        const float* b = memory + thread * stride;
                        const float* c = b + (P == pattern::triad ? n + 256 : 0);
                        float* a = memory + thread * stride + (arrays - 1) * (n + 256);
                        for (std::int64_t r = 0; r < passes; ++r) {
                          if (past) pass<P, true>(b, c, a, n);
                          else pass<P, false>(b, c, a, n);
                          keep(a);
                        }
                      }));
  }
  return volume * static_cast<double>(passes * threads) / best;
}

double measure_fork(bool cold) {
  double best = 1e30;
  for (int repeat = 0; repeat < (cold ? 10 : 30); ++repeat) {
    if (cold) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const int loops = cold ? 1 : 100;
    const double begin = now();
    for (int i = 0; i < loops; ++i) rill::parallel_for(2, 1, [&](std::int64_t c, std::int64_t) { keep(c); });
    best = std::min(best, (now() - begin) / loops);
  }
  return best;
}

/// Size of a cache of the first core, as the system describes it, or `otherwise`.
double cache_size(int wanted_level, double otherwise) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const auto read = [&](const char* name) {
      std::ifstream in(folder + name);
      std::string text;
      in >> text;
      return text;
    };
    if (read("level") != std::to_string(wanted_level) || read("type") == "Instruction") continue;
    const std::string size = read("size");
    const double n = std::strtod(size.c_str(), nullptr);
    if (n > 0) return n * (size.back() == 'M' ? 1 << 20 : size.back() == 'K' ? 1 << 10 : 1);
  }
  return otherwise;
}

limits measure() {
  limits m;
  const double most = std::max(level_bytes(level::dram), level_bytes(level::l3));
  const auto elements = static_cast<std::int64_t>(most / 4) + 4096;
  const aligned_floats memory(elements);
  std::fill_n(memory.data, elements, 1.f);
  for (int threads = 1; threads <= many_threads(); ++threads) {
    const auto t = static_cast<std::size_t>(threads);
    m.fma[t] = measure_fma(threads);
    for (const level l : {level::l1, level::l2, level::l3, level::dram}) {
      auto& b = m.memory[static_cast<std::size_t>(l)][t];
      b.read = measure_pattern<pattern::read>(l, threads, memory.data);
      b.copy = measure_pattern<pattern::copy>(l, threads, memory.data);
      b.triad = measure_pattern<pattern::triad>(l, threads, memory.data);
    }
  }
  // Two threads do at least what one does, even if others took their cores in these moments.
  m.fma[2] = std::max(m.fma[1], m.fma[2]);
  for (auto& l : m.memory) {
    l[2].read = std::max(l[1].read, l[2].read);
    l[2].copy = std::max(l[1].copy, l[2].copy);
    l[2].triad = std::max(l[1].triad, l[2].triad);
  }
  use_threads(many_threads());
  m.fork = measure_fork(false);
  m.cold_fork = measure_fork(true);
  return m;
}

}  // namespace

static_assert(sizeof(limits) % sizeof(double) == 0 && std::is_trivially_copyable_v<limits>);

namespace {

std::optional<limits>& known_limits() {
  static std::optional<limits> known;
  return known;
}

}  // namespace

const limits& machine_limits() {
  if (!known_limits()) known_limits() = measure();
  return *known_limits();
}

std::string save_limits() {
  std::array<double, sizeof(limits) / sizeof(double)> figures{};
  std::memcpy(figures.data(), &machine_limits(), sizeof(limits));
  std::ostringstream out;
  out.precision(17);
  for (const double f : figures) out << f << ' ';
  return out.str();
}

void load_limits(const std::string& text) {
  std::array<double, sizeof(limits) / sizeof(double)> figures{};
  std::istringstream in(text);
  for (double& f : figures) in >> f;
  limits m;
  std::memcpy(static_cast<void*>(&m), figures.data(), sizeof(limits));
  if (in) known_limits() = m;
}

double level_bytes(level l) {
  static const double l1 = cache_size(1, 32 << 10);
  static const double l2 = cache_size(2, 512 << 10);
  static const double l3 = std::max(cache_size(3, 0), 2 * l2);
  switch (l) {
    case level::l1: return l1;
    case level::l2: return l2;
    case level::l3: return l3;
    default: return std::max(2 * l3, std::min(4 * l3, 512e6));
  }
}

level level_for(double bytes, int threads) {
  if (bytes <= level_bytes(level::l1) * threads) return level::l1;
  if (bytes <= level_bytes(level::l2) * threads) return level::l2;
  return bytes <= level_bytes(level::l3) ? level::l3 : level::dram;
}

const char* name_of(level l) {
  constexpr const char* names[] = {"L1", "L2", "L3", "DRAM"};
  return names[static_cast<int>(l)];
}

double least_time(double flops, double bytes, bool only_reads, int threads) {
  const limits& m = machine_limits();
  const auto t = static_cast<std::size_t>(threads);
  const bandwidth& b = m.memory[static_cast<std::size_t>(level_for(bytes, threads))][t];
  const double rate = only_reads ? std::max({b.read, b.copy, b.triad}) : std::max(b.copy, b.triad);
  return std::max(flops / m.fma[t], bytes > 0 ? bytes / rate : 0);
}

std::string limits_table() {
  const limits& m = machine_limits();
  table t({"limit", "1 thread", std::to_string(many_threads()) + " threads"});
  const auto last = static_cast<std::size_t>(many_threads());
  t.add({"fused multiply-add, float32", gflops(m.fma[1]), gflops(m.fma[last])});
  for (const level l : {level::l1, level::l2, level::l3, level::dram}) {
    const auto& one = m.memory[static_cast<std::size_t>(l)][1];
    const auto& all = m.memory[static_cast<std::size_t>(l)][last];
    const std::string where = name_of(l);
    t.add({where + " read", gbytes(one.read), gbytes(all.read)});
    t.add({where + " copy", gbytes(one.copy), gbytes(all.copy)});
    t.add({where + " triad", gbytes(one.triad), gbytes(all.triad)});
  }
  t.add({"empty parallel_for", "", seconds(m.fork)});
  t.add({"the same after 1 ms of sleep", "", seconds(m.cold_fork)});
  return t.text();
}

}  // namespace bench
