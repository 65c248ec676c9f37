"""The well-known next-word tutorial in Keras: two words in, the third out."""

import time

STARTED = time.perf_counter()

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import argparse
from statistics import median

import keras
import numpy as np
from keras.layers import LSTM, Dense, Embedding
from keras.models import Sequential
from keras.src.legacy.preprocessing.text import Tokenizer  # not public in Keras 3
from keras.utils import to_categorical

TEXT = (
    "This is a sample text for the next word prediction. "
    "The model learns which word comes after two words, "
    "and the more it reads the better it guesses."
)


def build(vocab):
    model = Sequential([Embedding(vocab, 10), LSTM(50), Dense(vocab, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--text", default=TEXT)
    arg.add_argument("--epochs", type=int, default=200)
    arg.add_argument("--runs", type=int, default=1, help="number of runs, with the seeds 0, 1, ...")
    arg.add_argument("--prompt", help="two words [default: the first two of the text]")
    arg.add_argument("--verbose", type=int, choices=[0, 2], default=0, help="as in fit()")
    args = arg.parse_args()

    tokenizer = Tokenizer()
    tokenizer.fit_on_texts([args.text])
    vocab = len(tokenizer.word_index) + 1
    ids = tokenizer.texts_to_sequences([args.text])[0]
    if len(ids) < 3:
        raise SystemExit("the text must have at least three words")
    windows = np.array([ids[i : i + 3] for i in range(len(ids) - 2)])
    x, y = windows[:, :2], to_categorical(windows[:, 2], num_classes=vocab)

    prompt = ids[:2]
    if args.prompt is not None:
        prompt = tokenizer.texts_to_sequences([args.prompt])[0][-2:]
        if len(prompt) < 2:
            raise SystemExit("the prompt must have at least two words that occur in the text")

    print(f"{len(ids)} words, {len(x)} windows, vocabulary {vocab}, keras {keras.__version__}")
    reported, after, fits = [], [], []
    for seed in range(args.runs):
        keras.utils.set_random_seed(seed)
        model = build(vocab)
        begun = time.perf_counter()
        history = model.fit(x, y, epochs=args.epochs, verbose=args.verbose)
        fits.append(time.perf_counter() - begun)
        reported.append(history.history["accuracy"][-1])
        after.append(model.evaluate(x, y, verbose=0)[1])

        words = list(prompt)
        for _ in range(3):
            probabilities = model.predict(np.array([words[-2:]]), verbose=0)[0]
            words.append(int(np.argmax(probabilities)))
        said = [tokenizer.index_word.get(w, "?") for w in words]
        print(
            f"seed {seed}  accuracy {reported[-1]:.4f}  after the last step {after[-1]:.4f}  "
            f"fit {fits[-1]:.2f} s  '{' '.join(said[:2])}' -> {' '.join(said[2:])}",
            flush=True,
        )

    if args.runs > 1:
        print(
            f"median of {args.runs}  accuracy {median(reported):.4f}  "
            f"after the last step {median(after):.4f}  fit {median(fits):.2f} s"
        )
    print(f"whole program {time.perf_counter() - STARTED:.2f} s")


if __name__ == "__main__":
    main()
