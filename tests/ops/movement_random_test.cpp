// SPDX-License-Identifier: Apache-2.0
// Ops that move elements: random cases of ranks 0-6 and one dtype of each width against element-by-element definitions.

#include "tensors.hpp"

#include <rill/eager/movement.hpp>

using namespace rill;
using test::between;
using test::counted;
using test::holds;
using test::list;
using test::made;
using test::numbers;
using test::random_shape;
using test::tensor_of;

namespace {

/// Runs `body(seed generator, shape, dtype)` for ranks 0-6 and all widths.
void random_cases(int per_case, int first_rank, int last_rank, function_ref<void(std::mt19937&, const tensor_shape&, dtype)> body) {
  for (const dtype type : test::widths)
    for (int rank = first_rank; rank <= last_rank; ++rank)
      for (int k = 0; k < per_case; ++k) {
        const unsigned seed = static_cast<unsigned>(k * 64 + rank * 8 + static_cast<int>(type) * 1024);
        CAPTURE(seed);
        std::mt19937 g(seed);
        const tensor_shape s = random_shape(g, rank);
        CAPTURE(to_string(s));
        body(g, s, type);
      }
}

}  // namespace

TEST_CASE("movement: concat, split, stack of random tensors") {
  random_cases(4, 1, 6, [](std::mt19937& g, const tensor_shape& s, dtype type) {
    const int axis = static_cast<int>(test::below(g, s.rank()));
    const auto n = between(g, 1, 11);
    std::vector<dynamic_tensor> parts;
    tensor_shape whole = s, sizes;
    whole[axis] = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      tensor_shape p = s;
      p[axis] = between(g, 0, 3);
      whole[axis] += p[axis];
      if (k < 8) sizes.push_back(p[axis]);
    }
    const numbers x = counted(whole);
    std::int64_t at = 0;
    std::mt19937 again = g;
    for (std::int64_t k = 0, left = whole[axis]; k < n; ++k) {
      tensor_shape p = s;
      p[axis] = k < sizes.rank() ? sizes[static_cast<int>(k)] : k == n - 1 ? left : std::min<std::int64_t>(left, 1);
      left -= p[axis];
      parts.push_back(tensor_of(type, made(p, [&](tensor_shape i) { return i[axis] += at, x(i); })));
      at += p[axis];
    }
    REQUIRE(holds(concat(parts, {axis - (again() % 2 ? s.rank() : 0)}), type, x));
    if (n <= 8) {
      const auto back = split(concat(parts, {axis}), sizes, {axis});
      for (std::size_t k = 0; k < parts.size(); ++k) REQUIRE(back[k].shape() == parts[k].shape());
      REQUIRE(holds(concat(back, {axis}), type, x));
    }
    const dynamic_tensor t = tensor_of(type, x);
    const auto slices = unstack(t, {axis});
    if (!slices.empty()) REQUIRE(holds(stack(slices, {axis}), type, x));
  });
}

TEST_CASE("movement: slices and paddings of random tensors") {
  random_cases(6, 0, 6, [](std::mt19937& g, const tensor_shape& s, dtype type) {
    const numbers x = counted(s);
    const dynamic_tensor t = tensor_of(type, x);
    tensor_shape begin, end, step, size;
    for (int d = 0; d < s.rank(); ++d) {
      const std::int64_t stride = between(g, 1, 3) * (g() % 2 ? 1 : -1);
      const std::int64_t first = between(g, -1, s[d] - 1), count = first < 0 ? 0 : between(g, 0, (stride > 0 ? s[d] - 1 - first : first) / std::abs(stride) + 1);
      begin.push_back(std::max<std::int64_t>(first, 0)), step.push_back(stride), size.push_back(count);
      const std::int64_t last = begin[d] + count * stride;
      end.push_back(last < 0 ? -s[d] - 1 : last);
    }
    REQUIRE(holds(strided_slice(t, begin, end, step), type, made(size, [&](tensor_shape i) {
      for (int d = 0; d < i.rank(); ++d) i[d] = begin[d] + i[d] * step[d];
      return x(i);
    })));

    pad_list widths;
    tensor_shape padded;
    for (int d = 0; d < s.rank(); ++d) {
      const pad_width w{between(g, -1, 2), between(g, -1, 2), between(g, 0, 2)};
      const std::int64_t n = s[d] + w.before + w.after + (s[d] > 1 ? (s[d] - 1) * w.interior : 0);
      widths.push_back(n < 0 ? pad_width{} : w);
      padded.push_back(n < 0 ? s[d] : n);
    }
    const auto wanted = made(padded, [&](tensor_shape i) -> std::int64_t {
      for (int d = 0; d < i.rank(); ++d) {
        const std::int64_t k = i[d] - widths.axes[d].before, each = widths.axes[d].interior + 1;
        if (k < 0 || k % each != 0 || k / each >= s[d]) return 5;
        i[d] = k / each;
      }
      return x(i);
    });
    REQUIRE(holds(xla::pad(t, tensor_of(type, made({}, [](const tensor_shape&) { return 5; })), widths), type, wanted));
    if (is_floating(type)) REQUIRE(holds(pad(t, widths, {.constant_values = 5}), type, wanted));

    for (const std::int64_t border : {0, 1}) {  // symmetric, reflect
      pad_list mirror;
      tensor_shape large;
      for (int d = 0; d < s.rank(); ++d) {
        const std::int64_t most = std::max<std::int64_t>(s[d] - border, 0);
        mirror.push_back({between(g, 0, std::min<std::int64_t>(most, 2)), between(g, 0, std::min<std::int64_t>(most, 2))});
        large.push_back(s[d] + mirror.axes[d].before + mirror.axes[d].after);
      }
      if (large.num_elements() > 20000) continue;
      bool room = true;  // a reflection needs elements, also where nothing is added
      for (int d = 0; d < s.rank(); ++d) room = room && s[d] > 0;
      if (!room) continue;
      REQUIRE(holds(pad(t, mirror, {.mode = border ? pad_mode::reflect : pad_mode::symmetric}), type, made(large, [&](tensor_shape i) {
        for (int d = 0; d < i.rank(); ++d) {
          std::int64_t k = i[d] - mirror.axes[d].before;
          if (k < 0) k = -k - 1 + border;
          if (k >= s[d]) k = 2 * s[d] - 1 - border - k;
          i[d] = k;
        }
        return x(i);
      })));
    }
  });
}

TEST_CASE("movement: reversals, tiles, rolls, transposes of random tensors") {
  random_cases(5, 0, 6, [](std::mt19937& g, const tensor_shape& s, dtype type) {
    const numbers x = counted(s);
    const dynamic_tensor t = tensor_of(type, x);
    axis_list axes, order;
    tensor_shape often = s, large = s, turned = s;
    for (int d = 0; d < s.rank(); ++d) {
      if (g() % 2) axes.axes[axes.count++] = g() % 2 ? d : d - s.rank();
      often[d] = between(g, g() % 6 == 0 ? 0 : 1, 3);
      large[d] = s[d] * often[d];
      order.axes[order.count++] = d;
    }
    REQUIRE(holds(reverse(t, axes), type, made(s, [&](tensor_shape i) {
      for (int k = 0; k < axes.count; ++k) {
        const int d = static_cast<int>(axes.axes[k] < 0 ? axes.axes[k] + s.rank() : axes.axes[k]);
        i[d] = s[d] - 1 - i[d];
      }
      return x(i);
    })));
    if (large.num_elements() < 20000) REQUIRE(holds(tile(t, often), type, made(large, [&](tensor_shape i) {
      for (int d = 0; d < s.rank(); ++d) i[d] %= s[d];
      return x(i);
    })));
    for (int d = s.rank() - 1; d > 0; --d) std::swap(order.axes[d], order.axes[test::below(g, d + 1)]);
    for (int d = 0; d < s.rank(); ++d) turned[d] = s[static_cast<int>(order.axes[d])];
    if (s.rank() > 0) REQUIRE(holds(transpose(t, order), type, made(turned, [&](const tensor_shape& i) {
      tensor_shape from = s;
      for (int d = 0; d < s.rank(); ++d) from[static_cast<int>(order.axes[d])] = i[d];
      return x(from);
    })));
    if (s.rank() == 0) return;
    const int d = static_cast<int>(test::below(g, s.rank()));
    const std::int64_t shift = between(g, -9, 9);
    REQUIRE(holds(roll(t, {.shift = {shift}, .axis = {d}}), type, made(s, [&](tensor_shape i) {
      i[d] = ((i[d] - shift) % s[d] + s[d]) % s[d];
      return x(i);
    })));
    if (s.rank() < 2) return;
    const int b = (d + 1) % s.rank();
    const numbers lengths = made({s[b]}, [&](const tensor_shape&) { return test::below(g, s[d] + 1); });
    REQUIRE(holds(reverse_sequence(t, tensor_of(dtype::int32, lengths), {.seq_axis = d, .batch_axis = b}), type, made(s, [&](tensor_shape i) {
      const std::int64_t n = lengths({i[b]});
      if (i[d] < n) i[d] = n - 1 - i[d];
      return x(i);
    })));
  });
}

TEST_CASE("movement: large transposes, concats and tiles") {  // more than one block and chunk, odd edges
  for (const dtype type : {dtype::uint8, dtype::float16, dtype::float32, dtype::float64, dtype::complex128, dtype::string}) {
    for (const tensor_shape& s : {tensor_shape{257, 131}, tensor_shape{3, 65, 96}, tensor_shape{64, 512}, tensor_shape{1, 33000}, tensor_shape{9000, 3}}) {
      const numbers x = counted(s);
      const dynamic_tensor t = tensor_of(type, x);
      const int last = s.rank() - 1;
      tensor_shape turned = s;
      std::swap(turned[last], turned[last - 1]);
      REQUIRE(holds(transpose(t, s.rank() == 2 ? rill::axis_list{1, 0} : rill::axis_list{0, 2, 1}), type, made(turned, [&](tensor_shape i) {
        std::swap(i[last], i[last - 1]);
        return x(i);
      })));
      tensor_shape twice = s;
      twice[last] *= 2;
      const numbers wide = made(twice, [&](tensor_shape i) { return i[last] %= s[last], x(i); });
      tensor_shape multiples = s;
      for (int d = 0; d <= last; ++d) multiples[d] = d == last ? 2 : 1;
      REQUIRE(holds(tile(t, multiples), type, wide));
      REQUIRE(holds(concat({t, t}, {.axis = -1}), type, wide));
      REQUIRE(holds(reverse(reverse(t, {last}), {-1}), type, x));
    }
  }
}

TEST_CASE("movement: blocks and diagonals of random tensors") {
  random_cases(3, 2, 4, [](std::mt19937& g, const tensor_shape& s, dtype type) {
    const numbers x = counted(s);
    const dynamic_tensor t = tensor_of(type, x);
    const int last = s.rank() - 1;
    tensor_shape part = s;
    part[last - 1] = std::min(s[last], s[last - 1]);
    part = tensor_shape(part.begin(), last);
    REQUIRE(holds(matrix_diag_part(t), type, made(part, [&](tensor_shape i) {
      i.push_back(i[last - 1]);
      return x(i);
    })));
    const numbers other = made(part, [&](const tensor_shape& i) { return 50 + i[last - 1]; });
    REQUIRE(holds(matrix_set_diag(t, tensor_of(type, other)), type, made(s, [&](const tensor_shape& i) {
      return i[last] == i[last - 1] ? other(tensor_shape(i.begin(), last)) : x(i);
    })));
    if (type == dtype::string) return;
    const std::int64_t low = between(g, -1, 3), high = between(g, -1, 3);
    REQUIRE(holds(matrix_band_part(t, low, high), type, made(s, [&](const tensor_shape& i) {
      return (low < 0 || i[last - 1] - i[last] <= low) && (high < 0 || i[last] - i[last - 1] <= high) ? x(i) : 0;
    })));
    REQUIRE(holds(matrix_diag_part(matrix_diag(t)), type, x));
    if (s.rank() != 4) return;
    const tensor_shape blocks{between(g, 1, 3), between(g, 1, 3)};
    pad_list padding;
    for (int d = 0; d < 2; ++d) {
      const std::int64_t before = between(g, 0, 2), rest = (s[d + 1] + before) % blocks[d];
      padding.push_back({before, rest == 0 ? 0 : blocks[d] - rest});
    }
    const dynamic_tensor moved = space_to_batch_nd(t, blocks, padding);
    const tensor_shape to{s[0] * blocks[0] * blocks[1], (s[1] + padding.axes[0].before + padding.axes[0].after) / blocks[0],
                          (s[2] + padding.axes[1].before + padding.axes[1].after) / blocks[1], s[3]};
    REQUIRE(holds(moved, type, made(to, [&](const tensor_shape& i) -> std::int64_t {
      const std::int64_t place = s[0] == 0 ? 0 : i[0] / s[0];
      const tensor_shape from{i[0] % s[0], i[1] * blocks[0] + place / blocks[1] - padding.axes[0].before,
                              i[2] * blocks[1] + place % blocks[1] - padding.axes[1].before, i[3]};
      return from[1] < 0 || from[1] >= s[1] || from[2] < 0 || from[2] >= s[2] ? 0 : x(from);
    })));
    REQUIRE(holds(batch_to_space_nd(moved, blocks, padding), type, x));
    const dynamic_tensor deep = tile(t, {1, 1, 1, 4});
    for (const auto f : {image_layout::nhwc, image_layout::nchw})
      if (f == image_layout::nhwc) REQUIRE(list<unsigned char>(bitcast(space_to_depth(depth_to_space(deep, 2, {f}), 2, {f}), dtype::uint8)) == list<unsigned char>(bitcast(deep, dtype::uint8)));
  });
  const numbers x = counted({2, 8, 3, 5});
  const dynamic_tensor nchw = depth_to_space(tensor_of(dtype::int32, x), 2, {image_layout::nchw});
  CHECK(holds(nchw, dtype::int32, made({2, 2, 6, 10}, [&](const tensor_shape& i) {
    return x({i[0], (i[2] % 2 * 2 + i[3] % 2) * 2 + i[1], i[2] / 2, i[3] / 2});
  })));
  CHECK(holds(space_to_depth(nchw, 2, {image_layout::nchw}), dtype::int32, x));
}

