#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
peer-reach.py [METHOD KEYWORDS]: connects with Mitogen, for bench/reach.c: once, or for each line on standard input.
Prints the nanoseconds from the beginning of the connection to the answer of a call as soon as that is there, or why
there is none. KEYWORDS are in JSON. The call is one of Python's own functions: nothing of ours has to be sent.
"""
import json
import logging
import os
import sys
import time

import mitogen.master


def connect(router, line):
    name, _, keywords = line.partition(" ")
    method = getattr(router, name)
    keywords = json.loads(keywords or "{}")
    start = time.perf_counter_ns()
    context = method(**keywords)
    context.call(os.getpid)
    print(time.perf_counter_ns() - start, flush=True)
    if len(sys.argv) > 1:
        sys.stdin.read()  # whoever measures has seen it
    context.shutdown(wait=True)


def main():
    logging.disable(logging.CRITICAL)
    broker = mitogen.master.Broker()
    router = mitogen.master.Router(broker)
    try:
        for line in sys.argv[1:] or sys.stdin:
            try:
                connect(router, line)
            except mitogen.core.Error as error:
                print("failed: " + " ".join(str(error).split()), flush=True)
                if len(sys.argv) > 1:
                    sys.exit(1)
    finally:
        broker.shutdown()
        broker.join()


if __name__ == "__main__":
    main()
