// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// DLPack, the C structs by which array libraries hand each other memory without copying (dmlc.github.io/dlpack, ABI of
/// 0.8 and of 1.x). The structs are declared here under names of their own, so that <dlpack/dlpack.h> can be included as
/// well, before or after: every function takes and gives any struct with DLPack's members, `to_dlpack<DLManagedTensor>(t)`
/// and `from_dlpack<float, dyn>(managed)` as much as those of rill::dlpack.
///
/// Errors of import: invalid_argument (dtype, shape, strides, alignment, read-only memory for a mutable view), unimplemented
/// (another device than the CPU, vector lanes, a later major version). What is not taken over stays the caller's.
///
///   DLManagedTensor* m = to_dlpack<DLManagedTensor>(t);          // shares t's memory; whoever takes m calls m->deleter(m)
///   view<float, dyn, dyn> v = from_dlpack<float, dyn, dyn>(m);   // calls it when the last handle on the memory is gone

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "convert.hpp"

namespace rill {

/// DLPack's structs, member by member as dlpack.h declares them.
namespace dlpack {

struct device {
  std::int32_t device_type;  ///< 1: CPU, 2: CUDA, 3: CUDA's pinned host memory, 13: CUDA's managed memory
  std::int32_t device_id;
};
struct data_type {
  std::uint8_t code;  ///< 0: int, 1: unsigned, 2: float, 4: bfloat, 5: complex, 6: bool
  std::uint8_t bits;
  std::uint16_t lanes;
};
struct tensor {
  void* data;
  dlpack::device device;
  std::int32_t ndim;
  data_type dtype;
  std::int64_t* shape;
  std::int64_t* strides;  ///< in elements; null for row-major
  std::uint64_t byte_offset;
};
struct managed_tensor {
  tensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(managed_tensor*);
};
struct package_version {
  std::uint32_t major;
  std::uint32_t minor;
};
struct managed_tensor_versioned {
  package_version version;
  void* manager_ctx;
  void (*deleter)(managed_tensor_versioned*);
  std::uint64_t flags;  ///< bit 0: the memory may not be written, bit 1: it is a copy
  tensor dl_tensor;
};
inline constexpr std::uint64_t flag_read_only = 1;
inline constexpr std::uint64_t flag_is_copied = 2;

static_assert(sizeof(void*) != 8 || (sizeof(tensor) == 48 && offsetof(tensor, shape) == 24 && offsetof(tensor, byte_offset) == 40));
static_assert(sizeof(void*) != 8 || (sizeof(managed_tensor) == 64 && sizeof(managed_tensor_versioned) == 80 &&
                                     offsetof(managed_tensor_versioned, dl_tensor) == 32));

/// DLPack's name of an element type; lanes is 0 for a type it has no name for (string). The rows are TensorFlow's numbers.
constexpr data_type type_of(rill::dtype d) {
  struct row {
    int number;
    std::uint8_t code, bits;
  };
  constexpr row rows[] = {{1, 2, 32},  {2, 2, 64},  {3, 0, 32},  {4, 1, 8},    {5, 0, 16},  {6, 0, 8},   {8, 5, 64}, {9, 0, 64},
                          {10, 6, 8},  {14, 4, 16}, {17, 1, 16}, {18, 5, 128}, {19, 2, 16}, {22, 1, 32}, {23, 1, 64}};
  for (const row& r : rows)
    if (r.number == static_cast<int>(d)) return {r.code, r.bits, 1};
  return {0, 0, 0};
}

/// Anything with the members of DLManagedTensor or DLManagedTensorVersioned.
template <class M>
concept managed = requires(M& m) {
  m.dl_tensor.data;
  m.dl_tensor.device.device_type;
  m.dl_tensor.ndim;
  m.dl_tensor.dtype.lanes;
  m.dl_tensor.shape[0];
  m.dl_tensor.strides[0];
  m.dl_tensor.byte_offset;
  m.manager_ctx;
  m.deleter(&m);
};
template <class M>
concept managed_versioned = managed<M> && requires(M& m) {
  m.version.major;
  m.flags;
};

}  // namespace dlpack

namespace detail {

/// What an exported struct points to; deleted by the struct's deleter.
template <class Managed>
struct dlpack_export {
  Managed managed{};
  storage owner;
  std::int64_t shape[max_rank] = {};
  std::int64_t strides[max_rank] = {};
};

template <class Managed, class T>
Managed* export_dlpack(storage owner, const strided<T>& s, bool read_only, bool copied) {
  using element = std::remove_const_t<T>;
  constexpr dlpack::data_type type = dlpack::type_of(dtype_v<element>);
  static_assert(type.lanes == 1, "DLPack has no strings");
  static_assert(type.bits == 8 * sizeof(element));
  auto e = std::make_unique<dlpack_export<Managed>>();
  e->owner = std::move(owner);
  auto& t = e->managed.dl_tensor;
  t.data = const_cast<element*>(s.data);
  t.device.device_type = static_cast<decltype(t.device.device_type)>(1);
  t.device.device_id = 0;
  t.ndim = s.shape.rank();
  t.dtype.code = type.code;
  t.dtype.bits = type.bits;
  t.dtype.lanes = type.lanes;
  for (int i = 0; i < s.shape.rank(); ++i) {
    e->shape[i] = s.shape[i];
    e->strides[i] = s.strides[i];
  }
  t.shape = e->shape;
  t.strides = e->strides;
  t.byte_offset = 0;
  if constexpr (dlpack::managed_versioned<Managed>) {
    e->managed.version.major = 1;
    e->managed.version.minor = 0;
    e->managed.flags = (read_only ? dlpack::flag_read_only : 0) | (copied ? dlpack::flag_is_copied : 0);
  }
  e->managed.manager_ctx = e.get();
  e->managed.deleter = [](Managed* m) { delete static_cast<dlpack_export<Managed>*>(m->manager_ctx); };
  return &e.release()->managed;
}

inline std::string dlpack_type_name(int code, int bits, int lanes) {
  constexpr const char* names[] = {"int", "uint", "float", "handle", "bfloat", "complex", "bool"};
  std::string s = code >= 0 && code < 7 ? names[code] : "type " + std::to_string(code) + " of bits ";
  s += std::to_string(bits);
  return lanes == 1 ? s : s + " in " + std::to_string(lanes) + " lanes";
}

}  // namespace detail

/// Shares the memory of a tensor; both sides may write it. The elements of a small static tensor move to shared memory,
/// as for a mutable view.
template <dlpack::managed Managed = dlpack::managed_tensor, class T, std::int64_t... E>
Managed* to_dlpack(tensor<T, E...>& t) {
  const auto v = t.whole();
  return detail::export_dlpack<Managed>(v.owner(), v.strided(), false, false);
}
/// Hands over the memory of a tensor that is given up.
template <dlpack::managed Managed = dlpack::managed_tensor, class T, std::int64_t... E>
  requires(!std::is_const_v<T>)
Managed* to_dlpack(tensor<T, E...>&& t) {
  return to_dlpack<Managed>(t);
}
/// Of a tensor that may not be written: the versioned struct shares the memory and says read-only, the old one, which
/// cannot say so, gets a copy.
template <dlpack::managed Managed = dlpack::managed_tensor, class T, std::int64_t... E>
Managed* to_dlpack(const tensor<T, E...>& t) {
  if constexpr (dlpack::managed_versioned<Managed>) {
    const auto v = t.whole();
    return detail::export_dlpack<Managed>(v.owner(), v.strided(), true, tensor<T, E...>::is_inline);
  } else return to_dlpack<Managed>(tensor<T, E...>(t));
}
/// Shares the memory of a view with its strides; a view of const elements as a const tensor. Memory without an owner (see
/// `from_pointer`) must outlive what takes the struct.
template <dlpack::managed Managed = dlpack::managed_tensor, class T, std::int64_t... E>
Managed* to_dlpack(const view<T, E...>& v) {
  if constexpr (!std::is_const_v<T>) return detail::export_dlpack<Managed>(v.owner(), v.strided(), false, false);
  else if constexpr (dlpack::managed_versioned<Managed>)
    return detail::export_dlpack<Managed>(v.owner(), v.strided(), true, false);
  else return to_dlpack<Managed>(tensor<std::remove_const_t<T>, E...>(v));
}

/// A view of the memory of a managed tensor, which it takes over: the struct's deleter runs when the last handle on the
/// view's memory is gone. `T` must be the element type (const T for memory that may not be written) and the shape must
/// match the extents; when an error is thrown nothing has been taken over. `Managed` is any of the structs.
template <class T, std::int64_t... E, dlpack::managed Managed>
view<T, E...> from_dlpack(Managed* managed) {
  using element = std::remove_const_t<T>;
  if (managed == nullptr) throw invalid_argument("from_dlpack was given a null pointer");
  if constexpr (dlpack::managed_versioned<Managed>) {
    if (managed->version.major != 1)
      throw unimplemented("a DLPack tensor has version " + std::to_string(managed->version.major) + "." +
                          std::to_string(managed->version.minor) + "; from_dlpack knows 1.x");
    if (!std::is_const_v<T> && (managed->flags & dlpack::flag_read_only) != 0)
      throw invalid_argument("a DLPack tensor is read-only: import it as a view of const elements");
  }
  const auto& t = managed->dl_tensor;
  const auto device = static_cast<long long>(t.device.device_type);
  if (device != 1 && device != 3 && device != 13)
    throw unimplemented("a DLPack tensor lies on device type " + std::to_string(device) + "; from_dlpack reads memory of the CPU");
  constexpr dlpack::data_type wanted = dlpack::type_of(dtype_v<element>);
  static_assert(wanted.lanes == 1, "DLPack has no strings");
  if (t.dtype.code != wanted.code || t.dtype.bits != wanted.bits || t.dtype.lanes != 1)
    throw invalid_argument("a DLPack tensor holds " + detail::dlpack_type_name(t.dtype.code, t.dtype.bits, t.dtype.lanes) +
                           ", not the " + std::string(name_of(dtype_v<element>)) + " that from_dlpack was asked for");
  if (t.ndim < 0 || t.ndim > max_rank)
    throw invalid_argument("a DLPack tensor has " + std::to_string(t.ndim) + " dimensions; a tensor has at most 8");
  if (t.ndim > 0 && t.shape == nullptr) throw invalid_argument("a DLPack tensor has no shape");
  tensor_shape shape;
  tensor_shape strides;
  for (int i = 0; i < t.ndim; ++i) shape.push_back(t.shape[i]);
  if (t.ndim > 0 && t.strides != nullptr) {
    for (int i = 0; i < t.ndim; ++i) strides.push_back(t.strides[i]);
  } else {
    checked_size(shape);
    std::int64_t dense[max_rank];
    detail::row_major_strides(shape, dense);
    strides = tensor_shape(dense, shape.rank());
  }
  unsigned char* data = static_cast<unsigned char*>(t.data);
  if (data == nullptr ? t.byte_offset != 0 : t.byte_offset > UINTPTR_MAX - reinterpret_cast<std::uintptr_t>(data))
    throw invalid_argument("a DLPack tensor starts " + std::to_string(t.byte_offset) + " bytes behind its memory");
  if (data != nullptr) data += t.byte_offset;
  // Everything that can fail comes before the owner is made.
  view<T, E...> v = view<T, E...>::from_pointer(reinterpret_cast<T*>(data), shape, strides);
  const detail::strided<T> checked = v.strided();
  return view<T, E...>(adopt(managed, [](void* p) {
                         auto* m = static_cast<Managed*>(p);
                         if (m->deleter) m->deleter(m);
                       }),
                       checked);
}

}  // namespace rill
