// SPDX-License-Identifier: Apache-2.0
#pragma once
// One op at a time: its device kernel (cuda/op_kernels.cuh) against the CPU's, byte by byte.
#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <vector>

#include <rill/cuda/op_kernels.cuh>

#include "device.hpp"

namespace test {

using namespace rill;
namespace own = cuda::detail;

struct value {
  signature type;
  std::vector<std::uint64_t> bytes;  // aligned for any element
  explicit value(signature s) : type(s), bytes(static_cast<std::size_t>(s.shape.num_elements()) * size_of(s.type) / 8 + 4) {}
};
/// Whole numbers from `low` on, `count` of them.
template <class T>
value numbers(tensor_shape shape, int low = -4, int count = 9) {
  static std::mt19937 random(7);
  value v({dtype_v<T>, shape});
  auto* const p = reinterpret_cast<T*>(v.bytes.data());
  for (std::int64_t k = 0; k < shape.num_elements(); ++k) p[k] = static_cast<T>(static_cast<float>(low + static_cast<int>(random() % static_cast<unsigned>(count))));
  return v;
}
template <class T>
value of(std::vector<T> x) {
  value v({dtype_v<T>, {static_cast<std::int64_t>(x.size())}});
  std::memcpy(v.bytes.data(), x.data(), x.size() * sizeof(T));
  return v;
}

template <class K, class T, class Index = std::int32_t>
void check(std::vector<value> in, signature result, attributes at) {
  CAPTURE(K::op::name);
  CAPTURE(to_string(result.shape));
  operand_memory x[4];
  graph::frozen_step s;
  s.arity = static_cast<int>(in.size()), s.attr = at, s.out = result;
  for (std::size_t k = 0; k < in.size(); ++k) x[k] = {in[k].type.type, in[k].type.shape, in[k].bytes.data()}, s.in[k] = in[k].type;
  CHECK(K::takes(s));
  value a(result), b(result);
  device device;
  K::op::template run<void>(at, x, {result.type, result.shape, a.bytes.data()});
  std::memset(b.bytes.data(), 0xa5, static_cast<std::size_t>(result.shape.num_elements()) * size_of(result.type));
  K::template run<T, Index>(device, at, x, {result.type, result.shape, b.bytes.data()});
  device.synchronize();
  CHECK(std::memcmp(a.bytes.data(), b.bytes.data(), static_cast<std::size_t>(result.shape.num_elements()) * size_of(result.type)) == 0);
}
/// The same where the op says what results.
template <class K, class T, class Index = std::int32_t>
void check(std::vector<value> in, attributes at) {
  failure f;
  signature s[4];
  for (std::size_t k = 0; k < in.size(); ++k) s[k] = in[k].type;
  const signature result = K::op::infer(at, s, f);
  REQUIRE(!f);
  check<K, T, Index>(std::move(in), result, at);
}
inline attributes with(std::vector<std::int64_t> i, double f = 0) {
  attributes at;
  for (std::size_t k = 0; k < i.size(); ++k) at.i[k] = i[k];
  at.f[0] = f;
  return at;
}
template <class T>
signature sig(tensor_shape s) {
  return {dtype_v<T>, s};
}

}  // namespace test
