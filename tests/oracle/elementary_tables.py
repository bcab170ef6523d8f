#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the coefficients of include/rill/ops/elementary.hpp, fitted with mpmath. Usage: elementary_tables.py

A polynomial is fitted at Chebyshev nodes and rounded to float from its lowest coefficient on, the rest fitted again after
each rounding. The pieces of tanh start at a point near the middle of their interval where the function is very
nearly a float (Gal 1986, "Computing elementary functions: a new approach for achieving high accuracy and good
performance"), so that the constant term brings no rounding error.
"""
import struct

import mpmath
from mpmath import mp, mpf

mp.dps = 40


def bits(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def from_bits(b):
    return struct.unpack("<f", struct.pack("<I", b))[0]


def to_float(x):
    return struct.unpack("<f", struct.pack("<f", float(x)))[0]


def fit(f, weight, powers, low, high, fixed=()):
    """Coefficients of the powers so that weight * (sum - f) is small at Chebyshev nodes; `fixed` are already given."""
    n = 4 * len(powers) + 8
    rows, right = [], []
    for k in range(n):
        t = (low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n))
        w = weight(t)
        rows.append([w * t ** p for p in powers[len(fixed):]])
        right.append(w * (f(t) - sum(c * t ** p for c, p in zip(fixed, powers))))
    return list(fixed) + list(mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix(right)))


def rounded(f, weight, powers, low, high):
    fixed = []
    while len(fixed) < len(powers):
        fixed.append(mpf(to_float(fit(f, weight, powers, low, high, fixed)[len(fixed)])))
    return fixed


def show(name, values):
    print("%s: %s" % (name, ", ".join("%.9gF" % float(v) for v in values)))


def write(name, table):
    print("// " + name)
    for row in table:
        text = ["%.9gF" % float(v) if "." in "%.9g" % float(v) or "e" in "%.9g" % float(v) else "%.9g.0F" % float(v)
                for v in row]
        print("    {" + ", ".join(text) + "},")


def octave_pieces(name, f, shift, count, degree):
    """Piece k covers x where the bits of x + shift, >> 21, are those of shift, >> 21, plus k. Columns by that, mod 16."""
    first = bits(shift) >> 21
    table = [[0.0] * 16 for _ in range(degree + 2)]
    for k in range(count):
        low, high = mpf(from_bits((first + k) << 21)) - shift, mpf(from_bits((first + k + 1) << 21)) - shift
        middle, powers = mpf(0), list(range(1, degree + 1))
        if k == 0:
            coefficients = [mpf(0)] + rounded(f, lambda t: 1 / f(t), powers, mpf(2) ** -60, high)
        else:
            nearest = None
            start = bits(to_float((low + high) / 2))
            for step in range(6000):
                c = mpf(from_bits(start + (step // 2 + 1) * (-1 if step % 2 else 1)))
                if abs(c - (low + high) / 2) > (high - low) / 16:
                    break
                off = abs(mpf(to_float(f(c))) / f(c) - 1) * 2 ** 24
                if nearest is None or off < nearest:
                    nearest, middle = off, c
                if off < mpf(2) ** -8:
                    break
            c0 = mpf(to_float(f(middle)))
            coefficients = [c0] + rounded(lambda t: f(middle + t) - c0, lambda t: 1 / f(middle + t), powers,
                                          low - middle, high - middle)
        for row, value in enumerate([middle] + coefficients):
            table[row][(first + k) % 16] = value
    write(name + ": middles, then coefficients from degree 0 on", table)


def even_pieces(name, f, width, degree, slope):
    """Piece k covers what rounds to k widths; `slope` times the argument is added to each."""
    table = [[0.0] * 16 for _ in range(degree + 1)]
    for k in range(16):
        c = k * mpf(width)
        if k == 0:
            coefficients = [mpf(0)] + rounded(lambda t: f(t) - slope * t, lambda t: 1 / f(t), list(range(1, degree + 1)), mpf(2) ** -60, mpf(width) / 2)
        else:
            c0 = mpf(to_float(f(c)))
            coefficients = [c0] + rounded(lambda t: f(c + t) - c0 - slope * t, lambda t: 1 / f(c + t), list(range(1, degree + 1)),
                                          -mpf(width) / 2, mpf(width) / 2)
        for row, value in enumerate(coefficients):
            table[row][k] = value
    write(name + ": coefficients from degree 0 on", table)


def main():
    ln2 = mp.log(2)
    show("exp, from degree 2", rounded(lambda t: (mp.exp(t) - 1 - t) / t ** 2, lambda t: t ** 2, [0, 1, 2, 3, 4],
                                       -ln2 / 2 * 1.01, ln2 / 2 * 1.01))
    show("exp2, from degree 1", rounded(lambda t: (2 ** t - 1) / t, lambda t: t, [0, 1, 2, 3, 4, 5], -mpf("0.505"), mpf("0.505")))
    show("log, from degree 2", rounded(lambda t: (mp.log1p(t) - t) / t ** 2, lambda t: t, [0, 1, 2, 3, 4, 5, 6, 7, 8],
                                       mpf(-1) / 3, mpf(1) / 3))
    octave_pieces("tanh", mp.tanh, 0.75, 15, 5)
    even_pieces("erf", mp.erf, 0.265625, 5, 2 / mp.sqrt(mp.pi) - mpf(to_float(2 / mp.sqrt(mp.pi))))


if __name__ == "__main__":
    main()
