"""The operators of an ONNX file, read from its bytes: a machine with a card need not have `onnx`.

An ONNX file is a protobuf message: fields of a number and a value each. Only the few fields that
lead to operators are gone into, weights are stepped over.
Source: onnx.proto of ONNX, and the protobuf encoding.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from encoder.errors import ModelError

Bytes = memoryview
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # how a value is encoded

# Field numbers
_GRAPH, _FUNCTIONS = 7, 25  # of ModelProto
_NODE, _FUNCTION_NODE = 1, 7  # of GraphProto and FunctionProto
_OP_TYPE, _ATTRIBUTE, _DOMAIN = 4, 5, 7  # of NodeProto
_SUBGRAPH, _SUBGRAPHS = 6, 11  # of AttributeProto
_FUNCTION_NAME = 1


def read_operators(path: Path) -> set[str]:
    """Names of all operators, of subgraphs too; of another domain than ONNX's as `domain.name`.

    The model's own functions are gone into, and their names left out. Raises ModelError.
    """
    try:
        with path.open("rb") as file:
            # Views of it, and no copies: a graph may hold two gigabytes of weights
            return _of_model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(f"{path} is no ONNX graph that can be read: {error}") from error


def _of_model(model: Bytes) -> set[str]:
    found: set[str] = set()
    own: set[str] = set()
    has_graph = False
    for number, value in _fields(model):
        if number == _GRAPH:
            has_graph = True
            found |= set(_of_nodes(value, _NODE))
        elif number == _FUNCTIONS:
            found |= set(_of_nodes(value, _FUNCTION_NODE))
            own |= {bytes(name).decode() for n, name in _fields(value) if n == _FUNCTION_NAME}
    if not has_graph:
        raise ValueError("it holds no graph")
    return {name for name in found if name.rpartition(".")[2] not in own}


def _of_nodes(graph: Bytes, node_number: int) -> Iterator[str]:
    for number, node in _fields(graph):
        if number != node_number:
            continue
        name = domain = ""
        for inner, value in _fields(node):
            if inner == _OP_TYPE:
                name = bytes(value).decode()
            elif inner == _DOMAIN:
                domain = bytes(value).decode()
            elif inner == _ATTRIBUTE:
                yield from _of_attribute(value)
        yield name if domain in ("", "ai.onnx") else f"{domain}.{name}"


def _of_attribute(attribute: Bytes) -> Iterator[str]:
    for number, value in _fields(attribute):
        if number in (_SUBGRAPH, _SUBGRAPHS):
            yield from _of_nodes(value, _NODE)


def _fields(message: Bytes) -> Iterator[tuple[int, Bytes]]:
    """Fields that hold bytes: texts and messages. Numbers are stepped over."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
        elif kind == _FIXED64:
            at += 8
        elif kind == _FIXED32:
            at += 4
        elif kind == _LENGTH:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("it is cut off")
            yield number, message[at : at + size]
            at += size
        else:
            raise ValueError(f"a field of kind {kind} stands in it")


def _varint(message: Bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
