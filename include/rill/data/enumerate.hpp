// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `enumerate(start = 0)`: every element with its number, as std::tuple<std::int64_t, element>.
///
///   words | data::enumerate()      // (0, first), (1, second), …

#include "rill/data/range.hpp"
#include "rill/data/zip.hpp"

namespace rill::data {

/// Numbers the elements from `start`; invalid_argument when start is negative.
inline auto enumerate(std::int64_t start = 0) {
  detail::require_not_negative(start, "enumerate: the first number");
  return detail::make_transformation([start]<dataset D>(const D& d) { return zip(range(start, INT64_MAX), d); });
}

}  // namespace rill::data
