"""What the bench's cameras show: a still place, and once a turn ten seconds of a real street."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.bench.scene import SceneOptions, draw_scene

WIDTH, HEIGHT, FPS = 640, 360, 25
STILL_SECONDS = 40.0  # longer than it takes an alert to close


def write_film(path: Path, clip: Path) -> None:
    """Encode `STILL_SECONDS` of a still place with sensor noise, then the whole of `clip`."""
    import av

    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "g": str(2 * FPS), "bf": "0"}
        stream: Any = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate = 1_500_000
        for picture in _pictures(clip):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _pictures(clip: Path) -> Iterator[NDArray[np.uint8]]:
    """Pictures [360, 640, 3]."""
    import av

    yield from draw_scene(SceneOptions(WIDTH, HEIGHT, FPS, STILL_SECONDS, movers=0))
    with av.open(str(clip)) as container:
        shown = 0
        for frame in container.decode(video=0):
            while (frame.time or 0.0) * FPS >= shown:  # whatever the clip's own rate
                small = frame.reformat(width=WIDTH, height=HEIGHT, format="rgb24")
                yield np.asarray(small.to_ndarray(), np.uint8)
                shown += 1
