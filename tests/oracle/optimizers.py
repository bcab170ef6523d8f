# SPDX-License-Identifier: Apache-2.0
# Values of variables and slots after steps of TensorFlow's optimizers, for tests/optimizers/golden_test.cpp:
#   python tests/oracle/optimizers.py > tests/optimizers/golden.hpp
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
steps, size = 4, 5
start = np.array([1, -0.5, 0.25, 2, -0.01], np.float32)
# every gradient but one is zero at some step
gradients = np.array([[0.5 * np.sin(3 * t + i) if (t + i) % 4 else 0 for i in range(size)] for t in range(steps)], np.float32)

makers = {
    "rmsprop": lambda step: v1.train.RMSPropOptimizer(0.1, momentum=0.3),
    "rmsprop_centered": lambda step: v1.train.RMSPropOptimizer(0.1, decay=0.8, momentum=0.3, epsilon=1e-3, centered=True),
    "ftrl": lambda step: v1.train.FtrlOptimizer(0.2, l1_regularization_strength=0.05, l2_regularization_strength=0.01),
    "ftrl_shrinkage": lambda step: v1.train.FtrlOptimizer(0.2, learning_rate_power=-0.7, l2_shrinkage_regularization_strength=0.1),
    "adadelta": lambda step: v1.train.AdadeltaOptimizer(0.7, rho=0.9, epsilon=1e-4),
    "proximal_gradient_descent": lambda step: v1.train.ProximalGradientDescentOptimizer(
        0.3, l1_regularization_strength=0.1, l2_regularization_strength=0.2),
    "moving_average": lambda step: v1.train.GradientDescentOptimizer(0.3),
    "moving_average_updates": lambda step: v1.train.MomentumOptimizer(0.3, 0.8),
    "debiased_average": lambda step: v1.train.GradientDescentOptimizer(0.3),
    "proximal_adagrad": lambda step: v1.train.ProximalAdagradOptimizer(0.3, l1_regularization_strength=0.1, l2_regularization_strength=0.2),
    "adagrad_da": lambda step: v1.train.AdagradDAOptimizer(0.3, step, l1_regularization_strength=0.05, l2_regularization_strength=0.1),
}


# what an optimizer's step is followed by, or, of a value, begins with
averages = {
    "moving_average": lambda w, g, step: v1.train.ExponentialMovingAverage(0.9).apply([w]),
    "moving_average_updates": lambda w, g, step: v1.train.ExponentialMovingAverage(0.3, step).apply([w]),
    "debiased_average": lambda w, g, step: v1.train.ExponentialMovingAverage(0.8, zero_debias=True).apply([tf.multiply(w, g, name="w_g")]),
}


def row(values):
    values = np.ravel(values)
    return "{" + ", ".join(repr(float(x)) for x in values) + "}"


print("// SPDX-License-Identifier: Apache-2.0")
print("// Written by tests/oracle/optimizers.py with TensorFlow " + tf.__version__ + ".")
print("#pragma once\n")
print("namespace golden {\n")
print(f"inline constexpr int steps = {steps}, size = {size};")
print(f"inline constexpr float start[] = {row(start)};")
print("inline constexpr float gradients[steps][size] = {\n    " + ",\n    ".join(row(g) for g in gradients) + "};\n")
print("struct variable {\n  const char *optimizer, *name;\n  float values[size];\n};")
print("inline constexpr variable variables[] = {")
for name, make in makers.items():
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        w = v1.get_variable("w", initializer=start, use_resource=False)
        g = v1.placeholder(tf.float32, [size])
        train = make(step).apply_gradients([(g, w)], global_step=step)
        average = averages[name](w, g, step) if name in averages else None
        session.run(w.initializer)  # which the average begins with
        session.run(v1.global_variables_initializer())
        for t in range(steps):
            for op in [average, train] if name == "debiased_average" else [train, average]:
                if op is not None:
                    session.run(op, {g: gradients[t]})
        for v in v1.global_variables():
            if v.name.startswith("w"):
                print(f'    {{"{name}", "{v.name.split(":")[0]}", {row(session.run(v))}}},')
print("};\n")
schedules = [
    lambda s: v1.train.exponential_decay(0.1, s, 7, 0.9),
    lambda s: v1.train.exponential_decay(0.1, s, 7, 0.9, staircase=True),
    lambda s: v1.train.natural_exp_decay(0.1, s, 7, 0.4, staircase=True),
    lambda s: v1.train.inverse_time_decay(0.1, s, 7, 0.5),
    lambda s: v1.train.inverse_time_decay(0.1, s, 7, 0.5, staircase=True),
    lambda s: v1.train.piecewise_constant(s, [7, 15], [0.3, 0.2, 0.1]),
    lambda s: v1.train.polynomial_decay(0.1, s, 10),
    lambda s: v1.train.polynomial_decay(0.1, s, 10, end_learning_rate=0.01, power=0.5, cycle=True),
    lambda s: v1.train.cosine_decay(0.1, s, 20, alpha=0.1),
]
at = [0, 1, 7, 8, 10, 15, 16, 20, 33]
print(f"inline constexpr int schedule_count = {len(schedules)}, schedule_steps = {len(at)};")
print("inline constexpr long schedule_at[] = {" + ", ".join(map(str, at)) + "};")
print("inline constexpr float schedules[schedule_count][schedule_steps] = {")
for schedule in schedules:
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.placeholder(tf.int64, [])
        rate = schedule(step)
        print("    " + row([session.run(rate, {step: k}) for k in at]) + ",")
print("};\n")
print("}  // namespace golden")
