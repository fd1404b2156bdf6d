"""Test a runtime against a kernel set, operator by operator, with models that Hypothesis draws (extra ``testing``).

    import pytest
    from hypothesis import given, strategies as st
    from minilite import testing

    class Mine:
        def run(self, model: bytes, inputs: list) -> list:
            ...  # outputs, in order; raise testing.Unsupported for what the runtime does not take

    @pytest.mark.parametrize("row", testing.rows("CONV_2D|ADD"), ids=str)
    @given(data=st.data())
    def test_conforms(row, data):
        testing.check(Mine(), data.draw(testing.cases(row)), kernels="reference")

A row is an operator with one combination of types; a case is a complete one-operator model with inputs. See
``docs/testing.md``.
"""

from minilite.testing.kit import Difference, Row, Runtime, Unsupported, cases, check, rows, seeded_case
from minilite.testing.one_operator import OneOperator

__all__ = ["Difference", "OneOperator", "Row", "Runtime", "Unsupported", "cases", "check", "rows", "seeded_case"]
