#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/ops/special_reference.hpp: values of the special functions from mpmath at 200 digits.

Usage: special_reference.py > tests/ops/special_reference.hpp   (mpmath 1.2 or newer; the points are fixed)
"""
import random

import mpmath
from mpmath import mp, mpf

mp.dps = 200


def ndtri(p):
    g = mpf(0) if p > mpf("1e-3") and p < mpf("0.999") else (-1 if p < 0.5 else 1) * mp.sqrt(
        -2 * mp.log(min(p, 1 - p)))
    for _ in range(200):
        step = (mp.ncdf(g) - p) / mp.npdf(g)
        step = max(min(step, mpf(1)), mpf(-1))
        g -= step
        if abs(step) < mpf(10) ** -60:
            break
    return g


FUNCTIONS = {
    "lgamma": lambda x: mp.log(abs(mp.gamma(x))),
    "digamma": mp.digamma,
    "polygamma": lambda n, x: mp.polygamma(int(n), x),
    "zeta": mp.zeta,
    "igamma": lambda a, x: mp.gammainc(a, 0, x, regularized=True),
    "igammac": lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True),
    "betainc": lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True),
    "erfinv": mp.erfinv,
    "ndtri": ndtri,
    "ndtr": mp.ncdf,
    "bessel_i0e": lambda x: mp.besseli(0, x) * mp.exp(-abs(x)),
    "bessel_i1e": lambda x: mp.besseli(1, x) * mp.exp(-abs(x)),
}


def points(draw):
    """Arguments of each function, exact as doubles with few bits so that float holds them too."""
    def short(x):
        m, e = mpmath.frexp(mpf(x))
        return float(mpmath.ldexp(int(m * 4096), e - 12))

    def spread(low, high):
        return short(low * (high / low) ** draw.random())

    def even(low, high):
        return short(draw.uniform(low, high))

    real = [1e-5, 0.1, 0.5, 1.5, 2.5, 3.0, 9.75, 10.0, 10.25, 100.0] + [spread(1e-3, 1e5) for _ in range(14)]
    below = [-0.5, -1.25, -1.5, -10.5] + [even(-12, 0) for _ in range(8)]
    yield from (("lgamma", x) for x in [1.0009765625, 1.9990234375, 1e15] + real + below if x != int(x) or x > 2)
    yield from (("digamma", x) for x in real + below)
    yield from (("polygamma", float(n), x) for n, x in zip([1, 2, 3, 5, 10] * 5, real))
    yield from (("zeta", x, q) for x, q in zip([1.0625, 1.5, 2.0, 3.5, 8.0, 20.0, 34.0] * 4, real))
    for _ in range(24):
        a = spread(1e-2, 1e4)
        for x in (short(a * draw.uniform(0.8, 1.2)), spread(1e-2, 30)):
            yield "igamma", a, x
            yield "igammac", a, x
    for _ in range(40):
        a, b = spread(1e-2, 1e3), spread(1e-2, 1e3)
        yield "betainc", a, b, draw.choice([even(0.01, 0.99), short(a / (a + b) * draw.uniform(0.9, 1))])
    inner = [0.0009765625, 0.25, -0.5, 0.75, 0.9990234375, 0.99999988079071044921875] + [even(-1, 1) for _ in range(16)]
    yield from (("erfinv", x) for x in inner)
    yield from (("ndtri", p) for p in [0.00390625, 0.25, 0.75, 0.984375, 1e-10, 1e-30] + [even(0, 1) for _ in range(14)])
    yield from (("ndtr", x) for x in [-30.0, -9.5, -1.0, 0.0, 1.0, 4.0] + [even(-6, 6) for _ in range(14)])
    yield from ((f, x) for x in [0.5, -1.5, 8.0, 19.75, 20.25, -700.0] + [spread(1e-3, 100) for _ in range(14)]
                for f in ("bessel_i0e", "bessel_i1e"))


def main():
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Written by tests/oracle/special_reference.py (mpmath %s); do not edit." % mpmath.__version__)
    print("#pragma once\n\nnamespace rill::test {\n")
    print("enum class special { %s };\n" % ", ".join(FUNCTIONS))
    print("struct special_value {\n  special function;\n  double x[3];\n  double want;\n};\n")
    print("inline constexpr special_value special_values[] = {")
    for name, *x in points(random.Random(20180501)):
        want = FUNCTIONS[name](*(mpf(v) for v in x))
        if not mpf("1e-290") < abs(want) < mpf("1e290"):
            continue
        print("    {special::%s, {%s}, %s}," % (name, ", ".join(repr(v) for v in x), mpmath.nstr(want, 18)))
    print("};\n\n}  // namespace rill::test")


if __name__ == "__main__":
    main()
