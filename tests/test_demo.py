"""The demo: that its figures are right, and that they can be read on any terminal."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from minilite import demo
from minilite.demo import pictures, show
from tests.oracle import oracle

KERNELS = ("reference", "builtin", "xnnpack")


@pytest.fixture(scope="module")
def result():
    return demo.classify_samples()


# ---- figures -------------------------------------------------------------------------------------------------------


def test_the_samples_are_pictures_with_labels():
    samples = demo.load_samples()
    assert samples.images.shape == (300, 28, 28)
    assert samples.images.dtype == samples.labels.dtype == np.uint8
    assert set(samples.labels.tolist()) == set(range(len(demo.CLASSES)))


def test_what_ships_is_small_and_licensed():
    files = [demo.FLOAT_MODEL, demo.INT8_MODEL, demo.SAMPLES, demo.LICENSE]
    assert sum(path.stat().st_size for path in files) < 2**20
    assert "Zalando" in demo.LICENSE.read_text(encoding="utf-8")


def test_float_and_int8_are_right_nine_times_of_ten(result):
    assert result.accuracy(result.float32["reference"]) == 270 / 300
    assert result.accuracy(result.int8["reference"]) == 271 / 300


def test_probabilities_are_probabilities(result):
    for classification in (*result.float32.values(), *result.int8.values()):
        assert classification.probabilities.dtype == np.float32
        # ten int8 values, each off by up to half of 1/256
        np.testing.assert_allclose(classification.probabilities.sum(axis=1), 1, atol=10 / 512)


@pytest.mark.parametrize("kernels", KERNELS)
def test_litert_says_the_same(result, kernels):
    pytest.importorskip("ai_edge_litert")
    images = result.samples.images[..., np.newaxis]
    real = (images / np.float32(255)).astype(np.float32)
    (float32,) = oracle("litert").run(demo.FLOAT_MODEL.read_bytes(), kernels, [real], resize=True)
    np.testing.assert_allclose(result.float32[kernels].output, float32, rtol=0, atol=1e-5)
    integers = (images.astype(np.int32) - 128).astype(np.int8)
    (int8,) = oracle("litert").run(demo.INT8_MODEL.read_bytes(), kernels, [integers], resize=True)
    np.testing.assert_array_equal(result.int8[kernels].output, int8)


def test_the_input_is_quantized_as_the_model_says():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    integers = demo._input(images, np.int8, (float(np.float32(1 / 255)), -128))
    np.testing.assert_array_equal(integers.ravel(), np.arange(-128, 128))
    assert demo._input(images, np.float32, (0.0, 0)).dtype == np.float32


def test_the_hardest_are_those_the_models_disagree_on_or_get_wrong(result):
    float32, int8 = result.float32["reference"], result.int8["reference"]
    disagree = float32.predictions != int8.predictions
    wrong = ~result.right(float32) & ~result.right(int8)
    hardest = show.hardest(result, 1000)
    count = int(disagree.sum())
    assert 0 < count < len(hardest)
    assert disagree[hardest[:count]].all()
    assert (wrong & ~disagree)[hardest[count:]].all()
    assert len(hardest) == len(set(hardest)) == (disagree | wrong).sum()


def test_copies(tmp_path):
    copies = demo.copy(tmp_path / "new" / "folder")
    assert [path.read_bytes() for path in copies[:2]] == [demo.FLOAT_MODEL.read_bytes(), demo.INT8_MODEL.read_bytes()]
    assert len(copies) == 4


# ---- pictures ------------------------------------------------------------------------------------------------------


def test_half_blocks_carry_every_pixel():
    picture = np.random.default_rng(0).integers(0, 256, (6, 5), np.uint8)
    text = pictures.in_colour(picture)
    assert text.plain == "\n".join([pictures.HALF_BLOCK * 5] * 3)
    styles = [span.style for span in text.spans]
    upper = [style.color.triplet.red for style in styles]
    lower = [style.bgcolor.triplet.green for style in styles]
    np.testing.assert_array_equal(np.reshape(upper, (3, 5)), picture[0::2])
    np.testing.assert_array_equal(np.reshape(lower, (3, 5)), picture[1::2])


def test_characters_are_denser_where_it_is_brighter():
    rows = np.repeat(np.linspace(0, 255, 10).astype(np.uint8)[np.newaxis], 2, axis=0)
    assert pictures.in_characters(rows).plain == pictures.SHADES
    assert pictures.in_characters(np.array([[255], [0], [0], [0]], np.uint8)).plain == pictures.SHADES[4] + "\n "


# ---- on a terminal -------------------------------------------------------------------------------------------------


def shown(result, encoding="utf-8", **options):
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding), highlight=False, emoji=False, **options)
    show.show(console, result)
    console.file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_piped_it_is_plain_text_of_80_columns(result, encoding):
    text = shown(result, encoding, width=80)
    assert "\x1b" not in text
    assert pictures.HALF_BLOCK not in text
    assert max(map(len, text.splitlines())) <= 80
    assert ("✓" in text) == (encoding == "utf-8")
    assert "image 0: Sandal" in text
    assert any(line.split() == ["float32", "111,764", "270", "of", "300", "90.0%"] for line in text.splitlines())
    assert any(line.split() == ["int8", "41,600", "271", "of", "300", "90.3%"] for line in text.splitlines())
    assert "Both say the same of 296 images of 300." in text


@pytest.mark.parametrize("width, per_row", [(80, 3), (79, 2), (200, 3), (40, 1)])
def test_a_terminal_gets_as_many_pictures_as_fit(result, width, per_row):
    raw = shown(result, width=width, force_terminal=True, color_system="truecolor")
    lines = Console(width=width).render_str("").from_ansi(raw).plain.splitlines()
    drawn = [line for line in lines if pictures.HALF_BLOCK in line]
    assert {line.count(pictures.HALF_BLOCK) for line in drawn} == {per_row * show.PICTURE_WIDTH}
    assert len(drawn) == 2 * 14
    if width >= 80:
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize("color_system", ["standard", None])
def test_without_greys_there_are_characters(result, color_system):
    text = shown(result, width=80, force_terminal=True, color_system=color_system)
    assert pictures.HALF_BLOCK not in text


def test_one_kernel_set_is_compared_with_nothing(result):
    alone = demo.Demo(result.samples, {"builtin": result.float32["builtin"]}, {"builtin": result.int8["builtin"]})
    text = shown(alone, width=80)
    assert "kernel set" not in text
    assert "kernel set" in shown(result, width=80)


def test_the_kernel_sets_are_counted_against_the_first(result):
    lines = [line.split() for line in shown(result, width=80).splitlines()]
    for kernels in KERNELS:
        changed = result.int8[kernels].output != result.int8["reference"].output
        (row,) = [line for line in lines if line[:1] == [kernels]]
        assert row[1:4] == [f"{changed.sum():,}", "of", "3,000"]
