import pytest

from deploy.errors import UsageError
from deploy.parts import PARTS, choose_parts


@pytest.mark.parametrize(
    "only", [None, "streamer,encoder,grounding,api", "api, grounding,encoder,streamer"]
)
def test_all_parts_need_nothing_between_them(only):
    assert choose_parts(only, "") == PARTS


@pytest.mark.parametrize("only", ["", ",", "brain", "api,brain"])
def test_an_unknown_part_is_refused_with_those_there_are(only):
    with pytest.raises(UsageError, match="streamer, encoder, grounding, api"):
        choose_parts(only, "")


def test_some_parts_want_kafka_between_them():
    with pytest.raises(UsageError, match=r"leaves out streamer, encoder.*kafka.bootstrap_servers"):
        choose_parts("api,grounding", "")


def test_kafka_is_not_spoken_yet():
    with pytest.raises(UsageError, match="does not speak Kafka yet"):
        choose_parts("api", "broker:9092")
