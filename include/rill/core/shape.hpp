// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `tensor_shape`: rank and dimensions as one constexpr value, the vocabulary of every shape rule at compile time and at
/// run time. A dimension is either known (>= 0) or *linear in the batch*: `-k` stands for k times the batch size, so
/// `dyn` (-1) is the batch itself and flattening [dyn, 7, 7, 64] over all axes gives [-3136]. Arithmetic on shapes is
/// then ordinary integer arithmetic, and a plan made once serves every batch size.

#include <cstdint>
#include <initializer_list>
#include <string>

namespace rill {

/// An extent that is only known at run time.
inline constexpr std::int64_t dyn = -1;
/// The largest rank of a tensor.
inline constexpr int max_rank = 8;

class tensor_shape {
 public:
  constexpr tensor_shape() = default;
  constexpr tensor_shape(std::initializer_list<std::int64_t> dims) {
    for (std::int64_t d : dims) push_back(d);
  }
  constexpr tensor_shape(const std::int64_t* dims, int rank) {
    for (int i = 0; i < rank; ++i) push_back(dims[i]);
  }

  [[nodiscard]] constexpr int rank() const { return static_cast<int>(rank_); }
  [[nodiscard]] constexpr std::int64_t operator[](int i) const { return dims_[i]; }
  constexpr std::int64_t& operator[](int i) { return dims_[i]; }
  [[nodiscard]] constexpr const std::int64_t* begin() const { return dims_; }
  [[nodiscard]] constexpr const std::int64_t* end() const { return dims_ + rank_; }
  /// Appends a dimension; beyond `max_rank` the shape becomes invalid (`valid()` is false).
  constexpr void push_back(std::int64_t d) {
    if (rank_ < max_rank) dims_[rank_++] = d;
    else overflow_ = true;
  }
  [[nodiscard]] constexpr bool valid() const { return !overflow_ && dynamic_dims() <= 1; }
  [[nodiscard]] constexpr int dynamic_dims() const {
    int n = 0;
    for (std::int64_t i = 0; i < rank_; ++i) n += dims_[i] < 0;
    return n;
  }
  [[nodiscard]] constexpr bool is_static() const { return dynamic_dims() == 0; }
  /// Product of the dimensions; negative (`-k` = k times the batch) when one dimension is dynamic.
  [[nodiscard]] constexpr std::int64_t num_elements() const {
    std::int64_t n = 1;
    for (std::int64_t i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }
  /// The same shape for a batch of `batch` rows.
  [[nodiscard]] constexpr tensor_shape with_batch(std::int64_t batch) const {
    tensor_shape s = *this;
    for (std::int64_t i = 0; i < rank_; ++i)
      if (s.dims_[i] < 0) s.dims_[i] *= -batch;
    return s;
  }
  friend constexpr bool operator==(const tensor_shape& a, const tensor_shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (std::int64_t i = 0; i < a.rank_; ++i)
      if (a.dims_[i] != b.dims_[i]) return false;
    return true;
  }

  // Public only so that the type is structural (usable as a template argument).
  std::int64_t rank_ = 0;  // as wide as what a copy of the shape reads at once: a narrower write would stall it
  bool overflow_ = false;
  std::int64_t dims_[max_rank] = {};
};

/// "[2, 3]", with "?" for a dimension that is the batch and "3*?" for a multiple of it.
inline std::string to_string(const tensor_shape& s) {
  std::string r = "[";
  for (int i = 0; i < s.rank(); ++i) {
    if (i > 0) r += ", ";
    if (s[i] >= 0) r += std::to_string(s[i]);
    else if (s[i] == dyn) r += "?";
    else r += std::to_string(-static_cast<std::uint64_t>(s[i])) + "*?";
  }
  return r + "]";
}

}  // namespace rill
