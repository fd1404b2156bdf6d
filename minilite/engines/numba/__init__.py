"""Compiled steps: the same integers as the definitions, sooner.

A plan's steps are lowered to calls of kernels (:mod:`minilite.engines.numba.lowering`), whose code Numba compiles once
and :mod:`minilite.engines.numba.objects` keeps; :mod:`minilite.engines.numba.linked` gives their tensors memory and
puts steps that follow each other into one compiled call. Numba itself is imported only when a kernel must be compiled.
"""
