#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/ops/nn_golden.hpp: what TensorFlow's functions of nn, clipping and quantization give.

    python tests/oracle/nn.py > tests/ops/nn_golden.hpp
"""
import os

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

r = np.random.RandomState(7)
out = ["// SPDX-License-Identifier: Apache-2.0", "// Written by tests/oracle/nn.py: what TensorFlow gives.", "#pragma once", "",
       "namespace rill::test::golden {", "", "// clang-format off"]


def put(name, a, kind="double"):
    a = np.asarray(a)
    text = ", ".join(repr(v) if kind != "float" else repr(float(v)) + "F" for v in a.ravel().tolist())
    out.append(f"inline constexpr {kind} {name}[] = {{{text}}};")


def rounded(*shape):
    return np.round(r.randn(*shape) * 2, 2)


x = rounded(3, 4)
z = np.round(r.rand(3, 4), 2)
put("x", x)
put("z", z)
put("log_softmax_0", tf.nn.log_softmax(x, axis=0))
put("softmax_0", tf.nn.softmax(x, axis=0))
p = z / z.sum(1, keepdims=True)
put("p", p)
put("dense_ce", tf.nn.softmax_cross_entropy_with_logits(labels=p, logits=x))
put("sigmoid_ce", tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x))
put("weighted_ce", tf.nn.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=2.5))
counts = np.floor(r.rand(3, 4) * 4)
put("counts", counts)
put("poisson", tf.nn.log_poisson_loss(counts, x))
put("poisson_full", tf.nn.log_poisson_loss(counts, x, compute_full_loss=True))
put("l2_loss", [tf.nn.l2_loss(x)])
put("l2_normalize", tf.nn.l2_normalize(x, axis=1))
put("crelu", tf.nn.crelu(x))
put("clip_by_norm", tf.clip_by_norm(x, 1.5, axes=[0]))
put("clip_by_average_norm", tf.compat.v1.clip_by_average_norm(x.astype(np.float32), 0.5))
(a, b), norm = tf.clip_by_global_norm([x, z], 2.0)
put("clip_a", a)
put("clip_b", b)
put("clip_norm", [norm])

i = rounded(2, 3, 2, 5).astype(np.float32)
put("image", i, "float")
put("lrn", tf.nn.local_response_normalization(i, depth_radius=2, bias=1.5, alpha=0.3, beta=0.75), "float")
put("lrn_default", tf.nn.local_response_normalization(i), "float")
scale, offset = rounded(5).astype(np.float32), rounded(5).astype(np.float32)
put("scale", scale, "float")
put("offset", offset, "float")
y, mean, variance = tf.compat.v1.nn.fused_batch_norm(i, scale, offset, epsilon=0.002)
put("fused_y", y, "float")
put("fused_mean", mean, "float")
put("fused_variance", variance, "float")
put("batch_norm", tf.nn.batch_normalization(i, mean, variance, offset, scale, 0.01), "float")

q = np.concatenate([rounded(12) * 4, [-100, 100, 0, 0.5]]).astype(np.float32)
put("q", q, "float")
put("fake_8", tf.quantization.fake_quant_with_min_max_args(q), "float")
put("fake_4", tf.quantization.fake_quant_with_min_max_args(q, min=-1.3, max=3.7, num_bits=4, narrow_range=True), "float")
put("fake_positive", tf.quantization.fake_quant_with_min_max_args(q, min=1, max=9), "float")
for name, low, high, kind in (("plain", -10, 30, tf.quint8), ("signed", -3, 5, tf.qint8), ("above", 2, 6, tf.quint8), ("tiny", 0, 0, tf.quint8)):
    o, a, b = tf.quantization.quantize(q, low, high, kind, mode="MIN_COMBINED")
    put("codes_" + name, tf.cast(tf.bitcast(o, tf.uint8 if kind == tf.quint8 else tf.int8), tf.int32), "int")
    put("range_" + name, [a, b], "float")
    put("back_" + name, tf.quantization.dequantize(o, a, b, mode="MIN_COMBINED"), "float")

out += ["", "}  // namespace rill::test::golden", ""]
print("\n".join(out), end="")
