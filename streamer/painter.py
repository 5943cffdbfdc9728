"""Decoded pictures to pixels of the bundle's size."""

from functools import partial
from typing import cast

import av.error
import av.video.reformatter
import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from streamer.address import Address
from streamer.clip import ClipFormat
from streamer.orientation import Orientation
from streamer.resizing import KERNELS, resize
from streamer.source_fault import explain_fault

Picture = partial[NDArray[np.uint8]]
# What comes down from a card, and the same numbers as the processor's decoders lay them: FFmpeg
# makes RGB of each in its own way, which differs by a few steps of brightness
_PLANAR = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p016le": "yuv420p16le"}


class Painter:
    """Turns decoded pictures into pixels: one swscale context for a whole stream."""

    def __init__(self, clip_format: ClipFormat, address: Address) -> None:
        self._format = clip_format
        self._kernel = KERNELS[clip_format.kernel]
        self._address = address
        self._reformatter = av.video.reformatter.VideoReformatter()
        self._planes = av.video.reformatter.VideoReformatter()

    def paint(self, picture: VideoFrame) -> Picture:
        """The pixels [H, W, 3], when asked for."""
        return partial(self._pixels, picture)

    def _pixels(self, picture: VideoFrame) -> NDArray[np.uint8]:
        matrix = picture.side_data.get("DISPLAYMATRIX")
        # The cast: PyAV's stub forgets that side data is a buffer.
        turn = Orientation.from_display_matrix(bytes(cast(Buffer, matrix)) if matrix else b"")
        width, height = turn.stored_size(self._format.width, self._format.height)
        kernel = self._kernel
        size = (width, height) if kernel.swscale else (picture.width, picture.height)
        try:
            if planar := _PLANAR.get(picture.format.name):
                picture = self._planes.reformat(picture, format=planar)
            made = self._reformatter.reformat(
                picture, *size, "rgb24", interpolation=kernel.swscale or "BILINEAR"
            )
        except (av.error.FFmpegError, ValueError) as error:
            raise explain_fault(error, self._address) from error
        pixels = np.asarray(made.to_ndarray(), np.uint8)
        return turn.turn(pixels if kernel.swscale else resize(pixels, width, height, kernel))
