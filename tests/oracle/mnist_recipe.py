# SPDX-License-Identifier: Apache-2.0
"""Trains the tutorial's MNIST network with its recipe (SGD 0.001, batches of 100, 20,000 steps) in TensorFlow itself, to
know what the recipe gives: examples/mnist/README.md quotes the result.

    mnist_recipe.py DIRECTORY [--seed 0] [--steps 20000] [--train_size 60000]

DIRECTORY holds the four IDX files of MNIST, plain or gzip. Prints loss and accuracy over the test set as it goes.
"""
import argparse
import gzip
import os
import struct
import time

import numpy as np
import tensorflow as tf


def idx(directory, name):
    path = os.path.join(directory, name)
    opened = gzip.open(path + ".gz") if os.path.exists(path + ".gz") else open(path, "rb")
    with opened as file:
        data = file.read()
    rank = data[3]
    shape = struct.unpack(">" + "I" * rank, data[4 : 4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("directory")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--steps", type=int, default=20000)
    arguments.add_argument("--train_size", type=int, default=60000)
    flags = arguments.parse_args()
    tf.keras.utils.set_random_seed(flags.seed)

    def split(part):
        images = idx(flags.directory, f"{part}-images-idx3-ubyte").astype(np.float32)[..., None] / 255
        return images, idx(flags.directory, f"{part}-labels-idx1-ubyte").astype(np.int32)

    images, labels = (part[-flags.train_size :] for part in split("train"))
    test_images, test_labels = split("t10k")
    layers = tf.keras.layers
    model = tf.keras.Sequential([
        layers.Input((28, 28, 1)),
        layers.Conv2D(32, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(2, 2),
        layers.Conv2D(64, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(2, 2),
        layers.Flatten(),
        layers.Dense(1024, activation="relu"),
        layers.Dropout(0.4),
        layers.Dense(10),
    ])

    def loss_of(logits, wanted):
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits))

    @tf.function
    def step(x, wanted):
        with tf.GradientTape() as tape:
            loss = loss_of(model(x, training=True), wanted)
        for variable, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables)):
            variable.assign_sub(0.001 * gradient)
        return loss

    @tf.function
    def evaluate(x, wanted):
        logits = model(x, training=False)
        hits = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), wanted)
        return loss_of(logits, wanted), tf.reduce_mean(tf.cast(hits, tf.float32))

    data = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(flags.train_size, seed=flags.seed)
    start = time.time()
    for number, (x, wanted) in enumerate(data.repeat().batch(100).prefetch(1).take(flags.steps), 1):
        step(x, wanted)
        if number % 1000 == 0 or number == flags.steps:
            parts = [evaluate(test_images[i : i + 1000], test_labels[i : i + 1000]) for i in range(0, len(test_images), 1000)]
            loss, accuracy = np.mean([[part.numpy() for part in pair] for pair in parts], axis=0)
            print(f"step {number}: test accuracy {accuracy:.4f}, loss {loss:.4f}, {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
