// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What convolutions and windows are told about each spatial axis: strides and dilations as short lists (empty: 1
/// everywhere), and the padding: `same`, `valid`, or pairs of elements before and after, which may be negative.
///
///   conv1d(x, w, {.padding = same});
///   convolution(x, w, {.strides = {2, 1}, .padding = {{1, 1}, {0, -2}}});

#include "movement.hpp"

namespace rill {

/// The padding of a window op: a rule, or elements before and after each axis (the interior of a pad_width is not used).
struct window_padding {
  bool given = false;  ///< `pairs` count, not `rule`
  rill::padding rule = rill::padding::valid;
  pad_list pairs;

  constexpr window_padding() = default;
  constexpr window_padding(rill::padding p) : rule(p) {}  // NOLINT: implicit on purpose
  constexpr window_padding(std::initializer_list<pad_width> list) : given(true), pairs(list) {}
  constexpr window_padding(const pad_list& list) : given(true), pairs(list) {}  // NOLINT: implicit on purpose
};

namespace detail {

/// One axis that windows move over. Output o sees, for k in [0, window), element o * stride + k * dilation - before of the
/// axis, between whose elements base_dilation - 1 holes lie.
struct window_axis {
  std::int64_t in = 0, window = 1, stride = 1, dilation = 1, base_dilation = 1, before = 0, after = 0;

  /// Extent of the axis with its holes, and of the window with its own.
  [[nodiscard]] constexpr std::int64_t dilated_in() const { return in <= 0 ? in : (in - 1) * base_dilation + 1; }
  [[nodiscard]] constexpr std::int64_t dilated_window() const { return window <= 0 ? window : (window - 1) * dilation + 1; }
  constexpr void pad(rill::padding rule) {
    before = after = 0;
    if (rule == rill::padding::valid) return;
    const std::int64_t n = dilated_in(), total = ((n + stride - 1) / stride - 1) * stride + dilated_window() - n;
    if (n > 0 && total > 0) before = total / 2, after = total - total / 2;
  }
  /// Number of windows.
  [[nodiscard]] constexpr std::int64_t out() const {
    const std::int64_t n = dilated_in() + before + after - dilated_window();
    return n < 0 ? 0 : n / stride + 1;
  }
  /// Whether each window is the one element at its place.
  [[nodiscard]] constexpr bool trivial() const { return window == 1 && stride == 1 && base_dilation == 1 && before == 0 && after == 0; }
};

/// Entry k of a list of n numbers of which an empty one is all ones; `ok` becomes false when the length is another.
constexpr std::int64_t number_at(const tensor_shape& list, int k, int n, bool& ok) {
  if (list.rank() == 0) return 1;
  if (list.rank() != n) return ok = false, 1;
  return list[k];
}

}  // namespace detail
}  // namespace rill
