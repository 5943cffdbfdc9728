"""A fleet whose clips, healths and metrics are gathered, so that tests can wait for them."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from prometheus_client import CollectorRegistry

from streamer.address_policy import AddressPolicy
from streamer.bus import CLIPS, HEALTH
from streamer.camera_record import CameraRecord
from streamer.clip import Clip
from streamer.config import BackOffSettings, StreamerPartConfig
from streamer.fleet import Fleet
from streamer.health import CameraHealth, unpack_health
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.record import unpack_clip
from tests.streamer.media import SMALL

PATIENCE = 60.0  # seconds until a test gives up waiting: a busy machine needs some of them
CALM = StreamerPartConfig(  # no pause of a busy machine is taken for a fault of a camera
    clip_format=SMALL,
    address_policy=AddressPolicy(loopback=True, private=False),
    file_roots=None,
    environ={},
    unseal=lambda text: text[::-1],
    back_off=BackOffSettings(0.1, 0.5),
    open_timeout_seconds=20.0,
    read_timeout_seconds=10.0,
    stop_seconds=20.0,
)
# Where a camera's silence is what is waited for, and no other has to be untouched by a busy machine
QUICK = replace(CALM, open_timeout_seconds=5.0, read_timeout_seconds=2.0)


class Watched:
    """A fleet with everything it says; clips are copied, so that none is held."""

    def __init__(self, config: StreamerPartConfig = CALM, **changes: object) -> None:
        self.registry = CollectorRegistry()
        self.bus = MemoryBus()
        self.fleet = Fleet(replace(config, **changes), self.bus, StreamerMetrics(self.registry))
        self.clips: defaultdict[str, list[Clip]] = defaultdict(list)
        self.healths: defaultdict[str, list[CameraHealth | None]] = defaultdict(list)
        self._clips, self._healths = (
            self.bus.subscribe(CLIPS.name, "g"),
            self.bus.subscribe(HEALTH.name),
        )
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._gather, name="gathers")
        self._thread.start()

    def add(self, camera_id: str, source: str, **fields: object) -> None:
        fields = {"revision": 1, **fields}
        self.fleet.apply(CameraRecord(camera_id=camera_id, source=source, **fields))

    def wait(self, is_so: Callable[[], object], about: str) -> float:
        """Until it is so; how many seconds that took."""
        began = time.monotonic()
        with self._changed:
            while not is_so():
                left = began + PATIENCE - time.monotonic()
                assert left > 0, (about, self.told())
                self._changed.wait(min(left, 0.05))
        return time.monotonic() - began

    def wait_for_clips(self, camera_id: str, more: int = 1) -> float:
        count = len(self.clips[camera_id]) + more
        return self.wait(lambda: len(self.clips[camera_id]) >= count, f"clips of {camera_id}")

    def wait_for_session(self, camera_id: str) -> float:
        """Until a clip of a session comes that there was none of."""
        before = self.sessions(camera_id)
        return self.wait(
            lambda: self.sessions(camera_id) != before, f"another session of {camera_id}"
        )

    def wait_for_reason(self, camera_id: str, reason: str, more: int = 1) -> float:
        count = self.reconnects(camera_id, reason) + more
        return self.wait(
            lambda: self.reconnects(camera_id, reason) >= count, f"{reason} of {camera_id}"
        )

    def wait_for_health(self, camera_id: str, is_so: Callable[[CameraHealth], object]) -> None:
        self.wait(
            lambda: any(health and is_so(health) for health in self.healths[camera_id]),
            f"health of {camera_id}",
        )

    def sessions(self, camera_id: str) -> list[int]:
        return sorted({clip.session for clip in self.clips[camera_id]})

    def reconnects(self, camera_id: str, reason: str) -> float:
        labels = {"camera": camera_id, "reason": reason}
        return self.registry.get_sample_value("watchword_stream_reconnects_total", labels) or 0.0

    def reasons(self, camera_id: str) -> dict[str, float]:
        """How often the camera was begun anew, by why."""
        found = {}
        for metric in self.registry.collect():
            for sample in metric.samples:
                is_it = sample.name == "watchword_stream_reconnects_total" and sample.value
                if is_it and sample.labels["camera"] == camera_id:
                    found[sample.labels["reason"]] = sample.value
        return found

    def pid_of(self, camera_id: str) -> int:
        """The process that reads the camera, once there is one."""
        found: list[int] = []

        def is_there() -> bool:
            processes = self.fleet.pool.processes.items()
            found.extend(pid for pid, cameras in processes if camera_id in cameras)
            return bool(found)

        self.wait(is_there, f"a process that reads {camera_id}")
        return found[0]

    def check_untouched(self, camera_id: str) -> None:
        """The camera has one session, without a gap."""
        clips = self.clips[camera_id]
        assert len({clip.session for clip in clips}) == 1, self.told()
        assert [clip.index for clip in clips] == list(range(len(clips)))
        assert {clip.skipped for clip in clips} == {0}

    def told(self) -> object:
        return {
            camera: (
                [health and (health.state, health.reason, health.message) for health in healths],
                [(clip.session, clip.index) for clip in self.clips[camera]],
                self.reasons(camera),
            )
            for camera, healths in self.healths.items()
        }

    def close(self) -> None:
        self.fleet.stop()
        self.fleet.check()
        self._over.set()
        self._thread.join()
        self.bus.close()

    def _gather(self) -> None:
        while not self._over.is_set():
            for record in self._healths.poll(0.0):
                health = None if record.value is None else unpack_health(record.value)
                self.healths[record.key].append(health)
            records = self._clips.poll(0.05)
            with self._changed:
                for record in records:
                    self.clips[record.key].append(_copied(unpack_clip(record.value or b"")))
                self._changed.notify_all()
            del records
            if self._clips.assigned:
                self._clips.commit()


def _copied(clip: Clip) -> Clip:
    return replace(clip, frames=clip.frames.copy())
