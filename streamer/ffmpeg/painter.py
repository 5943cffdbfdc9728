"""Decoded pictures as pixels: turned, masked, cut to the region and resized."""

import time
from functools import partial
from typing import cast

import av.error
import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from streamer.address import Address
from streamer.config import ReadOptions
from streamer.mask import Mask
from streamer.orientation import Orientation
from streamer.region import WHOLE, crop
from streamer.resizing import KERNELS, resize
from streamer.source_facts import ReadTally
from streamer.source_fault import explain_fault

Picture = partial[NDArray[np.uint8]]
# What comes down from a card, and the same numbers as the processor's decoders lay them: FFmpeg
# makes RGB of each in its own way, which differs by a few steps of brightness
_PLANAR = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p016le": "yuv420p16le"}


class Painter:
    """Makes the pixels of one stream's pictures; nothing under a mask is in them.

    Without masks and region a picture goes from the decoder's colours to the clip's size in one
    step. With them it is first made whole: what is blackened cannot be mixed into a neighbour.
    """

    def __init__(self, options: ReadOptions, address: Address, tally: ReadTally) -> None:
        self._format = options.clip_format
        self._mask = Mask(options.masks)
        self._region = options.region or WHOLE
        self._is_whole = not options.masks and self._region == WHOLE
        self._address = address
        self._tally = tally
        self._kernel = KERNELS[self._format.kernel]
        self._to_planes = VideoReformatter()
        self._to_size, self._to_colours = VideoReformatter(), VideoReformatter()
        self._is_upright = False  # none was turned so far, and one was looked at

    def paint(self, picture: VideoFrame) -> Picture:
        """The pixels [H, W, 3], when asked for."""
        return partial(self._pixels, picture)

    def _pixels(self, picture: VideoFrame) -> NDArray[np.uint8]:
        began = time.thread_time()
        try:
            if planar := _PLANAR.get(picture.format.name):
                picture = self._to_planes.reformat(picture, format=planar)
            return self._resized(picture) if self._is_whole else self._cut(picture)
        except (av.error.FFmpegError, ValueError) as error:
            raise explain_fault(error, self._address) from error
        finally:
            self._tally.decode_seconds += time.thread_time() - began

    def _resized(self, picture: VideoFrame) -> NDArray[np.uint8]:
        turn = self._orientation(picture)
        width, height = turn.stored_size(self._format.width, self._format.height)
        return turn.turn(self._scaled(picture, width, height))

    def _cut(self, picture: VideoFrame) -> NDArray[np.uint8]:
        whole = self._to_colours.reformat(picture, format="rgb24")
        shown = self._orientation(picture).turn(np.asarray(whole.to_ndarray(), np.uint8))
        seen = VideoFrame.from_ndarray(crop(shown, self._mask, self._region), "rgb24")
        return self._scaled(seen, self._format.width, self._format.height)

    def _orientation(self, picture: VideoFrame) -> Orientation:
        # Whoever looks at side data ties the picture to itself, and it stays until Python tidies up
        if self._is_upright and not picture.rotation:
            return Orientation.from_display_matrix(b"")
        turn = orientation_of(picture)
        self._is_upright = turn == Orientation.from_display_matrix(b"")
        return turn

    def _scaled(self, picture: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        kernel = self._kernel
        if kernel.swscale is None:
            whole = self._to_size.reformat(picture, format="rgb24")
            return resize(np.asarray(whole.to_ndarray(), np.uint8), width, height, kernel)
        resized = self._to_size.reformat(
            picture, width, height, "rgb24", interpolation=kernel.swscale
        )
        return np.asarray(resized.to_ndarray(), np.uint8)


def orientation_of(picture: VideoFrame) -> Orientation:
    """How the picture is to be turned."""
    return Orientation.from_display_matrix(display_matrix(picture))


def display_matrix(picture: VideoFrame) -> bytes:
    """FFmpeg's display matrix of a picture; b"" if it is to be shown as it is stored."""
    matrix = picture.side_data.get("DISPLAYMATRIX")
    # The cast: PyAV's stub forgets that side data is a buffer.
    return bytes(cast(Buffer, matrix)) if matrix else b""
