"""Dropping what nothing in a model refers to any more: buffers and operator codes."""

from __future__ import annotations

import dataclasses

from minilite.model import Buffer, Model


def pruned(model: Model) -> Model:
    """The model without unused buffers and operator codes. Buffer 0, by convention empty, stays."""
    tensors = [t for s in model.subgraphs for t in s.tensors]
    used = {0, *(t.buffer for t in tensors), *(m.buffer for m in model.metadata), *(model.metadata_buffer or ())}
    kept = [i for i in range(len(model.buffers)) if i in used]
    place = {old: new for new, old in enumerate(kept)}
    codes = sorted({o.opcode_index for s in model.subgraphs for o in s.operators})
    code = {old: new for new, old in enumerate(codes)}
    subgraphs = tuple(
        dataclasses.replace(
            s,
            tensors=tuple(dataclasses.replace(t, buffer=place.get(t.buffer, t.buffer)) for t in s.tensors),
            operators=tuple(dataclasses.replace(o, opcode_index=code[o.opcode_index]) for o in s.operators),
        )
        for s in model.subgraphs
    )
    buffers: tuple[Buffer, ...] = tuple(model.buffers[i] for i in kept)
    return dataclasses.replace(
        model,
        subgraphs=subgraphs,
        buffers=buffers,
        operator_codes=tuple(model.operator_codes[i] for i in codes),
        metadata=tuple(dataclasses.replace(m, buffer=place.get(m.buffer, m.buffer)) for m in model.metadata),
        metadata_buffer=model.metadata_buffer and tuple(place.get(i, i) for i in model.metadata_buffer),
    )
