"""Machine code of kernels: compiled by Numba when it is first needed, kept on disk, loaded without Numba.

Importing Numba takes longer than many models run, so a compiled kernel's object file is kept and loaded through
:mod:`llvmlite.binding` alone. The file's name is a digest of everything the code depends on: the kernels' source, the
kernel's parameters, the versions of llvmlite and Numba, the processor and its features.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib
import importlib.util
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from minilite.engines.numba import entry
from minilite.errors import ArgumentError

Kind = tuple[str, ...]
"""A kernel: the module of :mod:`minilite.engines.numba.kernels` that has it, and its parameters."""

_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # what is half compiled or linked would stay so in the child
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_addresses: dict[Kind, int] = {}
_kept: list[Any] = []
"""What must live as long as the process: compiled functions, the linker."""


@cache
def features() -> frozenset[str]:
    """What the processor can do, in LLVM's words; ``NUMBA_CPU_FEATURES`` overrides it, as it does for Numba."""
    told = os.environ.get("NUMBA_CPU_FEATURES")
    if told is not None:
        return frozenset(f[1:] for f in told.split(",") if f.startswith("+"))
    return frozenset(name for name, there in llvm.get_host_cpu_features().items() if there)


def dot() -> str:
    """Which of the dot products of :mod:`minilite.engines.numba.kernels.matmul` this processor has."""
    there = {"avx512vnni", "avx512bw", "avx512vl"} <= features() and llvm.llvm_version_info >= (22,)
    return "vnni" if there else "portable"


class CannotCompile(ArgumentError):
    """Numba is not there, or not usable."""


def address(kind: Kind) -> int:
    """The address of a kernel, ``void(row, first, last, scratch)`` of int64, compiled and loaded if need be."""
    with _lock:
        if kind not in _addresses:
            _addresses[kind] = _load(kind) or (_emit_start() if kind == START else _compile(kind))
        return _addresses[kind]


def is_ready(kind: Kind) -> bool:
    """Whether a kernel need not be compiled: it has been, in this process or an earlier one."""
    return kind in _addresses or _file(kind).is_file()


def folder() -> Path:
    """Where compiled kernels are kept: ``MINILITE_CACHE``, or minilite's folder where the system keeps caches."""
    told = os.environ.get("MINILITE_CACHE")
    if told:
        return Path(told)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local") / "minilite"
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / "minilite"
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "minilite"


def _home() -> Path:
    """The user's home, or where nothing can be kept: a container's user may have none, and a folder that everybody may
    write to is no place for code."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)


@cache
def _surroundings() -> Any:
    """The digest of all that the code of every kernel depends on, to be gone on with."""
    here, digest = Path(__file__).parent, hashlib.sha256()
    shared = here.parents[1] / "ops" / "cell_activation.py"  # whose constants kernels take
    own = (here / "packing.py", here / "entry.py", Path(__file__))
    for source in (*sorted((here / "kernels").glob("*.py")), *own, shared):
        digest.update(source.read_bytes() + b"\0")
    host = "".join(sorted(features())) + (os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name())
    versions = f"{llvmlite.__version__} {_numba_version()} {sys.version_info[:2]}"
    digest.update(f"{host}\0{versions}".encode())
    return digest


def _numba_version() -> str:
    """Numba's version, without importing Numba, nor importlib.metadata, which takes as long as loading all kernels."""
    spec = importlib.util.find_spec("numba")
    try:
        return Path(spec.origin or "").with_name("_version.py").read_text("utf-8") if spec else ""
    except OSError:
        return importlib.import_module("importlib.metadata").version("numba")


def _file(kind: Kind) -> Path:
    digest = _surroundings().copy()
    digest.update("\0".join(("", *kind)).encode())
    return folder() / f"{'-'.join(kind)}-{digest.hexdigest()[:24]}.o"


@cache
def _linker() -> Any:
    """What links kernels. Each has a library of its own, for what two processes have compiled may have the same names
    inside."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler()


def _load(kind: Kind) -> int:
    """The address of a kernel that was compiled before, or 0."""
    try:
        data = _file(kind).read_bytes()
    except OSError:
        return 0
    head, _, code = data.partition(b"\n")
    if hashlib.sha256(code).hexdigest().encode() != head[:64]:
        return 0  # cut short, or damaged
    return _link(kind, head[65:].decode(), code)


def _link(kind: Kind, name: str, code: bytes) -> int:
    """The address of a function in an object file's contents, or 0."""
    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(name)
    try:
        _kept.append(library.link(_linker(), f"{len(_kept)} {'-'.join(kind)}"))
    except RuntimeError:
        return 0
    return int(_kept[-1][name])


def _compile(kind: Kind) -> int:
    """Compile a kernel, and keep it where that can be done."""
    try:
        import numba
    except Exception as error:  # it fails to import in many ways: too new a NumPy, a missing library
        raise CannotCompile(f"engine 'numba' cannot be used: {error}. Repair Numba, or use 'numpy'.") from error

    module = importlib.import_module(f"minilite.engines.numba.kernels.{kind[0]}")
    signature = (numba.int64,) * 4
    bare: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    function = module.kernel(*kind[1:])
    compiled: Any = numba.njit(**bare)(function)
    if not hasattr(compiled, "compile"):  # by NUMBA_DISABLE_JIT, or a file of Numba's settings
        raise CannotCompile("engine 'numba' cannot be used: Numba is told to compile nothing. Use 'numpy'.")
    with _optimized_once(function.__qualname__):
        compiled.compile(signature)
    library, name = compiled.overloads[signature].library, compiled.overloads[signature].fndesc.llvm_func_name
    _kept.append(compiled)
    if not needs(library.get_llvm_str()):
        with contextlib.suppress(
            AttributeError, OSError
        ):  # another Numba, or nowhere to write: compiled next time, too
            _keep(_file(kind), name, library._get_compiled_object())
    return int(library.get_pointer_to_function(name))


@contextlib.contextmanager
def _optimized_once(name: str) -> Iterator[None]:
    """Have LLVM optimize a kernel when all its parts are put together, and not each part before that as well, which
    takes as long again. What Numba calls this is its own affair: under another name, compiling takes longer."""
    library = getattr(sys.modules.get("numba.core.codegen"), "CPUCodeLibrary", None)
    optimize = getattr(library, "_optimize_final_module", None)
    if library is None or optimize is None:
        yield
        return
    here = threading.get_ident()

    def once(self: Any) -> None:
        if threading.get_ident() != here or getattr(self, "name", name) == name:
            optimize(self)

    library._optimize_final_module = once
    try:
        yield
    finally:
        library._optimize_final_module = optimize


def _emit_start() -> int:
    """Make :data:`START`, which needs no Numba."""
    _linker()
    code = entry.code(START[0])
    with contextlib.suppress(OSError):
        _keep(_file(START), START[0], code)
    found = _link(START, START[0], code)
    if not found:
        raise CannotCompile("engine 'numba' cannot be used: LLVM cannot link code. Use 'numpy'.")
    return found


def needs(text: str) -> set[str]:
    """What compiled code calls that is not there without Numba: a kernel that could raise an exception, say. Such code
    must not be kept, for LLVM ends the process that loads it."""
    called = re.findall(r"^declare [^@]*@\"?([\w.$]+)", text, re.MULTILINE)
    return {name for name in called if not name.startswith("llvm.")} - {"memcpy", "memset", "memmove"}


def _keep(file: Path, name: str, code: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    data = hashlib.sha256(code).hexdigest().encode() + b" " + name.encode() + b"\n" + code
    handle, temporary = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).replace(file)
    except BaseException:  # an interrupt, too
        Path(temporary).unlink(missing_ok=True)
        raise


Function = Callable[[int, int, int, int], Any]
_nowhere = ctypes.create_string_buffer(64)
"""Where kernels would put a result and an exception, of which there are none."""


@cache
def function(kind: Kind) -> Function:
    """A kernel to be called from Python; other threads may run meanwhile."""
    pointers, numbers = [ctypes.c_void_p] * 2, [ctypes.c_int64] * 4
    return functools.partial(ctypes.CFUNCTYPE(ctypes.c_int, *pointers, *numbers)(address(kind)), _nowhere, _nowhere)


START: Kind = ("start",)
"""What calls kernels for :func:`bound`."""


def bound(kind: Kind, *arguments: int) -> Callable[[], Any]:
    """A call of a kernel, ready to be made. The numbers are in memory: ctypes takes 60 ns for each that it is given."""
    words = (ctypes.c_int64 * 5)(address(kind), *arguments)
    return functools.partial(ctypes.CFUNCTYPE(None)(address(START)), ctypes.byref(words))
