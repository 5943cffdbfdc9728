import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import UsageError
from deploy.parts import PARTS, choose_parts, clips_travel


@pytest.mark.parametrize(
    "only", [None, "streamer,encoder,grounding,api", "api, grounding,encoder,streamer"]
)
def test_all_parts_need_nothing_between_them(only):
    assert choose_parts(only, "") == PARTS


@pytest.mark.parametrize("only", ["", ",", "brain", "api,brain"])
def test_an_unknown_part_is_refused_with_those_there_are(only):
    with pytest.raises(UsageError, match="streamer, encoder, grounding, api"):
        choose_parts(only, "")


@pytest.mark.parametrize("only", ["streamer", "api,grounding", "encoder, streamer"])
def test_some_parts_want_kafka_between_them(only):
    with pytest.raises(UsageError, match=r"leaves out .*kafka.bootstrap_servers"):
        choose_parts(only, "")


@given(st.lists(st.sampled_from(PARTS), min_size=1))
def test_with_kafka_every_split_is_allowed_in_the_datas_order(named):
    chosen = choose_parts(",".join(named), "broker:9092")
    assert set(chosen) == set(named)
    assert list(chosen) == sorted(chosen, key=PARTS.index)


@pytest.mark.parametrize(
    ("parts", "travel"),
    [
        (PARTS, False),
        (("streamer", "encoder"), False),
        (("grounding", "api"), False),
        (("streamer", "api"), True),
        (("encoder",), True),
    ],
)
def test_clips_stay_in_memory_where_both_ends_are(parts, travel):
    assert clips_travel(parts) is travel
