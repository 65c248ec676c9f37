"""A peer's half of the conversation with the driver, for rivals in Python: see bench/README.md."""

import json
import os
import sys
from time import perf_counter

import numpy as np

BATCHES = 16  # different batches of a training job
GRADIENT = 1e-3  # of every output of a layer


class Unsupported(Exception):
    """The library cannot do the job; the message says why."""


def mix(k):
    """A number below 2^32 that looks random for each of `k`: the integer hash "lowbias32"."""
    x = np.asarray(k).astype(np.uint32)
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return x ^ (x >> 16)


def uniform(*shape):
    """Features in 0..1, each a function of its place."""
    return (mix(np.arange(np.prod(shape))) / 0xFFFFFFFF).astype(np.float32).reshape(shape)


def tokens(b, job):
    """Inputs and targets of batch `b` of a training job, sequence by sequence."""
    batch, steps, vocab = job["batch"], job["steps"], job["vocab"]
    lane = (np.arange(batch) << 16)[:, None] + b * steps + np.arange(steps + 1)[None, :]
    ids = (mix(lane) % vocab).astype(np.int64)
    return ids[:, :-1], ids[:, 1:] if job["each_step"] else ids[:, -1]


def memory(field):
    """A figure of this process in bytes, where Linux tells it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def serve(version, prepare):
    """Answers the driver until standard input ends.

    `prepare(job)` does the job once and returns the numbers that it is checked by and a function that does it
    again, or raises `Unsupported`.
    """
    # What libraries print on standard output would break the conversation.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(what, value):
        print(json.dumps({what: value}), file=replies, flush=True)

    say("hello", version)
    repeat, idle = None, None
    for line in sys.stdin:
        ((what, value),) = json.loads(line).items()
        if what == "prepare":
            repeat = None  # the job before goes first: its memory is not the next one's
            try:
                with open("/proc/self/clear_refs", "w") as refs:
                    refs.write("5")  # a new high-water mark of resident memory: proc(5)
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
            raise SystemExit(f"unknown request {what}")
