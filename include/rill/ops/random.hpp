// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Random numbers as pure functions of (seed, stream, step, element index): Philox4x32-10, so a mask can be recomputed in
/// the backward pass, does not depend on threads, and a resumed run continues bit for bit.

#include "../core/philox.hpp"
#include "op.hpp"
#include "signature.hpp"

namespace rill::ops {

/// (seed, stream, step: int64 scalars) -> float32 uniform in [0, 1) at every index of the result. The key is the seed with
/// the stream (one per random op of a model) mixed in, the counter is (index, step).
struct random_uniform : elementwise<3> {
  static constexpr auto name = "RandomUniform";
  static constexpr int cost = 60;
  static constexpr bool indexed = true;
  template <class...>
  using result = float;

  static constexpr std::uint64_t key(std::int64_t seed, std::int64_t stream) {
    return static_cast<std::uint64_t>(seed) + 0x9e3779b97f4a7c15u * static_cast<std::uint64_t>(stream + 1);
  }

  template <class V, class K>
  static constexpr V eval_at(std::int64_t index, K seed, K stream, K step) {
    if constexpr (std::is_arithmetic_v<K>) {
      return philox_uniform(static_cast<std::uint64_t>(index), static_cast<std::uint64_t>(step), key(seed, stream));
    } else {
      const auto first = [](const K& pack) {
        std::int64_t lanes[static_cast<std::size_t>(K::size)];
        pack.store(lanes);
        return lanes[0];
      };
      float u[static_cast<std::size_t>(V::size)];
      philox_uniforms<V::size>(static_cast<std::uint64_t>(index), static_cast<std::uint64_t>(first(step)),
                               key(first(seed), first(stream)), u);
      return V::load(u);
    }
  }
};

/// Tensors of random numbers with a kernel of their own (kernel/random.hpp). Operands: first the parameters that are
/// tensors (`parameters` of them), then seed, stream and step as int64 scalars. i[0..7] and i[8] are the extents and the
/// rank of the result, or of what each parameter is sampled for; i[9] is the dtype; f holds scalar parameters. No gradient.
enum class distribution { uniform, normal, truncated_normal, gamma, poisson, multinomial, shuffle };

constexpr const char* name_of(distribution d) {
  switch (d) {
    case distribution::uniform: return "RandomUniform";
    case distribution::normal: return "RandomStandardNormal";
    case distribution::truncated_normal: return "TruncatedNormal";
    case distribution::gamma: return "RandomGamma";
    case distribution::poisson: return "RandomPoisson";
    case distribution::multinomial: return "Multinomial";
    default: return "RandomShuffle";
  }
}

template <distribution D>
struct random_op {
  static constexpr auto name = name_of(D);
  static constexpr op_kind kind = op_kind::opaque;
  static constexpr int cost = 60;
  static constexpr int parameters = D == distribution::uniform || D == distribution::normal || D == distribution::truncated_normal ? 0 : 1;

  static constexpr attributes make(dtype type, const tensor_shape& shape, double a = 0, double b = 0) {
    attributes at;
    for (int k = 0; k < shape.rank(); ++k) at.i[k] = shape[k];
    at.i[8] = shape.rank(), at.i[9] = static_cast<std::int64_t>(type);
    at.f[0] = a, at.f[1] = b;
    return at;
  }
  static constexpr dtype type(const attributes& at) { return static_cast<dtype>(at.i[9]); }
  static constexpr tensor_shape shape(const attributes& at) { return {at.i, static_cast<int>(at.i[8])}; }

  static constexpr signature infer(const attributes& at, const signature* in, failure& f) {
    tensor_shape s = shape(at);
    if constexpr (D == distribution::shuffle) {
      if (in[0].shape.rank() < 1) f.set("needs at least one axis", "", in[0]);
      return in[0];
    } else if constexpr (D == distribution::multinomial) {
      if (in[0].shape.rank() != 2 || !is_floating(in[0].type)) f.set("needs logits [batch, classes]", "", in[0]);
      else if (in[0].shape[1] == 0) f.set("there are no classes to draw from", "", in[0]);
      return {dtype::int64, {in[0].shape[0], s[0]}};
    } else if constexpr (parameters == 1) {
      if (!is_floating(in[0].type)) f.set("parameters must be floating-point numbers", "cast them", in[0]);
      for (std::int64_t d : in[0].shape) s.push_back(d);
      return {type(at), s};
    } else {
      const dtype t = type(at);
      if (D == distribution::uniform ? !is_floating(t) && !is_integer(t) : !is_floating(t)) f.set("numbers of this dtype cannot be drawn", "", {t, s});
      else if (D == distribution::uniform && is_integer(t) && !(at.f[0] < at.f[1])) f.set("minval must be less than maxval", "", {t, s});
      else if (D != distribution::uniform && !(at.f[1] >= 0)) f.set("stddev must not be negative", "", {t, s});
      return {t, s};
    }
  }
  template <class Void>
  static void run(const attributes& at, const operand_memory* in, const result_memory& out);
};

}  // namespace rill::ops
