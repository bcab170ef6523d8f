#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/ops/image_golden.hpp: what TensorFlow gives for resized images, crops of boxes and boxes without overlaps,
for tests/ops/image_test.cpp.

    python tests/oracle/images.py > tests/ops/image_golden.hpp

Images are element k -> ((k * 37) % 101) / 8, so that they need not be written. Where gradients follow, they are those of
half the sum of the squares of the result. All numbers lie in one array, in the order of the cases.
"""
import os

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

raw = tf.raw_ops


def images(*shape):
    n = int(np.prod(shape))
    return tf.constant((np.arange(n) * 37 % 101 / 8).reshape(shape).astype(np.float32))


numbers = []


def keep(*tensors):
    for t in tensors:
        numbers.extend(np.asarray(t).reshape(-1).tolist())


def text(v):
    v = '%.6g' % v
    return v + 'F' if '.' in v or 'e' in v else v


print('''// SPDX-License-Identifier: Apache-2.0
// Written by tests/oracle/images.py: what TensorFlow gives.
#pragma once

#include <vector>

namespace rill::test {

// clang-format off
struct resize_case { int method, align, half_pixel, in[2], out[2]; };
inline constexpr resize_case resize_golden[] = {''')
for (size, to) in [((3, 4), (5, 7)), ((5, 4), (2, 3)), ((2, 3), (4, 1))]:
    for method, f in enumerate([raw.ResizeBilinear, raw.ResizeNearestNeighbor, raw.ResizeBicubic, raw.ResizeArea]):
        for align, half in [(0, 0), (1, 0), (0, 1)]:
            if method == 3 and half:
                continue
            x = images(2, *size, 2)
            with tf.GradientTape() as tape:
                tape.watch(x)
                extra = {} if method == 3 else {'half_pixel_centers': bool(half)}
                y = f(images=x, size=to, align_corners=bool(align), **extra)
                loss = tf.reduce_sum(y * y) / 2
            keep(y, *([] if method == 3 else [tape.gradient(loss, x)]))
            print('    {%d, %d, %d, {%d, %d}, {%d, %d}},' % (method, align, half, *size, *to))
print('''};

struct crop_case { int method, out[2]; };  // 0.5 outside of the image
inline constexpr float crop_boxes[] = {0, 0, 1, 1, 0.1F, 0.25F, 0.8F, 0.6F, 0.9F, 0.75F, 0.3F, 0.125F, -0.3F, 0.2F, 0.7F, 1.4F};
inline constexpr crop_case crop_golden[] = {''')
boxes = tf.constant([[0, 0, 1, 1], [0.1, 0.25, 0.8, 0.6], [0.9, 0.75, 0.3, 0.125], [-0.3, 0.2, 0.7, 1.4]])
for method, to in [('bilinear', (3, 4)), ('nearest', (4, 3)), ('bilinear', (1, 2))]:
    x = images(2, 5, 6, 2)
    with tf.GradientTape() as tape:
        tape.watch(x), tape.watch(boxes)
        y = raw.CropAndResize(image=x, boxes=boxes, box_ind=[0, 1, 1, 0], crop_size=to, method=method, extrapolation_value=0.5)
        loss = tf.reduce_sum(y * y) / 2
    keep(y, *tape.gradient(loss, [x, boxes]))
    print('    {%d, {%d, %d}},' % (method == 'nearest', *to))
print('''};

struct suppression_case { int most; double iou, score; std::vector<int> kept; };
inline const suppression_case suppression_golden[] = {''')
k = np.arange(24)
corners = np.stack([k * 7 % 13, k * 5 % 11, k * 7 % 13 + 2 + k % 4, k * 5 % 11 + 3 - k % 3 * 6], -1).astype(np.float32)
scores = (k * 11 % 17 / 16).astype(np.float32)
for most, iou, score in [(24, 0.5, -1.0), (24, 0.1, -1.0), (5, 0.25, -1.0), (24, 0.0, 0.4), (24, 1.0, 0.5), (0, 0.5, -1.0)]:
    kept = tf.image.non_max_suppression(corners, scores, most, iou, score)
    print('    {%d, %r, %r, {%s}},' % (most, iou, score, ', '.join(map(str, kept.numpy()))))
print('''};

// the results of the resizes and of the crops, each with its gradients
inline constexpr float image_numbers[] = {''')
for k in range(0, len(numbers), 20):
    print('    %s,' % ', '.join(map(text, numbers[k:k + 20])))
print('''};
// clang-format on

}  // namespace rill::test''')
