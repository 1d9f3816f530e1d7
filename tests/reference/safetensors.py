"""Writes safetensors files: the byte layout of https://github.com/huggingface/safetensors, from a
dictionary of numpy arrays (f4, f8), widest type first so that all data are aligned, otherwise in
the order given: equal input gives equal bytes."""

import json

import numpy

DTYPES = {"float32": "F32", "float64": "F64"}


def write(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    tensors = dict(sorted(tensors.items(), key=lambda item: -item[1].itemsize))
    for name, array in tensors.items():
        header[name] = {"dtype": DTYPES[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for array in tensors.values():
            file.write(numpy.ascontiguousarray(array).tobytes())
