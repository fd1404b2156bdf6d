"""Sources: what has the values of all tensors to show after a run.

    Minilite(model, "xnnpack", engine="numpy")      minilite, with a kernel set and an engine
    LiteRT(model, "AUTO")                           Google's runtime, with one of its resolvers
    SavedRun("run.npz")                             what save_run() kept of another source

A source has a ``name``, the ``model`` that it runs, ``run(sample)``, which gives raw values by (subgraph, tensor), and
``of(model)``, the same runtime for another model: part of this one, say. :func:`source` makes one of what users have.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from minilite.custom import CustomOps
from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.interpreter import Interpreter
from minilite.kernel_sets import KERNEL_SETS
from minilite.model import Model
from minilite.quantization.inputs import nearest
from minilite.quantization.representative import Sample
from minilite.quantization.source import as_model
from minilite.reader import read
from minilite.soundness import check_throughout
from minilite.watching import watched

Key = tuple[int, int]
"""A tensor: the subgraph's index, and the tensor's in it."""

Values = dict[Key, np.ndarray]
"""Raw values of tensors, to be read before the source's next run."""


@runtime_checkable
class Source(Protocol):
    """See the module."""

    @property
    def name(self) -> str:
        """How tables and messages call it."""
        ...

    @property
    def label(self) -> str:
        """How names call the model: its file's name, say."""
        ...

    @property
    def model(self) -> Model:
        """What is run; names and grids of the tensors are from here."""
        ...

    def run(self, sample: Sample) -> Values:
        """Every tensor's value but constants', after one run. Variables begin anew (resources do not); the arrays are
        good until the next run."""
        ...

    def of(self, model: Model) -> Source | None:
        """The same runtime for another model; None where there is only this one run."""
        ...


class Minilite:
    """minilite itself, as a :class:`Source`."""

    def __init__(
        self,
        model: Model,
        kernels: str = "reference",
        engine: str = "auto",
        label: str = "model",
        custom_ops: CustomOps | None = None,
    ):
        self.model, self.kernels, self.engine, self.label, self.custom_ops = model, kernels, engine, label, custom_ops
        self.interpreter = Interpreter(
            model, kernels=kernels, engine=engine, experimental_preserve_all_tensors=True, custom_ops=custom_ops
        )

    @property
    def name(self) -> str:
        engine = "" if self.engine == "auto" else f":{self.engine}"
        return f"{self.label} ({self.kernels}{engine})"

    def run(self, sample: Sample) -> Values:
        found: Values = {}

        def see(subgraph: int, tensor: int, array: np.ndarray) -> None:
            found[subgraph, tensor] = array

        session = self.interpreter._session(sample.subgraph)
        session.feed(sample.arrays)
        self.interpreter.reset_all_variables()
        with watched(self.interpreter, see):
            session.invoke()
        return found

    def of(self, model: Model) -> Minilite:
        return Minilite(model, self.kernels, self.engine, self.label, self.custom_ops)


class SavedRun:
    """The samples and values of a run that :func:`save_run` kept, as a :class:`Source`.

    Its samples must be run in their order. Raises :class:`ArgumentError` for a file that is no saved run."""

    def __init__(self, path: str | os.PathLike[str]):
        self._path, self.label = Path(path), Path(path).name
        try:
            self._file = np.load(self._path, allow_pickle=False)
            self.model = read(self._file["model"].tobytes())
            self._origin = str(self._file["origin"])
            self._length = int(self._file["samples"])
        except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
            raise ArgumentError(f"{str(path)!r} is no run saved by minilite's save_run(): {error}.") from None
        self._next = 0

    @property
    def name(self) -> str:
        return f"{self.label} (saved from {self._origin})"

    def samples(self) -> Iterator[Sample]:
        """The samples that it was run on."""
        for position in range(self._length):
            arrays = self._part(position, "input")
            yield Sample(next(iter(arrays))[0], {tensor: array for (_, tensor), array in arrays.items()})

    def run(self, sample: Sample) -> Values:
        position, self._next = self._next, (self._next + 1) % self._length
        saved = self._part(position, "input")
        given = {(sample.subgraph, i): a for i, a in sample.arrays.items()}
        if saved.keys() != given.keys() or any(not np.array_equal(saved[k], given[k]) for k in saved):
            raise ArgumentError(
                f"{self.name}: sample {position} was run on other inputs. Compare on the inputs of the saved run: "
                "leave inputs out."
            )
        return self._part(position, "value")

    def _part(self, position: int, kind: str) -> Values:
        start = f"{position}/{kind}/"
        found = [name for name in self._file.files if name.startswith(start)]
        keys = [name.removeprefix(start).split("/") for name in found]
        return {(int(s), int(t)): self._file[name] for (s, t), name in zip(keys, found, strict=True)}

    def of(self, model: Model) -> None:
        return None


def save_run(source: Source, samples: Iterable[Sample], path: str | os.PathLike[str]) -> None:
    """Run a source and keep its model, the samples and the values of all tensors in an .npz file.

    Strings are left out."""
    content = np.frombuffer(source.model.to_bytes(), np.uint8)
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for count, sample in enumerate(samples, 1):
            inputs = {(sample.subgraph, i): a for i, a in sample.arrays.items()}
            for kind, values in (("input", inputs), ("value", source.run(sample))):
                for (s, t), array in values.items():
                    _write(archive, f"{count - 1}/{kind}/{s}/{t}", array)
        for name, fact in (("model", content), ("origin", np.array(source.name)), ("samples", np.array(count))):
            _write(archive, name, fact)


def _write(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    if np.asarray(array).dtype == object:
        return
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=False)
    archive.writestr(f"{name}.npy", content.getvalue())


# ---- from what users have ------------------------------------------------------------------------------------------


def source(what: Any, kernels: str = "reference", engine: str = "auto", *, same_as: Source | None = None) -> Source:
    """A source from one, a model, its path or bytes, an :class:`minilite.Interpreter` (its model, kernel set and
    engine), or the path of a saved run (.npz).

    With ``same_as``, words that name what else is to compute its model: a kernel set (``"xnnpack"``), with an engine if
    need be (``"reference:numpy"``), or a resolver of LiteRT (``"litert:AUTO"``).

    Raises :class:`ModelError` where a model's indices lead nowhere, :class:`ArgumentError` and
    :class:`ArgumentTypeError` for anything else."""
    found = _source(what, kernels, engine, same_as)
    check_throughout(found.model)
    return found


def _source(what: Any, kernels: str, engine: str, same_as: Source | None) -> Source:
    if isinstance(what, Interpreter):
        return Minilite(what._model, what._kernels.name, what._engine.name, what._name, what._program.custom_ops)
    if isinstance(what, Model | bytes):
        return Minilite(as_model(what), kernels, engine)
    if isinstance(what, Source):
        return what
    if not isinstance(what, str | os.PathLike):
        raise ArgumentTypeError(f"expected a source, a model or a path, got {type(what).__name__}.")
    if isinstance(what, str) and same_as is not None and (named := _named(what, same_as)) is not None:
        return named
    return _from_path(Path(what), kernels, engine, known_model=same_as is not None)


def _named(word: str, same_as: Source) -> Source | None:
    """What a word says is to compute the model; None for a word that says nothing."""
    first, _, rest = word.partition(":")
    if first == "litert":
        from minilite.inspection.litert import LiteRT

        return LiteRT(same_as.model, rest or "AUTO", same_as.label)
    if first in KERNEL_SETS:
        custom_ops = same_as.custom_ops if isinstance(same_as, Minilite) else None
        return Minilite(same_as.model, first, rest or "auto", same_as.label, custom_ops)
    return None


def _from_path(path: Path, kernels: str, engine: str, known_model: bool) -> Source:
    if path.suffix == ".npz":
        return SavedRun(path)
    if known_model and not path.suffix and not path.exists():
        words = [*KERNEL_SETS, "litert:AUTO", "litert:BUILTIN_REF", "litert:BUILTIN_WITHOUT_DEFAULT_DELEGATES"]
        raise ArgumentError(
            f"{str(path)!r} is neither a file nor something that computes{nearest(str(path), words)}. Give a .tflite "
            f"or .npz file, or one of: {', '.join(words)}."
        )
    return Minilite(read(path), kernels, engine, path.name)
