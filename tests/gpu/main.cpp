// SPDX-License-Identifier: Apache-2.0
// main() of the tests on a GPU. They hand host memory to kernels - vectors, and variables of functions: so all of it, the
// stack too, is pinned memory, which the GPU reads and writes in place.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <exception>
#include <new>

#include <cuda_runtime_api.h>

namespace {

/// Blocks of powers of two from one pinned region; before there is one, and after it is used up, the C library's.
class pinned_heap {
 public:
  void open(std::size_t bytes) {
    void* p = nullptr;
    if (cudaMallocHost(&p, bytes) != cudaSuccess) {
      std::puts("the tests need 2 GB of pinned host memory");
      std::exit(1);
    }
    const std::lock_guard lock(mutex_);
    begin_ = next_ = static_cast<unsigned char*>(p), end_ = begin_ + bytes;
  }
  void* take(std::size_t n) {
    const int k = class_of(n);
    const std::lock_guard lock(mutex_);
    if (free_[k] != nullptr) {
      node* const p = free_[k];
      free_[k] = p->next;
      return p;
    }
    const std::size_t size = std::size_t{1} << k;
    if (begin_ == nullptr || size > static_cast<std::size_t>(end_ - next_)) return std::aligned_alloc(64, (n + 63) / 64 * 64);
    unsigned char* const p = next_;
    next_ += size;
    return p;
  }
  void give(void* p, std::size_t n) {
    auto* const b = static_cast<unsigned char*>(p);
    if (b < begin_ || b >= end_) return std::free(p);
    const int k = class_of(n);
    const std::lock_guard lock(mutex_);
    free_[k] = new (p) node{free_[k]};
  }

 private:
  struct node {
    node* next;
  };
  static int class_of(std::size_t n) {
    int k = 6;
    while ((std::size_t{1} << k) < n) ++k;
    return k;
  }
  std::mutex mutex_;
  unsigned char *begin_ = nullptr, *next_ = nullptr, *end_ = nullptr;
  node* free_[64] = {};
};
pinned_heap& heap() {
  alignas(pinned_heap) static unsigned char memory[sizeof(pinned_heap)];
  static pinned_heap& h = *new (memory) pinned_heap;
  return h;
}
constexpr std::size_t before = 64;  // bytes that say how long a block is

ucontext_t tests, caller;
int result = 0;
doctest::Context* context = nullptr;
void run() { result = context->run(); }

}  // namespace

void* operator new(std::size_t n) {
  auto* const p = static_cast<unsigned char*>(heap().take(n + before));
  if (p == nullptr) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(p) = n + before;
  return p + before;
}
void* operator new(std::size_t n, std::align_val_t) { return operator new(n); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  try {
    return operator new(n);
  } catch (...) {
    return nullptr;
  }
}
void* operator new(std::size_t n, std::align_val_t, const std::nothrow_t& t) noexcept { return operator new(n, t); }
void operator delete(void* p) noexcept {
  if (p == nullptr) return;
  unsigned char* const b = static_cast<unsigned char*>(p) - before;
  heap().give(b, *reinterpret_cast<std::size_t*>(b));
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete(void* p, std::align_val_t) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { operator delete(p); }

int main(int argc, char** argv) {
  int gpus = 0;
  const cudaError_t found = cudaGetDeviceCount(&gpus);
  if (gpus == 0 || found != cudaSuccess) {
    std::printf("skipped: there is no GPU here (%s)\n", cudaGetErrorString(found));
    return 77;
  }
  try {
    heap().open(std::size_t{2} << 30);
    constexpr std::size_t stack = std::size_t{64} << 20;
    doctest::Context c(argc, argv);
    context = &c;
    getcontext(&tests);
    tests.uc_stack.ss_sp = operator new(stack), tests.uc_stack.ss_size = stack;
    tests.uc_link = &caller;
    makecontext(&tests, run, 0);
    swapcontext(&caller, &tests);
    std::fflush(nullptr);
    std::_Exit(result);  // destructors would write to pinned memory, which the driver may have taken back
  } catch (const std::exception& e) {
    std::printf("tests on the GPU: %s\n", e.what());
    return 1;
  }
}
