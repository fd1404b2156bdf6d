"""The terminal session of ``minilite debug``: a debugger's commands, one a line, at a prompt or from a pipe."""

from __future__ import annotations

import cmd
import difflib
import re
import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from minilite.commands.run import ends, given_inputs, load
from minilite.errors import ArgumentError, Error
from minilite.inspection.debug_text import (
    difference,
    needed,
    number,
    operator_rows,
    read_by,
    statistics_lines,
    tensor_rows,
)
from minilite.inspection.debugger import Debugger, Pause
from minilite.inspection.expressions import parse_index
from minilite.inspection.listing import columns
from minilite.inspection.reals import quantized
from minilite.inspection.tensor_names import nearest_name, short
from minilite.interpreter import Interpreter
from minilite.quantization.grid import per_tensor
from minilite.terminal import printable

WIDTH = 80
"""Columns that every line of the session stays within, names of any length included."""

ELEMENTS = 200
"""Elements of an array that are printed; of larger ones NumPy shows the corners."""


def start(model: Path, files: Sequence[str], seed: int | None, kernels: str, signature: str | None) -> Debugger:
    """A debugger of a model on arrays from files and, with a seed, random ones. Real numbers are quantized for inputs
    of quantized integers."""
    interpreter = Interpreter(model, kernels=kernels, engine="numpy")
    inputs = given_inputs(interpreter, files, seed, signature)
    details = [detail for _, detail in ends(interpreter, signature)[0]]
    arrays = inputs.values() if isinstance(inputs, dict) else inputs
    entered = [_entered(array, detail) for array, detail in zip(arrays, details, strict=True)]
    named = dict(zip(inputs, entered, strict=True)) if isinstance(inputs, dict) else entered
    return Debugger(model, named, kernels, signature=signature)


def _entered(array: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    dtype, (scale, zero_point) = np.dtype(detail["dtype"]), detail["quantization"]
    if not scale or array.dtype.kind != "f" or dtype.kind not in "iu":
        return array
    return quantized(per_tensor(dtype.name, scale, zero_point), array)


class Session(cmd.Cmd):
    """The commands; each method's docstring is its help. An error in a command is a line, not the session's end."""

    def __init__(self, debugger: Debugger, stdin: IO[str] | None = None, stdout: IO[str] | None = None):
        super().__init__(stdin=stdin, stdout=stdout)
        self.debugger = debugger
        self.interactive = stdin is None and sys.stdin.isatty()
        self.use_rawinput = self.interactive

    @property
    def prompt(self) -> str:  # type: ignore[override]  # Cmd has it as an attribute
        """Where the run is."""
        at = self.debugger.next
        return f"({'end' if at is None else at}) "

    # ---- the loop ------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Take commands until ``quit`` or the input's end. Ctrl-C ends the command that is under way, not the
        session."""
        self._say(f"{len(self.debugger.operators)} operators. `help` lists the commands, `step` computes one operator.")
        self._show_next()
        while True:
            try:
                self.cmdloop()
                return
            except KeyboardInterrupt:
                self._say("\ninterrupted (quit, or Ctrl-D, ends the session)")

    def precmd(self, line: str) -> str:
        """Shows the line where nobody typed it."""
        if not self.interactive and line != "EOF":
            self._say(line.rstrip("\n"))
        return line.split(" #")[0] if not line.startswith("#") else ""

    def onecmd(self, line: str) -> bool:
        """One command; what it raises becomes a line."""
        try:
            return bool(super().onecmd(line))
        except (Error, OSError) as error:
            hint = " `tensors` lists them." if re.search(r"no tensor .*\(there are \d+\)", str(error)) else ""
            self._wrap(f"error: {error}{hint}")
        except Exception as error:  # whatever it is, the session and its run are worth more
            self._wrap(f"error: {type(error).__name__}: {error}")
        return False

    def emptyline(self) -> bool:
        """Nothing, rather than the last command again."""
        return False

    def default(self, line: str) -> None:
        """An unknown command; any beginning that only one command has will do."""
        name, _, rest = line.strip().partition(" ")
        known = [n.removeprefix("do_") for n in self.get_names() if n.startswith("do_") and n != "do_EOF"]
        fitting = [k for k in known if k.startswith(name)]
        if len(fitting) == 1:
            getattr(self, f"do_{fitting[0]}")(rest.strip())
            return
        near = fitting or difflib.get_close_matches(name, known, 2)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        self._wrap(f"there is no command {name!r}.{meant} `help` lists them.")

    def completedefault(self, text: str, *ignored: Any) -> list[str]:
        """Tensors' names."""
        return [n for n in self.debugger.names if n.startswith(text)]

    # ---- going ---------------------------------------------------------------------------------------------------

    def do_step(self, line: str) -> None:
        """step [N]        compute the next N operators (1); pause where `run` does"""
        if self.debugger.next is None:
            self._say("the run is at its end; `back`, or `goto N`")
            return
        count = number(line)
        for done in range(1, count + 1):
            pause = self.debugger.step(stop=True)
            self._show_last()
            early = f", after {done} of {count} operators" if done < count else ""
            if pause.reason in ("watch", "breakpoint"):
                self._say(f"{pause.reason}: {pause.condition}{early}")
                return
            if self.debugger.next is None and early:
                self._say(f"the run is at its end{early}")
                return

    def do_next(self, line: str) -> None:
        """next [N]        the same"""
        self.do_step(line)

    def do_run(self, line: str) -> None:
        """run             go on to a breakpoint, a watch, or the end"""
        self._report(self.debugger.run())

    def do_until(self, line: str) -> None:
        """until EXPR      go on until it is true: until max(conv1) > 6"""
        self._report(self.debugger.until(needed(line, "until max(conv1) > 6")))

    def do_back(self, line: str) -> None:
        """back [N]        go back N operators (1)"""
        self._report(self.debugger.back(number(line)))

    def do_goto(self, line: str) -> None:
        """goto OP|end     go to where an operator (number, or what it writes) is next"""
        wanted = needed(line, "goto 3")
        self._report(self.debugger.goto(None if wanted == "end" else wanted))

    # ---- where to pause ------------------------------------------------------------------------------------------

    def do_break(self, line: str) -> None:
        """break OP|TENSOR pause before an operator (number or kind), after a tensor"""
        self._say(f"will pause: {short(self.debugger.break_at(needed(line, 'break CONV_2D')), 60)}")

    def do_watch(self, line: str) -> None:
        """watch EXPR      pause where it becomes true: watch nan(result)"""
        self._say(f"will pause: {self.debugger.watch(needed(line, 'watch nan(result)'))}")

    def do_stops(self, line: str) -> None:
        """stops           list breakpoints and watches"""
        for name in self.debugger.stops or ("none",):
            self._say(name)

    def do_clear(self, line: str) -> None:
        """clear [NAME]    take a breakpoint or watch away, or all"""
        self.debugger.clear(line or None)

    # ---- looking -------------------------------------------------------------------------------------------------

    def do_operators(self, line: str) -> None:
        """operators       list all; > comes next, = is known before the run"""
        for text in columns(list(operator_rows(self.debugger)), right=(1,)):
            self._say(text[:WIDTH])

    def do_tensors(self, line: str) -> None:
        """tensors [TEXT]  list tensors, those with TEXT in their names"""
        rows = list(tensor_rows(self.debugger, line))
        if len(rows) == 1:
            raise ArgumentError(f"no tensor has {line!r} in its name{nearest_name(line, self.debugger.names)}.")
        for text in columns(rows):
            self._say(text[:WIDTH])

    def do_print(self, line: str) -> None:
        """print WHAT      a tensor, TENSOR[0, 2:4], real(TENSOR), or any expression"""
        found = self._value(needed(line, "print t5[0, 2:4]"))
        with np.printoptions(threshold=ELEMENTS, linewidth=WIDTH, precision=6, suppress=False):
            self._say(str(np.asarray(found)) if np.ndim(found) else str(found))

    def _value(self, text: str) -> Any:
        try:
            index, where = self._place(text)
        except ArgumentError as missing:
            if "may be" in str(missing) or re.fullmatch(r"[\w./;:]+(\[.*\])?", text):
                raise
            return self.debugger.value(text)
        value = self.debugger.tensor(index)
        try:
            return value[where]
        except IndexError as error:
            raise ArgumentError(f"{error}: the shape is {list(value.shape)}.") from None

    def _place(self, text: str) -> tuple[int, Any]:
        """A tensor, and a subscript."""
        found = re.fullmatch(r"(.*?)\s*(\[[^\]]*\])?", text.strip())
        assert found is not None
        name = found[1].strip("\"'")
        return self.debugger.index(name), parse_index(found[2]) if found[2] else ...

    def do_stats(self, line: str) -> None:
        """stats [TENSOR]  extremes, mean, zeros of a tensor (of the last result)"""
        index = self.debugger.index(line) if line else self._last_result()
        if index is None:
            raise ArgumentError("there is no result yet: `stats TENSOR`, or `step` first.")
        self._say(self._title(index))
        for text in statistics_lines(self.debugger.statistics(index)):
            self._say(f"  {text}")

    def _last_result(self) -> int | None:
        last = [o for o in self.debugger.operators if o.index == self.debugger.last]
        return next((t for o in last for t in o.outputs if t >= 0), None)

    # ---- changing ------------------------------------------------------------------------------------------------

    def do_patch(self, line: str) -> None:
        """patch T VALUE   T: TENSOR, TENSOR[0], TENSOR.scale, TENSOR.zero_point;
        VALUE: a number, or a .npy file; `real 0.5` is quantized.
        Patches stay when the run goes back, until `unpatch`"""
        found = re.fullmatch(r"(.+?(?:\[[^\]]*\])?)\s+(real\s+)?(\S+)", line.strip())
        if found is None:
            raise ArgumentError("say what and with what: patch conv1[0] 127")
        target, value = found[1], _patch_value(found[3])
        name, _, field = target.rpartition(".")
        if field in ("scale", "zero_point"):
            self.debugger.patch_quantization(name, **{field: value})
            self._wrap(f"{self._title(self.debugger.index(name))}: its {field} is another one in the model")
            return
        index, where = self._place(target)
        readers = self.debugger.patch(index, value, where, real=bool(found[2]))
        self._wrap(f"{self._title(index)}: {read_by(readers)}")
        limits = self.debugger.real_range(index) if found[2] else None
        if limits is not None and np.size(value) and not limits[0] <= np.min(value) <= np.max(value) <= limits[1]:
            self._wrap(f"clamped: the tensor's integers reach from {limits[0]:.6g} to {limits[1]:.6g}")

    def do_unpatch(self, line: str) -> None:
        """unpatch [T]     take a tensor's patches away, or all patches"""
        self.debugger.unpatch(line or None)

    def do_patches(self, line: str) -> None:
        """patches         list the patched tensors; parameters are in `diff`"""
        for operator, name in self.debugger.patches or ((None, ""),):
            where = "from the start" if operator == -1 else f"after operator {operator}"
            self._say("none" if operator is None else f"{short(name)}, {where}")

    def do_diff(self, line: str) -> None:
        """diff            the tensors that patches changed, and by how much"""
        changes = self.debugger.diff()
        if not changes:
            self._say("no tensor differs from the unpatched run")
            return
        rows = [("#", "tensor", "changed", "largest", "real", "name"), *map(difference, changes)]
        for text in columns(rows, right=(0, 2, 3, 4)):
            self._say(text[:WIDTH])

    def do_quit(self, line: str) -> bool:
        """quit            end the session (Ctrl-D, too)"""
        return True

    def do_EOF(self, line: str) -> bool:  # the name is Cmd's
        """The end of the input."""
        self._say("")
        return True

    def do_help(self, arg: str) -> None:
        """help [COMMAND]  this list"""
        names = [n for n in self.get_names() if n.startswith("do_") and n != "do_EOF"]
        if arg:
            if f"do_{arg}" not in names:
                self.default(arg)
                return
            names = [f"do_{arg}"]
        order = list(vars(type(self)))
        for name in sorted(names, key=order.index):
            first, *rest = (getattr(self, name).__doc__ or "").splitlines()
            self._say("\n".join((first, *(f"{'':16}{text.strip()}" for text in rest))))

    # ---- saying --------------------------------------------------------------------------------------------------

    def _report(self, pause: Pause) -> None:
        if pause.reason in ("watch", "breakpoint"):
            self._say(f"{pause.reason}: {pause.condition}")
        if pause.last is not None:
            self._show_last()
        self._show_next()

    def _show_last(self) -> None:
        operator = next(o for o in self.debugger.operators if o.index == self.debugger.last)
        index = self._last_result()
        if index is None:
            self._say(f"{operator.index} {operator.name}")
            return
        self._say(f"{operator.index} {operator.name} -> {self._title(index, 40)}"[:WIDTH])
        self._say(f"  {next(statistics_lines(self.debugger.statistics(index)))}"[:WIDTH])

    def _show_next(self) -> None:
        found = next((o for o in self.debugger.operators if o.index == self.debugger.next), None)
        self._say("the run is at its end" if found is None else f"next: {found.index} {found.name}")

    def _title(self, index: int, width: int = 44) -> str:
        info = self.debugger.info(index)
        return f"t{index} {short(info.name, width)} {info.type} {list(info.shape)}"

    def _wrap(self, text: str) -> None:
        """Text of any length, by lines that fit; names longer than a line are cut."""
        for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ", max_lines=8, placeholder=" ..."):
            self._say(line)

    def _say(self, text: str) -> None:
        print(printable(text), file=self.stdout, flush=True)


def _patch_value(text: str) -> Any:
    """A number, or the array of a file."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return load(Path(shlex.split(text)[0]))
