from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.training.compose import Composer, Mix
from grounding.training.footage import Footage
from grounding.training.phrases import LOOK_ALIKES, Part, phrases_of
from grounding.training.pools import Pools, camera_of
from grounding.training.questions import Asker
from grounding.training.streams import Stream
from grounding.training.words import content_words, foreign_to
from tests.grounding.training.worlds_of_footage import footage_of_the_world

UCA = [
    "Two men carry a television out of the house",
    "A cashier counts the money behind the counter",
    "The dog barks at the gate and the cat runs away",
]


@cache
def pools() -> Pools:
    return Pools(footage_of_the_world())


def composer(seed: int = 0, part: Part = "train", mix: Mix | None = None) -> Composer:
    random = np.random.default_rng(seed)
    return Composer(pools(), Asker(random, pools().pictures, UCA, part), random, mix)


@cache
def many() -> list[Stream]:
    made = composer(7)
    return [made.stream() for _ in range(3000)]


def one(seed: int) -> Stream:
    return composer(seed).stream()


def frames_of(footage: Footage) -> range:
    return range(footage.row, footage.row + footage.frames)


def test_the_categories_are_mixed_as_specified():
    counts = Counter(stream.queries[0].category for stream in many())
    shares = {name: count / len(many()) for name, count in counts.items()}
    assert shares["present"] == pytest.approx(0.35, abs=0.03)
    assert shares["look_alike"] == pytest.approx(0.25, abs=0.03)
    assert shares["other_event"] == pytest.approx(0.20, abs=0.03)
    assert shares["plain"] == pytest.approx(0.20, abs=0.03)


def test_second_queries_leave_about_a_third_present():
    queries = [query for stream in many() for query in stream.queries]
    assert len(queries) > 1.2 * len(many())
    present = np.mean([bool(query.windows) for query in queries])
    assert 0.28 <= present <= 0.45


def test_at_least_half_of_the_positives_change_nothing_but_the_event():
    positive = [s for s in many() if s.queries[0].category == "present"]
    assert np.mean([not stream.spliced for stream in positive]) >= 0.5


def test_absent_windows_are_spliced_as_often_as_present_ones():
    spliced = {
        present: np.mean(
            [s.spliced for s in many() if (s.queries[0].category == "present") == present]
        )
        for present in (True, False)
    }
    assert spliced[True] == pytest.approx(spliced[False], abs=0.06)


def test_lengths_follow_the_mix():
    clips = np.array([stream.clips for stream in many()])
    assert (clips <= 8).mean() == pytest.approx(0.30, abs=0.05)
    assert (clips > 40).mean() == pytest.approx(0.30, abs=0.05)


def test_events_begin_anywhere_in_a_clip():
    starts = [s % 2.0 for stream in many() for q in stream.queries for s, _ in q.windows if s > 0]
    assert np.histogram(starts, 8, (0.0, 2.0))[0].min() > len(starts) / 16


def test_a_third_of_the_positive_windows_end_soon_after_the_onset():
    positive = [s for s in many() if s.queries[0].category == "present"]
    soon = [2.0 * s.clips - s.queries[0].windows[-1][0] <= 6.0 for s in positive]
    assert np.mean(soon) >= 1 / 3


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_a_schedule_shows_only_its_segments_frames(seed: int):
    stream = one(seed)
    assert stream.rows.shape == (stream.clips, 8)
    allowed = {row for s in stream.segments for row in frames_of(s.footage)}
    assert set(stream.rows.ravel().tolist()) <= allowed


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_segments_cover_the_stream_without_gap_or_overlap(seed: int):
    stream = one(seed)
    assert stream.segments[0].start == 0.0
    for before, after in zip(stream.segments[:-1], stream.segments[1:], strict=True):
        assert before.end == pytest.approx(after.start, abs=1e-9)
    assert stream.segments[-1].end == pytest.approx(2.0 * stream.clips, abs=1e-9)


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_windows_lie_inside_and_only_present_queries_have_them(seed: int):
    stream = one(seed)
    for query in stream.queries:
        assert bool(query.windows) == (query.category == "present")
        for start, end in query.windows:
            assert 0.0 <= start < end <= 2.0 * stream.clips + 1e-9
        share = stream.saliency(query)
        length = sum(end - start for start, end in query.windows)
        assert 2.0 * share.sum() == pytest.approx(length, abs=1e-3)


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_an_absent_query_is_known_to_be_absent(seed: int):
    stream = one(seed)
    for query in stream.queries:
        if query.category == "present":
            continue
        if query.concept is not None:
            assert stream.lacks(query.concept)
            for segment in stream.segments:
                known = segment.footage.has(query.concept)
                assert known or query.concept in segment.footage.lacks
        else:
            assert stream.vocabulary is not None
            assert foreign_to(content_words(query.text), stream.vocabulary)


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_on_site_streams_stay_on_one_camera(seed: int):
    stream = composer(seed).stream(layout="on_site")
    assert len({camera_of(segment.footage) for segment in stream.segments}) == 1
    assert len(stream.groups) == 1


@given(st.integers(0, 2**32), st.sampled_from(["train", "held_out"]))
@settings(deadline=None)
def test_only_the_phrasings_allowed_are_asked(seed: int, part: Part):
    for query in composer(seed, part).stream().queries:
        if query.concept is not None:
            assert query.text in phrases_of(query.concept, part)


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_the_same_seed_makes_the_same_stream(seed: int):
    first, second = one(seed), one(seed)
    assert first.queries == second.queries
    np.testing.assert_array_equal(first.rows, second.rows)


def test_reseeding_starts_over():
    made = composer(1)
    first = [made.stream().queries for _ in range(5)]
    made.reseed(np.random.default_rng(1))
    again = [made.stream().queries for _ in range(5)]
    assert first == again


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_a_look_alike_stream_asks_for_an_event_that_it_lacks(seed: int):
    stream = composer(seed).stream(category="look_alike", layout="on_site")
    query = stream.queries[0]
    assert query.concept in LOOK_ALIKES
    assert not stream.windows(query.concept)


def test_a_fall_is_followed_by_lying_where_the_footage_goes_on():
    found = False
    for stream in many():
        for fall in stream.windows("fall"):
            for lying in stream.windows("lying"):
                found |= lying[0] == pytest.approx(fall[1], abs=0.01)
    assert found


def test_what_is_repeated_is_the_same_all_through():
    for stream in many():
        for segment in stream.segments:
            if not segment.loop:
                continue
            for event in segment.footage.events:
                shared = min(event.end, segment.high) - max(event.start, segment.low)
                assert shared <= 1e-6 or shared >= segment.high - segment.low - 1e-6


def test_a_crash_is_never_played_backwards():
    for stream in many():
        for segment in stream.segments:
            crash = [e for e in segment.footage.events if e.concept == "accident"]
            if crash and segment.loop and segment.high > crash[0].start + 1e-6:
                middle = 0.5 * (crash[0].start + crash[0].end)
                assert segment.low >= middle  # only what follows the impact


def test_a_query_about_a_picture_is_seen_exactly_while_it_is_shown():
    asked = 0
    for stream in many():
        for query in stream.queries:
            if query.category == "present" and query.concept is None:
                words = content_words(query.text)
                shown = [
                    (s.start, s.end)
                    for s in stream.segments
                    if words <= content_words(" ".join(s.footage.captions))
                ]
                assert sum(e - s for s, e in shown) == pytest.approx(
                    sum(e - s for s, e in query.windows), abs=1e-6
                )
                asked += 1
    assert asked > 50


def test_pictures_alone_are_enough_to_compose_from():
    only = Pools([f for f in footage_of_the_world() if f.source == "flickr8k"])
    random = np.random.default_rng(0)
    mix = Mix(layouts=(0.0, 0.0, 1.0))
    made = Composer(only, Asker(random, only.pictures, UCA), random, mix)
    streams = [made.stream() for _ in range(100)]
    assert {stream.layout for stream in streams} == {"pictures"}
    assert any(query.windows for stream in streams for query in stream.queries)


def test_footage_that_cannot_make_what_is_wanted_is_named():
    beds = Pools([f for f in footage_of_the_world() if f.source == "bed"])
    random = np.random.default_rng(0)
    made = Composer(beds, Asker(random, [], []), random)
    with pytest.raises(ValueError, match="layout 'pictures'"):
        made.stream(category="present", layout="pictures")
