"""The encoder part of a process: clips and query texts side by side."""

import threading
from collections.abc import Callable

from encoder.bundle import Bundle
from encoder.config import EncoderConfig
from encoder.metrics import BUNDLE_INFO
from encoder.text import TextEncoder
from encoder.text_worker import TextFeaturesWorker
from encoder.video import VideoEncoder
from encoder.worker import EncoderWorker
from streamer.bus import Bus

STOP_SECONDS = 0.2  # how soon a stop is noticed


class EncoderPart:
    """Encodes clips and texts, each in a thread of its own: a new query never waits for clips.

    It ends when the clips do, or at once when it is stopped; then the embeddings topic is finished.
    """

    name = "encoder"

    def __init__(self, clips: EncoderWorker, texts: TextFeaturesWorker) -> None:
        self._clips = clips
        self._texts = texts
        self._unexpected: list[BaseException] = []

    @property
    def ready(self) -> bool:
        """Whether it is agreed who encodes what, and all queries of this process are encoded."""
        return self._clips.settled and self._texts.ready

    def run(self, stop: threading.Event) -> None:
        """Blocks until the clips are finished or `stop` is set; raises what a thread raised."""
        end = threading.Event()
        threads = [
            threading.Thread(target=self._guard, args=(work, end), name=name, daemon=True)
            for name, work in (("encoder", self._clips.run), ("query texts", self._texts.run))
        ]
        for thread in threads:
            thread.start()
        while threads[0].is_alive() and not end.is_set():
            if stop.wait(STOP_SECONDS):
                break
        end.set()
        for thread in threads:
            thread.join()
        if self._unexpected:
            raise self._unexpected[0]

    def _guard(self, work: Callable[[threading.Event], None], end: threading.Event) -> None:
        try:
            work(end)
        except BaseException as error:  # noqa: BLE001 - raised again by run, in the caller's thread
            self._unexpected.append(error)
            end.set()


def build(config: EncoderConfig, bundle: Bundle, bus: Bus) -> EncoderPart:
    """The encoder part, its towers loaded.

    Raises ModelError if a tower or the tokenizer is not what the bundle's manifest says.
    """
    video = VideoEncoder(bundle, config.session)
    texts = TextEncoder(bundle, config.session)
    BUNDLE_INFO.labels(bundle.name, bundle.manifest.version, bundle.space.id).set(1)
    return EncoderPart(EncoderWorker(bus, video, config), TextFeaturesWorker(bus, texts))
