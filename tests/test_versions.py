"""A row's newest version is the newest that LiteRT registers: that one is taken by both, the next one by neither."""

from __future__ import annotations

import pytest

import minilite
from minilite.ops import OPS
from minilite.spec import Op
from minilite.testing.one_operator import build
from minilite.testing.seeded import SeededDraw
from tests.oracle import OracleDied, OracleError, oracle

MISSING = "Didn't find op for builtin opcode"


def content(op: Op, version: int) -> bytes:
    """A valid model of the operator, declared to be of a version."""
    draw, definition = SeededDraw(1), op.definitions[0]
    return build(draw, op, definition, op.cases(draw, definition), version).content


def litert_knows(model: bytes, name: str) -> bool:
    """Whether LiteRT's larger resolver has the operator in this version, whatever becomes of it then."""
    try:
        oracle().run(model, "builtin", [])
    except OracleDied:
        return True
    except (OracleError, ValueError) as error:
        return f"{MISSING} '{name}'" not in str(error)
    return True


@pytest.mark.parametrize("op", [pytest.param(op, id=name) for name, op in OPS.items() if not op.custom])
def test_the_newest_version_is_litert_s(op: Op) -> None:
    pytest.importorskip("ai_edge_litert")
    newest, next_one = content(op, op.version), content(op, op.version + 1)
    assert litert_knows(newest, op.name)
    assert not litert_knows(next_one, op.name)
    minilite.Interpreter(model_content=newest)
    with pytest.raises(minilite.UnsupportedOperatorError, match=f"{MISSING} '{op.name}' version '{op.version + 1}'"):
        minilite.Interpreter(model_content=next_one)
