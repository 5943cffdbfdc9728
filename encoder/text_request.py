"""What the encoder reads of a standing query on `watchword.queries.v1`."""

import msgspec

from streamer.schema import RecordDecoder


class TextRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of one version of a query; its other fields are grounding's, and not read."""

    schema: int = 1
    query_id: str
    text: str
    version: int = 1
    negatives: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """All that is to be encoded, the query's own text first."""
        return (self.text, *self.negatives)


_decoder = RecordDecoder(TextRequest, "query record")


def unpack_text_request(value: bytes) -> TextRequest:
    """The texts of a query record.

    Raises:
        RecordError: the bytes are no query record, or one of a later schema.
    """
    return _decoder.decode(value)
