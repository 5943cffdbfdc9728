from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from grounding.training.concepts import CONCEPTS, DAILY, EVENTS, lacks
from grounding.training.footage import FOLDS, Event, Footage, fold_of


@given(st.text(max_size=30))
def test_a_group_has_one_fold_for_ever(group: str):
    assert 0 <= fold_of(group) < FOLDS
    assert fold_of(group) == fold_of(group)


def test_the_folds_of_known_groups_never_change():
    assert [fold_of(group) for group in ("up_fall", "accident/test8", "fights/000")] == [4, 2, 1]


def test_groups_spread_over_all_folds():
    counts = Counter(fold_of(f"fire/{number:03d}") for number in range(1000))
    assert set(counts) == set(range(FOLDS))
    assert min(counts.values()) > 150


def test_footage_has_what_it_shows_and_what_happens_in_it():
    item = Footage(
        "a", "s", "g", "video", 4.0, 10, shows=("traffic",), events=(Event("accident", 1, 2),)
    )
    assert item.has("traffic")
    assert item.has("accident")
    assert not item.has("fire")
    assert item.seconds == 2.5


def test_footage_survives_json():
    item = Footage(
        "a", "s", "g", "still", 1.0, 1, events=(Event("fall", 0.5, 1.25),), lacks=("fire",)
    )
    assert msgspec.json.decode(msgspec.json.encode(item), type=Footage) == item


def test_events_and_daily_life_are_disjoint():
    assert not set(EVENTS) & set(DAILY)


def test_nothing_is_called_absent_that_is_seen_or_possible():
    assert "accident" not in lacks("street", {"accident"})
    assert "fall" not in lacks("street", set())  # somebody may fall beside the road
    assert "fight" in lacks("no_fight", set())
    assert "lying_in_bed" not in lacks("room_fall", {"fall", "lying"})  # they fall on a mattress
    assert "lying" not in lacks("room_lying", {"lying_in_bed"})


def test_of_a_picture_nothing_is_known_to_be_absent():
    assert lacks("picture", set()) == ()


def test_an_upright_person_does_not_lie_and_a_lit_room_does_not_burn():
    assert {"lying", "fire"} <= set(lacks("upright", set()))
    assert "fire" in lacks("unlit", set())
    assert "fire" not in lacks("burning", {"fire"})
    assert set(lacks("unlit", set())) <= set(CONCEPTS)
