// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `range(stop)`, `range(start, stop, step = 1)`: start, start + step, … up to but without stop, as int64 scalars.
/// invalid_argument when step is 0 or the numbers do not fit 63 bits.
///
///   for (std::int64_t i : data::range(0, -100, -1) | data::take(3)) ...   // 0, -1, -2

#include <cstdint>

#include "rill/core/text.hpp"
#include "rill/data/dataset.hpp"

namespace rill::data {

class range_dataset : public dataset_base<range_dataset> {
 public:
  using element = std::int64_t;
  static constexpr const char* name = "range";

  range_dataset(std::int64_t start, std::int64_t stop, std::int64_t step) : start_(start), step_(step) {
    if (step == 0) rill::detail::raise<invalid_argument>({"range: the step must not be 0"});
    std::int64_t span = 0;
    if (step == INT64_MIN || __builtin_sub_overflow(stop, start, &span))
      rill::detail::raise<invalid_argument>({"range: from ", start, " to ", stop, " by ", step, " does not fit 63 bits"});
    if ((span > 0) == (step > 0) && span != 0) size_ = span / step + (span % step != 0 ? 1 : 0);
  }
  [[nodiscard]] std::int64_t size() const { return size_; }

  class reader_type {
   public:
    reader_type(std::int64_t start, std::int64_t step) : start_(start), step_(step) {}
    void get(std::int64_t i, std::int64_t& out) { out = start_ + i * step_; }
    void put(std::int64_t i, tensor<std::int64_t, dyn>& batch, std::int64_t row) { batch.data()[row] = start_ + i * step_; }

   private:
    std::int64_t start_, step_;
  };
  [[nodiscard]] reader_type reader() const { return {start_, step_}; }

 private:
  std::int64_t start_, step_, size_ = 0;
};

/// 0, 1, …, stop - 1.
inline range_dataset range(std::int64_t stop) { return {0, stop, 1}; }
/// start, start + step, … without stop.
inline range_dataset range(std::int64_t start, std::int64_t stop, std::int64_t step = 1) { return {start, stop, step}; }

}  // namespace rill::data
