// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// First values of variables: TensorFlow's formulas on Philox numbers keyed by the seed and the variable's name, so that
/// they do not depend on the order of creation or on anything else in the model.

#include <cmath>
#include <complex>

#include "../core/philox.hpp"
#include "node.hpp"
#include "variable_store.hpp"

namespace rill::graph {

namespace detail {

/// Writes a number as an element of a type: integer types take `integer`, the others `value`.
inline void write_number(void* p, dtype type, double value, std::int64_t integer) {
  visit_dtype(type, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) *static_cast<T*>(p) = static_cast<T>(integer);
    else *static_cast<T*>(p) = number_cast<T>(value);
  });
}

/// FNV-1a of the name, mixed with the seed.
inline std::uint64_t name_key(std::string_view name, std::uint64_t seed) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h ^ (seed * 0x9e3779b97f4a7c15u);
}

/// fan_in and fan_out of a kernel as TensorFlow counts them: receptive field times input and output depth.
inline void fans(const tensor_shape& s, double& in, double& out) {
  if (s.rank() == 0) {
    in = out = 1;
  } else if (s.rank() == 1) {
    in = out = static_cast<double>(s[0]);
  } else {
    double field = 1;
    for (int d = 0; d < s.rank() - 2; ++d) field *= static_cast<double>(s[d]);
    in = field * static_cast<double>(s[s.rank() - 2]);
    out = field * static_cast<double>(s[s.rank() - 1]);
  }
}

/// Two independent standard normal numbers for draw `attempt` of element `i` (Box and Muller).
inline double standard_normal(std::uint64_t i, std::uint64_t attempt, std::uint64_t key) {
  const auto bits = philox4x32({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32),
                                static_cast<std::uint32_t>(attempt), 0x4e6f726du},
                               {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
  const double u1 = (static_cast<double>(bits[0]) + 1) / 4294967296.0, u2 = static_cast<double>(bits[1]) / 4294967296.0;
  return std::sqrt(-2 * std::log(u1)) * std::cos(6.283185307179586 * u2);
}

}  // namespace detail

/// Writes the initial value and marks the variable initialised.
inline void initialize(stored_variable& v, const initializer& init, std::uint64_t seed) {
  const std::uint64_t key = detail::name_key(v.name, seed);
  double fan_in = 1, fan_out = 1;
  detail::fans(v.shape, fan_in, fan_out);
  const auto value = [&](std::uint64_t i) -> double {
    const auto uniform = [&] { return static_cast<double>(philox_uniform(i, 0, key)); };
    const auto truncated = [&] {
      for (std::uint64_t attempt = 0;; ++attempt)
        if (const double z = detail::standard_normal(i, attempt, key); std::fabs(z) <= 2) return z;
    };
    switch (init.kind) {
      case initializer::zeros: return 0;
      case initializer::ones: return 1;
      case initializer::constant: return init.a;
      case initializer::uniform: return init.a + (init.b - init.a) * uniform();
      case initializer::normal: return init.a + init.b * detail::standard_normal(i, 0, key);
      case initializer::truncated_normal: return init.a + init.b * truncated();
      case initializer::glorot_uniform: return std::sqrt(6 / (fan_in + fan_out)) * (2 * uniform() - 1);
      case initializer::glorot_normal: return std::sqrt(2 / (fan_in + fan_out)) * truncated();
    }
    return 0;
  };
  const auto n = static_cast<std::uint64_t>(v.shape.num_elements());
  for (std::uint64_t i = 0; i < n; ++i) {
    const double x = value(i);
    if (v.type == dtype::float32) static_cast<float*>(v.data)[i] = static_cast<float>(x);
    else detail::write_number(static_cast<unsigned char*>(v.data) + i * size_of(v.type), v.type, x, static_cast<std::int64_t>(x));
  }
  v.initialized = true;
}

}  // namespace rill::graph
