# SPDX-License-Identifier: Apache-2.0
"""Writes files with NumPy for Rill to read, and says what NumPy reads in files that Rill wrote.

    npy.py write DIR    DIR/<dtype>_<order>_<version>.npy for every dtype, byte order, memory order and version; DIR/*.npz
    npy.py read DIR     one line "file dtype shape order values" for each .npy, "file:name ..." for each array of an .npz
"""
import os
import sys
import zipfile

import numpy as np

KINDS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "c8", "c16")


def values(kind, shape):
    n = int(np.prod(shape))
    x = np.arange(n) * 5 % 100
    if kind[0] == "c":
        return (x - 2j * x).astype(kind).reshape(shape)
    if kind == "b1":
        return (x % 3 == 0).reshape(shape)
    return x.astype(kind).reshape(shape)


def write(directory):
    for kind in KINDS:
        for big in (False, True):
            for fortran in (False, True):
                for version in (1, 2, 3):
                    x = values(kind, (2, 3, 4))
                    x = x.astype(x.dtype.newbyteorder(">" if big else "<"))
                    x = np.asfortranarray(x) if fortran else x
                    name = "%s_%s%s_%d.npy" % (kind, "b" if big else "l", "f" if fortran else "c", version)
                    with open(os.path.join(directory, name), "wb") as f:
                        np.lib.format.write_array(f, x, version=(version, 0))
    np.save(os.path.join(directory, "scalar"), np.float32(2.5))
    np.save(os.path.join(directory, "empty"), np.zeros((0, 3), np.int16))
    np.save(os.path.join(directory, "bytes"), np.array([[b"ab", b""], [b"c", b"def"]]))
    np.save(os.path.join(directory, "text"), np.array(["\u00e4b", "", "\u20ac", "\U0001f600"]))
    np.save(os.path.join(directory, "objects"), np.array([{}, None]), allow_pickle=True)
    np.save(os.path.join(directory, "records"), np.zeros(2, [("a", "f4"), ("b", "i2")]))
    arrays = {"x": values("f4", (3, 5)), "n": np.arange(100000), "deep/y": values("c16", (2,))}
    np.savez(os.path.join(directory, "stored.npz"), **arrays)
    np.savez_compressed(os.path.join(directory, "packed.npz"), **arrays)


def read(directory):
    def show(name, x):
        flat = x.flatten("C").tolist()
        print(name, x.dtype.name, list(x.shape), "F" if x.ndim > 1 and x.flags.f_contiguous else "C", flat if len(flat) < 50 else sum(flat))

    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if name.endswith(".npy"):
            show(name, np.load(path))
        elif name.endswith(".npz"):
            with zipfile.ZipFile(path) as z:
                assert z.testzip() is None
            with np.load(path) as all:
                for key in all.files:
                    show(name + ":" + key, all[key])


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2])
