"""Writes golden.rs: Keras's results for the inputs that tests.rs makes with the same generator.

    pip install -r fixtures/requirements.txt
    KERAS_BACKEND=tensorflow python golden.py > golden.rs

`fixtures/regenerate` runs both and checks the file.

Gradients are not included: tests.rs compares them with central differences of the forward pass tested here.
"""

import keras
import numpy as np
import tensorflow as tf

LENGTHS, INPUTS, UNITS = [4, 3, 1, 0], 2, 3
SEQUENCES = len(LENGTHS)


def numbers(seed, count):
    """Knuth's MMIX generator, with the upper 53 bits as a number in [-1, 1). `numbers` in tests.rs is the same."""
    state, out = seed, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 11) / 2**52 - 1)
    return np.array(out)


def emit(name, values):
    values = np.asarray(values)
    kind = "f32" if values.dtype == np.float32 else "f64"
    # The shortest representation that reads back as the same float.
    flat = ", ".join(str(v) for v in values.reshape(-1))
    print(f"pub(super) const {name}: [{kind}; {values.size}] = [{flat}];")


def cells():
    kinds = {
        "RNN": (1, 1, lambda: keras.layers.SimpleRNNCell(UNITS, dropout=0.5, recurrent_dropout=0.5)),
        "LSTM": (4, 1, lambda: keras.layers.LSTMCell(UNITS, dropout=0.5, recurrent_dropout=0.5)),
        "GRU_AFTER": (3, 2, lambda: keras.layers.GRUCell(UNITS, dropout=0.5, recurrent_dropout=0.5)),
        "GRU_BEFORE": (
            3,
            1,
            lambda: keras.layers.GRUCell(UNITS, dropout=0.5, recurrent_dropout=0.5, reset_after=False),
        ),
    }
    for name, (gates, bias_rows, make) in kinds.items():
        for masked in [False, True]:
            cell = make()
            cell.build((None, INPUTS))
            bias = numbers(3, bias_rows * gates * UNITS)
            cell.kernel.assign(numbers(1, INPUTS * gates * UNITS).reshape(INPUTS, -1))
            cell.recurrent_kernel.assign(numbers(2, UNITS * gates * UNITS).reshape(UNITS, -1))
            cell.bias.assign(bias.reshape(cell.bias.shape))
            # Any numbers serve as masks here; real ones are 0 or 1 / (1 - rate).
            masks = numbers(7, gates * SEQUENCES * INPUTS).reshape(gates, SEQUENCES, INPUTS)
            recurrent = numbers(8, gates * SEQUENCES * UNITS).reshape(gates, SEQUENCES, UNITS)
            emit(f"{name}_MASKED" if masked else name, run(cell, gates, masks, recurrent, masked))


def run(cell, gates, masks, recurrent, masked):
    """Runs each sequence alone, one step after another; returns y in packed order."""
    active = [sum(n > t for n in LENGTHS) for t in range(max(LENGTHS))]
    x = numbers(4, sum(active) * INPUTS).reshape(-1, INPUTS)
    h0 = numbers(5, SEQUENCES * UNITS).reshape(SEQUENCES, UNITS)
    c0 = numbers(6, SEQUENCES * UNITS).reshape(SEQUENCES, UNITS)
    y = np.zeros((sum(active), UNITS))
    for n, length in enumerate(LENGTHS):
        one = (lambda m: m[0]) if gates == 1 else list
        cell.get_dropout_mask = lambda _, n=n: one(masks[:, n : n + 1])
        cell.get_recurrent_dropout_mask = lambda _, n=n: one(recurrent[:, n : n + 1])
        state = [h0[n : n + 1], c0[n : n + 1]][: 2 if gates == 4 else 1]
        for t in range(length):
            row = sum(active[:t]) + n
            h, state = cell(x[row : row + 1], state, training=masked)
            y[row] = h[0]
    return y


def activations():
    x = tf.constant([-4.0, -2.5, -0.5, 0.25, 2.5, 4.0], dtype=tf.float64)
    names = ["linear", "tanh", "sigmoid", "hard_sigmoid", "relu", "elu", "selu", "softsign", "softplus", "exponential"]
    emit("ACTIVATIONS", np.stack([keras.activations.get(name)(x) for name in names]))


def rows():
    prediction, target = numbers(11, 6).reshape(2, 3), numbers(12, 6).reshape(2, 3)
    gamma, beta = numbers(13, 3), numbers(14, 3)
    norm = keras.layers.LayerNormalization()
    norm.build((None, 3))
    norm.gamma.assign(gamma)
    norm.beta.assign(beta)
    emit("LAYER_NORM", norm(prediction))
    emit("SOFTMAX", keras.ops.softmax(prediction))
    losses = keras.losses
    emit("MSE", losses.mean_squared_error(target, prediction))
    emit("MAE", losses.mean_absolute_error(target, prediction))
    emit("HUBER", losses.huber(target, 2 * prediction, delta=1.0))
    p, t = (prediction + 1) / 2, (target + 1) / 2
    p[0, 1], p[1, 2] = 0.0, 1.0
    emit("BCE_LOGITS", losses.binary_crossentropy(t, prediction, from_logits=True))
    emit("BCE", losses.binary_crossentropy(t, p))
    emit("CCE_LOGITS", losses.categorical_crossentropy(t / t.sum(-1, keepdims=True), prediction, from_logits=True))
    emit("CCE", losses.categorical_crossentropy(t, p))
    emit("SCE_LOGITS", losses.sparse_categorical_crossentropy(np.array([2, 0]), prediction, from_logits=True))


def optimizers():
    """Writes the weights after three steps."""
    kinds = keras.optimizers
    makers = {
        "SGD": lambda: kinds.SGD(),
        "SGD_MOMENTUM": lambda: kinds.SGD(momentum=0.9),
        "SGD_NESTEROV": lambda: kinds.SGD(momentum=0.9, nesterov=True),
        "RMSPROP": lambda: kinds.RMSprop(),
        "RMSPROP_CENTERED": lambda: kinds.RMSprop(momentum=0.9, centered=True),
        "ADAGRAD": lambda: kinds.Adagrad(),
        "ADADELTA": lambda: kinds.Adadelta(),
        "ADAM": lambda: kinds.Adam(),
        "ADAM_AMSGRAD": lambda: kinds.Adam(amsgrad=True),
        "ADAMW": lambda: kinds.AdamW(weight_decay=0.004),
        "ADAMAX": lambda: kinds.Adamax(),
        "NADAM": lambda: kinds.Nadam(),
    }
    # Not in float64: there, TensorFlow still rounds the hyperparameters to float32.
    keras.backend.set_floatx("float32")
    for name, make in makers.items():
        # Weights that start at zero show all digits of their changes.
        w = keras.Variable(np.array([0.5, 0.0, 0.0]), dtype="float32")
        optimizer = make()
        for t in range(1, 4):
            # Shrinking, so that the largest second moment is not the last one; for the third weight, epsilon matters.
            g = numbers(20 + t, 3) * np.array([1.0, 1.0, 1e-3]) / 4**t
            optimizer.apply([tf.constant(g, dtype="float32")], [w])
        emit(name, w.numpy())


def main():
    keras.backend.set_floatx("float64")
    versions = f"Keras {keras.__version__}, TensorFlow {tf.__version__}"
    print(f"//! Written by golden.py with {versions}; do not edit.")
    print()
    cells()
    activations()
    rows()
    optimizers()


if __name__ == "__main__":
    main()
