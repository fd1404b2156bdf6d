"""The child process of tests/tf_quantizers.py: TensorFlow's quantizers, asked as tests/oracle_child.py is."""

import os
import pickle
import struct
import sys


def tensorflow_quantizers():
    """What answers each kind of request."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.optimize import calibrator

    def calibrated(model, samples):
        return calibrator.Calibrator(calibrator.add_intermediate_tensors(model)).calibrate(lambda: iter(samples))

    def int8(model, samples, fed, given):
        """The newer quantizer, the one behind int8: of a model whose tensors have their ranges."""
        types = {"input_data_type": getattr(tf, fed), "output_data_type": getattr(tf, given)}
        return mlir_quantize(calibrated(model, samples), **types)

    def int16x8(model, samples, fed, given):
        """The older quantizer, the one behind 16x8; what it does not know stays float."""
        types = (getattr(tf, fed), getattr(tf, given), True, tf.int16, tf.int64)
        return calibrator.Calibrator(model).calibrate_and_quantize(lambda: iter(samples), *types)

    return {"calibrated": calibrated, "int8": int8, "int16x8": int16x8}


def main():
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever TensorFlow prints must not meet the answers
    quantizers = tensorflow_quantizers()
    stdin = sys.stdin.buffer
    while len(head := stdin.read(8)) == 8:
        kind, *arguments = pickle.loads(stdin.read(struct.unpack("<Q", head)[0]))
        try:
            reply = {"result": bytes(quantizers[kind](*arguments))}
        except Exception as error:  # whatever it raises is its answer
            reply = {"error": f"{type(error).__name__}: {error}", "foreign": False}
        payload = pickle.dumps(reply)
        out.write(struct.pack("<Q", len(payload)) + payload)
        out.flush()


if __name__ == "__main__":
    main()
