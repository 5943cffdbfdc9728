import itertools
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.client import event_stream
from deploy.client.api import ApiClient
from deploy.client.event_stream import EventReader, Patience, ServerEvent, follow
from deploy.errors import ApiRefusedError, ServerUnreachableError
from tests.deploy.client.api_server import Script

STREAM = "/v1/alerts/stream"


def event(event_id: str, text: str = "{}") -> bytes:
    return f"event: alert\nid: {event_id}\ndata: {text}\n\n".encode()


def read(text: str, reader: EventReader | None = None) -> list[ServerEvent]:
    reader = reader or EventReader()
    return [one for one in reader.read(text.split("\n")) if one is not None]


def test_events_as_the_standard_says() -> None:
    reader = EventReader()
    text = (
        ": keep-alive\n\n"
        "event: alert\nid: a.1\ndata: one\ndata: two\n\n"
        "data:no blank\n\n"
        "id: a.2\n\n"  # no data: no event, but the id holds
        "data\nunknown: field\nretry: 1500\nretry: soon\n\n"
        "event: alert\ndata: cut off"
    )
    assert read(text, reader) == [
        ServerEvent("a.1", "alert", "one\ntwo"),
        ServerEvent("a.1", "message", "no blank"),
        ServerEvent("a.2", "message", ""),
    ]
    assert (reader.last_id, reader.retry_seconds) == ("a.2", 1.5)


def test_a_comment_is_a_sign_of_life() -> None:
    assert list(EventReader().read([": keep-alive"])) == [None]


def test_half_an_event_is_forgotten_with_its_connection() -> None:
    reader = EventReader()
    assert read("event: alert\ndata: ha", reader) == []
    assert read("data: whole\n\n", reader) == [ServerEvent("", "message", "whole")]


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n")), min_size=1))
def test_what_was_written_is_read(lines: list[str]) -> None:
    text = "".join(f"data: {line}\n" for line in lines)
    assert [one.text for one in read(text + "\n\n")] == ["\n".join(lines)]


class Enough(Exception):
    """Ends a stream that would never end."""


def patience(waits: list[float], enough: int) -> Patience:
    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) >= enough:
            raise Enough

    return Patience(wait=wait, jitter=lambda: 1.0)


def followed(script: Script, waits: list[float], enough: int) -> list[ServerEvent]:
    events: list[ServerEvent] = []
    with ApiClient(script.url) as client:
        told = follow(client, STREAM, {"camera": ["gate"]}, patience=patience(waits, enough))
        with pytest.raises(Enough):
            events.extend(told)
    return events


def test_a_lost_stream_goes_on_after_its_last_event_and_tells_each_once(script: Script) -> None:
    script.streams = [
        event("a.1") + event("a.2") + b"event: alert\nid: a.3\n",  # a.3 is cut off
        event("a.2") + event("a.3") + event("a.4"),
    ]
    waits: list[float] = []
    assert [one.id for one in followed(script, waits, enough=2)] == ["a.1", "a.2", "a.3", "a.4"]
    assert [one.headers.get("last-event-id") for one in script.asked] == [None, "a.2"]
    assert all(one.params == {"camera": ["gate"]} for one in script.asked)


def test_waiting_doubles_until_something_comes(script: Script) -> None:
    script.streams = [b"", b"", b"", b": keep-alive\n\n", b""]
    waits: list[float] = []
    followed(script, waits, enough=5)
    assert waits == [0.5, 1.0, 2.0, 0.5, 1.0]


def test_the_server_says_how_long_to_wait(script: Script) -> None:
    script.streams = [b"retry: 3000\n\n" + event("a.1"), b"", b"", b"", b""]
    waits: list[float] = []
    followed(script, waits, enough=5)
    assert waits == [3.0, 6.0, 12.0, 15.0, 15.0]


def test_jitter_takes_up_to_half() -> None:
    assert Patience(jitter=lambda: 0.0).seconds(1, None) == 0.25
    assert Patience(jitter=lambda: 0.999).seconds(10_000, None) <= 15.0


def test_a_loss_is_told_once(script: Script) -> None:
    script.streams = [event("a.1"), b"", b""]
    told: list[str] = []
    with ApiClient(script.url) as client, pytest.raises(Enough):
        list(follow(client, STREAM, lost=told.append, patience=patience([], 3)))
    assert told == [f"{script.url} ended the stream"]


def refusing_after(script: Script, status: int) -> Callable[[float], None]:
    def wait(_: float) -> None:
        script.streams = []
        script.answers[f"GET {STREAM}"] = (status, {"detail": "No longer."})

    return wait


def test_a_server_that_no_longer_wants_to_answer_ends_it(script: Script) -> None:
    script.streams = [event("a.1")]
    with ApiClient(script.url) as client:
        events = follow(client, STREAM, patience=Patience(wait=refusing_after(script, 401)))
        assert next(events).id == "a.1"
        with pytest.raises(ApiRefusedError, match="No longer"):
            next(events)


def test_a_server_that_is_not_ready_yet_is_asked_again(script: Script) -> None:
    script.streams = [event("a.1")]
    tries = itertools.count(1)

    def wait(seconds: float) -> None:
        if next(tries) == 1:
            refusing_after(script, 503)(seconds)
        else:
            script.streams = [event("a.2")]

    with ApiClient(script.url) as client:
        events = follow(client, STREAM, patience=Patience(wait=wait))
        assert [next(events).id, next(events).id] == ["a.1", "a.2"]


def test_a_server_that_was_never_there_is_no_lost_connection() -> None:
    with ApiClient("http://127.0.0.1:1") as client, pytest.raises(ServerUnreachableError):
        next(follow(client, STREAM))


def test_no_more_ids_are_remembered_than_needed(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "REMEMBERED", 2)
    ids = ["a.1", "a.2", "a.3", "a.3", "a.1"]
    script.streams = [b"".join(event(one, json.dumps(one)) for one in ids)]
    told = followed(script, [], enough=1)
    assert [one.id for one in told] == ["a.1", "a.2", "a.3", "a.1"]
