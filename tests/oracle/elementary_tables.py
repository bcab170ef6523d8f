#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the coefficients of include/rill/ops/elementary.hpp and elementary_double.hpp, fitted with mpmath.
Usage: elementary_tables.py

A polynomial is fitted at Chebyshev nodes and rounded to float or double from its lowest coefficient on, the rest fitted
again after each rounding. The pieces of tanh start at a point near the middle of their interval where the function is very
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


def rounded(f, weight, powers, low, high, to_type=to_float):
    fixed = []
    while len(fixed) < len(powers):
        fixed.append(mpf(to_type(fit(f, weight, powers, low, high, fixed)[len(fixed)])))
    return fixed


def wide(name, f, weight, terms, low, high):
    """A polynomial of doubles, and the largest weighted error of it."""
    c = rounded(f, weight, list(range(terms)), low, high, float)
    error = max(abs(weight(t) * (mp.polyval(c[::-1], t) - f(t)))
                for t in (low + (high - low) * mpf(k) / 299 for k in range(300)))
    print("%s: %s (error %s)" % (name, ", ".join(repr(float(v)) for v in c), mp.nstr(error, 3)))


def show(name, values):
    print("%s: %s" % (name, ", ".join("%.9gF" % float(v) for v in values)))


def write(name, table):
    print("// " + name)
    for row in table:
        text = ["%.9gF" % float(v) if "." in "%.9g" % float(v) or "e" in "%.9g" % float(v) else "%.9g.0F" % float(v)
                for v in row]
        print("    {" + ", ".join(text) + "},")


def octave_pieces(name, f, shift, count, degree):
    """Piece k covers x where the bits of x + shift, >> 20, are those of shift, >> 20, plus k. Columns by that, mod 32."""
    first = bits(shift) >> 20
    table = [[0.0] * 32 for _ in range(degree + 2)]
    for k in range(count):
        low, high = mpf(from_bits((first + k) << 20)) - shift, mpf(from_bits((first + k + 1) << 20)) - shift
        middle, powers = mpf(0), list(range(1, degree + 1))
        if k == 0:
            coefficients = [mpf(0)] + rounded(f, lambda t: 1 / f(t), powers, mpf(2) ** -60, high)
        else:
            nearest = None
            start = bits(to_float((low + high) / 2))
            for step in range(3000):
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
            table[row][(first + k) % 32] = value
    write(name + ": middles, then coefficients from degree 0 on", table)


def even_pieces(name, f, width, degree, slope):
    """Piece k covers what rounds to k widths; `slope` times the argument is added to each."""
    table = [[0.0] * 32 for _ in range(degree + 1)]
    for k in range(32):
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


def root(f):
    """f(sqrt(z)) / sqrt(z) as a function of z."""
    return lambda z: f(mp.sqrt(z)) / mp.sqrt(z)


def main():
    ln2 = mp.log(2)
    tiny = mpf(10) ** -8
    show("exp, from degree 2", rounded(lambda t: (mp.exp(t) - 1 - t) / t ** 2, lambda t: t ** 2, [0, 1],
                                       -ln2 / 32 * 1.01, ln2 / 32 * 1.01))
    sixteenths = [mpf(to_float(mpf(2) ** (mpf(k) / 16))) for k in range(16)]
    show("sixteenths", sixteenths)
    show("sixteenths, what they lose", [mpf(2) ** (mpf(k) / 16) / v - 1 for k, v in enumerate(sixteenths)])
    show("expm1, from degree 2", rounded(lambda t: (mp.exp(t) - 1 - t) / t ** 2, lambda t: t ** 2, [0, 1, 2, 3, 4],
                                         -ln2 / 2 * 1.01, ln2 / 2 * 1.01))
    show("exp2, from degree 1", rounded(lambda t: (2 ** t - 1) / t, lambda t: t, [0, 1, 2, 3, 4, 5], -mpf("0.505"), mpf("0.505")))
    show("log, from degree 2", rounded(lambda t: (mp.log1p(t) - t) / t ** 2, lambda t: t, [0, 1, 2, 3, 4, 5, 6, 7, 8],
                                       mpf(-1) / 3, mpf(1) / 3))
    octave_pieces("tanh", mp.tanh, 0.75, 30, 4)
    even_pieces("erf", mp.erf, 0.125, 4, 2 / mp.sqrt(mp.pi) - mpf(to_float(2 / mp.sqrt(mp.pi))))
    wide("sin(r) / r of floats, |r| <= pi / 2, from z = r^2 on", lambda z: (root(mp.sin)(z) - 1) / z,
         lambda z: z / root(mp.sin)(z), 5, tiny, (mp.pi / 2 * mpf("1.0001")) ** 2)
    wide("exp in double, from degree 2", lambda t: (mp.exp(t) - 1 - t) / t ** 2, lambda t: t ** 2, 10, -ln2 / 2, ln2 / 2)
    wide("2 atanh(s) / s in double, from s^2 on", lambda z: (2 * root(mp.atanh)(z) - 2) / z, lambda z: z, 7, tiny,
         mpf("0.0295"))
    wide("tanh(x) / x in double, from x^2 on", lambda z: (root(mp.tanh)(z) - 1) / z, lambda z: z, 10, tiny, mpf("0.56") ** 2)
    quarter = (mp.pi / 4 * mpf("1.0001")) ** 2
    wide("sin(r) / r in double, from r^2 on", lambda z: (root(mp.sin)(z) - 1) / z, lambda z: z, 6, tiny, quarter)
    wide("cos(r) in double, from r^4 on", lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z ** 2, lambda z: z ** 2, 6, tiny,
         quarter)
    wide("atan(x) / x of floats, from x^2 on", lambda z: (root(mp.atan)(z) - 1) / z, lambda z: z, 13, tiny, mpf(1))


if __name__ == "__main__":
    main()
