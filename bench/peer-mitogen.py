#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
peer-mitogen.py [SCALE]: the same measurements with Mitogen, which does in Python what ramet does in
C. Prints them beside ours, which the programs before it have left in the file $BENCH_FIGURES.
"""
import logging
import os
import statistics
import sys
import time

import mitogen.core
import mitogen.master

SMALL = 64


def nothing():
    pass


def produce(sender, count):
    data = mitogen.core.Blob(b"x" * SMALL)
    for _ in range(count):
        sender.send(data)
    sender.close()


@mitogen.core.takes_router
def open_sink(router):
    """A receiver that stays; its sender is the result."""
    globals()["sink"] = mitogen.core.Receiver(router)
    return globals()["sink"].to_sender()


def drain(count):
    for _ in range(count):
        globals()["sink"].get().unpickle()
    return count


def median_call(context, rounds):
    context.call(nothing)
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        context.call(nothing)
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def median_start(router, method, rounds):
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        context = method(python_path=sys.executable) if method == router.local else method()
        context.call(nothing)
        samples.append(time.perf_counter() - start)
        context.shutdown(wait=True)
    return statistics.median(samples)


def pipelined(context, count):
    window = 1000
    waiting = []
    start = time.perf_counter()
    for i in range(count):
        if len(waiting) == window:
            waiting.pop(0).get().unpickle()
        waiting.append(context.call_async(nothing))
    for receiver in waiting:
        receiver.get().unpickle()
    return count / (time.perf_counter() - start)


def messages_from(router, context, count):
    receiver = mitogen.core.Receiver(router)
    start = time.perf_counter()
    context.call_async(produce, receiver.to_sender(), count)
    for _ in range(count):
        receiver.get().unpickle()
    return count / (time.perf_counter() - start)


def messages_to(context, count):
    sender = context.call(open_sink)
    draining = context.call_async(drain, count)
    data = mitogen.core.Blob(b"x" * SMALL)
    start = time.perf_counter()
    for _ in range(count):
        sender.send(data)
    draining.get().unpickle()
    return count / (time.perf_counter() - start)


def measure(router, scale):
    """Lines of the table: our name for it, whether it is a time, and the figure."""
    def scaled(count):
        return max(3, int(count * scale))

    local = {"python_path": sys.executable}
    child = router.local(**local)
    deep = router.local(via=router.local(via=child, **local), **local)
    yield "call, local", True, median_call(child, scaled(2000))
    yield "call, 3 hops", True, median_call(deep, scaled(2000))
    yield "start, local", True, median_start(router, router.local, scaled(15))
    yield "start, fork", True, median_start(router, router.fork, scaled(30))
    yield "calls, 1000 on their way", False, pipelined(child, scaled(20000))
    yield "messages to a child", False, messages_to(child, scaled(50000))
    yield "messages from a child", False, messages_from(router, child, scaled(50000))


def read_figures():
    """What our programs have measured, by name; times in ns, rates in 1/s."""
    figures = {}
    path = os.environ.get("BENCH_FIGURES", "")
    if path and os.path.exists(path):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                name, value = line.rstrip("\n").rsplit("\t", 1)
                figures[name] = float(value)
    return figures


def text_of(value, is_time):
    if value is None:
        return ""
    units = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1)) if is_time \
        else (("/s", 1), ("k/s", 1e3), ("M/s", 1e6))
    unit, size = max((u for u in units if value >= u[1]), key=lambda u: u[1], default=units[0])
    value /= size
    return "%.*f %s" % (2 if value < 10 else 1 if value < 100 else 0, value, unit)


def main():
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1
    figures = read_figures()
    logging.disable(logging.CRITICAL)
    broker = mitogen.master.Broker()
    router = mitogen.master.Router(broker)
    print("mitogen %s on python %s; ratio: how many times as fast we are" % (
        ".".join(str(part) for part in mitogen.__version__), sys.version.split()[0]))
    print("%-40s %10s %20s %7s" % ("what", "ours", "Mitogen", "ratio"), flush=True)
    try:
        for name, is_time, theirs in measure(router, scale):
            ours = figures.get(name)
            ratio = ""
            if ours is not None:
                ours = ours / 1e9 if is_time else ours
                ratio = "%.0f" % (theirs / ours if is_time else ours / theirs)
            print("%-40s %10s %20s %7s" % (name, text_of(ours, is_time), text_of(theirs, is_time),
                                           ratio), flush=True)
    finally:
        broker.shutdown()
        broker.join()


if __name__ == "__main__":
    main()
