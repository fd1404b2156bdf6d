"""SKIP_GRAM: the n-grams of a sentence, with words skipped.

Every choice of ``ngram_size`` words in their order (``include_all_ngrams``: of 1 to ``ngram_size`` words) that skips at
most ``max_skip_size`` words between two neighbours, joined with a space. Choices are ordered by their words; one that
begins another comes after it. Sentences of fewer than ``ngram_size`` words have none.

input: the sentence is its first string. output [count]. Words end at white space (that of C). As in LiteRT's kernel, a
sentence's very first character is not looked at: white space there takes the first word with it or, if there is no
other white space, stays. More than 2 ** 24 n-grams are an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, fed
from minilite.errors import OperatorError
from minilite.spec import Definition, Node, Op, TensorInfo, activation

Array = np.ndarray
SPACE = b" \t\n\v\f\r"
MOST = 2**24


def shapes(node: Node, input: TensorInfo) -> tuple[None]:
    input.need(0 not in input.shape, "one string", f"shape {input.shape}")
    return (None,)


def words(sentence: bytes) -> list[bytes]:
    """The sentence cut at white space."""
    found, start = [], 0
    for end in range(1, len(sentence)):
        if sentence[end] in SPACE:
            if end > start and sentence[start] not in SPACE:
                found.append(sentence[start:end])
            start = end + 1
    return found + ([sentence[start:]] if start < len(sentence) else [])


def choices(count: int, options: Any) -> Iterator[list[int]]:
    """The words of each n-gram, by number."""
    smallest = 1 if options.include_all_ngrams else options.ngram_size
    chosen: list[int] = []
    following = 0
    while chosen or following < count:
        reach = chosen[-1] + options.max_skip_size + 1 if chosen else count - 1
        if len(chosen) < options.ngram_size and following <= min(reach, count - 1):
            chosen.append(following)
            following += 1
            continue
        if len(chosen) >= smallest:
            yield list(chosen)
        following = chosen.pop() + 1


def check_count(count: int, options: Any) -> None:
    """Raise :class:`OperatorError` when so many words have more than ``MOST`` n-grams."""
    ending, total = np.ones(count), 0.0  # choices of the present length that end with each word
    smallest, step = 1 if options.include_all_ngrams else options.ngram_size, max(options.max_skip_size + 1, 0)
    for length in range(1, options.ngram_size + 1):
        total += ending.sum() if length >= smallest else 0
        if total > MOST or ending.sum() > 64 * MOST:
            raise OperatorError(f"expected at most {MOST} n-grams, got {count} words that have more.")
        sums = np.concatenate([[0.0], np.cumsum(ending)])
        ending = sums[:-1] - sums[np.maximum(np.arange(count) - step, 0)]


def skip_gram(node: Node, input: Array) -> Array:
    sentence, size = words(input.reshape(-1)[0]), node.options.ngram_size
    grams = []
    if 1 <= size <= len(sentence):
        check_count(len(sentence), node.options)
        grams = [b" ".join(sentence[i] for i in chosen) for chosen in choices(len(sentence), node.options)]
    output = np.empty(len(grams), object)
    output[:] = grams
    return output


def case(draw: Draw, definition: Definition) -> Case:
    """Sentences of up to eight words, with white space in odd places."""
    pieces = (b"a", b"two", b"words", b"\xc3\xa9", b" ", b"\n", b"x\t")
    count = draw.integer(0, 10)
    sentence = b" ".join(pieces[i] for i in draw.random.integers(0, len(pieces), count).tolist())
    options = {
        "ngram_size": draw.integer(1, 4),
        "max_skip_size": draw.integer(0, 3),
        "include_all_ngrams": draw.choice((False, True)),
    }
    return Case((fed([sentence], object),), options)


SKIP_GRAM = Op(
    "SKIP_GRAM",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=(Definition("string -> string", skip_gram),),
    shapes=shapes,
    cases=case,
)
