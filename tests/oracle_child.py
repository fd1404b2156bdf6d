"""The child process of tests/oracle.py: answers pickled requests on stdin until it is closed, or dies trying.

minilite itself can be the runtime: then memory is limited, and errors that are not minilite's own say so.
"""

import os
import pickle
import struct
import sys
import warnings

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

import numpy as np

MEMORY = 2 * 2**30
"""Bytes minilite may have, when it is the runtime."""

ARENA = 2**26
"""Bytes TFLite Micro may have for everything but the model."""


def load(runtime):
    """The interpreter module of a runtime."""
    if runtime == "minilite":
        import resource

        import minilite as interpreter

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    elif runtime == "litert":
        from ai_edge_litert import interpreter
    elif runtime == "tflm":
        from tflite_micro.python.tflite_micro import runtime as interpreter
    else:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        from tensorflow.lite.python import interpreter
    return interpreter


def invoke(interpreter, details, inputs):
    """Set the inputs and invoke."""
    for detail, array in zip(details, inputs, strict=True):
        if detail["dtype"].__name__ == "bfloat16":
            array = array.view(detail["dtype"])
        # of a string in no dimension LiteRT reads the pointer, unless it comes as bytes
        scalar = array.dtype == object and array.ndim == 0
        interpreter.set_tensor(detail["index"], array.astype(bytes) if scalar else array)
    interpreter.invoke()


def bits(array):
    """bfloat16 as uint16: not everybody who reads the answer has the type."""
    return array.view("uint16") if array.dtype.name == "bfloat16" else array


def answer(module, request):
    """Run one model once."""
    warnings.simplefilter("ignore")
    options = {}
    if request["every"]:
        options["experimental_preserve_all_tensors"] = True
    interpreter = module.Interpreter(
        model_content=request["model"],
        num_threads=1,
        experimental_op_resolver_type=module.OpResolverType[request["mode"]],
        **options,
    )
    details = interpreter.get_input_details()
    if request["resize"]:
        for detail, array in zip(details, request["inputs"], strict=True):
            interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    result = {} if request["every"] else []
    for inputs in (request["inputs"], *request["again"]):
        invoke(interpreter, details, inputs)
        if not request["every"]:
            result += [bits(interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()]
    if request["every"]:
        for detail in interpreter.get_tensor_details():
            try:
                result[detail["index"]] = bits(interpreter.get_tensor(detail["index"]))
            except ValueError:
                continue
    if request["details"]:
        return result, [op["op_name"] for op in interpreter._get_ops_details()]
    return result


def answer_micro(module, request):
    """Run one model once in TFLite Micro. Its shapes are the file's; ``every`` lists no tensors by itself."""
    if request["resize"] or request["details"]:
        raise ValueError("TFLite Micro cannot resize inputs or list its operators")
    every = request["every"]
    config = module.InterpreterConfig.kPreserveAllTensors if every else module.InterpreterConfig.kAllocationRecording
    model = module.convert_bytearray_to_object(request["model"])
    interpreter = module.Interpreter.from_bytes(request["model"], arena_size=ARENA, intrepreter_config=config)
    result = []
    for inputs in (request["inputs"], *request["again"]):
        for index, array in enumerate(inputs):
            interpreter.set_input(array, index)
        interpreter.invoke()
        result += [np.asarray(interpreter.get_output(i)) for i in range(len(model.subgraphs[0].outputs))]
    if not every:
        return result
    written = {i for operator in model.subgraphs[0].operators for i in operator.outputs}
    return {i: interpreter.GetTensor(i, 0)["tensor_data"] for i in sorted(written)}


def main():
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the runtime prints must not meet the answers
    module = load(sys.argv[1])
    respond = answer_micro if sys.argv[1] == "tflm" else answer
    stdin = sys.stdin.buffer
    while len(head := stdin.read(8)) == 8:
        request = pickle.loads(stdin.read(struct.unpack("<Q", head)[0]))
        try:
            reply = {"result": respond(module, request)}
        except Exception as error:  # whatever the runtime raises is its answer
            ours = getattr(module, "Error", Exception)
            reply = {"error": f"{type(error).__name__}: {error}", "foreign": not isinstance(error, ours)}
        payload = pickle.dumps(reply)
        out.write(struct.pack("<Q", len(payload)) + payload)
        out.flush()


if __name__ == "__main__":
    main()
