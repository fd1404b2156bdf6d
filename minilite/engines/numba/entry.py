"""From C's way of calling a function to Numba's, in LLVM's text."""

from __future__ import annotations

import llvmlite.binding as llvm
from llvmlite import ir


def call_kernel(builder: ir.IRBuilder, function: ir.Value, *arguments: ir.Value) -> None:
    """Call a kernel by its address, the way Numba's functions call each other: places for a result and an exception
    come first, of which there are none."""
    with builder.goto_entry_block():
        nowhere = builder.alloca(ir.IntType(8).as_pointer())
    type_ = ir.FunctionType(ir.IntType(32), [nowhere.type, nowhere.type, *(a.type for a in arguments)])
    builder.call(builder.inttoptr(function, type_.as_pointer()), [nowhere, nowhere, *arguments])


def code(name: str) -> bytes:
    """An object file with ``void name(const int64_t words[5])``, which calls the kernel at ``words[0]`` with the
    others."""
    word, module = ir.IntType(64), ir.Module()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [word]), name=name)
    builder = ir.IRBuilder(function.append_basic_block())
    places = [builder.add(function.args[0], word(8 * i)) for i in range(5)]
    call_kernel(builder, *[builder.load(builder.inttoptr(place, word.as_pointer())) for place in places])
    builder.ret_void()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2, reloc="pic")
    return bytes(machine.emit_object(llvm.parse_assembly(str(module))))
