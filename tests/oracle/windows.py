#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/ops/window_golden.hpp: what TensorFlow and XLA give for convolutions, windows and pooling, for
tests/ops/window_golden_test.cpp.

    python tests/oracle/windows.py > tests/ops/window_golden.hpp

A case is a function, its integer arguments, its operands and its results. Where gradients follow the result, they are
those of half the sum of its squares.
"""
import os
import random

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.compiler.tf2xla.python import xla  # noqa: E402
from tensorflow.compiler.xla import xla_data_pb2  # noqa: E402

r = random.Random(11)
print('''// SPDX-License-Identifier: Apache-2.0
// Written by tests/oracle/windows.py: what TensorFlow and XLA give.
#pragma once

namespace rill::test {

// A case: function, integer arguments, "|", operands, ">", results. A tensor: values, ",", shape, ";".
// clang-format off
inline constexpr const char* window_golden[] = {''')


def number(v):
    v = float(v)
    return str(int(v)) if v == int(v) else repr(v)


def text(t):
    t = np.asarray(t)
    return ' '.join([*map(number, t.reshape(-1)), ',', *map(str, t.shape), ';'])


def case(function, args, operands, results):
    words = [function, *(str(int(a)) for a in args), '|', *map(text, operands), '>', *map(text, results)]
    print('    "%s",' % ' '.join(words))


def numbers(*shape):
    n = int(np.prod(shape))
    return tf.constant(np.array([r.randint(-9, 9) for _ in range(n)], np.float64).reshape(shape))


def distinct(*shape):
    n = int(np.prod(shape))
    values = list(range(n))
    r.shuffle(values)
    return tf.constant(np.array(values, np.float64).reshape(shape) / 2)


def with_gradients(function, args, f, *operands):
    with tf.GradientTape() as tape:
        for x in operands:
            tape.watch(x)
        y = f(*operands)
        loss = tf.reduce_sum(y * y) / 2
    case(function, args, operands, [y, *tape.gradient(loss, operands)])


rules = ['VALID', 'SAME']
formats = ['NWC', 'NHWC', 'NDHWC']
# TensorFlow's convolutions
for n, spatial, window, strides, dilations, pad in [
        (1, [7], [3], [2], [1], 1), (1, [8], [2], [1], [3], 0), (1, [5], [4], [3], [1], 0), (1, [6], [3], [1], [2], 1),
        (2, [5, 6], [3, 2], [1, 1], [1, 1], 1), (2, [6, 5], [2, 3], [2, 3], [1, 1], 0), (2, [7, 6], [3, 3], [2, 1], [1, 1], 1),
        (2, [7, 8], [2, 3], [1, 1], [2, 3], 0), (2, [7, 6], [3, 2], [1, 1], [2, 2], 1),
        (3, [3, 4, 5], [2, 2, 3], [1, 2, 1], [1, 1, 1], 1), (3, [4, 3, 3], [2, 3, 1], [2, 1, 2], [1, 1, 1], 0)]:
    x, w = numbers(2, *spatial, 2), numbers(*window, 2, 3)
    with_gradients('convolution', [n, *strides, *dilations, pad],
                   lambda x, w: tf.nn.convolution(x, w, strides=strides, padding=rules[pad], dilations=dilations,
                                                    data_format=formats[n - 1]), x, w)
with_gradients('conv2d_explicit', [2, 1, 1, 0, 2, 3], lambda x, w: tf.nn.conv2d(
    x, w, [1, 2, 1, 1], [[0, 0], [1, 0], [2, 3], [0, 0]]), numbers(2, 5, 4, 2), numbers(3, 2, 2, 3))
for n, spatial, window, strides, out, pad in [
        (1, [4], [3], [2], [8], 1), (1, [3], [3], [2], [7], 0), (2, [3, 2], [3, 2], [2, 2], [6, 4], 1), (2, [2, 3], [2, 3], [2, 1], [4, 5], 0),
        (2, [3, 3], [3, 3], [2, 2], [5, 6], 1), (3, [2, 2, 3], [2, 1, 2], [1, 2, 2], [2, 3, 6], 1)]:
    x, w = numbers(2, *spatial, 3), numbers(*window, 2, 3)
    with_gradients('conv_transpose', [n, *strides, pad, *out], lambda x, w: tf.nn.conv_transpose(
        x, w, [2, *out, 2], strides, padding=rules[pad], data_format=formats[n - 1]), x, w)
with_gradients('atrous_conv2d', [2, 1], lambda x, w: tf.nn.atrous_conv2d(x, w, 2, 'SAME'), numbers(1, 7, 6, 2), numbers(3, 2, 2, 2))
with_gradients('atrous_conv2d', [3, 0], lambda x, w: tf.nn.atrous_conv2d(x, w, 3, 'VALID'), numbers(2, 8, 7, 1), numbers(2, 2, 1, 3))
for stride, dilation, pad in [(1, 1, 1), (2, 1, 0), (2, 1, 1), (1, 2, 1)]:
    with_gradients('depthwise_conv2d', [stride, dilation, pad], lambda x, w: tf.nn.depthwise_conv2d(
        x, w, [1, stride, stride, 1], rules[pad], dilations=[dilation, dilation]), numbers(2, 6, 5, 3), numbers(3, 2, 3, 2))
with_gradients('separable_conv2d', [2, 1], lambda x, d, p: tf.nn.separable_conv2d(x, d, p, [1, 2, 2, 1], 'SAME'),
               numbers(2, 5, 4, 3), numbers(3, 3, 3, 2), numbers(1, 1, 6, 2))
# XLA's
for n in (1, 2, 3):
    for _ in range(8):
        spatial = [r.randint(2, 5) for _ in range(n)]
        window, strides = [r.randint(1, 3) for _ in range(n)], [r.randint(1, 3) for _ in range(n)]
        ld, rd = [r.randint(1, 3) for _ in range(n)], [r.randint(1, 2) for _ in range(n)]
        pads = [(r.randint(-1, 3), r.randint(-1, 3)) for _ in range(n)]
        fg, bg = r.choice([(1, 1), (1, 1), (2, 1), (1, 2)])
        if any((s - 1) * l + 1 + sum(p) < (k - 1) * d + 1 for s, l, p, k, d in zip(spatial, ld, pads, window, rd)):
            continue
        x, w = numbers(2, 2 * fg, *spatial), numbers(2, 2, *window)
        numbers_of = xla_data_pb2.ConvolutionDimensionNumbers()
        numbers_of.input_batch_dimension = numbers_of.output_batch_dimension = numbers_of.kernel_output_feature_dimension = 0
        numbers_of.input_feature_dimension = numbers_of.output_feature_dimension = numbers_of.kernel_input_feature_dimension = 1
        for field in (numbers_of.input_spatial_dimensions, numbers_of.kernel_spatial_dimensions, numbers_of.output_spatial_dimensions):
            field.extend(range(2, 2 + n))
        y = tf.function(lambda: xla.conv(x, w, strides, pads, ld, rd, numbers_of, feature_group_count=fg, batch_group_count=bg),
                        jit_compile=True)()
        case('xla_conv', [n, *strides, *ld, *rd, *[v for p in pads for v in p], fg, bg], [x, w], [y])
reducers = [tf.add, tf.multiply, tf.maximum, tf.minimum]
starts = [0, 1, -np.inf, np.inf]
for rank in (1, 2, 3):
    for _ in range(8):
        shape = [r.randint(2, 6) for _ in range(rank)]
        window, strides = [r.randint(1, 3) for _ in range(rank)], [r.randint(1, 3) for _ in range(rank)]
        bd, wd = [r.choice([1, 1, 2]) for _ in range(rank)], [r.choice([1, 1, 2]) for _ in range(rank)]
        pads = [(r.randint(0, 2), r.randint(0, 2)) for _ in range(rank)]
        if any((s - 1) * b + 1 + sum(p) < (k - 1) * d + 1 for s, b, p, k, d in zip(shape, bd, pads, window, wd)):
            continue
        which = r.randint(0, 3)
        x = numbers(*shape)
        init = tf.constant(starts[which] if r.randint(0, 1) else 3, tf.float64)
        op = tf.function(reducers[which]).get_concrete_function(tf.TensorSpec([], tf.float64), tf.TensorSpec([], tf.float64))
        y = tf.function(lambda: xla.reduce_window(x, init, op, window, strides, bd, wd, pads), jit_compile=True)()
        if not np.all(np.isfinite(np.asarray(y))):
            continue
        plain = 0 if np.asarray(init) == 3 else 1
        case('reduce_window', [which, plain, rank, *window, *strides, *bd, *wd, *[v for p in pads for v in p]], [x], [y])
for rank, shape, window, strides, pads in [(1, [7], [3], [2], [(0, 0)]), (1, [6], [3], [1], [(1, 1)]), (2, [4, 5], [2, 3], [2, 2], [(0, 0), (0, 0)]),
                                           (2, [4, 6], [3, 3], [2, 3], [(1, 1), (0, 0)]), (3, [2, 3, 4], [1, 2, 2], [1, 1, 2], [(0, 0), (0, 1), (0, 0)])]:
    for select, scatter in ((0, 0), (1, 0), (0, 1), (1, 2)):
        x = distinct(*shape)
        out = [(s + sum(p) - k) // st + 1 for s, p, k, st in zip(shape, pads, window, strides)]
        source = numbers(*out)
        spec = tf.TensorSpec([], tf.float64)
        s = tf.function(tf.greater_equal if select == 0 else tf.less_equal).get_concrete_function(spec, spec)
        c = tf.function([tf.add, tf.multiply, tf.maximum][scatter]).get_concrete_function(spec, spec)
        y = tf.function(lambda: xla.select_and_scatter(x, window, strides, pads, source, tf.constant(2, tf.float64), s, c), jit_compile=True)()
        case('select_and_scatter', [select, scatter, rank, *window, *strides, *[v for p in pads for v in p]], [x, source], [y])
# pooling
for n, spatial, window, strides, pad in [
        (1, [7], [3], [2], 1), (1, [6], [2], [1], 0), (2, [5, 6], [2, 2], [2, 2], 0), (2, [5, 7], [3, 2], [2, 1], 1), (2, [4, 4], [3, 3], [1, 1], 1),
        (2, [5, 5], [1, 2], [3, 3], 1), (3, [3, 4, 3], [2, 2, 2], [1, 2, 2], 1), (3, [3, 4, 3], [2, 2, 1], [1, 1, 2], 0)]:
    ends = tf.nn.max_pool, tf.nn.avg_pool
    for name, f in zip(('max_pool', 'avg_pool'), ends):
        with_gradients(name, [n, *window, *strides, pad], lambda x: tf.cast(f(
            tf.cast(x, tf.float32 if n == 3 else tf.float64), window, strides, rules[pad], formats[n - 1]), tf.float64), distinct(2, *spatial, 2))
for window, strides, pad, whole in [([2, 2], [2, 2], 0, 1), ([3, 2], [1, 2], 1, 0), ([2, 3], [1, 1], 1, 1)]:
    x = numbers(2, 4, 5, 2)
    case('max_pool_with_argmax', [*window, *strides, pad, whole], [x], tf.nn.max_pool_with_argmax(
        x, window, strides, rules[pad], include_batch_in_index=bool(whole)))
for strides, rates, pad in [([1, 1], [1, 1], 1), ([2, 1], [1, 2], 0), ([1, 2], [2, 1], 1)]:
    x, w = distinct(2, 5, 6, 2), numbers(3, 2, 2) / 4
    with_gradients('dilation2d', [*strides, *rates, pad], lambda x, w: tf.nn.dilation2d(
        x, w, [1, *strides, 1], rules[pad], 'NHWC', [1, *rates, 1]), x, w)
    with_gradients('erosion2d', [*strides, *rates, pad], lambda x, w: tf.nn.erosion2d(
        x, w, [1, *strides, 1], rules[pad], 'NHWC', [1, *rates, 1]), x, w)
for sizes, strides, rates, pad in [([2, 2], [1, 1], [1, 1], 0), ([3, 2], [2, 1], [1, 2], 1), ([2, 3], [3, 2], [2, 1], 0)]:
    with_gradients('extract_image_patches', [*sizes, *strides, *rates, pad], lambda x: tf.image.extract_patches(
        x, [1, *sizes, 1], [1, *strides, 1], [1, *rates, 1], rules[pad]), numbers(2, 6, 5, 2))
print('''};
// clang-format on

}  // namespace rill::test''')
