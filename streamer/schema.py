"""Records of topics as contracts: a version first, unknown fields ignored, later versions refused.

A record says its `schema`, 1 if it does not. A writer may add fields that have a default; whoever
takes one away, makes it required or changes its type writes the next schema instead, so that a
reader that knows no better puts the record aside rather than misreads it.
"""

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import msgspec

from streamer.errors import NewerRecordError, RecordError

Encoding = Literal["json", "msgpack"]
T = TypeVar("T")


class _Envelope(msgspec.Struct):
    schema: int = 1


class RecordDecoder(Generic[T]):
    """Reads one kind of record, of every schema up to `schema`; safe to use from any thread.

    `name` is what the record is called in errors, as "camera record"; `error` makes them.
    """

    def __init__(
        self,
        record: type[T],
        name: str,
        encoding: Encoding = "json",
        error: Callable[[str], Exception] = RecordError,
        schema: int = 1,
    ) -> None:
        self._name = name
        self._error = error
        self._newer = NewerRecordError if error is RecordError else error
        self._schema = schema
        self._version: Callable[[bytes], _Envelope]
        self._record: Callable[[bytes], T]
        if encoding == "json":
            self._version = msgspec.json.Decoder(_Envelope).decode
            self._record = msgspec.json.Decoder(record).decode
        else:
            self._version = msgspec.msgpack.Decoder(_Envelope).decode
            self._record = msgspec.msgpack.Decoder(record).decode

    def decode(self, value: bytes) -> T:
        """The record; its unknown fields are a newer writer's, and ignored.

        Raises:
            RecordError: the bytes are no such record (or what `error` makes).
            NewerRecordError: they are of a later schema (or what `error` makes).
        """
        try:
            self._check(self._version(value).schema)
            return self._record(value)
        # Text that is no UTF-8, and lists in lists without end, are no MsgspecError
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._error(f"The bytes are no {self._name}: {error}.") from error

    def _check(self, schema: int) -> None:
        if schema < 1:
            raise self._error(f"A {self._name} has the schema {schema}: the first one is 1.")
        if schema > self._schema:
            raise self._newer(
                f"A {self._name} has the schema {schema}, and this Watchword reads up to "
                f"{self._schema}: upgrade it to what writes that."
            )
