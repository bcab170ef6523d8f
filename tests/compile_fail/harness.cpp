// SPDX-License-Identifier: Apache-2.0
// The harness itself: the text of an error raised in a template reaches the report of every compiler.
// expect: error: .*static.assert.*a scalar has rank 0
#include <rill/core/shape.hpp>

template <rill::tensor_shape Shape>
constexpr int rank_of() {
  static_assert(Shape.rank() == 0, "a scalar has rank 0");
  return Shape.rank();
}

int main() {
#ifdef RILL_MUST_FAIL
  return rank_of<rill::tensor_shape{2}>();
#else
  return rank_of<rill::tensor_shape{}>();
#endif
}
