"""Character language model in PyTorch, on the CPU, for comparison with Refrain's.

Training: the text's first part is cut into `batch` contiguous lanes, which are
read in chunks of `steps` with the hidden state carried over and detached.
Validation: the text's last part is scored as if it were a separate file, in lanes
of 8,192 tokens, each after a warm-up on the 512 tokens before it.
"""

import time

STARTED = time.perf_counter()

import argparse
import json
import math

import torch
from torch import nn
from torch.nn import functional as F

LANE = 8192  # tokens scored in one validation lane
WARM = 512  # warm-up tokens before it, not scored
WALK = 256  # validation steps in one forward pass (speed and memory only)

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class CharModel(nn.Module):
    def __init__(self, cell, vocab, embedding, units, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embedding)
        self.rnn = CELLS[cell](embedding, units, layers)  # nn.RNN uses tanh by default
        self.head = nn.Linear(units, vocab)

    def forward(self, ids, state=None):
        out, state = self.rnn(self.embedding(ids), state)
        return self.head(out), state


def detach(state):
    if isinstance(state, tuple):
        return tuple(s.detach() for s in state)
    return state.detach()


def training_lanes(ids, batch):
    """Returns inputs and targets, each [lane length, batch]; the remainder is dropped."""
    length = (len(ids) - 1) // batch
    if length < 1:
        raise SystemExit("the training text is too short for this batch size; use a smaller --batch")
    inputs = ids[: length * batch].view(batch, length)
    targets = ids[1 : length * batch + 1].view(batch, length)
    return inputs.t().contiguous(), targets.t().contiguous()


def validation_lanes(ids, pad):
    """Returns inputs and targets, each [steps, lanes]; a target of -100 is not scored.

    Lane k scores the tokens k*LANE up to (k+1)*LANE. Lane 0 has no warm-up, and
    the file's first token is never scored. Short lanes are padded on the right,
    where the padding cannot reach a scored step.
    """
    starts = range(0, len(ids), LANE)
    inputs = torch.full((WARM + LANE, len(starts)), pad)
    targets = torch.full((WARM + LANE, len(starts)), -100)
    longest = 0
    for lane, start in enumerate(starts):
        first = max(0, start - WARM)
        end = min(start + LANE, len(ids))
        steps = end - 1 - first
        unscored = max(0, start - 1 - first)
        inputs[:steps, lane] = ids[first : end - 1]
        targets[unscored:steps, lane] = ids[first + 1 + unscored : end]
        longest = max(longest, steps)
    return inputs[:longest], targets[:longest]


def train_epoch(model, optimizer, inputs, targets, steps, clip):
    model.train()
    total, state = torch.zeros((), dtype=torch.float64), None
    for x, y in zip(inputs.split(steps), targets.split(steps)):
        logits, state = model(x, state)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        state = detach(state)
        total += loss.detach() * y.numel()
    return total.item() / targets.numel()


@torch.inference_mode()
def validate(model, inputs, targets):
    model.eval()
    total, state = 0.0, None
    for x, y in zip(inputs.split(WALK), targets.split(WALK)):
        logits, state = model(x, state)
        total += F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum").item()
    return total / (targets != -100).sum().item()


def main():
    arg = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arg.add_argument("--file", required=True, help="text file, UTF-8")
    arg.add_argument("--cell", choices=CELLS, default="lstm")
    arg.add_argument("--units", type=int, default=256)
    arg.add_argument("--layers", type=int, default=2)
    arg.add_argument("--embedding", type=int, default=64)
    arg.add_argument("--batch", type=int, default=64)
    arg.add_argument("--steps", type=int, default=64)
    arg.add_argument("--epochs", type=int, default=5)
    arg.add_argument("--lr", type=float, default=2e-3)
    arg.add_argument("--clip", type=float, default=5.0, help="maximum global gradient norm")
    arg.add_argument("--validation", type=float, default=0.1, help="fraction of the text for validation; 0 for none")
    arg.add_argument("--seed", type=int, default=1)
    arg.add_argument("--threads", type=int, default=2)
    arg.add_argument("--json", action="store_true", help="print one JSON object per line")
    args = arg.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    with open(args.file, encoding="utf-8", newline="") as f:
        text = f.read()
    split = math.floor((1 - args.validation) * len(text))
    chars = sorted(set(text[:split]))
    unknown, vocab = len(chars), len(chars) + 1
    index = {c: i for i, c in enumerate(chars)}
    ids = torch.tensor([index.get(c, unknown) for c in text])

    inputs, targets = training_lanes(ids[:split], args.batch)
    held_out = validation_lanes(ids[split:], unknown) if len(text) - split > 1 else None

    model = CharModel(args.cell, vocab, args.embedding, args.units, args.layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)

    for epoch in range(1, args.epochs + 1):
        begun = time.perf_counter()
        loss = train_epoch(model, optimizer, inputs, targets, args.steps, args.clip)
        seconds = time.perf_counter() - begun
        report = {
            "event": "epoch",
            "epoch": epoch,
            "loss": round(loss, 5),
            "val_loss": round(validate(model, *held_out), 5) if held_out else None,
            "seconds": round(seconds, 3),
            "tokens_per_second": round(targets.numel() / seconds),
        }
        if args.json:
            print(json.dumps(report), flush=True)
        else:
            print("  ".join(f"{k} {v}" for k, v in report.items() if k != "event"), flush=True)

    report = {
        "event": "done",
        "seconds": round(time.perf_counter() - STARTED, 3),
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": vocab,
        "train_tokens": targets.numel(),
        "val_tokens": (held_out[1] != -100).sum().item() if held_out else 0,
        "torch": torch.__version__,
    }
    if args.json:
        print(json.dumps(report))
    else:
        print("done  " + "  ".join(f"{k} {v}" for k, v in report.items() if k != "event"))


if __name__ == "__main__":
    main()
