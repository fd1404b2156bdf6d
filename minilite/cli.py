"""The command line: ``minilite COMMAND``; ``minilite --help`` lists the commands.

Only parsing is here; what is shown comes from :mod:`minilite.commands` and
:mod:`minilite.inspection`, imported by the command that needs it so that ``--help`` is quick.

Exit status: 0 done, 1 failed (the message is on stderr), 2 wrong usage, 130 interrupted
(by the signal itself while a command is loaded).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from minilite import __version__, interrupts
from minilite.destinations import check_folder
from minilite.errors import ArgumentError, Error
from minilite.kernel_sets import KERNEL_SETS, kernel_set
from minilite.terminal import printable, tolerate

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from minilite.inspection.listing import Section

Command = TypeVar("Command", bound=Callable[..., Any])

app = typer.Typer(
    help="Run, inspect and understand TensorFlow Lite (LiteRT) models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> int:
    """The entry point. Returns the exit status."""
    app(prog_name="minilite")
    return 0


def _reported(command: Command) -> Command:
    """Let a command's failure be one message and an exit status instead of a traceback."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        importlib.import_module("minilite.interpreter")  # most of what any command waits for
        tolerate()
        try:
            interrupts.to_python()
            command(*args, **kwargs)
        except BrokenPipeError:
            raise
        except (Error, OSError) as error:
            typer.echo(printable(f"minilite: {error}"), err=True)
            raise typer.Exit(1) from None
        except MemoryError as error:
            typer.echo(printable(f"minilite: there is not enough memory. {error}".rstrip()), err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return wrapper  # type: ignore[return-value]  # wraps() keeps the signature


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"minilite {__version__}")
        raise typer.Exit


def _kernels(name: str) -> str:
    return _usage(kernel_set, name)


def _engine(name: str | None) -> str | None:
    from minilite.engines import engine

    return None if name is None else _usage(engine, name)


def _usage(check: Callable[[str], Any], name: str) -> str:
    """A wrong name on the command line is wrong usage."""
    try:
        check(name)
    except ArgumentError as error:
        raise typer.BadParameter(str(error)) from None
    return name


Model = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="MODEL", help="A .tflite file.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="[NAME=]FILE", help="An array: .npy, or .npz by names. Once per input."),
]
Random = Annotated[bool, typer.Option("--random", help="Draw the inputs that are not given.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the random inputs.")]
Signature = Annotated[str | None, typer.Option(help="Which signature to run, if there are several.")]
Kernels = Annotated[str, typer.Option(callback=_kernels, help=f"Whose arithmetic: {', '.join(KERNEL_SETS)}.")]
Engine = Annotated[str, typer.Option(callback=_engine, help="What computes: auto, numpy or numba.")]


@app.callback()
def minilite(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run, inspect and understand TensorFlow Lite (LiteRT) models."""


@app.command()
@_reported
def inspect(
    model: Model,
    operators: Annotated[bool, typer.Option("--operators", help="List every operator with its options.")] = False,
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor with its quantization.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show what is in a model: inputs, outputs, operators, sizes, quantization and work."""
    from minilite.inspection import listing
    from minilite.inspection.summary import summarize, to_json
    from minilite.reader import read

    summary = summarize(read(model))
    if json:
        typer.echo(to_json(summary, file=str(model), bytes=model.stat().st_size))
        return
    console = _console()
    described = f", {summary.description}" if summary.description else ""
    size = f"{model.stat().st_size:,} bytes, schema version {summary.schema_version}{described}"
    _print(console, [(f"{model.name}: {size}", [])])
    _print(console, listing.overview(summary))
    if operators:
        _print(console, listing.operators(summary))
    if tensors:
        _print(console, listing.tensors(summary))


@app.command()
@_reported
def run(
    model: Model,
    input_: Inputs = None,
    random: Random = False,
    seed: Seed = 0,
    kernels: Kernels = "reference",
    engine: Engine = "auto",
    signature: Signature = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save the outputs: an .npz by names.")] = None,
) -> None:
    """Run a model once and show its outputs.

    Random floats are between 0 and 1, quantized integers of the whole range, other integers 0 or 1.

    Free dimensions are as in the file, usually 1; an array from a file may have any shape the model can be resized to.
    """
    from minilite import Interpreter
    from minilite.archives import save_arrays
    from minilite.commands import run as run_command

    if output is not None and output.suffix != ".npz":
        raise typer.BadParameter("must end in .npz", param_hint="--output")
    check_folder(output)
    if not input_ and not random:
        raise typer.BadParameter("give a file for each input, or --random", param_hint="--input")
    interpreter = Interpreter(model, kernels=kernels, engine=engine)
    result = run_command.run_files(interpreter, input_ or [], seed if random else None, signature)
    _print(_console(), run_command.describe(result))
    if output is not None:
        save_arrays(output, result.outputs)


@app.command()
@_reported
def quantize(
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .tflite file to write.")],
    scheme: Annotated[
        str, typer.Option(help="int8, int16x8, int8x4, dynamic_range, float16, weights_int8 or weights_int4.")
    ] = "int8",
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="[NAME=]FILE", help="Samples: .npy (N, ...), or .npz by input names."),
    ] = None,
    calibration: Annotated[
        str, typer.Option(help="minmax, tflite, ema, percentile, entropy, mse, or a saved calibration (.json).")
    ] = "minmax",
    ranges: Annotated[
        Path | None, typer.Option(help="Ranges to use instead of measured ones: .json of {tensor: \\[min, max]}.")
    ] = None,
    save_calibration: Annotated[Path | None, typer.Option(help="Keep the measured ranges in this .json file.")] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Operators to leave float: number, or regular expression of operator or tensor."),
    ] = None,
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="One scale for all channels of a weight.")] = False,
    equalize: Annotated[bool, typer.Option("--equalize", help="Even out neighbouring layers' weights first.")] = False,
    bias_correction: Annotated[
        bool, typer.Option("--bias-correction", help="Make up in the biases for each layer's mean error.")
    ] = False,
    rounding: Annotated[
        str | None, typer.Option(help="Of weights_int8, weights_int4: nearest, clipped, squant or gptq.")
    ] = None,
    block_size: Annotated[int, typer.Option(help="Of weights_int4: values of a row that share a scale.")] = 0,
    arithmetic: Annotated[str, typer.Option(help="Of weights_int8, weights_int4: float or hybrid.")] = "float",
    input_type: Annotated[str, typer.Option(help="Of the model's inputs: float32, int8, uint8, int16.")] = "float32",
    output_type: Annotated[str, typer.Option(help="Of the model's outputs.")] = "float32",
) -> None:
    """Quantize a float model, and show what changed."""
    from minilite.commands import quantize as quantize_command

    quantize_command.check_outputs(scheme, output, save_calibration)
    settings = {
        "calibration": calibration,
        "ranges": ranges,
        "exclude": quantize_command.patterns(exclude or []),
        "per_channel": not per_tensor,
        "equalize": equalize,
        "bias_correction": bias_correction,
        "rounding": rounding,
        "block_size": block_size,
        "arithmetic": arithmetic,
        "inference_input_type": input_type,
        "inference_output_type": output_type,
    }
    result = quantize_command.quantize_file(model, scheme, data or [], settings)
    quantize_command.write(result, output, save_calibration)
    _print(_console(), quantize_command.describe(result))


@app.command()
@_reported
def explain(
    model: Model,
    what: Annotated[
        str,
        typer.Argument(
            metavar="TENSOR|OPERATOR", help="A tensor's name, 'tensor N'; an operator's number, its name if it is one."
        ),
    ],
    input_: Inputs = None,
    random: Random = False,
    seed: Seed = 0,
    element: Annotated[
        str | None, typer.Option(help="Which element of the result to compute: 0,3,3,7. One in the middle if not said.")
    ] = None,
    kernels: Kernels = "reference",
    calibration: Annotated[
        Path | None, typer.Option(exists=True, help="Where ranges were measured: a .json that minilite saved.")
    ] = None,
    subgraph: Annotated[int, typer.Option(min=0, help="Whose tensors and operators.")] = 0,
    signature: Signature = None,
) -> None:
    """Show where a number comes from: scale and zero point, multiplier and rounding, one value step by step."""
    from minilite.commands import explain as explain_command
    from minilite.inspection.explain_text import sections

    settings = {"kernels": kernels, "calibration": calibration, "subgraph": subgraph, "signature": signature}
    found = explain_command.explain_file(model, what, input_ or [], seed if random else None, element, settings)
    _print(_console(), sections(found))


@app.command()
@_reported
def compare(
    a: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .tflite file, or a saved run (.npz).")],
    b: Annotated[str | None, typer.Argument(help="Another one, to compare with it.")] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="In place of B, what else computes A: a kernel set ('reference:numpy': and engine), litert:AUTO."
        ),
    ] = None,
    input_: Inputs = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="[NAME=]FILE", help="Samples: .npy (N, ...), or .npz by input names."),
    ] = None,
    random: Random = False,
    seed: Seed = 0,
    kernels: Kernels = "reference",
    engine: Engine = "auto",
    samples: Annotated[int | None, typer.Option(min=1, help="So many of the data at most.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Of the table, the worst first.")] = 10,
    in_order: Annotated[bool, typer.Option("--in-order", help="All rows, in the order of execution.")] = False,
    isolated: Annotated[bool, typer.Option(help="Compare operators by themselves, too.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    save_run: Annotated[Path | None, typer.Option(metavar="FILE.npz", help="Keep the yardstick's run.")] = None,
    signature: Signature = None,
) -> None:
    """Compare two runs on the same inputs: all tensors, and every operator by itself.

    A is the yardstick; of a float and a quantized model, the float one.
    """
    from minilite.commands import compare as compare_command

    if (b is None) == (against is None):
        raise typer.BadParameter("give one: a second file, or --against", param_hint="B")
    if not data and not input_ and not random and not {a.suffix, Path(b or against or "").suffix} & {".npz"}:
        raise typer.BadParameter("give --data, or --input for each input, or --random", param_hint="--data")
    settings = {"kernels": kernels, "engine": engine, "isolated": isolated, "samples": samples, "signature": signature}
    chosen = seed if random else None
    found = compare_command.compare_files(a, b, against, input_ or [], data or [], chosen, settings, save_run)
    if json:
        typer.echo(compare_command.to_json(found))
    else:
        compare_command.show(_console(), found, rows, in_order)


@app.command()
@_reported
def carve(
    model: Model,
    what: Annotated[str, typer.Argument(metavar="OPERATOR|TENSOR", help="A number or a name.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR/NAME", help="Where to, without an ending.")],
    to: Annotated[
        str | None, typer.Option(metavar="TENSOR", help="All operators between the first tensor and this one.")
    ] = None,
    input_: Inputs = None,
    random: Random = False,
    seed: Seed = 0,
    kernels: Kernels = "reference",
    subgraph: Annotated[int, typer.Option(min=0, help="Whose operators.")] = 0,
    signature: Signature = None,
) -> None:
    """Cut operators out as a small model, with what they were given and what they gave."""
    from minilite.commands.compare import carve_file

    check_folder(f"{output}.tflite", f"{output}.npz")
    settings = {"kernels": kernels, "subgraph": subgraph, "signature": signature}
    for line in carve_file(model, what, to, input_ or [], seed if random else None, output, settings):
        typer.echo(printable(line))


@app.command()
@_reported
def overflow(
    model: Model,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="[NAME=]FILE", help="Samples: .npy (N, ...), or .npz by input names."),
    ] = None,
    kernels: Kernels = "reference",
    engine: Engine = "auto",
    signature: Signature = None,
) -> None:
    """Show where a quantized model's integers run out: accumulators, biases, saturation, dead channels."""
    from minilite.commands import overflow as overflow_command
    from minilite.inspection.overflow_text import sections

    settings = {"kernels": kernels, "engine": engine, "signature": signature}
    _print(_console(), sections(overflow_command.overflow_file(model, data or [], settings)))


@app.command()
@_reported
def sensitivity(
    model: Model,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="[NAME=]FILE", help="Samples: .npy (N, ...), or .npz by input names."),
    ] = None,
    scheme: Annotated[str, typer.Option(help="int8, int16x8 or int8x4.")] = "int8",
    operators: Annotated[
        list[str] | None, typer.Option(help="Only these: regular expression of operator or tensor.")
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many to show; 0 for all.")] = 10,
    calibration: Annotated[str, typer.Option(help="As for quantize.")] = "minmax",
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="One scale for all channels of a weight.")] = False,
    samples: Annotated[int, typer.Option(min=1, help="How many to compare outputs on.")] = 16,
    kernels: Kernels = "reference",
    engine: Engine = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Processes to measure in.")] = 1,
) -> None:
    """Show which operators of a float model cost the most accuracy when quantized."""
    from minilite.commands import precision as precision_command

    settings = {
        "operators": operators or [],
        "calibration": calibration,
        "per_channel": not per_tensor,
        "samples": samples,
        "kernels": kernels,
        "engine": engine,
    }
    _print(_console(), precision_command.sensitivity_file(model, data or [], scheme, workers, top, settings))


@app.command()
@_reported
def mix(
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .tflite file to write.")],
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="[NAME=]FILE", help="Samples: .npy (N, ...), or .npz by input names."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="At most: bytes of constants, or a share of the float model's such as 40%.")
    ] = None,
    mac_bits: Annotated[
        str | None, typer.Option(help="At most: MACs times bits of both factors; or such as 10%.")
    ] = None,
    sqnr: Annotated[float | None, typer.Option(help="At least so many dB, as small and cheap as can be.")] = None,
    candidates: Annotated[
        str | None, typer.Option(help="Schemes to choose from, with commas: float32,int16x8,int8,int8x4.")
    ] = None,
    calibration: Annotated[str, typer.Option(help="As for quantize.")] = "minmax",
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="One scale for all channels of a weight.")] = False,
    input_type: Annotated[str, typer.Option(help="Of the model's inputs: float32, int8, uint8, int16.")] = "float32",
    output_type: Annotated[str, typer.Option(help="Of the model's outputs.")] = "float32",
    samples: Annotated[int, typer.Option(min=1, help="How many to compare outputs on.")] = 16,
    kernels: Kernels = "reference",
    engine: Engine = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Processes to measure in.")] = 1,
) -> None:
    """Find a scheme for each operator, such that the model fits a budget and loses as little as it can."""
    from minilite.commands import precision as precision_command

    check_folder(output)
    settings = {
        "size": size,
        "mac_bits": mac_bits,
        "sqnr": sqnr,
        "calibration": calibration,
        "per_channel": not per_tensor,
        "inference_input_type": input_type,
        "inference_output_type": output_type,
        "samples": samples,
        "kernels": kernels,
        "engine": engine,
    }
    found, shown = precision_command.mix_file(model, data or [], candidates, workers, settings)
    found.model.save(output)
    _print(_console(), shown)


@app.command()
@_reported
def report(
    a: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FLOAT", help="The float model.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.html", help="Where to.")],
    b: Annotated[str | None, typer.Argument(metavar="[QUANTIZED]", help="The quantized one.")] = None,
    against: Annotated[
        str | None, typer.Option(help="In place of QUANTIZED, what else computes the first file: as for compare.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="[NAME=]FILE", help="Samples: .npy (N, ...), or .npz by input names."),
    ] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="So many of the data at most.")] = None,
    kernels: Kernels = "reference",
    engine: Engine = "auto",
    calibration: Annotated[
        Path | None, typer.Option(exists=True, help="Of the quantized model: what --save-calibration kept.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE.json", help="The graph with its errors for Model Explorer.")
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Also what quantizing each operator costs; takes its time.")
    ] = False,
) -> None:
    """Write a page about what quantizing has done to a model: graph, table, plots, findings. It needs no network."""
    from minilite.commands.report import report_files

    if (b is None) == (against is None):
        raise typer.BadParameter("give one: the quantized model, or --against", param_hint="QUANTIZED")
    settings = {
        "samples": samples,
        "kernels": kernels,
        "engine": engine,
        "calibration": calibration,
        "graph": json,
        "sensitivity": sensitivity,
    }
    typer.echo(report_files(a, b or against or "", data or [], output, settings))


@app.command()
@_reported
def profile(
    model: Model,
    kernels: Kernels = "reference",
    engine: Annotated[
        str | None, typer.Option(callback=_engine, help="auto, numpy or numba; else numba if it can be used.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="One, or two.")] = 1,
    repeat: Annotated[int, typer.Option(min=1, help="Runs, of which the quickest counts.")] = 20,
    against: Annotated[str | None, typer.Option(help="litert: time LiteRT's interpreter, too.")] = None,
    seed: Seed = 0,
) -> None:
    """Show how long every operator takes, on random inputs."""
    from minilite import Interpreter
    from minilite.commands import profile as profile_command
    from minilite.engines import compiling

    if against not in (None, "litert"):
        raise typer.BadParameter("there is: litert", param_hint="--against")
    interpreter = Interpreter(model, kernels=kernels, engine=engine or compiling(), num_threads=threads)
    found, theirs = profile_command.measure(interpreter, model, kernels, threads, repeat, seed, against)
    profile_command.show(_console(), found, theirs)


@app.command()
@_reported
def debug(
    model: Model,
    input_: Inputs = None,
    random: Random = False,
    seed: Seed = 0,
    kernels: Kernels = "reference",
    signature: Signature = None,
) -> None:
    """Step through a run: pause, look at tensors, go back, patch, go on. Commands come from the terminal or a pipe."""
    from minilite.commands import debug as debug_command

    if not input_ and not random:
        raise typer.BadParameter("give a file for each input, or --random", param_hint="--input")
    debugger = debug_command.start(model, input_ or [], seed if random else None, kernels, signature)
    debug_command.Session(debugger).serve()


@app.command()
@_reported
def memory(
    model: Model,
    runtime: Annotated[str, typer.Option(help="Whose plan: tflm (TFLite Micro) or litert.")] = "tflm",
    batch: Annotated[int | None, typer.Option(min=1, help="Another first dimension of all inputs.")] = None,
    shape: Annotated[
        list[str] | None, typer.Option(metavar="NAME=1x96x96x3", help="Another shape of an input. Once per input.")
    ] = None,
    tensors: Annotated[bool, typer.Option("--tensors", help="List every buffer with its place and lifetime.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show how much memory a model needs while it runs: arena, peak, and what is in use at each operator."""
    from minilite.commands import memory as memory_command

    plan = memory_command.plan_of(model, runtime, batch, shape or [])
    if json:
        typer.echo(memory_command.to_json(plan))
        return
    memory_command.show(_console(), model.name, plan, tensors)


@app.command()
@_reported
def warmup() -> None:
    """Compile all kernels ahead of time, so that no later run waits for them."""
    from rich.progress import track

    from minilite.engines import engine, is_disabled

    engine("numba")
    if is_disabled():
        raise ArgumentError("nothing is compiled while NUMBA_DISABLE_JIT is set: unset it.")
    from minilite.engines.numba.kinds import every
    from minilite.engines.numba.objects import address, folder, is_ready

    missing = [kind for kind in every() if not is_ready(kind)]
    for kind in track(missing, "Compiling", console=_console()):
        address(kind)
    typer.echo(f"{len(missing)} kernels compiled, {len(every()) - len(missing)} were there; kept in {folder()}")


@app.command()
@_reported
def demo(
    engine: Engine = "auto",
    save: Annotated[Path | None, typer.Option(help="Copy the models and images to this folder instead.")] = None,
) -> None:
    """Classify pictures of clothing with a small network, in float32 and int8."""
    from minilite import demo
    from minilite.demo.show import show

    console = _console()
    if save is not None:
        for path in demo.copy(save):
            typer.echo(path)
        return
    with console.status("Classifying ..."):
        result = demo.classify_samples(engine=engine)
    show(console, result)


def _console() -> Console:
    from rich.console import Console

    class Visible(Console):
        """A console that writes control characters out."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options)

    return Visible(highlight=False, emoji=False)


def _print(console: Console, sections: Iterable[Section]) -> None:
    for heading, lines in sections:
        console.print(heading, style="bold", markup=False, soft_wrap=True)
        for line in lines:
            console.print(f"  {line}", markup=False, soft_wrap=True)
