"""An embedding that cannot be evaluated harms no other. `!` in drawings: one that raises."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.embedding import ClipEmbedding
from encoder.errors import ForeignSpaceError
from grounding.alert import Alert
from grounding.attempts import MOST_IN_A_ROW, Arrival, Attempts
from grounding.config import AlertSettings, GroundingConfig
from grounding.grounder import Grounder
from grounding.tracker import AlertTracker
from streamer.bus import EMBEDDINGS, Record
from tests.grounding.worlds import DetectorGraph, embedding, parts, query

BAD_AXIS = 9


class FaultyGraph(DetectorGraph):
    """Cannot stand a window with a bad clip in it; `sick` it can stand nothing."""

    sick = False

    def run(self, inputs):
        if self.sick or (inputs["video"][..., BAD_AXIS] > 0.1).any():
            raise RuntimeError("the graph does not like it")
        return super().run(inputs)


def scene(flags: str, camera_id: str = "yard", **fields: object) -> list[ClipEmbedding]:
    cosines = {"#": {0: 0.9}, "!": {0: 0.7, BAD_AXIS: 0.6}}
    return [
        embedding(index, cosines.get(flag, {}), camera_id, **fields)  # type: ignore[arg-type]
        for index, flag in enumerate(flags)
        if flag != " "
    ]


def arrivals(clips: list[ClipEmbedding]) -> list[Arrival]:
    return [
        Arrival(Record(EMBEDDINGS.name, 0, offset, clip.camera_id, b"", (), 0.0), clip)
        for offset, clip in enumerate(clips)
    ]


def make(graph: DetectorGraph | None = None) -> tuple[Attempts, Grounder]:
    config = GroundingConfig(audit_every=0)
    made = Grounder(parts(graph=graph or FaultyGraph()), AlertTracker(AlertSettings()), config)
    made.watch([query()])
    return Attempts(made), made


def rounded(alerts: list[Alert]) -> list[tuple[object, ...]]:
    return [
        (one.event_id, one.state, round(one.start, 3), round(one.end, 3), round(one.at, 3))
        for one in alerts
    ]


drawn = st.text(alphabet="#..!! ", max_size=30)


@settings(max_examples=40)
@given(st.lists(drawn, min_size=1, max_size=2), st.integers(1, 9))
def test_what_is_told_is_as_if_the_bad_clips_had_not_come(cameras: list[str], size: int) -> None:
    clips = [
        clip for number, flags in enumerate(cameras) for clip in scene(flags, f"camera-{number}")
    ]
    bad = [clip for clip in clips if clip.vector[BAD_AXIS] > 0.1]
    made, _ = make()
    alerts, aside, blind = [], [], []
    for first in range(0, len(clips), size):
        more, failed = made.evaluate(arrivals(clips[first : first + size]), 0.0)
        alerts += more
        aside += failed
        blind += made.take_blind()
    assert len(aside) == len(bad)
    assert all(one.attempts == 2 and isinstance(one.error, RuntimeError) for one in aside)
    plain = make()[1]
    good = [clip for clip in clips if clip.vector[BAD_AXIS] <= 0.1]
    expected = [alert for clip in good for alert in plain.evaluate([clip])]
    assert rounded(alerts) == rounded(expected)
    assert sum(one.end - one.start for one in blind) == pytest.approx(
        sum(one.end - one.start for one in plain.take_blind())
    )


def test_a_failed_try_leaves_the_grounder_as_it_was() -> None:
    made, grounder = make()
    made.evaluate(arrivals(scene("..##. ")), 0.0)
    before = grounder.camera_state("yard")
    window = grounder.windows.mark("yard").block
    one = scene("......!")[-1]
    assert made.evaluate(arrivals([one]), 0.0)[0] == []
    assert grounder.camera_state("yard") == before
    after = grounder.windows.mark("yard").block
    assert (after.filled, after.first_index) == (window.filled, window.first_index)
    assert not after.mask[after.filled :].any()
    assert not after.vectors[after.filled :].any()


def test_a_camera_that_was_never_seen_stays_so() -> None:
    made, grounder = make()
    made.evaluate(arrivals(scene("!")), 0.0)
    assert grounder.camera_state("yard") is None
    assert grounder.windows.mark("yard").rows is None


def test_an_embedding_of_another_space_is_put_aside_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, _ = make()
    clips = scene(".##.")
    for clip in clips[:2]:
        object.__setattr__(clip, "space_id", "other")
    with caplog.at_level(logging.ERROR):
        alerts, aside = made.evaluate(arrivals(clips), 0.0)
    assert [one.record.offset for one in aside] == [0, 1]
    assert {(one.attempts, type(one.error)) for one in aside} == {(1, ForeignSpaceError)}
    assert [alert.state for alert in alerts] == ["opened"]
    assert len([one for one in caplog.records if "same bundle" in one.message]) == 1
    made.close()
    assert len(caplog.records) == 2


def test_a_process_that_fails_at_everything_does_not_put_everything_aside() -> None:
    graph = FaultyGraph()
    made, _ = make(graph)
    made.evaluate(arrivals(scene("#")), 0.0)
    graph.sick = True
    clips = scene("#" * 60)[1:]
    aside = made.evaluate(arrivals(clips[: MOST_IN_A_ROW - 1]), 0.0)[1]
    assert len(aside) == MOST_IN_A_ROW - 1
    with pytest.raises(RuntimeError):
        made.evaluate(arrivals(clips[MOST_IN_A_ROW:]), 0.0)


def test_one_success_tells_that_the_process_is_well() -> None:
    made, _ = make()
    for turn in range(3):
        clips = scene("!" * (MOST_IN_A_ROW - 1) + "#", session=1_700_000_000_000 + turn)
        assert len(made.evaluate(arrivals(clips), 0.0)[1]) == MOST_IN_A_ROW - 1


def test_what_cannot_be_filled_is_passed_over() -> None:
    made, grounder = make()
    clips = scene("....")
    object.__setattr__(clips[1], "space_id", "other")
    filled = made.fill(arrivals(clips))
    assert [one.embedding.index for one in filled] == [0, 2, 3]
    assert list(grounder.windows.mark("yard").block.mask[:4]) == [True, False, True, True]
    assert grounder.counts.windows == 0
    assert made.fill([]) == []
