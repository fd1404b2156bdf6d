"""The child process of tests/remote.py: one interpreter of LiteRT's, told what to do by pickled requests on stdin."""

import os
import pickle
import struct
import sys
import warnings

import numpy as np


class Served:
    """An interpreter and what a script would hold of it: live views by name."""

    def __init__(self, module):
        self.module, self.interpreter, self.views = module, None, {}

    def new(self, content, resolver, **options):
        self.views.clear()
        self.interpreter = None
        resolver = self.module.OpResolverType[resolver]
        self.interpreter = self.module.Interpreter(
            model_content=content, experimental_op_resolver_type=resolver, **options
        )

    def hold(self, name, index):
        self.views[name] = self.interpreter.tensor(index)()
        return self.look(name)

    def look(self, name):
        view = self.views[name]
        return np.array(view), type(view).__name__

    def write(self, name, value):
        self.views[name][...] = value

    def release(self, name):
        del self.views[name]

    def run_signature(self, key, arrays):
        return self.interpreter.get_signature_runner(key)(**arrays)

    def signature_details(self, key):
        runner = self.interpreter.get_signature_runner(key)
        return runner.get_input_details(), runner.get_output_details()

    def do(self, method, *args, **options):
        found = getattr(type(self), method, None)
        return found(self, *args, **options) if found else getattr(self.interpreter, method)(*args, **options)


def main():
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the runtime prints must not meet the answers
    from ai_edge_litert import interpreter as module

    warnings.simplefilter("ignore")
    served, stdin = Served(module), sys.stdin.buffer
    while len(head := stdin.read(8)) == 8:
        method, args, options = pickle.loads(stdin.read(struct.unpack("<Q", head)[0]))
        try:
            reply = ("value", served.do(method, *args, **options))
        except Exception as error:  # whatever the runtime raises is its answer
            reply = ("error", type(error).__name__, str(error))
        payload = pickle.dumps(reply)
        out.write(struct.pack("<Q", len(payload)) + payload)
        out.flush()


if __name__ == "__main__":
    main()
