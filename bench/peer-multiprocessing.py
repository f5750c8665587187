#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
The work of bench/parallel.c with multiprocessing.Pool(2): for each line on standard input prints the nanoseconds that
it took, the pool being there already.
"""
import collections
import multiprocessing
import sys
import time

STEP = 1000


def count_primes(begin):
    found = 0
    for n in range(max(begin, 2), begin + STEP):
        d = 2
        while d * d <= n and n % d:
            d += 1
        found += d * d > n
    return found


def drain(results):
    collections.deque(results, maxlen=0)


def main():
    with multiprocessing.Pool(2) as pool:
        pool.map(abs, range(1000))
        for line in sys.stdin:
            what, *numbers = line.split()
            numbers = [int(number) for number in numbers]
            start = time.perf_counter_ns()
            if what == "map":
                pool.map(abs, range(numbers[0]))
            elif what == "imap":
                drain(pool.imap(abs, range(numbers[0]), numbers[1]))
            elif what == "primes":
                sum(pool.imap(count_primes, range(0, numbers[0], STEP)))
            elif what == "alone":
                sum(map(count_primes, range(0, numbers[0], STEP)))
            print(time.perf_counter_ns() - start, flush=True)


if __name__ == "__main__":
    main()
