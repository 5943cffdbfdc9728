import pytest

from grounding.training.footage import FOLDS, Footage, fold_of
from grounding.training.pools import (
    ASKED,
    Piece,
    Pools,
    by_group,
    camera_of,
    evaluation_footage,
    training_footage,
)
from tests.grounding.training.worlds_of_footage import footage_of_the_world

WORLD = footage_of_the_world()


@pytest.mark.parametrize("fold", range(FOLDS))
def test_a_source_group_never_stands_on_both_sides(fold: int):
    trained = {f.group for f in training_footage(WORLD, fold)}
    judged = {f.group for f in evaluation_footage(WORLD, fold)}
    assert not trained & judged
    assert all(fold_of(group) == fold for group in judged)


def test_every_event_footage_is_held_out_once():
    judged = [f.id for fold in range(FOLDS) for f in evaluation_footage(WORLD, fold)]
    assert sorted(judged) == sorted(f.id for f in WORLD if f.source != "flickr8k")


def test_flickr8k_keeps_its_official_split():
    splits = ("train", "dev", "test")
    pictures = [
        Footage(f"p{n}-{split}", "flickr8k", f"p{n}-{split}", "still", 1.0, 1, split=split)
        for split in splits
        for n in range(40)
    ]
    assert {f.split for f in training_footage(pictures, None)} == {"train"}
    assert len(training_footage(pictures, 0)) == 40  # the encoder saw them in every fold
    judged = [f for fold in range(FOLDS) for f in evaluation_footage(pictures, fold)]
    assert {f.split for f in judged} == {"test"}
    assert len(judged) == 40


def test_the_final_fit_uses_all_footage():
    assert training_footage(WORLD, None) == WORLD


def test_idle_pieces_hold_no_event():
    pools = Pools(WORLD)
    for piece in pools.calm:
        for event in piece.footage.events:
            if event.concept in ("accident", "fight", "fall", "lying", "fire"):
                assert event.end <= piece.low or event.start >= piece.high
        assert not {"fight", "fire", "lying"} & set(piece.footage.shows)


def test_an_event_has_its_own_cameras_background():
    pools = Pools(WORLD)
    for concept in ("accident", "fight", "fall", "lying"):
        for piece in pools.on_site(concept):
            cameras = {camera_of(idle.footage) for idle in pools.background(piece)}
            assert cameras == {camera_of(piece.footage)}


def test_a_background_does_not_show_what_it_is_the_background_of():
    pools = Pools(WORLD)
    walking = pools.by_concept["walking"][0]
    assert all(idle.footage.id != walking.footage.id for idle in pools.background(walking))


def test_the_two_cameras_of_one_room_are_two_backgrounds_of_one_group():
    room = [f for f in WORLD if f.source == "up_fall"]
    assert {camera_of(f) for f in room} == {"up_fall/Cam1", "up_fall/Cam2"}
    assert {f.group for f in room} == {"up_fall"}


def test_pictures_can_be_trusted_to_lack_what_their_captions_do_not_name():
    pools = Pools(WORLD)
    by_caption = {f.captions[0]: f for f in pools.pictures}
    dog = by_caption["A brown dog runs through deep snow ."]
    assert {"fire", "accident", "fight", "traffic"} <= set(dog.lacks)
    seller = by_caption["An old man sells fruit at a market stall ."]
    assert "standing" not in seller.lacks  # there is a person, who may well stand


def test_the_words_of_what_may_be_seen_are_in_the_vocabulary():
    pools = Pools(WORLD)
    street = pools.vocabulary["accident/test0"]
    assert street is not None
    assert {"crash", "car", "road", "person"} <= street
    assert pools.vocabulary["fire/normal/0"] is None  # nobody described these pictures


def test_what_is_asked_for_is_labelled_somewhere():
    pools = Pools(WORLD)
    assert {"accident", "fight", "fall", "lying", "fire"} <= set(pools.by_concept)
    assert set(pools.by_concept) <= {*ASKED, "calm_people"}


def test_a_camera_with_many_clips_is_one_group():
    pools = Pools(WORLD)
    fights = by_group(pools.by_concept["fight"])
    assert len(fights) == 2
    assert all(isinstance(piece, Piece) for group in fights for piece in group)
