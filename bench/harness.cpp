// SPDX-License-Identifier: Apache-2.0
#include "harness.hpp"

#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <Eigen/Core>
#include <rill/core/cpu_features.hpp>
#include <rill/kernel/parallel.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "limits.hpp"
#include "table.hpp"
#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(RILL_BENCH_OPENBLAS)
#include <cblas.h>
#endif
#if defined(RILL_BENCH_DNNL)
#include <oneapi/dnnl/dnnl.hpp>
#endif
#if defined(RILL_BENCH_XTENSOR)
#include <xtensor/xtensor_config.hpp>
#endif
#if defined(RILL_BENCH_TORCH)
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

bool short_run = false;

struct timing {
  double median = 0, minimum = 0;
};

struct result {
  std::string family, label;
  int threads;
  work cost;
  timing rill;
  std::vector<std::pair<std::string, timing>> peers;
};

struct entry {
  std::string family, label;
  int threads;
  std::function<duel()> prepare;
  std::string name;
  std::optional<result> measured;
};

std::vector<std::unique_ptr<entry>>& entries() {
  static std::vector<std::unique_ptr<entry>> all;
  return all;
}

double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  const auto in_seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return in_seconds(u.ru_utime) + in_seconds(u.ru_stime);
}

/// The samples of one contender.
class clock_card {
 public:
  explicit clock_card(const contender& who) : who_(&who) {}

  /// One turn: calls that do not count, then samples for the turn's budget.
  void turn() {
    const double budget = quick() ? 0.004 : 0.02;
    double begin = now();
    int warm_calls = 0;
    do {
      who_->call();
      ++warm_calls;
    } while (now() - begin < budget * 0.2);
    if (calls_ == 0) calls_ = std::max(1, static_cast<int>(30e-6 / ((now() - begin) / warm_calls)));
    begin = now();
    // At least a few samples, but a contender that takes very long gets only one.
    const int least = quick() ? 2 : 3;
    for (int sample = 0; sample == 0 || now() - begin < (sample < least ? 10 * budget : budget); ++sample) {
      const double t = now();
      for (int i = 0; i < calls_; ++i) who_->call();
      samples_.push_back((now() - t) / calls_);
    }
  }
  [[nodiscard]] timing figures() {
    std::sort(samples_.begin(), samples_.end());
    return {samples_[samples_.size() / 2], samples_[0]};
  }

 private:
  const contender* who_;
  int calls_ = 0;
  std::vector<double> samples_;
};

result measure(const entry& e, const duel& d) {
  std::vector<clock_card> cards{clock_card(d.rill)};
  for (const auto& p : d.peers) cards.emplace_back(p);
  const int turns = quick() ? 2 : 7;
  for (int turn = 0; turn < turns; ++turn)
    for (auto& card : cards) {
      wait_for_quiet();
      card.turn();
    }
  result r{e.family, e.label, e.threads, d.cost, cards[0].figures(), {}};
  for (std::size_t p = 0; p < d.peers.size(); ++p) r.peers.emplace_back(d.peers[p].name, cards[p + 1].figures());
  std::sort(r.peers.begin(), r.peers.end(), [](const auto& a, const auto& b) { return a.second.median < b.second.median; });
  return r;
}

/// The least time of any peer; at the median or at the minimum.
double best_peer(const result& r, double timing::*figure) {
  double best = 0;
  for (const auto& p : r.peers)
    if (best == 0 || p.second.*figure < best) best = p.second.*figure;
  return best;
}

std::string rate(const work& w, double t) {
  return w.flops > 0 ? gflops(w.flops / t) : gbytes(w.bytes / t);
}

std::string family_table(const std::vector<const result*>& rows) {
  table t({"case", "threads", "Rill", "minimum", "rate", "of limit", "best peer", "median", "minimum",
           "peer/Rill", "of minima", "other peers"});
  for (const result* r : rows) {
    const double limit = least_time(r->cost.flops, r->cost.bytes, r->cost.only_reads, r->threads);
    std::vector<std::string> cells{r->label, std::to_string(r->threads), seconds(r->rill.median), seconds(r->rill.minimum),
                                   rate(r->cost, r->rill.median), percent(limit / r->rill.median)};
    if (r->peers.empty()) {
      cells.insert(cells.end(), {"none", "", "", "", "", ""});
    } else {
      const double minimum = best_peer(*r, &timing::minimum);
      std::string others;
      for (std::size_t p = 1; p < r->peers.size(); ++p)
        others += (p > 1 ? ", " : "") + r->peers[p].first + ' ' + seconds(r->peers[p].second.median);
      cells.insert(cells.end(), {r->peers[0].first, seconds(r->peers[0].second.median), seconds(minimum),
                                 three_digits(r->peers[0].second.median / r->rill.median),
                                 three_digits(minimum / r->rill.minimum), others});
    }
    t.add(cells);
  }
  return t.text();
}

void run_entry(benchmark::State& state, entry& e) {
  for (auto _ : state) {
    try {
      use_threads(e.threads);
      const duel d = e.prepare();
      e.measured = measure(e, d);
    } catch (const std::exception& error) {
      state.SkipWithError(error.what());
      return;
    }
    const result& r = *e.measured;
    state.SetIterationTime(r.rill.median);
    state.counters["minimum"] = r.rill.minimum;
    if (!r.peers.empty()) {
      state.counters["peer"] = r.peers[0].second.median;
      state.counters["peer_minimum"] = best_peer(r, &timing::minimum);
    }
    state.counters["of_limit"] = least_time(r.cost.flops, r.cost.bytes, r.cost.only_reads, r.threads) / r.rill.median;
    if (!r.peers.empty()) state.SetLabel(r.peers[0].first);
  }
}

/// Prints a family's table when its last row is done.
class markdown_reporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const std::string name = run.run_name.function_name;
      for (const auto& e : entries()) {
        if (e->name != name) continue;
        if (!rows_.empty() && rows_[0]->family != e->family) flush();
        if (run.error_occurred) {
          failures_.push_back(name + ": " + run.error_message);
          GetErrorStream() << failures_.back() << '\n';
        } else if (e->measured) {
          rows_.push_back(&*e->measured);
        }
      }
    }
  }
  void Finalize() override {
    if (!rows_.empty()) flush();
    for (const auto& f : failures_) GetOutputStream() << "\nFAILED " << f << '\n';
    GetOutputStream().flush();
  }
  [[nodiscard]] bool failed() const { return !failures_.empty(); }

 private:
  void flush() {
    GetOutputStream() << "\n## " << rows_[0]->family << "\n\n" << family_table(rows_);
    GetOutputStream().flush();
    rows_.clear();
  }
  std::vector<const result*> rows_;
  std::vector<std::string> failures_;
};

std::string cpu_field(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind(key, 0) == 0 && line.find(':') != std::string::npos)
      return line.substr(std::min(line.size(), line.find(':') + 2));
  return {};
}

std::string bytes_text(double bytes) {
  const bool small = bytes < 1 << 20;
  return three_digits(bytes / (small ? 1 << 10 : 1 << 20)) + (small ? " KiB" : " MiB");
}

/// What ran on this machine in the last minute.
double machine_load() {
  std::ifstream in("/proc/loadavg");
  double load = 0;
  in >> load;
  return load;
}
bool busy(double load) { return load > 0.5; }

std::string machine(double load) {
  std::ostringstream out;
  std::istringstream words(cpu_field("flags"));
  const std::set<std::string> have(std::istream_iterator<std::string>(words), {});
  std::string isa;
  for (const char* flag : {"avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16"})
    if (have.count(flag) > 0) isa += (isa.empty() ? "" : " ") + std::string(flag);
  out << "- CPU: " << cpu_field("model name") << " (family " << cpu_field("cpu family") << ", model " << cpu_field("model\t")
      << "), " << std::thread::hardware_concurrency() << " cores, " << isa << "; L1 " << bytes_text(level_bytes(level::l1))
      << " and L2 " << bytes_text(level_bytes(level::l2)) << " per core, L3 " << bytes_text(level_bytes(level::l3)) << '\n';
#if defined(__clang__)
  out << "- Compiler: clang++ " << __clang_version__;
#else
  out << "- Compiler: g++ " << __VERSION__;
#endif
#if defined(RILL_BENCH_FLAGS)
  out << ", " << RILL_BENCH_FLAGS;
#endif
  if (const std::string note = rill::instruction_note(); !note.empty()) out << "\n- Note: " << note;
  out << "\n- Peers: " << eigen_name();
#if defined(RILL_BENCH_OPENBLAS)
  out << ", " << openblas_name() << " (" << openblas_get_corename() << " kernels)";
#endif
#if defined(RILL_BENCH_DNNL)
  out << ", " << onednn_name();
#endif
#if defined(RILL_BENCH_XTENSOR)
  out << ", " << xtensor_name();
#endif
#if defined(RILL_BENCH_TORCH)
  out << ", " << torch_peer::name();
#endif
  out << "\n- Load of the machine before the run: " << three_digits(load);
  if (busy(load)) out << " (it is busy: medians, and rows with two threads most of all, are not to be trusted)";
  out << '\n';
  return out.str();
}

/// Peers choose their kernels and numbers of threads themselves, whatever the environment says: in a fresh process, since
/// they read it when they are loaded.
void forget_settings(char** argv) {
  bool again = false;
  for (const char* name : {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}) {
    if (std::getenv(name) == nullptr) continue;
    unsetenv(name);
    again = true;
  }
  if (again) execv("/proc/self/exe", argv);
}

// Idle threads of OpenMP may sleep or spin, which is fixed when the library is loaded. libtorch computes on OpenMP's
// threads and on OpenBLAS's in turn, which get in each other's way while they spin; oneDNN and Eigen are faster with
// threads that spin. So the rows run in two processes, and the training step in both; all in one, with sleeping threads,
// in a quick run and on a busy machine, where threads that spin get nowhere, and in one with the caller's choice if there
// is one.
constexpr const char* phase_variable = "RILL_BENCH_PHASE";
constexpr const char* limits_variable = "RILL_BENCH_LIMITS";
enum class phase { sleeping, spinning, any };

void add_rows(phase p) {
  if (p != phase::spinning) add_mnist_step("", false);
  if (p != phase::spinning) add_cifar10_step();
  if (p != phase::spinning) add_network_steps();
  if (p == phase::sleeping) return;
#if defined(RILL_BENCH_TORCH)
  if (p == phase::spinning) add_mnist_step(", idle OpenMP threads spinning", true);
#endif
  add_matmul();
  add_matmul_low_precision();
  add_convolution();
  add_softmax();
  add_normalization();
  add_movement();
  add_expressions();
  add_reductions();
  add_unary();
  add_sort();
  add_fft();
  add_optimizers();
}

/// Runs this program again for the rows of a phase; its exit code.
int run_phase(phase p, char** argv) {
  const pid_t child = fork();
  if (child == 0) {
    setenv(phase_variable, p == phase::sleeping ? "sleeping" : p == phase::spinning ? "spinning" : "any", 1);
    if (p == phase::sleeping) setenv("OMP_WAIT_POLICY", "PASSIVE", 1);
    execv("/proc/self/exe", argv);
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 1;
  return WEXITSTATUS(status);
}

/// Whether a row matches the filter among the arguments.
bool any_row_matches(const std::vector<char*>& arguments) {
  const std::string flag = "--benchmark_filter=";
  for (const char* text : arguments) {
    const std::string argument = text;
    if (argument.rfind(flag, 0) != 0) continue;
    const std::string filter = argument.substr(flag.size());
    if (filter.empty() || filter == "all" || filter[0] == '-') return true;
    const std::regex expression(filter, std::regex::extended);
    return std::any_of(entries().begin(), entries().end(), [&](const auto& e) {
      return std::regex_search(e->name + "/iterations:1/manual_time", expression);
    });
  }
  return true;
}

}  // namespace

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void wait_for_quiet() {
  // OpenBLAS's threads, which libtorch's products run on, yield for some 100 ms before they sleep.
  double used = cpu_seconds();
  for (int naps = 0; naps < 250; ++naps) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const double t = cpu_seconds();
    if (t - used < 0.2e-3) return;
    used = t;
  }
}

int many_threads() { return std::thread::hardware_concurrency() > 1 ? 2 : 1; }

void use_threads(int threads) {
  static std::unique_ptr<rill::thread_limit> limit;
  limit.reset();
  limit = std::make_unique<rill::thread_limit>(threads);
#if defined(_OPENMP)
  omp_set_num_threads(threads);
#endif
#if defined(RILL_BENCH_OPENBLAS)
  openblas_set_num_threads(threads);
#endif
#if defined(RILL_BENCH_TORCH)
  torch_peer::use_threads(threads);
#endif
  Eigen::setNbThreads(threads);
}

bool quick() { return short_run; }

void add(std::string family, std::string label, int threads, std::function<duel()> prepare) {
  auto e = std::make_unique<entry>();
  e->name = family + "/" + label + "/threads:" + std::to_string(threads);
  std::replace(e->name.begin(), e->name.end(), ' ', '_');
  e->family = std::move(family);
  e->label = std::move(label);
  e->threads = threads;
  e->prepare = std::move(prepare);
  for (const auto& other : entries())
    if (other->name == e->name) return;  // on a machine with one core both thread counts are the same
  entry& mine = *e;
  entries().push_back(std::move(e));
  benchmark::RegisterBenchmark(mine.name.c_str(), [&mine](benchmark::State& state) { run_entry(state, mine); })
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMicrosecond);
}

void expect_close(const std::string& who, const float* got, const float* want, std::size_t n, double tolerance) {
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(static_cast<double>(want[i])));
  for (std::size_t i = 0; i < n; ++i) {
    const double error = std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (!(error <= tolerance * largest)) {
      throw wrong_result(who + ": element " + std::to_string(i) + " is " + std::to_string(got[i]) + ", expected " +
                         std::to_string(want[i]));
    }
  }
}

std::vector<float> noise(std::size_t n, unsigned seed) {
  std::vector<float> x(n);
  std::uint32_t state = seed * 2654435761u + 12345u;
  for (float& v : x) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<float>(state >> 8) * 0x1p-23f - 1.f;
  }
  return x;
}

std::string openblas_name() {
#if defined(RILL_BENCH_OPENBLAS)
  std::istringstream config(openblas_get_config());
  std::string name, version;
  config >> name >> version;
  return name + ' ' + version;
#else
  return {};
#endif
}

std::string onednn_name() {
#if defined(RILL_BENCH_DNNL)
  const dnnl_version_t* v = dnnl_version();
  return "oneDNN " + std::to_string(v->major) + '.' + std::to_string(v->minor) + '.' + std::to_string(v->patch);
#else
  return {};
#endif
}

std::string eigen_name() {
  return "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + '.' + std::to_string(EIGEN_MAJOR_VERSION) + '.' +
         std::to_string(EIGEN_MINOR_VERSION);
}

std::string xtensor_name() {
#if defined(RILL_BENCH_XTENSOR)
  return "xtensor " + std::to_string(XTENSOR_VERSION_MAJOR) + '.' + std::to_string(XTENSOR_VERSION_MINOR) + '.' +
         std::to_string(XTENSOR_VERSION_PATCH);
#else
  return {};
#endif
}

int run(int argc, char** argv) {
  forget_settings(argv);
  bool only_list = false;
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") short_run = true;
    else rest.push_back(argv[i]);
    if (argument.rfind("--benchmark_out", 0) == 0) {
      std::cerr << argument << ": the tables go to standard output; redirect that\n";
      return 1;
    }
    if (argument.rfind("--benchmark_list_tests", 0) == 0 && argument != "--benchmark_list_tests=false") only_list = true;
  }

  const char* phase_name = std::getenv(phase_variable);
  const bool parent = phase_name == nullptr && !only_list;
  const std::string name = phase_name == nullptr ? "any" : phase_name;
  add_rows(name == "sleeping" ? phase::sleeping : name == "spinning" ? phase::spinning : phase::any);
  if (!only_list && !any_row_matches(rest)) {
    if (parent) std::cerr << "no benchmark matches the filter\n";
    return parent ? 1 : 0;
  }
  int count = static_cast<int>(rest.size());
  rest.push_back(nullptr);
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 1;

  if (parent) {
    const double load = machine_load();
    std::cout << machine(load) << "\n## limits\n\n" << limits_table() << std::flush;
    setenv(limits_variable, save_limits().c_str(), 1);
    const bool chosen = std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr;
    const bool asleep = quick() || busy(load);
    if (asleep && !chosen) setenv("OMP_WAIT_POLICY", "PASSIVE", 1);
    int worst = 0;
    for (const phase p : chosen || asleep ? std::vector{phase::any} : std::vector{phase::sleeping, phase::spinning})
      worst = std::max(worst, run_phase(p, argv));
    return worst;
  }
  if (const char* known = std::getenv(limits_variable)) load_limits(known);
  markdown_reporter reporter;
  benchmark::RunSpecifiedBenchmarks(only_list ? nullptr : &reporter);
  benchmark::Shutdown();
  return reporter.failed() ? 1 : 0;
}

}  // namespace bench
