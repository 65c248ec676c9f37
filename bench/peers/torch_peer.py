"""PyTorch as a peer of the benchmark. With --bf16 it runs LSTM layers under bfloat16 autocast."""

import sys
from itertools import cycle

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from peer import BATCHES, GRADIENT, Unsupported, serve, tokens, uniform

BF16 = "--bf16" in sys.argv
CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def constant(layer, units):
    """Sets weights to 1/units and biases to 0, so that every library gets the same numbers."""
    with torch.no_grad():
        for p in layer.parameters():
            p.fill_(1 / units if p.dim() == 2 else 0)
    return layer


def mean(tensor):
    return tensor.detach().double().mean().item()


def layer(job):
    if BF16 and job["cell"] != "lstm":
        raise Unsupported("oneDNN has a fused bfloat16 path only for LSTM")
    units, lengths = job["units"], job["lengths"]
    rnn = constant(CELLS[job["cell"]](units, units), units)
    x = torch.from_numpy(uniform(len(lengths), max(lengths), units)).transpose(0, 1)
    # The rows are packed once: a job times the layer, not the preparation of its input.
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    ragged = min(lengths) < max(lengths)
    leaf = (packed.data if ragged else x).clone(memory_format=torch.contiguous_format).requires_grad_()

    def forward():
        if not ragged:
            return rnn(leaf)[0]
        return rnn(PackedSequence(leaf, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices))[0].data

    gradient = None

    def repeat():
        nonlocal gradient
        leaf.grad = None
        rnn.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
            y = forward()
        if gradient is None:
            gradient = torch.full_like(y, GRADIENT)
        y.backward(gradient)
        return y

    return [mean(t) for t in (repeat(), leaf.grad, rnn.weight_ih_l0.grad, rnn.weight_hh_l0.grad)], repeat


def stream(job):
    units, steps, chunk = job["units"], job["steps"], job["chunk"]
    rnn = constant(nn.LSTM(units, units), units).eval()
    x = torch.from_numpy(uniform(steps, 1, units))
    chunks, state = x.split(chunk), None

    @torch.inference_mode()
    def repeat():
        nonlocal state
        if chunk == steps:
            return rnn(x)[0]
        for step in chunks:
            y, state = rnn(step, state)
        return y

    return [mean(repeat()[-1])], repeat


class LanguageModel(nn.Module):
    def __init__(self, job):
        super().__init__()
        self.each_step = job["each_step"]
        self.embedding = nn.Embedding(job["vocab"], job["embedding"])
        self.rnn = CELLS[job["cell"]](job["embedding"], job["units"], job["layers"])
        self.head = nn.Linear(job["units"], job["vocab"])

    def forward(self, ids, state):
        y, state = self.rnn(self.embedding(ids), state)
        return self.head(y if self.each_step else y[-1]), state


def detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def trainer(job):
    """Returns a new model, and a function that takes its next step and returns the loss."""
    model = LanguageModel(job)
    rule = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[job["optimizer"]]
    optimizer = rule(model.parameters(), lr=job["rate"])
    # Time-major, which PyTorch's recurrent layers prefer.
    batches = [tokens(b, job) for b in range(BATCHES if job["each_step"] else 1)]
    batches = cycle([tuple(torch.from_numpy(a.T.copy()) for a in batch) for batch in batches])
    state = None

    def step():
        nonlocal state
        x, y = next(batches)
        logits, state = model(x, state)
        loss = F.cross_entropy(logits.flatten(0, -2), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        if job["clip"] is not None:
            nn.utils.clip_grad_norm_(model.parameters(), job["clip"])
        optimizer.step()
        state = detached(state) if job["each_step"] else None
        return loss.item()

    return step


def train(job):
    torch.manual_seed(1)
    if job["epochs"] is None:
        step = trainer(job)
        return [step()], step

    def repeat():
        step = trainer(job)
        return [step() for _ in range(job["epochs"])]

    return repeat()[:1], repeat


def prepare(job):
    torch.set_num_threads(job["threads"])
    if BF16 and (job["kind"] != "layer" or min(job["lengths"]) < max(job["lengths"])):
        raise Unsupported("bfloat16 is only supported for plain LSTM layers")
    return {"layer": layer, "stream": stream, "train": train}[job["kind"]](job)


# PyTorch loads its optimisers on first use, which must not count as a job's memory.
TINY = {"cell": "lstm", "units": 1, "layers": 1, "embedding": 1, "vocab": 2, "batch": 1, "steps": 1}
for rule in ("adam", "sgd"):
    trainer({**TINY, "each_step": True, "optimizer": rule, "rate": 1e-3, "clip": 1.0})()
serve(torch.__version__, prepare)
