"""A pickle read as data: what it would import or call is written down, never imported or called.

Where Python's own unpickler resolves a name, this one makes a `Named`; where it calls, a `Made`.
So a checkpoint with classes of somebody's code base can be read, and one that means harm can do
none: opcodes are decoded by the standard library's `pickletools`, and only plain containers,
numbers and strings come out.
"""

import pickletools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_NAMES = 10_000  # distinct globals of one pickle; a checkpoint has some dozens
_KEYS = (str, int, float, bytes, bool, type(None))  # whose hash costs nothing: no nested tuples


class PickleError(Exception):
    """Bytes that are no pickle, or one that no checkpoint needs."""


class Named(NamedTuple):
    """Something the pickle names for import: a class, a function, a dtype."""

    module: str
    name: str


class Stored(NamedTuple):
    """A persistent id: in torch's archives a tensor's storage, kept outside the pickle."""

    identity: Any


class Made:
    """What a call would have made: the callee and its arguments, whatever they are."""

    __slots__ = ("arguments", "callee")

    def __init__(self, callee: Any, arguments: Any) -> None:
        self.callee = callee
        self.arguments = arguments


class Pickled(NamedTuple):
    """What a pickle holds, and every name it would import."""

    value: Any
    names: frozenset[Named]


def read_pickle(data: bytes) -> Pickled:
    """The content of one pickle.

    dicts, lists, tuples, strings, bytes and numbers are themselves (an OrderedDict is a dict, a
    set is a Made); names are Named, also those that `getattr` reaches; other calls are Made and
    persistent ids Stored. Attributes that
    would be set on objects (BUILD) are dropped. Raises PickleError.
    """
    machine = _Machine()
    try:
        with warnings.catch_warnings():
            # Of strings in the way of protocol 0, a warning that some make an error
            warnings.simplefilter("ignore", DeprecationWarning)
            for opcode, argument, _ in pickletools.genops(data):
                machine.step(opcode.name, argument)
        return Pickled(machine.pop(), frozenset(machine.names))
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise PickleError(f"its pickle is damaged: {error}") from error


class _Machine:
    """The pickle machine's stack, marks and memo."""

    def __init__(self) -> None:
        self.names: set[Named] = set()
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _PUSHED:
            self._stack.append(argument)
        elif opcode in _MADE_NEW:
            self._stack.append(_MADE_NEW[opcode]())
        elif opcode in _HANDLERS:
            _HANDLERS[opcode](self, argument)
        elif opcode not in _NOTHING:
            raise PickleError(f"its pickle uses {opcode}, which no checkpoint needs")

    def pop(self) -> Any:
        return self._stack.pop()

    def mark(self, _: Any) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def pop_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._marks.pop()
        return items

    def discard(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self.pop_mark()  # POP takes a mark too

    def discard_mark(self, _: Any) -> None:
        self.pop_mark()

    def duplicate(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def get(self, index: Any) -> None:
        self._stack.append(self._memo[int(index)])

    def put(self, index: Any) -> None:
        self._memo[int(index)] = self._stack[-1]

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise PickleError("its pickle is damaged: a tuple has too few items")
        items = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._stack.append(items)

    def tuple_marked(self, _: Any) -> None:
        items = tuple(self.pop_mark())
        self._stack.append(items)

    def list_marked(self, _: Any) -> None:
        items = self.pop_mark()
        self._stack.append(items)

    def dict_marked(self, _: Any) -> None:
        items = self.pop_mark()
        made: dict[Any, Any] = {}
        _set_items(made, items)
        self._stack.append(made)

    def set_marked(self, _: Any) -> None:
        items = self.pop_mark()
        self._stack.append(Made(Named("builtins", "frozenset"), tuple(items)))

    def append(self, _: Any) -> None:
        item = self.pop()
        self._extend([item])

    def extend_marked(self, _: Any) -> None:
        self._extend(self.pop_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is list:
            target.extend(items)
        elif not isinstance(target, Made):  # what would be added to an object is dropped
            raise PickleError(f"its pickle is damaged: it appends to a {type(target).__name__}")

    def set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._set([key, value])

    def set_items_marked(self, _: Any) -> None:
        self._set(self.pop_mark())

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is dict:
            _set_items(target, items)
        elif not isinstance(target, Made):
            raise PickleError(f"its pickle is damaged: it sets items of a {type(target).__name__}")

    def name(self, argument: Any) -> None:
        module, _, name = str(argument).partition(" ")
        self._name(module, name)

    def name_from_stack(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise PickleError("its pickle is damaged: it imports what is no name")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        named = Named(module, name)
        self.names.add(named)
        if len(self.names) > MAX_NAMES:
            raise PickleError(f"its pickle imports more than {MAX_NAMES} names")
        self._stack.append(named)

    def call(self, _: Any) -> None:
        arguments, callee = self.pop(), self.pop()
        match callee, arguments:
            case Named("collections", "OrderedDict"), ():
                self._stack.append({})
            case Named("builtins" | "__builtin__", "getattr"), (
                Named(module, name),
                str(attribute),
            ):
                self._name(module, f"{name}.{attribute}")  # how enums and nested classes are kept
            case Named("builtins" | "__builtin__", "getattr"), _:
                self._name("builtins", "getattr of an object")
            case _:
                self._stack.append(Made(callee, arguments))

    def call_with_names(self, _: Any) -> None:
        options, arguments, callee = self.pop(), self.pop(), self.pop()
        self._stack.append(Made(callee, (arguments, options)))

    def call_marked(self, argument: Any) -> None:
        """INST and OBJ: a class named here or lying first after the mark, and its arguments."""
        items = self.pop_mark()
        if argument is not None:
            self.name(argument)
            callee = self.pop()
        else:
            callee = items.pop(0)
        self._stack.append(Made(callee, tuple(items)))

    def build(self, _: Any) -> None:
        self.pop()  # the state
        _ = self._stack[-1]  # the object, which must be there

    def stored(self, argument: Any) -> None:
        self._stack.append(Stored(self.pop() if argument is None else argument))


def _set_items(target: dict[Any, Any], items: list[Any]) -> None:
    if len(items) % 2:
        raise PickleError("its pickle is damaged: a key has no value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Any other key would be hashed in depth, and a checkpoint's weights have none
        if type(key) in _KEYS:
            target[key] = value


_VALUES = """INT BININT BININT1 BININT2 LONG LONG1 LONG4 STRING BINSTRING SHORT_BINSTRING BINBYTES
    SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 FLOAT
    BINFLOAT"""
_PUSHED = frozenset(_VALUES.split())
_MADE_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: Made(Named("builtins", "set"), ()),
}
_NOTHING = frozenset(("PROTO", "FRAME", "STOP"))
_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.discard,
    "POP_MARK": _Machine.discard_mark,
    "DUP": _Machine.duplicate,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "TUPLE": _Machine.tuple_marked,
    "LIST": _Machine.list_marked,
    "DICT": _Machine.dict_marked,
    "FROZENSET": _Machine.set_marked,
    "ADDITEMS": _Machine.extend_marked,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend_marked,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items_marked,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_from_stack,
    "INST": _Machine.call_marked,
    "OBJ": _Machine.call_marked,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_names,
    "BUILD": _Machine.build,
    "PERSID": _Machine.stored,
    "BINPERSID": _Machine.stored,
}
