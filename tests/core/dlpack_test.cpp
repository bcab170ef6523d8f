// SPDX-License-Identifier: Apache-2.0
#include "rill/core/dlpack.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace rill;

namespace {

// The structs as another library declares them.
extern "C" {
typedef enum { kDLCPU = 1, kDLCUDA = 2 } DLDeviceType;
typedef struct {
  DLDeviceType device_type;
  int32_t device_id;
} DLDevice;
typedef struct {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
} DLDataType;
typedef struct {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
} DLTensor;
typedef struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(struct DLManagedTensor* self);
} DLManagedTensor;
}

int deleted = 0;

/// Memory of "another library" on the stack of the test.
struct foreign {
  alignas(64) unsigned char memory[256] = {};
  std::int64_t shape[8] = {2, 3};
  std::int64_t strides[8] = {1, 2};
  DLManagedTensor managed{};
  foreign() {
    managed.dl_tensor = {memory, {kDLCPU, 0}, 2, {2, 32, 1}, shape, strides, 0};
    managed.manager_ctx = this;
    managed.deleter = [](DLManagedTensor*) { ++deleted; };
    for (int i = 0; i < 64; ++i) reinterpret_cast<float*>(memory)[i] = static_cast<float>(i);
  }
};

}  // namespace

TEST_CASE("dlpack: a tensor goes out and comes back without a copy") {
  tensor<float, dyn, 4> t({3, 4});
  t(1, 2) = 5;
  const float* at = t.data();
  {
    dlpack::managed_tensor* m = to_dlpack(t);
    CHECK(m->dl_tensor.data == at);
    CHECK(m->dl_tensor.ndim == 2);
    CHECK(m->dl_tensor.shape[0] == 3);
    CHECK(m->dl_tensor.strides[0] == 4);
    CHECK(m->dl_tensor.device.device_type == 1);
    const auto v = from_dlpack<float, dyn, dyn>(m);
    CHECK(v.data() == at);
    v(0, 0) = 9;
    CHECK(t(0, 0) == 9);
  }
  // Given up: the struct keeps the memory.
  auto* m = to_dlpack<DLManagedTensor>(std::move(t));
  auto w = from_dlpack<float, dyn, 4>(m);
  CHECK(w.data() == at);
  CHECK(w(1, 2) == 5);
  const tensor<float, dyn, dyn> copy = w;
  CHECK(copy(0, 0) == 9);

  tensor<std::int64_t, 2> small{1, 2};
  auto* s = to_dlpack<dlpack::managed_tensor_versioned>(small);
  CHECK(s->version.major == 1);
  CHECK(s->flags == 0);
  const auto sv = from_dlpack<std::int64_t, 2>(s);
  sv(1) = 7;
  CHECK(small(1) == 7);

  auto* empty = to_dlpack(tensor<bool, 0, 5>());
  CHECK(empty->dl_tensor.dtype.code == 6);
  CHECK(from_dlpack<bool, dyn, dyn>(empty).shape() == tensor_shape{0, 5});
  CHECK(from_dlpack<double>(to_dlpack(tensor<double>(2.5)))() == 2.5);
}

TEST_CASE("dlpack: views keep their strides, const memory is not given away") {
  tensor<std::uint8_t, dyn, dyn> t({4, 5});
  for (int i = 0; i < 20; ++i) t.data()[i] = static_cast<std::uint8_t>(i);
  auto* m = to_dlpack(t(slice{slice::none, slice::none, -2}, slice{1, 3}));
  CHECK(m->dl_tensor.strides[0] == -10);
  const auto v = from_dlpack<std::uint8_t, 2, 2>(m);
  CHECK(v(0, 0) == 16);
  CHECK(v(1, 1) == 7);

  const auto& fixed = t;
  auto* copied = to_dlpack(fixed);  // the old struct cannot say read-only
  CHECK(copied->dl_tensor.data != t.data());
  CHECK(from_dlpack<std::uint8_t, dyn, dyn>(copied)(3, 4) == 19);
  auto* shared = to_dlpack<dlpack::managed_tensor_versioned>(fixed(all, 1));
  CHECK(shared->flags == dlpack::flag_read_only);
  CHECK_THROWS_WITH_AS((from_dlpack<std::uint8_t, dyn>(shared)), doctest::Contains("read-only"), invalid_argument);
  const auto r = from_dlpack<const std::uint8_t, dyn>(shared);
  CHECK(r.data() == t.data() + 1);
}

TEST_CASE("dlpack: foreign memory, strides and byte offset, deleted once") {
  deleted = 0;
  foreign f;
  f.managed.dl_tensor.byte_offset = 8;
  {
    const auto v = from_dlpack<float, dyn, 3>(&f.managed);
    const auto row = v(1, all);
    CHECK(v(0, 0) == 2);
    CHECK(v(1, 2) == 7);
    CHECK(row(1) == 5);
    CHECK(deleted == 0);
  }
  CHECK(deleted == 1);
  f.managed.dl_tensor.strides = nullptr;
  CHECK(from_dlpack<const float, any_rank>(&f.managed)(1, 0) == 5);
  CHECK(deleted == 2);
  f.managed.deleter = nullptr;
  CHECK(from_dlpack<float, 2, 3>(&f.managed)(0, 1) == 3);
}

TEST_CASE("dlpack: what cannot be imported is refused and stays the caller's") {
  deleted = 0;
  const auto refused = [](auto change, const char* message) {
    foreign f;
    change(f.managed.dl_tensor, f);
    CAPTURE(message);
    CHECK_THROWS_WITH_AS((from_dlpack<float, dyn, dyn>(&f.managed)), doctest::Contains(message), error);
  };
  refused([](DLTensor& t, foreign&) { t.device.device_type = kDLCUDA; }, "device type 2");
  refused([](DLTensor& t, foreign&) { t.dtype.bits = 64; }, "holds float64, not the float32");
  refused([](DLTensor& t, foreign&) { t.dtype.code = 4; t.dtype.bits = 16; }, "holds bfloat16");
  refused([](DLTensor& t, foreign&) { t.dtype.code = 99; }, "type 99");
  refused([](DLTensor& t, foreign&) { t.dtype.lanes = 4; }, "4 lanes");
  refused([](DLTensor& t, foreign&) { t.ndim = -1; }, "-1 dimensions");
  refused([](DLTensor& t, foreign&) { t.ndim = 9; }, "9 dimensions");
  refused([](DLTensor& t, foreign&) { t.ndim = 3; t.shape[2] = 1; }, "[?, ?]");
  refused([](DLTensor& t, foreign&) { t.shape = nullptr; }, "no shape");
  refused([](DLTensor& t, foreign&) { t.shape[0] = -2; }, "negative");
  refused([](DLTensor& t, foreign&) { t.shape[0] = t.shape[1] = INT64_MAX; t.strides = nullptr; }, "63 bits");
  refused([](DLTensor& t, foreign&) { t.strides[0] = INT64_MAX; t.strides[1] = INT64_MAX; }, "63 bits");
  refused([](DLTensor& t, foreign&) { t.strides[0] = 0; }, "several indices");
  refused([](DLTensor& t, foreign&) { t.data = nullptr; }, "null");
  refused([](DLTensor& t, foreign&) { t.byte_offset = 2; }, "aligned");
  refused([](DLTensor& t, foreign&) { t.byte_offset = UINT64_MAX; }, "behind its memory");
  CHECK(deleted == 0);
  CHECK_THROWS_AS((from_dlpack<float, dyn>(static_cast<DLManagedTensor*>(nullptr))), invalid_argument);
  auto* m = to_dlpack<dlpack::managed_tensor_versioned>(tensor<float, 3>{1, 2, 3});
  m->version.major = 2;
  CHECK_THROWS_WITH_AS((from_dlpack<float, dyn>(m)), doctest::Contains("version 2.0"), unimplemented);
  m->deleter(m);
}
