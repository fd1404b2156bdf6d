"""Representative data, in every form that TFLiteConverter takes and a few that it does not.

def samples():                                  # a function that can be called again
    for image in images:
        yield [image[None]]                     # inputs in the model's order,
        yield {"image": image[None]}            # or by name,
        yield ("serve", {"image": image[None]}) # or with the signature they are for

images                                          # (N, ...): cut into samples along axis 0
{"image": images, "size": sizes}                # the same for several inputs
tf.lite.RepresentativeDataset(samples)          # TensorFlow's wrapper around such a function
[image[None] for image in images]               # anything to iterate over; a generator serves once
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, ArgumentTypeError, StateError
from minilite.interpreter.details import signature_called
from minilite.model import Model
from minilite.quantization.inputs import Array, Inputs, Slices, nearest, numbers, shape_fits

FORMS = (
    "a function that yields samples (lists of arrays in the order of the model's inputs, dictionaries by input name, "
    "or pairs of signature key and dictionary), an array (N, ...), a dictionary of arrays, or samples to iterate over"
)


@dataclass(frozen=True, eq=False)
class Sample:
    """Values for the inputs of a subgraph, by tensor index."""

    subgraph: int
    arrays: dict[int, Array]


class RepresentativeDataset:
    """Samples for a model, one after the other, each checked when it is reached.

    ``signature`` is the one that samples without a key are for; a model with a single one needs none. ``float64`` are
    the names of the inputs that were given as float64 and had to be converted. ``length`` is the number of samples,
    where that is known beforehand.

    Raises :class:`ArgumentError` and :class:`ArgumentTypeError` for data that does not fit the model, and for NaN and
    infinities."""

    def __init__(self, model: Model, data: Any, signature: str | None = None):
        self.model, self.data = model, data
        self.float64: set[str] = set()
        self._default = signature
        self._inputs: dict[str | None, Inputs] = {}
        self._used = False
        if not callable(data) and callable(given := getattr(data, "input_gen", None)):
            self.data = data = given
        if data is None or isinstance(data, str | bytes | int | float):
            raise _no_dataset(data)
        if hasattr(data, "__array__") and not callable(data):
            self.data = np.asarray(data)
        if not callable(data):
            self._check_slices(self.data)

    @property
    def length(self) -> int | None:
        """How many samples there are, None where only iterating tells."""
        if callable(self.data):
            return None
        if isinstance(self.data, np.ndarray) or _is_arrays(self.data):
            return len(next(iter(self._slices(self.data).values())))
        return len(self.data) if hasattr(self.data, "__len__") else None

    def __iter__(self) -> Iterator[Sample]:
        count = 0
        for count, sample in enumerate(self._samples(), 1):
            yield self._sample(sample, count - 1)
        if not count:
            raise ArgumentError(
                "the representative dataset is empty: there is no sample to run the model on. If it comes from a "
                "generator, that may have been used up; pass a function that makes one."
            )

    # ---- from data to samples --------------------------------------------------------------------------------

    def _samples(self) -> Iterable[Any]:
        data = self.data() if callable(self.data) else self.data
        if isinstance(data, np.ndarray) or _is_arrays(data):
            cut = self._slices(data)
            return (dict(zip(cut, pieces, strict=True)) for pieces in zip(*cut.values(), strict=True))
        try:
            iterator = iter(data)
        except TypeError:
            raise _no_dataset(data, called=callable(self.data)) from None
        if iterator is self.data:
            if self._used:
                raise StateError(
                    "the representative dataset is a generator, which can be gone through once, and here it is needed "
                    "again. Pass the function that makes it."
                )
            self._used = True
        return iterator

    def _slices(self, data: Any) -> dict[str, Slices]:
        """The samples in whole arrays, by input name."""
        inputs = self.inputs(None)
        if isinstance(data, np.ndarray):
            if len(inputs) != 1:
                raise ArgumentError(
                    f"one array for a model with {len(inputs)} inputs; pass a dictionary of arrays. {inputs}"
                )
            data = {inputs.names[0]: data}
        cut = {name: inputs.sliced(name, array) for name, array in data.items()}
        missing = [name for name in inputs.names if inputs.index(name) not in {inputs.index(n) for n in cut}]
        if missing:
            raise ArgumentError(f"no data for input {', '.join(map(repr, missing))}. {inputs}")
        counts = {name: len(pieces) for name, pieces in cut.items()}
        if len(set(counts.values())) != 1:
            raise ArgumentError(f"expected as many samples for every input, got {counts}.")
        return cut

    def _check_slices(self, data: Any) -> None:
        if isinstance(data, np.ndarray) or _is_arrays(data):
            self._slices(data)
        elif isinstance(data, Mapping):
            raise ArgumentTypeError(
                "a dictionary of samples must hold arrays (N, ...) by input name; for a single sample pass a list with "
                "the dictionary in it."
            )

    # ---- from samples to inputs ------------------------------------------------------------------------------

    def inputs(self, key: str | None) -> Inputs:
        """The inputs of a signature; of the one that is meant when there is no key."""
        if key not in self._inputs:
            self._inputs[key] = Inputs.of(self.model, self._chosen(key))
        return self._inputs[key]

    def _chosen(self, key: str | None) -> str | None:
        """The signature's key; None for a model without signatures."""
        keys = [s.key or "" for s in self.model.signatures]
        key = self._default if key is None else key
        if key is None and len(keys) > 1:
            raise ArgumentError(
                f"the model has {len(keys)} signatures; yield (key, inputs) to say which one a sample is for: "
                f"{', '.join(map(repr, keys))}."
            )
        if key is None:
            return keys[0] if keys else None
        if key not in keys:
            raise ArgumentError(f"no signature is called {key!r}{nearest(key, keys)}. The model has {keys or 'none'}.")
        return signature_called(self.model, key).key or ""

    def _sample(self, sample: Any, position: int) -> Sample:
        key, values = _keyed(sample)
        inputs = self.inputs(key)
        where = f"sample {position}"
        if isinstance(values, Mapping):
            arrays = {inputs.index(name, where): value for name, value in values.items()}
        else:
            values = _listed(values, inputs, where)
            if len(values) != len(inputs):
                labels = " Labels do not belong to the samples." if len(values) > len(inputs) else ""
                raise ArgumentError(f"{where}: expected {len(inputs)} arrays, got {len(values)}.{labels} {inputs}")
            arrays = dict(zip(inputs.indices, values, strict=True))  # names may be alike
        missing = [inputs.name(index) for index in inputs.indices if index not in arrays]
        if missing:
            raise ArgumentError(f"{where}: no value for input {', '.join(map(repr, missing))}. {inputs}")
        return Sample(inputs.subgraph, {i: self._array(inputs, i, value, where) for i, value in arrays.items()})

    def _array(self, inputs: Inputs, index: int, value: Any, where: str) -> Array:
        tensor, what = inputs.tensor(index), f"{where}, input {inputs.name(index)!r}"
        array, was_float64 = numbers(value, tensor, what)
        if was_float64:
            self.float64.add(inputs.name(index))
        if array.size == 0 and 0 not in (tensor.shape or ()):
            raise ArgumentError(f"{what}: a sample without values; {inputs.wanted_shape(index, array.shape)}")
        if not shape_fits(array.shape, tensor):
            raise ArgumentError(f"{what}: {inputs.wanted_shape(index, array.shape)}")
        return array


def _is_arrays(data: Any) -> bool:
    return isinstance(data, Mapping) and bool(data) and all(isinstance(a, np.ndarray) for a in data.values())


def _keyed(sample: Any) -> tuple[str | None, Any]:
    """The signature key that comes with the sample, and the rest."""
    if isinstance(sample, tuple) and len(sample) == 2 and (sample[0] is None or isinstance(sample[0], str)):
        return sample
    return None, sample


def _listed(values: Any, inputs: Inputs, where: str) -> Sequence[Any]:
    if isinstance(values, list | tuple):
        return values
    if hasattr(values, "__array__") and len(inputs) == 1:
        return [values]
    raise ArgumentTypeError(
        f"{where}: expected a list of arrays, a dictionary, or (signature key, dictionary), "
        f"got {type(values).__name__}. {inputs}"
    )


def _no_dataset(data: Any, called: bool = False) -> ArgumentTypeError:
    got = "nothing" if data is None else type(data).__name__
    returned = " returned by the function (does it yield?)" if called else ""
    return ArgumentTypeError(f"no representative dataset: expected {FORMS}; got {got}{returned}.")


Dataset = Callable[[], Iterable[Any]] | Iterable[Any] | Array | Mapping[str, Array]
"""What may be given as representative data."""
