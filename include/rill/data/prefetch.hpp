// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `prefetch(n)`: a background thread produces up to n elements ahead of their use. Elements, their order and errors are
/// those of the pipeline without it: an exception upstream is thrown by `next` after the elements before it. Memory of
/// elements goes round between consumer and producer, so nothing is allocated once it is warm. The thread starts at the
/// first `next` and ends with the iterator, in the middle of the data if need be.
///
///   train | data::shuffle(60000) | data::repeat() | data::batch(100) | data::prefetch(1)

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "rill/data/dataset.hpp"

namespace rill::data {
namespace detail {

template <class C, class Element>
class prefetch_cursor {
 public:
  prefetch_cursor(C c, std::int64_t n) : s_(std::make_unique<state>(std::move(c), static_cast<std::size_t>(n))) {}

  bool next(Element& out) {
    state& s = *s_;
    if (!s.worker.joinable() && !s.ended) s.worker = std::thread([&s] { s.produce(); });
    std::unique_lock lock(s.mutex);
    s.filled.wait(lock, [&s] { return s.count > 0 || s.ended; });
    if (s.count == 0) {
      if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
      return false;
    }
    s.pop(out);
    lock.unlock();
    s.freed.notify_one();
    return true;
  }
  std::int64_t skip(std::int64_t n) {
    state& s = *s_;
    s.pause();
    std::int64_t k = 0;
    for (; k < n && s.count > 0; ++k) s.pop(s.spare);
    if (k < n && s.held) {
      s.held = false;
      ++k;
    }
    if (k < n && s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
    if (k < n && !s.ended) {
      const std::int64_t m = s.upstream.skip(n - k);
      s.ended = m < n - k;
      k += m;
    }
    return k;
  }
  void restart(std::int64_t epoch) {
    state& s = *s_;
    s.pause();
    s.head = s.count = 0;
    s.held = s.ended = false;
    s.error = nullptr;
    s.upstream.restart(epoch);
  }

 private:
  struct state {
    state(C c, std::size_t n) : upstream(std::move(c)), ring(n) {}
    ~state() { pause(); }

    void produce() {
      for (bool stopped = false;;) {
        if (!held) {
          bool more = false;
          std::exception_ptr failure;
          try {
            more = upstream.next(working);
          } catch (...) {
            failure = std::current_exception();
          }
          if (!more) {
            {
              const std::lock_guard lock(mutex);
              error = std::move(failure);
              ended = true;
            }
            filled.notify_one();
            return;
          }
          held = true;
        }
        {
          std::unique_lock lock(mutex);
          freed.wait(lock, [this] { return stop || count < ring.size(); });
          if (count == ring.size()) return;
          using std::swap;
          swap(ring[(head + count) % ring.size()], working);
          ++count;
          held = false;
          stopped = stop;
        }
        filled.notify_one();
        if (stopped) return;
      }
    }
    void pop(Element& out) {
      using std::swap;
      swap(out, ring[head]);
      head = (head + 1) % ring.size();
      --count;
    }
    void pause() {
      if (!worker.joinable()) return;
      {
        const std::lock_guard lock(mutex);
        stop = true;
      }
      freed.notify_one();
      worker.join();
      stop = false;
    }

    C upstream;
    std::vector<Element> ring;
    std::size_t head = 0, count = 0;
    Element working{}, spare{};
    bool held = false;  // `working` holds an element that has no place in the ring yet
    bool ended = false;
    std::exception_ptr error;
    std::mutex mutex;
    std::condition_variable filled, freed;
    bool stop = false;
    std::thread worker;
  };
  std::unique_ptr<state> s_;
};

template <class D>
class prefetch_dataset : public dataset_base<prefetch_dataset<D>> {
  static_assert(!is_on_device<typename D::element>, "prefetch: these batches are made on a device, which is this thread's; "
                                                    "prefetch what comes before cuda::prefetch_to_device or cuda::rows_of");

 public:
  using element = typename D::element;
  static constexpr const char* name = "prefetch";

  prefetch_dataset(D d, std::int64_t n) : d_(std::move(d)), n_(n) {}
  [[nodiscard]] auto cursor() const { return prefetch_cursor<cursor_t<D>, element>(cursor_of(d_), n_); }
  [[nodiscard]] std::int64_t cardinality() const { return data::cardinality(d_); }

 private:
  D d_;
  std::int64_t n_;
};

}  // namespace detail

/// Produces up to n elements ahead on a thread; invalid_argument when n is below 1.
inline auto prefetch(std::int64_t n = 1) {
  detail::require_positive(n, "prefetch: the number of elements");
  return detail::make_transformation([n]<dataset D>(const D& d) { return detail::prefetch_dataset<D>(d, n); });
}

}  // namespace rill::data
