"""The peer's side of the protocol, for rivals in Python: see bench/README.md."""

import json
import os
import sys
from time import perf_counter

import numpy as np

BATCHES = 16  # number of different batches in a training job
GRADIENT = 1e-3  # the gradient of every output of a layer


class Unsupported(Exception):
    """The library cannot do the job, for the reason in the message."""


def mix(k):
    """Returns a pseudo-random number below 2^32 for each element of `k`: the integer hash "lowbias32"."""
    x = np.asarray(k).astype(np.uint32)
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return x ^ (x >> 16)


def uniform(*shape):
    """Returns features in 0..1, each a function of its index."""
    return (mix(np.arange(np.prod(shape))) / 0xFFFFFFFF).astype(np.float32).reshape(shape)


def tokens(b, job):
    """Returns inputs and targets of batch `b` of a training job, one sequence after another."""
    batch, steps, vocab = job["batch"], job["steps"], job["vocab"]
    lane = (np.arange(batch) << 16)[:, None] + b * steps + np.arange(steps + 1)[None, :]
    ids = (mix(lane) % vocab).astype(np.int64)
    return ids[:, :-1], ids[:, 1:] if job["each_step"] else ids[:, -1]


def memory(field):
    """Returns a memory figure of this process in bytes, if Linux reports it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def serve(version, prepare):
    """Answers the driver until standard input ends.

    `prepare(job)` does the job once and returns its check values and a function that repeats
    it, or raises `Unsupported`.
    """
    # Redirects what libraries print on standard output, which would break the protocol.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(what, value):
        print(json.dumps({what: value}), file=replies, flush=True)

    say("hello", version)
    repeat, idle = None, None
    for line in sys.stdin:
        ((what, value),) = json.loads(line).items()
        if what == "prepare":
            repeat = None  # drop the previous job: its memory must not count for this one
            try:
                with open("/proc/self/clear_refs", "w") as refs:
                    refs.write("5")  # resets the high-water mark of resident memory: proc(5)
                idle = memory("VmRSS")
            except OSError:
                idle = None
            try:
                check, repeat = prepare(value)
                say("ready", {"check": [float(c) for c in check]})
            except Unsupported as why:
                say("unsupported", str(why))
        elif what == "run":
            seconds = []
            for _ in range(value):
                start = perf_counter()
                repeat()
                seconds.append(perf_counter() - start)
            say("seconds", seconds)
        elif what == "memory":
            say("memory", max(0, memory("VmHWM") - idle) if idle is not None else None)
        else:
            raise SystemExit(f"unknown request: {what}")
