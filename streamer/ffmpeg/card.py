"""Decoding on an NVIDIA card (NVDEC) by way of PyAV, and why it is not done where it is not.

Pictures come down from the card as NV12, or P010 where they have more than 8 bits, and go on as
those of the processor do.
"""

from contextlib import suppress

import av.error
from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.codeccontext import VideoCodecContext

from streamer.config import Decoder
from streamer.errors import CardDecodingError
from streamer.source_facts import ReadTally

Card = HWAccel  # as a source is opened with
_KIND = "cuda"  # FFmpeg's name of the device, and of pictures that lie on it
# All decoders of a process in the card's primary context: one of their own takes memory for each
# camera. FFmpeg refuses it where another library made that context with other flags.
_SHARED: dict[str, object] = {"primary_ctx": "1"}
_OWN: dict[str, object] = {}


def open_card() -> HWAccel:
    """How to open a source on the card.

    Raises:
        av.error.FFmpegError: there is none that can be used; PermissionError: not even a driver.
    """
    if _KIND not in hwdevices_available():
        raise av.error.PermissionError(1, "this FFmpeg was built without CUDA")
    with suppress(av.error.FFmpegError):
        return _tried(_SHARED)
    return _tried(_OWN)


def _tried(options: dict[str, object]) -> HWAccel:
    made = HWAccel(_KIND, allow_software_fallback=True, options=options)
    made.create(Codec("h264", "r"))  # another one, of which nothing stays
    return made


class CardChoice:
    """Whether a source is decoded on the card, found out step by step as it is opened.

    What of it does not work is noted in the tally, where its camera finds it at the next
    connection; if the decoder is "cuda", it is raised as CardDecodingError.
    """

    def __init__(self, decoder: Decoder, tally: ReadTally, shown: str) -> None:
        """`shown` is the source as it may be told."""
        self._decoder = decoder
        self._tally = tally
        self._shown = shown

    def choose(self) -> HWAccel | None:
        """The card to open a connection with; None: decode on the processor.

        With "auto" that is where there is no card, or it could not do it before.
        """
        self._tally.decoder = "cpu"
        if self._decoder == "cpu" or (self._decoder == "auto" and self._tally.card_refusal):
            return None
        try:
            return open_card()
        except av.error.PermissionError:  # FFmpeg's word for a driver that is not there
            if self._decoder == "cuda":
                self.refuse("there is no NVIDIA driver here")
        except (av.error.FFmpegError, MemoryError) as error:
            self.refuse(f"the card cannot be used ({_reason(error)})")
        return None

    def takes_codec(self, context: VideoCodecContext) -> bool:
        """Whether the card has a decoder for the codec of an opened source."""
        if not context.is_hwaccel:
            self.refuse(f"the card has no decoder for {context.name}")
        return context.is_hwaccel

    def look_at_first(self, context: VideoCodecContext) -> None:
        """With the first picture: FFmpeg goes on without the card where it does not take it."""
        if context.pix_fmt == _KIND:
            self._tally.decoder = "cuda"
            return
        profile = f", profile {context.profile}" if context.profile else ""
        self.refuse(f"the card does not take {context.name}{profile}")

    def refuse(self, why: str) -> None:
        """It does not work, for this reason.

        Raises:
            CardDecodingError: the decoder is "cuda".
        """
        if self._decoder == "cuda":
            raise CardDecodingError(
                f"'{self._shown}' is to be decoded on an NVIDIA card, but {why}: set the camera's "
                "decoder to auto or cpu."
            )
        self._tally.refuse_card(why)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()
