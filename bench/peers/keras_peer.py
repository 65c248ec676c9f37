"""Keras on TensorFlow as a peer of the benchmark: `fit` on the tutorial's model."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from keras import layers

from peer import Unsupported, serve, tokens


def prepare(job):
    if job["kind"] != "train" or job["epochs"] is None or job["each_step"]:
        raise Unsupported("the Keras peer only supports `fit`")
    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    keras.utils.set_random_seed(1)
    x, y = tokens(0, job)
    cell = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}[job["cell"]]
    optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[job["optimizer"]]

    def repeat():
        hidden = [cell(job["units"], return_sequences=True) for _ in range(job["layers"] - 1)]
        model = keras.Sequential(
            [
                layers.Embedding(job["vocab"], job["embedding"]),
                *hidden,
                cell(job["units"]),
                layers.Dense(job["vocab"], activation="softmax"),
            ]
        )
        clip = {} if job["clip"] is None else {"global_clipnorm": job["clip"]}
        model.compile(optimizer(job["rate"], **clip), "sparse_categorical_crossentropy")
        return model.fit(x, y, batch_size=job["batch"], epochs=job["epochs"], verbose=0).history["loss"]

    return repeat()[:1], repeat


serve(f"{keras.__version__} on TensorFlow {tf.__version__}", prepare)
