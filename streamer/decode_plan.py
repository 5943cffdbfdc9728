"""Which packets of a stream are decoded: no more than its clips need. Pure."""

from collections import deque
from collections.abc import Iterator

from streamer.clip import ClipFormat
from streamer.clock import JUMP_SECONDS
from streamer.config import Decode

INTRA_ONLY = frozenset({"mjpeg", "prores", "dnxhd", "rawvideo", "jpeg2000", "dvvideo"})
_INTERVALS = 3  # of key frames, running, that make a habit
_START_CODE = b"\x00\x00\x01"
_HEAD_BYTES = 4096  # parameter sets and messages before a picture are seldom longer


class DecodePlan:
    """Says of each packet, in the order of decoding, whether it is to be decoded.

    A picture that no other is made from (in H.264 and HEVC; all pictures of some codecs) is
    decoded only if none was for half of the time between two frames of a clip: it is missed by
    nobody. `keyframes` decodes only key frames, as many of them as that. They have to come every
    5 s at least, or no session would hold: otherwise it goes on as `nonref`. `auto` is `keyframes`
    where these alone fill a clip, and else `nonref`.
    """

    def __init__(
        self, mode: Decode, clip_format: ClipFormat, codec: str, extradata: bytes | None = None
    ) -> None:
        """`codec` as FFmpeg names it; `extradata` as the stream brought it."""
        step = clip_format.seconds / clip_format.frames
        self._mode = mode
        self._codec = codec
        self._length_bytes = length_bytes(codec, extradata or b"")
        self._apart_seconds = step / 2
        # One more than the frames of a clip fit into it, so that none is short of one
        self._dense_seconds = clip_format.seconds / (clip_format.frames + 1)
        self._in_use: Decode = "nonref" if mode == "auto" else mode
        self._decoded: float | None = None  # the newest picture, in media seconds
        self._keyframe: float | None = None
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self._broken = False  # left out what others are made from: only a key frame helps

    @property
    def in_use(self) -> Decode:
        """What is done now: all, nonref or keyframes."""
        return self._in_use

    @property
    def keyframe_seconds(self) -> float | None:
        """The longest of the newest distances between key frames; None while not known."""
        return max(self._intervals, default=None)

    def judge(self, seconds: float, is_keyframe: bool, data: bytes | memoryview) -> bool:
        """Whether to decode a packet of that media time."""
        if self._mode == "all":
            return True
        if is_keyframe:
            self._note_keyframe(seconds)
        elif self._in_use == "keyframes" or self._broken:
            self._broken = True
            self._leave_keyframes(seconds)
            return False
        if not self._is_needed(seconds, is_keyframe, data):
            return False
        jumped_back = self._decoded is not None and seconds < self._decoded - JUMP_SECONDS
        if self._decoded is None or seconds > self._decoded or jumped_back:
            self._decoded = seconds  # of reordered pictures, the newest
        return True

    def _is_needed(self, seconds: float, is_keyframe: bool, data: bytes | memoryview) -> bool:
        if self._decoded is None:
            return True
        ahead = seconds - self._decoded
        if ahead >= self._apart_seconds or ahead < -JUMP_SECONDS:
            return True
        return self._is_referenced(is_keyframe, data)

    def _is_referenced(self, is_keyframe: bool, data: bytes | memoryview) -> bool:
        if self._codec in INTRA_ONLY:
            return False
        if is_keyframe:
            return self._in_use != "keyframes"
        return (
            is_referenced(self._codec, bytes(data[:_HEAD_BYTES]), self._length_bytes) is not False
        )

    def _note_keyframe(self, seconds: float) -> None:
        if self._keyframe is not None and seconds > self._keyframe:
            self._intervals.append(seconds - self._keyframe)
        self._keyframe = seconds
        self._broken = False
        if self._mode == "auto":
            known = len(self._intervals) == _INTERVALS
            dense = known and max(self._intervals) <= self._dense_seconds
            self._in_use = "keyframes" if dense else "nonref"
        elif self._mode == "keyframes":
            sparse = bool(self._intervals) and max(self._intervals) > JUMP_SECONDS
            self._in_use = "nonref" if sparse else "keyframes"

    def _leave_keyframes(self, seconds: float) -> None:
        limit = JUMP_SECONDS if self._mode == "keyframes" else 2 * self._dense_seconds
        if self._keyframe is not None and seconds - self._keyframe > limit:
            self._in_use = "nonref"


def length_bytes(codec: str, extradata: bytes) -> int:
    """How many bytes tell the length of a unit in packets; 0: start codes stand between units."""
    place = {"h264": 4, "hevc": 21}.get(codec, len(extradata))
    if extradata[:1] != b"\x01" or place >= len(extradata):
        return 0
    return (extradata[place] & 3) + 1


def is_referenced(codec: str, head: bytes, lengths: int = 0) -> bool | None:
    """Whether other pictures are made from an H.264 or HEVC packet's; None: it is not known.

    `head` is how the packet begins, `lengths` what `length_bytes` says of its stream.
    """
    if codec not in ("h264", "hevc"):
        return None
    for at in _sized_units(head, lengths) if lengths else _marked_units(head):
        if (known := _unit_is_referenced(codec, head[at])) is not None:
            return known
    return None


def _sized_units(head: bytes, lengths: int) -> Iterator[int]:
    """Where units begin, each behind its length."""
    at = lengths
    while at < len(head):
        yield at
        at += int.from_bytes(head[at - lengths : at], "big") + lengths


def _marked_units(head: bytes) -> Iterator[int]:
    """Where units begin, each behind a start code."""
    at = head.find(_START_CODE)
    while 0 <= at < len(head) - len(_START_CODE):
        yield at + len(_START_CODE)
        at = head.find(_START_CODE, at + len(_START_CODE))


def _unit_is_referenced(codec: str, first: int) -> bool | None:
    """The same of a unit by its first byte; None: it is no part of a picture."""
    if codec == "h264":  # nal_ref_idc, of slices
        return bool(first & 0x60) if 1 <= first & 0x1F <= 5 else None
    kind = first >> 1 & 0x3F  # those below 16 that are even: no reference in their layer
    return not (kind < 16 and kind % 2 == 0) if kind < 32 else None
