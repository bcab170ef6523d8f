// SPDX-License-Identifier: Apache-2.0
// Ops that move elements: what a device makes of them is what the CPU does, byte by byte (numbers are small and whole).
#include <rill/kernel/segment.hpp>

#include "own_op.hpp"

namespace {

using namespace test;

TEST_CASE("parts joined, cut out, turned round and repeated") {
  check<own::movement_kernel<ops::concat_op<2>, 2>, float>({numbers<float>({3, 2, 5}), numbers<float>({3, 4, 5})}, with({1}));
  check<own::movement_kernel<ops::concat_op<3>, 3>, std::int8_t>({numbers<std::int8_t>({7}), numbers<std::int8_t>({0}), numbers<std::int8_t>({33})}, with({0}));
  attributes slice = with({1, 6, 0});
  rill::detail::set_small_number(slice, 0, 2), rill::detail::set_small_number(slice, 1, -3), rill::detail::set_small_number(slice, 2, 1);
  check<own::movement_kernel<ops::slice_op>, float>({numbers<float>({6, 7, 3})}, sig<float>({3, 3, 2}), slice);
  check<own::movement_kernel<ops::reverse_op>, double>({numbers<double>({4, 3, 5})}, sig<double>({4, 3, 5}), with({5}));
  check<own::movement_kernel<ops::tile_op>, float>({numbers<float>({2, 1, 3})}, sig<float>({4, 5, 3}), with({2, 5, 1}));
  check<own::movement_kernel<ops::bitcast_op>, float>({numbers<float>({5, 3})}, sig<std::int32_t>({5, 3}), {});
  check<own::movement_kernel<ops::matrix_diag_op>, float>({numbers<float>({3, 4})}, {});
  check<own::movement_kernel<ops::matrix_diag_part_op>, float>({numbers<float>({3, 5, 4})}, {});
  check<own::movement_kernel<ops::matrix_set_diag_op>, float>({numbers<float>({3, 4, 5}), numbers<float>({3, 4})}, {});
}
TEST_CASE("padding, with gaps and cuts, and shifts") {
  attributes at = with({1, -2, 3}, 9);
  rill::detail::set_small_number(at, 1, 2);
  check<own::pad_kernel_of<1>, float>({numbers<float>({3, 5, 2})}, sig<float>({5, 11, 5}), at);
  check<own::pad_kernel_of<1>, double>({numbers<double>({0, 2})}, sig<double>({3, 2}), with({1, 0}, -1));
  check<own::pad_kernel_of<2>, std::int16_t>({numbers<std::int16_t>({4, 4}), of<std::int16_t>({77})}, sig<std::int16_t>({2, 9}), with({-1, 2}));
  check<own::shift_kernel, float>({numbers<float>({3, 4, 5})}, sig<float>({3, 4, 5}), with({1, 0, 0}, 2));
  check<own::shift_kernel, float>({numbers<float>({3, 1, 5})}, sig<float>({3, 1, 5}), with({1, 0, 1}, 2));
}
TEST_CASE("places that the data says") {
  check<own::dynamic_slice_kernel, float>({numbers<float>({5, 6, 3}), of<std::int32_t>({4, -1, 1})}, sig<float>({3, 4, 2}), {});
  check<own::dynamic_update_slice_kernel, float>({numbers<float>({5, 6}), numbers<float>({2, 3}), of<std::int64_t>({9, 2})}, {});
  check<own::take_along_axis_kernel, float, std::int64_t>({numbers<float>({3, 5, 2}), numbers<std::int64_t>({3, 4, 2}, 0, 5)}, with({1}));
  check<own::put_along_axis_kernel, float>({numbers<float>({3, 4, 7}), numbers<std::int32_t>({3, 4, 7}, 0, 5)}, sig<float>({3, 5, 7}), with({1}));
  check<own::one_hot_kernel_of, std::int32_t>({numbers<std::int32_t>({4, 3}, -1, 7)}, sig<double>({4, 5, 3}), with({1}, 3));
  check<own::reverse_sequence_kernel_of, float, std::int64_t>({numbers<float>({3, 5, 2, 2}), of<std::int64_t>({0, 5})}, with({1, 2}));
  check<own::reverse_sequence_kernel_of, float>({numbers<float>({3, 5}), of<std::int32_t>({3, 1, 2, 0, 3})}, with({0, 1}));
  check<own::band_part_kernel, float>({numbers<float>({2, 5, 6})}, sig<float>({2, 5, 6}), with({1, 2}));
  check<own::band_part_kernel, float>({numbers<float>({6, 5})}, sig<float>({6, 5}), with({-1, 0}));
  check<own::segment_sum_kernel<false>, float>({numbers<float>({9, 3}), numbers<std::int32_t>({9}, -1, 5)}, with({6, 1}));
  check<own::spread_segments_kernel, float>({numbers<float>({4, 3}), numbers<std::int32_t>({2, 5}, -1, 6)}, sig<float>({2, 5, 3}), {});
}

}  // namespace
