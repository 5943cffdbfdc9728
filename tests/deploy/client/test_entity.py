import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.client.api import ApiClient
from deploy.client.entity import SHORTEST, entity_path, find_entity, find_ids, shorten
from deploy.errors import ApiInputError, UsageError
from tests.deploy.client.api_server import Script

QUERIES = "/v1/queries"
IDS = ("aaaa11112222", "aaaa11113333", "bbbb00000000", "night")


@pytest.fixture
def client(script: Script) -> ApiClient:
    for one in IDS:
        script.put("queries", one)
    return ApiClient(script.url)


@pytest.mark.parametrize(
    ("typed", "found"),
    [("b", IDS[2]), ("aaaa11112", IDS[0]), (IDS[1], IDS[1]), ("ni", "night"), ("night", "night")],
)
def test_the_beginning_of_an_id_is_enough(client: ApiClient, typed: str, found: str) -> None:
    assert find_entity(client, QUERIES, typed, 12)["id"] == found


def test_a_whole_id_that_others_begin_with_is_still_itself(
    script: Script, client: ApiClient
) -> None:
    script.put("queries", "nightly")
    assert find_entity(client, QUERIES, "night", 12)["id"] == "night"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("aaaa", "several queries"), ("c", "none of the queries"), ("", "an empty id")],
)
def test_a_beginning_that_names_none_or_several(
    client: ApiClient, typed: str, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        find_entity(client, QUERIES, typed, 12)


def test_a_whole_id_is_asked_for_at_once(script: Script, client: ApiClient) -> None:
    with pytest.raises(ApiInputError):
        find_entity(client, QUERIES, "cccc00000000", 12)
    assert [one.path for one in script.asked] == [f"{QUERIES}/cccc00000000"]


def test_patterns_are_no_ids(script: Script, client: ApiClient) -> None:
    assert find_ids(client, QUERIES, ["aa*", "b", IDS[0]], 12) == ["aa*", IDS[2], IDS[0]]


def test_an_id_cannot_lead_out_of_its_path() -> None:
    assert entity_path("/v1/cameras", "../alerts?x#y") == "/v1/cameras/..%2Falerts%3Fx%23y"


@given(st.sets(st.text("ab", min_size=12, max_size=12)))
def test_short_ids_are_beginnings_and_differ(ids: set[str]) -> None:
    short = shorten(sorted(ids))
    assert len(set(short.values())) == len(ids)
    assert all(one.startswith(begin) for one, begin in short.items())
    assert all(len(begin) >= SHORTEST for begin in short.values())
