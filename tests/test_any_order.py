"""A few sequences of :class:`tests.any_order.AnyOrder`; ``python -m tests.soak sequences`` plays ten thousand."""

from hypothesis import settings

from tests.any_order import AnyOrder

TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30)
