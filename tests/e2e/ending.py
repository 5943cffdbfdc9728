"""The end of a run: nothing is on its way any more when it is asked what came of it.

From the cameras to the listeners each stage is waited for before the next one is looked at. Who
asks the store alone may hear that every alert is closed while a clip in red is still under way.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing

from encoder.errors import EmbeddingRecordError
from encoder.record import unpack_embedding
from grounding.record import unpack_alert
from streamer.bus import ALERTS, CLIPS, EMBEDDINGS, Bus
from streamer.record import unpack_clip
from tests.e2e.accounts import Windows, newest, open_account, whole
from tests.e2e.serving import Serve, Split, wait_for

CLIPS_TOTAL = "watchword_clips_total"

Places = dict[str, tuple[int, int]]  # by camera: session and index


def clips_seen(split: Split) -> Counter[str]:
    """How many clips each camera gave since its process was started, but for dropped ones."""
    seen: Counter[str] = Counter()
    for process in split:
        if {"streamer", "encoder"} <= set(process.parts):
            for outcome, sign in (("ok", 1), ("short", 1), ("dropped", -1)):
                for camera, count in process.by_camera(CLIPS_TOTAL, outcome=outcome).items():
                    seen[camera] += sign * int(count)
    return seen


def wait_for_clips(split: Split, bus: Bus, seen: Mapping[str, int]) -> None:
    """So many clips of each camera are embedded; then all that gives or embeds clips ends."""
    began = [one.began for one in split if {"streamer", "encoder"} <= set(one.parts)]

    def embedded() -> bool:
        records = [one for one in whole(bus, EMBEDDINGS) if one.published > min(began)]
        return Counter(one.key for one in records) >= Counter(seen)

    if began:
        wait_for(embedded, about=f"the embeddings of {dict(seen)} clips")
    _end([one for one in split if "streamer" in one.parts])
    encoders = [one for one in split if "encoder" in one.parts and "streamer" not in one.parts]
    if encoders:
        clips = _newest_clips(split)
        wait_for(lambda: _reaches(newest_embeddings(bus), clips), about="the last clips' vectors")
        _end(encoders)


def wait_for_store(split: Split, bus: Bus) -> None:
    """The store has each alert as far as grounding told it."""
    told = newest(unpack_alert(one.value or b"") for one in whole(bus, ALERTS)).values()

    def stored() -> bool:
        known = {one["id"]: one["revision"] for one in split.api.alerts(limit=200)}
        return all(known.get(one.alert_id, 0) >= one.revision for one in told)

    wait_for(stored, about="the store to have every alert")


def newest_embeddings(bus: Bus) -> Places:
    """The last clip of each camera that can be evaluated."""
    found: Places = {}
    for record in whole(bus, EMBEDDINGS):
        try:
            clip = unpack_embedding(record.value or b"")
        except EmbeddingRecordError:
            continue
        place = (clip.session, clip.index)
        found[clip.camera_id] = max(place, found.get(clip.camera_id, place))
    return found


def count_windows(split: Split) -> list[Windows]:
    """What each grounding process counted; only once they have nothing to do."""
    name = "watchword_windows_total"
    return [
        Windows(
            one.began, *(one.metric(name, outcome=kind) for kind in ("due", "evaluated", "blind"))
        )
        for one in split
        if "grounding" in one.parts
    ]


def _newest_clips(split: Split) -> Places:
    found: Places = {}
    with closing(open_account(split.api.config, (CLIPS,))) as bus:
        for record in whole(bus, CLIPS):
            clip = unpack_clip(record.value or b"")
            place = (clip.session, clip.index)
            found[clip.camera_id] = max(place, found.get(clip.camera_id, place))
    return found


def _reaches(found: Places, wanted: Places) -> bool:
    return all(found.get(camera, (-1, -1)) >= place for camera, place in wanted.items())


def _end(processes: list[Serve]) -> None:
    for one in processes:
        assert one.end() == 0
