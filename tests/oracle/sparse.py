#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/ops/sparse_golden.hpp: what TensorFlow's sparse ops give, for tests/ops/sparse_test.cpp.

    python tests/oracle/sparse.py > tests/ops/sparse_golden.hpp

A case is a function, its operands, its integer arguments and its results; dense tensors have no indices.
"""
import os
import random

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

r = random.Random(7)
print('''// SPDX-License-Identifier: Apache-2.0
// Written by tests/oracle/sparse.py: what TensorFlow gives.
#pragma once

namespace rill::test {

// A case: function, integer arguments, "|", operands, ">", results. A tensor: its indices (none when dense), ",", values,
// ",", shape, ";".
// clang-format off
inline constexpr const char* sparse_golden[] = {''')


def number(v):
    v = float(v)
    return str(int(v)) if v == int(v) else repr(float(np.float64(v)))


def text(t):
    if isinstance(t, tf.SparseTensor):
        ints = t.indices.numpy().reshape(-1)
        shape = t.dense_shape.numpy()
        values = t.values.numpy()
    else:
        ints = []
        shape = np.shape(t)
        values = np.asarray(t).reshape(-1)
    return ' '.join([*map(str, ints), ',', *map(number, values), ',', *map(str, shape), ';'])


def case(function, operands, args, results):
    words = [function, *(str(int(a)) for a in args), '|', *map(text, operands), '>', *map(text, results)]
    print('    "%s",' % ' '.join(words))


def sparse(shape, n, values=None, ordered=True, dtype=np.float64):
    cells = int(np.prod(shape))
    at = r.sample(range(cells), min(n, cells))
    if ordered:
        at.sort()
    idx = np.array([np.unravel_index(k, shape) for k in at], np.int64).reshape(len(at), len(shape))
    v = [values(k) if values else r.randint(-9, 9) / 2 for k in range(len(at))]
    return tf.SparseTensor(idx, np.array(v, dtype), shape)


def fill_empty_rows(s):
    i, v, e, m = tf.raw_ops.SparseFillEmptyRows(indices=s.indices, values=s.values, dense_shape=s.dense_shape,
                                                default_value=tf.constant(-1.0, tf.float64))
    case('fill_empty_rows', [s], [], [tf.SparseTensor(i, v, s.dense_shape), e.numpy().astype(float), m.numpy()])


for shape, n in [((5, 4), 6), ((5, 4), 0), ((4, 3), 12), ((6, 2, 3), 7), ((7,), 3)]:
    s = sparse(shape, n)
    fill_empty_rows(s)
fill_empty_rows(sparse((6, 4), 9, ordered=False))

for shape, n in [((3, 5), 6), ((2, 3, 3), 5), ((3, 4), 0)]:
    values = sparse(shape, n)
    ids = tf.SparseTensor(values.indices, np.array([r.randrange(10) for _ in range(values.values.shape[0])], np.int64), shape)
    case('merge', [ids, values], [10], [tf.compat.v1.sparse_merge(ids, values, 10)])
    case('to_indicator', [ids], [10], [tf.sparse.to_indicator(ids, 10).numpy().astype(float)])

for shapes, axis, expand in [([(2, 3), (2, 4)], 1, 0), ([(2, 3), (4, 3)], 0, 0), ([(2, 3), (3, 5)], 1, 1), ([(2, 3), (3, 1), (1, 4)], 0, 1),
                             ([(2, 2, 3), (1, 3, 2)], -1, 1)]:
    parts = [sparse(sh, 4) for sh in shapes]
    case('concat', parts, [axis, expand], [tf.sparse.concat(axis, parts, expand_nonconcat_dims=bool(expand))])

for shape, n in [((4, 5), 7), ((3, 2, 4), 9), ((3, 3), 0)]:
    s = sparse(shape, n)
    for axes in [[], [0], [1], [-1], [0, 1]]:
        for keep in (0, 1):
            a = axes or None
            args = [keep] + axes
            case('reduce_sum', [s], args, [tf.sparse.reduce_sum(s, a, keepdims=bool(keep))])
            case('reduce_max', [s], args, [tf.sparse.reduce_max(s, a, keepdims=bool(keep))])
            if n > 0:
                case('reduce_sum_sparse', [s], args, [tf.sparse.reduce_sum(s, a, keepdims=bool(keep), output_is_sparse=True)])
                case('reduce_max_sparse', [s], args, [tf.sparse.reduce_max(s, a, keepdims=bool(keep), output_is_sparse=True)])

for shape in [(4, 4), (2, 3, 2), (5,)]:
    a, b = sparse(shape, 5), sparse(shape, 6)
    for thresh in (0, 2, 4):
        # TensorFlow's kernel compares only elements that both have with the threshold; its documentation says all
        total = tf.sparse.add(a, b)
        case('add', [a, b], [thresh], [tf.sparse.retain(total, np.abs(total.values.numpy()) >= thresh)])
    case('maximum', [a, b], [], [tf.sparse.maximum(a, b)])
    case('minimum', [a, b], [], [tf.sparse.minimum(a, b)])

for shape, num, axis in [((5, 7), 3, 1), ((5, 7), 2, 0), ((4, 3, 5), 4, -1)]:
    s = sparse(shape, 10)
    case('split', [s], [num, axis], tf.sparse.split(s, num, axis))
s = sparse((4, 6), 12)
for start, size in [((0, 0), (2, 3)), ((1, 2), (10, 10)), ((3, 5), (1, 1)), ((0, 4), (4, 0))]:
    case('slice', [s], list(start) + list(size), [tf.sparse.slice(s, start, size)])
s = sparse((5, 6), 4)
case('reset_shape', [s], [], [tf.sparse.reset_shape(s)])
case('reset_shape', [sparse((5, 6), 0)], [], [tf.sparse.reset_shape(sparse((5, 6), 0))])
case('reset_shape', [s], [8, 6], [tf.sparse.reset_shape(s, [8, 6])])
for to in [(3, 10), (2, -1), (30,), (-1, 1, 5)]:
    case('reshape', [s], list(to), [tf.sparse.reshape(s, to)])
for shape in [(4, 5), (2, 3, 4)]:
    s = sparse(shape, 8)
    case('softmax', [s], [], [tf.sparse.softmax(s)])
    case('transpose', [s], [], [tf.sparse.transpose(s)])

table = np.array([[r.randint(-8, 8) / 4 for _ in range(3)] for _ in range(6)])
for n in (0, 5, 9):
    ids = sparse((4, 5), n, values=lambda k: r.randrange(6), dtype=np.int64)
    weights = tf.SparseTensor(ids.indices, np.array([r.randint(1, 8) / 2 for _ in range(ids.values.shape[0])]), ids.dense_shape)
    for k, combiner in enumerate(['sum', 'mean', 'sqrtn']):
        def padded(y):  # TensorFlow stops at the last row that has ids
            return np.concatenate([y, np.zeros((4 - y.shape[0], 3))])
        if n:
            case('embedding', [table, ids], [k], [padded(tf.nn.embedding_lookup_sparse(table, ids, None, combiner=combiner).numpy())])
            case('embedding', [table, ids, weights], [k], [padded(tf.nn.embedding_lookup_sparse(table, ids, weights, combiner=combiner).numpy())])
        bad = tf.SparseTensor(ids.indices, np.array([v if r.random() < 0.6 else -1 for v in ids.values.numpy()], np.int64), ids.dense_shape)
        odd = tf.SparseTensor(ids.indices, np.array([v if r.random() < 0.7 else -v for v in weights.values.numpy()], np.float64), ids.dense_shape)
        for default in (None, 2):
            d = -1 if default is None else default
            case('safe_embedding', [table, bad], [k, d],
                 [tf.nn.safe_embedding_lookup_sparse(table, bad, None, combiner=combiner, default_id=default)])
            case('safe_embedding', [table, bad, odd], [k, d],
                 [tf.nn.safe_embedding_lookup_sparse(table, bad, odd, combiner=combiner, default_id=default)])
print('};\n// clang-format on\n\n}  // namespace rill::test')
