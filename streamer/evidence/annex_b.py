"""H.264 and HEVC packets as streams carry them: Annex B, start codes and parameter sets in them.

MP4, FLV and Matroska keep lengths in place of start codes, and parameter sets apart (ISO/IEC
14496-15, 5.3.3.1 for H.264 and 8.3.3.1 for HEVC).
"""

from collections.abc import Iterator

_START = b"\x00\x00\x00\x01"
_SPS_H264 = 7
_VPS_HEVC, _PPS_HEVC = 32, 34
_HEVC_ARRAYS = 22  # where the arrays of parameter sets begin in HEVC's record


class AnnexB:
    """Makes the packets of one stream Annex B.

    A key frame without parameter sets of its own is given those of the stream, so that every file
    that begins with one can be decoded.
    """

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        record = extradata or b""
        self._codec = codec
        self._length_size = 0  # bytes of each length; 0: the stream has start codes
        self._parameters = record
        if codec in ("h264", "hevc") and record[:1] == b"\x01":
            read = _read_avcc if codec == "h264" else _read_hvcc
            self._length_size, self._parameters = read(record)

    @property
    def parameters(self) -> bytes:
        """The parameter sets that the stream brought, with start codes."""
        return self._parameters

    def convert(self, packet: bytes, is_keyframe: bool) -> bytes:
        """The packet; other codecs' as they are."""
        if self._codec not in ("h264", "hevc"):
            return packet
        if self._length_size:
            packet = b"".join(_START + unit for unit in _units(packet, self._length_size))
        if is_keyframe and not self._has_parameters(packet):
            return self._parameters + packet
        return packet

    def _has_parameters(self, packet: bytes) -> bool:
        at = packet.find(b"\x00\x00\x01")
        while 0 <= at < len(packet) - 3:
            first = packet[at + 3]
            if self._codec == "h264" and first & 0x1F == _SPS_H264:
                return True
            if self._codec == "hevc" and _VPS_HEVC <= first >> 1 & 0x3F <= _PPS_HEVC:
                return True
            is_picture = first & 0x1F <= 5 if self._codec == "h264" else first >> 1 & 0x3F < 32
            if is_picture:  # parameter sets stand before it
                return False
            at = packet.find(b"\x00\x00\x01", at + 3)
        return False


def _units(packet: bytes, length_size: int) -> Iterator[bytes]:
    at = 0
    while at + length_size <= len(packet):
        length = int.from_bytes(packet[at : at + length_size], "big")
        at += length_size
        yield packet[at : at + length]
        at += length


def _read_avcc(record: bytes) -> tuple[int, bytes]:
    """The bytes of a length, and the parameter sets, of H.264's record; a damaged one has none."""
    if len(record) < 7:
        return 0, b""
    sets, at = [], 5
    for mask in (0x1F, 0xFF):  # SPS, then PPS
        if at >= len(record):
            break
        count, at = record[at] & mask, at + 1
        found, at = _sized(record, at, count)
        sets += found
    return (record[4] & 3) + 1, b"".join(_START + one for one in sets)


def _read_hvcc(record: bytes) -> tuple[int, bytes]:
    """The same of HEVC's record."""
    if len(record) <= _HEVC_ARRAYS:
        return 0, b""
    sets, at = [], _HEVC_ARRAYS + 1
    for _ in range(record[_HEVC_ARRAYS]):
        count = int.from_bytes(record[at + 1 : at + 3], "big")
        found, at = _sized(record, at + 3, count)
        sets += found
    return (record[21] & 3) + 1, b"".join(_START + one for one in sets)


def _sized(record: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    """So many byte strings, each after its length in two bytes, and where they end."""
    found = []
    for _ in range(count):
        size = int.from_bytes(record[at : at + 2], "big")
        found.append(record[at + 2 : at + 2 + size])
        at += 2 + size
    return found, at
