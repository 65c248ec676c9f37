"""Writes golden.json: what Keras's own Tokenizer makes of awkward texts.

    pip install Keras-Preprocessing==1.1.2 numpy && python golden.py
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from keras_preprocessing.text import Tokenizer

TEXTS = [
    [
        "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:",
        "Rough winds do shake the darling buds of May,\n\tAnd summer's lease hath all too short a date;",
    ],
    ["the cat sat", "the dog\u2014the 'dog' barked; o\u2019er_and_o\u2019er!"],
    ["", "   ", "ΟΔΥΣΣΕΥΣ ΟΔΟΣ. Σ ΑΣ' İstanbul STRASSE straße Ǆ ﬃ", "\u00a0non\u00a0breaking\u2003blanks\r\nstay 🦀🦀"],
    ["b a b a c", "c d"],
]
PROBES = ["the the sat cat", "a Summer's day, a cat; Zebra", "", "ΣΑΣ 🦀🦀 b d\nd", "oov c"]
CONFIGS = [
    {},
    {"num_words": 4},
    {"num_words": 4, "oov_token": "<OOV>"},
    {"num_words": 0, "oov_token": "oov"},
    {"oov_token": "c"},
    {"lower": False, "filters": ""},
    {"split": "-", "filters": " \n"},
    {"split": "ab", "filters": "c"},
    {"char_level": True},
    {"char_level": True, "lower": False, "oov_token": "?", "num_words": 9},
]


def sparse(matrix):
    cells = [[int(row), int(column), float(matrix[row, column])] for row, column in zip(*matrix.nonzero())]
    return {"shape": matrix.shape, "cells": cells}


def case(config, fits):
    tokenizer = Tokenizer(**config)
    for texts in fits:
        tokenizer.fit_on_texts(texts)
    sequences = tokenizer.texts_to_sequences(PROBES)
    ids = [list(range(12)), [99, 1]]
    modes = ["binary", "count", "freq", "tfidf"]
    return {
        "config": config,
        "fits": fits,
        "word_index": list(tokenizer.word_index.items()),
        "sequences": sequences,
        "ids": ids,
        "texts": tokenizer.sequences_to_texts(ids),
        "matrices": {mode: sparse(tokenizer.texts_to_matrix(PROBES, mode)) for mode in modes},
        "json": tokenizer.to_json(),
    }


golden = {
    "made_with": {
        "Keras-Preprocessing": version("Keras-Preprocessing"),
        "numpy": version("numpy"),
        "python": sys.version.split()[0],
    },
    "probes": PROBES,
    "cases": [case(config, fits) for config in CONFIGS for fits in (TEXTS[:1], TEXTS[1:])],
}
path = Path(__file__).with_name("golden.json")
path.write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")
