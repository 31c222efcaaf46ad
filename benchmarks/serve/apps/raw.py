"""ONNX Runtime alone, with no server around it: one image after the other for some seconds.

python raw.py IMAGE.npy SECONDS     says "ready", waits for a line, then says how many images it did a second
"""

from __future__ import annotations

import sys
from time import perf_counter

import numpy as np
from session import Graph


def main() -> None:
    image, seconds = np.load(sys.argv[1])[None], float(sys.argv[2])
    graph = Graph()
    for _ in range(100):
        graph(image)
    print("ready", flush=True)
    sys.stdin.readline()
    began, count = perf_counter(), 0
    while perf_counter() - began < seconds:
        graph(image)
        count += 1
    print(count / (perf_counter() - began))


if __name__ == "__main__":
    main()
