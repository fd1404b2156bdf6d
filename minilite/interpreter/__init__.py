"""Running models behind LiteRT's API; this module has the names of ``ai_edge_litert.interpreter``.

``interpreter``        the public methods
``session``            one subgraph at work: memory, state, shapes
``values``             what callers hand in, checked
``details``            what callers are told about tensors, operators and signatures
``signature_runner``   signatures as functions
``run_once``           the one call for scripts
"""

from minilite.interpreter.delegates import Delegate, load_delegate
from minilite.interpreter.interpreter import Interpreter, InterpreterWithCustomOps
from minilite.interpreter.op_resolver import OpResolverType
from minilite.interpreter.run_once import run
from minilite.interpreter.signature_runner import SignatureRunner

__all__ = [
    "Delegate",
    "Interpreter",
    "InterpreterWithCustomOps",
    "OpResolverType",
    "SignatureRunner",
    "load_delegate",
    "run",
]
