// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Data on a device: batches that are there before they are needed, and whole data sets that stay there. Sessions and
/// estimators on the device take such batches as they take the host's, and give the same numbers.
///
///   train | data::shuffle(60000) | data::repeat() | data::batch(100) | data::prefetch(1) | cuda::prefetch_to_device(gpu(0))
///
/// copies each batch while steps before it run, through pinned memory and on a stream of its own. It is the last step of a
/// pipeline (TensorFlow's tf.contrib.data.prefetch_to_device); data::prefetch before it makes the batches on a thread, and
/// does not compile behind it: a device belongs to one thread at a time.
///
///   data::range(60000) | data::shuffle(60000) | data::repeat() | data::batch(100)
///       | cuda::rows_of(std::pair(to(images, gpu(0)), to(labels, gpu(0))))
///
/// keeps all of a data set on the device: only the numbers of a batch's rows go there, which are gathered by one kernel for
/// each tensor. An estimator does not check labels that are on a device while it trains (that would wait in every step): it
/// does when it evaluates.

#include <cstdint>
#include <exception>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include <rill/data/dataset.hpp>

#include "gather.cuh"
#include "session.cuh"
#include "tensor.cuh"

namespace rill::data::detail {

template <class Device, class T, std::int64_t... E>
struct tensor_info<cuda::basic_tensor<Device, T, E...>> : tensor_info<tensor<T, E...>> {
  static constexpr bool on_device = true;
};

}  // namespace rill::data::detail

namespace rill::graph {

template <class Device, class T, std::int64_t... E>
struct input_signature<cuda::basic_tensor<Device, T, E...>> : input_signature<tensor<T, E...>> {};

}  // namespace rill::graph

namespace rill::cuda {
namespace detail {

/// The type of a batch on a device, and of the rows of a tensor there.
template <class Device, class X>
struct batch_on {
  static_assert(data::detail::is_tensor<X>, "a batch for a device is a tensor, or a pair or tuple of tensors");
};
template <class Device, class T, std::int64_t... E>
struct batch_on<Device, tensor<T, E...>> {
  using type = basic_tensor<Device, T, E...>;
};
template <class Device, class T, std::int64_t First, std::int64_t... E>
struct batch_on<Device, basic_tensor<Device, T, First, E...>> {
  using type = basic_tensor<Device, T, dyn, E...>;
};
template <class Device, class... X>
struct batch_on<Device, std::tuple<X...>> {
  using type = std::tuple<typename batch_on<Device, X>::type...>;
};
template <class Device, class A, class B>
struct batch_on<Device, std::pair<A, B>> {
  using type = std::pair<typename batch_on<Device, A>::type, typename batch_on<Device, B>::type>;
};

/// f(component of a, component of b) for tensors, pairs and tuples of them.
template <class A, class B, class F>
void for_each_pair(A& a, B& b, const F& f) {
  if constexpr (data::detail::is_tensor<std::remove_const_t<A>>) {
    f(a, b);
  } else {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (for_each_pair(std::get<I>(a), std::get<I>(b), f), ...); }
    (std::make_index_sequence<std::tuple_size_v<std::remove_const_t<A>>>{});
  }
}

/// Makes `to` a tensor of this shape, of unknown elements.
template <class Device, class T, std::int64_t... E>
void reshape_memory(Device& device, const tensor_shape& shape, basic_tensor<Device, T, E...>& to) {
  if (!to.exists() || &to.device() != &device || !(to.shape() == shape)) to = basic_tensor<Device, T, E...>::uninitialized(device, shape);
}

/// Copies of a device that has no others.
template <class Device>
struct plain_upload {
  Device& device;
  explicit plain_upload(Device& d) : device(d) {}
  void begin(std::size_t) {}
  void copy(void* to, const void* from, std::size_t bytes) { device.copy_in(to, from, bytes); }
  void end() {}
  void await() {}
};
template <class Device>
struct upload_of {
  using type = plain_upload<Device>;
};
template <class Device>
  requires requires { typename Device::upload_type; }
struct upload_of<Device> {
  using type = typename Device::upload_type;
};

template <class Device, class C, class Host>
class upload_cursor {
 public:
  using element = typename batch_on<Device, Host>::type;
  upload_cursor(Device& device, C upstream, std::int64_t n) : device_(&device), upstream_(std::move(upstream)) {
    for (std::int64_t k = 0; k <= n; ++k) ring_.push_back(std::make_unique<slot>(device));  // one is the one in use
  }

  bool next(element& out) {
    // First, while the device still works on the batch before.
    while (!ended_ && ahead_ < ring_.size()) fill();
    if (ahead_ == 0) {
      if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
      return false;
    }
    slot& s = *ring_[head_];
    s.upload.await();
    std::swap(out, s.batch);
    drop();
    return true;
  }
  std::int64_t skip(std::int64_t n) {
    std::int64_t k = 0;
    for (; k < n && ahead_ > 0; ++k) drop();
    if (k < n && error_) std::rethrow_exception(std::exchange(error_, nullptr));
    if (k < n && !ended_) {
      const std::int64_t m = upstream_.skip(n - k);
      ended_ = m < n - k;
      k += m;
    }
    return k;
  }
  void restart(std::int64_t epoch) {
    ahead_ = 0, ended_ = false, error_ = nullptr;
    upstream_.restart(epoch);
  }

 private:
  struct slot {
    element batch{};
    typename upload_of<Device>::type upload;  ///< waits for its copies before the batch goes
    explicit slot(Device& d) : upload(d) {}
  };
  void drop() { head_ = (head_ + 1) % ring_.size(), --ahead_; }
  void fill() {
    try {
      if (!upstream_.next(host_)) {
        ended_ = true;
        return;
      }
      slot& s = *ring_[(head_ + ahead_) % ring_.size()];
      std::size_t bytes = 0;
      for_each_pair(host_, s.batch, [&](const auto& from, auto& to) {
        reshape_memory(*device_, from.shape(), to);
        bytes += (static_cast<std::size_t>(from.size()) * sizeof(*from.data()) + 63) / 64 * 64;
      });
      s.upload.begin(bytes);
      for_each_pair(host_, s.batch, [&](const auto& from, auto& to) { s.upload.copy(to.data(), from.data(), static_cast<std::size_t>(from.size()) * sizeof(*from.data())); });
      s.upload.end();
      ++ahead_;
    } catch (...) {
      error_ = std::current_exception(), ended_ = true;
    }
  }

  Device* device_;
  C upstream_;
  std::vector<std::unique_ptr<slot>> ring_;
  std::size_t head_ = 0, ahead_ = 0;
  Host host_{};
  bool ended_ = false;
  std::exception_ptr error_;
};

template <class Device, class D>
class upload_dataset : public data::dataset_base<upload_dataset<Device, D>> {
  using cursor_type = upload_cursor<Device, data::detail::cursor_t<D>, typename D::element>;

 public:
  using element = typename cursor_type::element;
  static constexpr const char* name = "prefetch_to_device";

  upload_dataset(Device& device, D d, std::int64_t n) : device_(&device), d_(std::move(d)), n_(n) {}
  [[nodiscard]] auto cursor() const { return cursor_type(*device_, data::detail::cursor_of(d_), n_); }
  [[nodiscard]] std::int64_t cardinality() const { return data::cardinality(d_); }

 private:
  Device* device_;
  D d_;
  std::int64_t n_;
};

template <class Device, class C, class Source>
class rows_cursor {
 public:
  using element = typename batch_on<Device, Source>::type;
  rows_cursor(C upstream, std::shared_ptr<const Source> source, std::int64_t rows) : upstream_(std::move(upstream)), source_(std::move(source)), rows_(rows) {}

  bool next(element& out) {
    if (!upstream_.next(numbers_)) return false;
    const std::int64_t n = numbers_.size();
    for (std::int64_t i = 0; i < n; ++i)
      if (const std::int64_t r = numbers_.data()[i]; r < 0 || r >= rows_)
        rill::detail::raise<out_of_range>({"rows_of: row ", r, " of tensors with ", rows_, " rows"});
    bool sent = false;
    for_each_pair(*source_, out, [&](const auto& from, auto& to) {
      Device& device = from.device();
      if (!sent) {
        reshape_memory(device, numbers_.shape(), places_);
        device.copy_in(places_.data(), numbers_.data(), static_cast<std::size_t>(n) * sizeof(std::int64_t));
        sent = true;
      }
      tensor_shape shape{n};
      for (int d = 1; d < from.rank(); ++d) shape.push_back(from.extent(d));
      reshape_memory(device, shape, to);
      gather(device, sizeof(*from.data()), 1, 1, rows_, rows_ == 0 ? 0 : from.size() / rows_, n, from.data(), places_.data(), to.data());
    });
    return true;
  }
  std::int64_t skip(std::int64_t n) { return upstream_.skip(n); }
  void restart(std::int64_t epoch) { upstream_.restart(epoch); }

 private:
  C upstream_;
  std::shared_ptr<const Source> source_;
  std::int64_t rows_;
  tensor<std::int64_t, dyn> numbers_{tensor_shape{0}};
  basic_tensor<Device, std::int64_t, dyn> places_{};
};

template <class Device, class D, class Source>
class rows_dataset : public data::dataset_base<rows_dataset<Device, D, Source>> {
  static_assert(std::is_same_v<typename D::element, tensor<std::int64_t, dyn>>, "rows_of takes batches of row numbers: data::range(n) | ... | data::batch(m) before it");
  using cursor_type = rows_cursor<Device, data::detail::cursor_t<D>, Source>;

 public:
  using element = typename cursor_type::element;
  static constexpr const char* name = "rows_of";

  rows_dataset(D d, std::shared_ptr<const Source> source, std::int64_t rows) : d_(std::move(d)), source_(std::move(source)), rows_(rows) {}
  [[nodiscard]] auto cursor() const { return cursor_type(data::detail::cursor_of(d_), source_, rows_); }
  [[nodiscard]] std::int64_t cardinality() const { return data::cardinality(d_); }

 private:
  D d_;
  std::shared_ptr<const Source> source_;
  std::int64_t rows_;
};

template <class X>
struct device_of_source {
  using type = device_t<X>;
};
template <class A, class... X>
struct device_of_source<std::tuple<A, X...>> : device_of_source<A> {};
template <class A, class B>
struct device_of_source<std::pair<A, B>> : device_of_source<A> {};

}  // namespace detail

/// Batches (tensors, pairs or tuples of them) in the memory of a device, `buffer_size` of them ahead of their use; the memory
/// of a batch is used again once the next was asked for. invalid_argument when buffer_size is below 1.
template <class Device>
  requires requires(Device& d) { d.processors(); }
auto prefetch_to_device(Device& device, std::int64_t buffer_size = 1) {
  data::detail::require_positive(buffer_size, "prefetch_to_device: buffer_size");
  return data::detail::make_transformation([d = &device, buffer_size]<data::dataset D>(const D& from) { return detail::upload_dataset<Device, D>(*d, from, buffer_size); });
}

/// The rows, of tensors on one device, whose numbers the batches before hold. The tensors (one, a pair or a tuple) are moved
/// in and shared by count. invalid_argument when they differ in their rows; a number outside is out_of_range when it is met.
template <class Source>
auto rows_of(Source source) {
  std::int64_t rows = -1;
  detail::for_each_pair(source, source, [&](const auto& x, const auto&) {
    const std::int64_t n = x.rank() == 0 ? -1 : x.extent(0);
    if (n < 0 || (rows >= 0 && n != rows)) rill::detail::raise<invalid_argument>({"rows_of: tensors of shape ", to_string(x.shape()), " and ", rows, " rows do not go together"});
    rows = n;
  });
  using Device = typename detail::device_of_source<Source>::type;
  return data::detail::make_transformation([shared = std::make_shared<const Source>(std::move(source)), rows]<data::dataset D>(const D& from) {
    return detail::rows_dataset<Device, D, Source>(from, shared, rows);
  });
}

#ifdef __CUDACC__
/// The same for a GPU; invalid_argument when there is no such GPU.
inline auto prefetch_to_device(gpu which, std::int64_t buffer_size = 1) { return prefetch_to_device(device_of(which), buffer_size); }
#endif

}  // namespace rill::cuda
