# SPDX-License-Identifier: Apache-2.0
"""Prints random arrays with NumPy, for comparison.

    print.py FILE SEED CASES

Each case in FILE is a line "dtype rank dims... precision threshold edge_items line_width suppress sign floats bytes
characters", then the elements in C order and the text that NumPy gives. Exits with 3, and says so on standard error, where
NumPy is older than 2.3, which prints float32 and float16 otherwise.
"""
import sys

import numpy as np

FLOATS = ("float16", "float32", "float64")
KINDS = FLOATS + ("complex64", "complex128", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def shape(random):
    rank = int(random.integers(0, 7))
    dims = [int(random.choice([0, 1, 2, 3, 4, 5, 7, 9], p=[0.02, 0.14, 0.3, 0.22, 0.16, 0.08, 0.04, 0.04])) for _ in range(rank)]
    if rank == 1:
        dims = [int(random.choice([1, 2, 5, 17, 40]))]
    if rank == 2 and random.random() < 0.3:
        dims = [int(random.integers(1, 5)), int(random.integers(1, 60))]
    while np.prod(dims) > 600:
        dims[int(np.argmax(dims))] //= 2
    return tuple(dims)


def floats(random, size, dtype):
    info = np.finfo(dtype)
    tiny, most = float(np.log10(float(info.smallest_subnormal))), float(np.log10(float(info.max)))
    choice = random.integers(0, 9)
    if choice == 0:
        x = random.integers(-20, 20, size).astype(np.float64)
    elif choice == 1:
        x = random.standard_normal(size)
    elif choice == 2:
        x = 10.0 ** random.uniform(tiny, most, size)
    elif choice == 3:
        x = 10.0 ** random.integers(-8, 9, size)
    elif choice == 4:
        x = random.integers(-999, 999, size) / 8
    elif choice == 5:
        x = 10.0 ** random.uniform(-2, 3, size) * random.choice([-1, 1], size)
    elif choice == 6:
        x = random.integers(0, 10**8, size).astype(np.float64)
    elif choice == 7:
        x = np.float64(random.choice([0.0, -0.0, 1e-4, 0.5, 1e3, 1e6, 1e8, 99999999.0, 0.00099999]) * np.ones(size))
        x = np.where(random.random(size) < 0.3, 1.0, x)
    else:
        x = np.round(random.uniform(-10, 10, size), int(random.integers(0, 6)))
    with np.errstate(all="ignore"):
        x = x.astype(dtype)
    if random.random() < 0.25:
        for special in (np.nan, np.inf, -np.inf):
            if random.random() < 0.6:
                x = np.where(random.random(size) < 0.3, dtype.type(special), x)
    return x.astype(dtype)


def array(random):
    dtype = np.dtype(str(random.choice(KINDS, p=[0.12, 0.18, 0.2, 0.1, 0.1, 0.06] + [0.03] * 8)))
    size = shape(random)
    n = int(np.prod(size))
    if dtype.kind == "f":
        x = floats(random, n, dtype)
    elif dtype.kind == "c":
        part = np.dtype("float32" if dtype == np.complex64 else "float64")
        x = np.empty(n, dtype)
        x.real, x.imag = floats(random, n, part), floats(random, n, part)
    elif dtype.kind == "b":
        x = random.random(n) < 0.5
    else:
        info = np.iinfo(dtype)
        narrow = random.random() < 0.5
        x = random.integers(max(info.min, -20) if narrow else info.min, 100 if narrow else info.max, n, dtype, endpoint=True)
    return np.ascontiguousarray(x).reshape(size)


def main(path, seed, cases):
    if tuple(int(v) for v in np.__version__.split(".")[:2]) < (2, 3):
        print("NumPy", np.__version__, "is older than 2.3", file=sys.stderr)
        sys.exit(3)
    random = np.random.default_rng(seed)
    with open(path, "wb") as out:
        for _ in range(cases):
            x = array(random)
            o = dict(precision=8, threshold=1000, edgeitems=3, linewidth=75, suppress=False, sign="-", floatmode="maxprec")
            if random.random() < 0.6:
                o["precision"] = int(random.choice([0, 1, 2, 3, 5, 8, 10, 17]))
                o["threshold"] = int(random.choice([0, 5, 50, 1000]))
                o["edgeitems"] = int(random.choice([0, 1, 2, 3, 4], p=[0.04, 0.24, 0.24, 0.24, 0.24]))
                o["linewidth"] = int(random.choice([0, 10, 40, 75, 120]))
                o["suppress"] = bool(random.random() < 0.4)
                o["sign"] = str(random.choice(["-", "+", " "]))
                o["floatmode"] = str(random.choice(["maxprec", "maxprec_equal", "fixed", "unique"]))
            with np.printoptions(**o):
                text = str(x).encode()
            data = x.tobytes()
            words = [x.dtype.name, x.ndim, *x.shape, o["precision"], o["threshold"], o["edgeitems"], o["linewidth"],
                     int(o["suppress"]), o["sign"].replace(" ", "_"), o["floatmode"], len(data), len(text)]
            out.write((" ".join(str(w) for w in words) + "\n").encode() + data + text)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
