"""ONNX Runtime as a peer of the benchmark. With --empty it calls an empty graph, to measure the cost of a call."""

import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from peer import Unsupported, serve, uniform

EMPTY = "--empty" in sys.argv
OPSET = 17  # supported by every runtime; later versions of LSTM only add types
IR = 8  # the IR version of that opset


def value(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def session(nodes, inputs, outputs, weights, threads):
    graph = helper.make_graph(nodes, "bench", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def lstm(units, steps, threads):
    def weight(name, *shape):
        # Weights 1/units and biases 0, so that every library gets the same numbers.
        fill = 0 if name == "B" else 1 / units
        return numpy_helper.from_array(np.full(shape, fill, np.float32), name)

    weights = [weight("W", 1, 4 * units, units), weight("R", 1, 4 * units, units), weight("B", 1, 8 * units)]
    node = helper.make_node(
        "LSTM", ["X", "W", "R", "B", "", "h", "c"], ["Y", "Yh", "Yc"], hidden_size=units
    )
    state = [value(name, 1, 1, units) for name in ("h", "c")]
    outputs = [value("Y", steps, 1, 1, units), value("Yh", 1, 1, units), value("Yc", 1, 1, units)]
    return session([node], [value("X", steps, 1, units), *state], outputs, weights, threads)


def prepare(job):
    if job["kind"] != "stream":
        raise Unsupported("ONNX Runtime does not train")
    units, steps, chunk = job["units"], job["steps"], job["chunk"]
    x = uniform(steps, 1, units)
    if EMPTY:
        if chunk == steps:
            raise Unsupported("the cost of a call only shows with many calls")
        shape = (chunk, 1, units)
        node = helper.make_node("Identity", ["X"], ["Y"])
        run = session([node], [value("X", *shape)], [value("Y", *shape)], [], job["threads"]).run
        return [], lambda: [run(None, {"X": x[t : t + 1]}) for t in range(steps)]

    run = lstm(units, chunk, job["threads"]).run
    zero = np.zeros((1, 1, units), np.float32)
    h = c = zero

    def repeat():
        nonlocal h, c
        if chunk == steps:
            return run(["Y"], {"X": x, "h": zero, "c": zero})[0][-1]
        for t in range(steps):
            h, c = run(["Yh", "Yc"], {"X": x[t : t + 1], "h": h, "c": c})
        return h

    return [repeat().mean(dtype=np.float64)], repeat


serve(onnxruntime.__version__, prepare)
