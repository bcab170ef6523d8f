// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Reshape and flatten layers: the same elements under another shape; the batch stays the first axis. No cost.

#include "layer.hpp"

namespace rill::nn {

/// [b, ...] -> [b, target...]; one extent of the target may be -1.
struct reshape {
  tensor_shape target = {};
  std::string_view name = "reshape";

  template <value V>
  constexpr V operator()(V x) const {
    if (V::front_end::failed(x)) return x;
    variable_scope scope(x, name);
    if (x.rank() < 1) return rill::detail::fail<ops::reshape_op>(x, "a reshape layer needs a batch", "its input must have rank 1 or more");
    std::int64_t known = 1, rest = 1;
    for (int k = 1; k < x.rank(); ++k) rest *= x.shape()[k];
    tensor_shape s{x.shape()[0]};
    for (std::int64_t d : target) known *= d < 0 ? 1 : d;
    for (std::int64_t d : target) s.push_back(d < 0 ? (known == 0 ? 0 : rest / known) : d);
    std::int64_t total = 1;
    for (int k = 1; k < s.rank(); ++k) total *= s[k];
    if (total != rest)
      return rill::detail::fail<ops::reshape_op>(x, "the number of elements per example differs from the target's",
                                                "the target leaves out the batch");
    return scope.layer("reshape", rill::reshape_to(x, s));
  }
};

/// [b, ...] -> [b, n].
struct flatten {
  std::string_view name = "flatten";

  template <value V>
  constexpr V operator()(V x) const {
    if (V::front_end::failed(x)) return x;
    variable_scope scope(x, name);
    return scope.layer("flatten", rill::flatten(x));
  }
};

}  // namespace rill::nn
