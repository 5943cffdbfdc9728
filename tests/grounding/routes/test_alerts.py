import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from msgspec.structs import fields

from grounding.alert_evidence import AboutClip
from grounding.record import AlertRecord, pack_alert
from grounding.routes.alert_bodies import AlertReply, StoredAlertReply
from grounding.routes.alerts import alert_routes
from grounding.stored_alert import AlertFilter
from streamer.caller import note_caller
from streamer.errors import EntityInvalidError, EntityNotFoundError, EvidenceStorageError
from streamer.paging import pack_cursor
from tests.grounding.alert_shelf import AlertShelf, alert
from tests.grounding.worlds import T0


@pytest.fixture
def shelf() -> AlertShelf:
    return AlertShelf()


@pytest.fixture
def http(shelf: AlertShelf) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(alert_routes(shelf, clock=lambda: T0 + 90.0))

    async def named(scope, receive, send) -> None:
        note_caller(scope, "ada")
        await app(scope, receive, send)

    with TestClient(named) as client:
        yield client


def test_an_alert_reads_as_its_record_and_what_became_of_it(shelf, http) -> None:
    shelf.write(alert(0))
    (item,) = http.get("/v1/alerts").json()["items"]
    extras = {
        "opened_at": "2023-11-14T22:13:26.500000Z",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "suppressed": None,
        "suppressed_by": None,
        "feedback": None,
    }
    record = json.loads(pack_alert(alert(0)))
    assert item == record | extras
    whole = http.get(f"/v1/alerts/{item['id']}").json()
    assert whole == item | {"evidence": None, "history": [record]}


class Clips:
    """What is kept of alerts."""

    def __init__(self) -> None:
        self.about: AboutClip | None = None
        self.fault: EvidenceStorageError | None = None

    def kept(self, _alert: object) -> AboutClip | None:
        if self.fault is not None:
            raise self.fault
        return self.about


def test_an_alert_tells_what_its_clip_shows_once_it_is_kept(shelf) -> None:
    clips, app = Clips(), FastAPI()
    app.include_router(alert_routes(shelf, clips))  # type: ignore[arg-type]
    shelf.write(alert(0))
    with TestClient(app) as http:
        path = f"/v1/alerts/{alert(0).alert_id}"
        assert http.get(path).json()["evidence"] is None
        size = {"codec": "h264", "width": 128, "height": 96, "parts": 1, "complete": True}
        clips.about = AboutClip(start=T0 - 6.5, end=T0 + 9.0, offset_seconds=6.5, **size)
        assert http.get(path).json()["evidence"] == {
            "start": "2023-11-14T22:13:13.500000Z",
            "end": "2023-11-14T22:13:29.000000Z",
            "offset_seconds": 6.5,
        }
        clips.fault = EvidenceStorageError("The disk is gone.")
        assert http.get(path).json()["evidence"] is None


def test_the_description_names_the_fields_of_the_record(shelf, http) -> None:
    names = [field.name for field in fields(AlertRecord)]
    assert list(AlertReply.model_fields) == names
    assert list(StoredAlertReply.model_fields)[: len(names)] == names


def test_pages_go_from_new_to_old_and_miss_nothing(shelf, http) -> None:
    shelf.write(*(alert(number) for number in range(7)), alert(2, revision=2, state="closed"))
    found: list[str] = []
    asked: dict[str, object] = {"limit": 3}
    pages = 0
    while True:
        page = http.get("/v1/alerts", params=asked).json()
        found += [item["id"] for item in page["items"]]
        pages += 1
        shelf.write(alert(100 + pages))  # what comes meanwhile moves no page
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert found == [alert(number).alert_id for number in (6, 5, 4, 3, 2, 1, 0)]
    assert pages == 3


def test_a_page_that_is_just_full_is_the_last(shelf, http) -> None:
    shelf.write(*(alert(number) for number in range(3)))
    page = http.get("/v1/alerts", params={"limit": 3}).json()
    assert len(page["items"]) == 3
    assert page["next"] is None
    assert http.get("/v1/alerts", params={"limit": 2}).json()["next"]


def test_filters_reach_the_store(shelf, http) -> None:
    http.get("/v1/alerts")
    assert shelf.asked == AlertFilter()
    http.get(
        "/v1/alerts?query=q1&query=q2&camera=yard&state=opened&state=closed&severity=critical"
        "&since=2023-11-14T22:13:20Z&until=2023-11-15T00:13:21%2B01:00"
        "&acknowledged=false&suppressed=true"
    )
    assert shelf.asked == AlertFilter(
        query_ids=("q1", "q2"),
        camera_ids=("yard",),
        states=("opened", "closed"),
        severities=("critical",),
        since=T0,
        until=T0 + 3601.0,
        acknowledged=False,
        suppressed=True,
    )


@pytest.mark.parametrize(
    "asked",
    [
        "limit=0",
        "limit=201",
        "limit=many",
        "state=open",
        "severity=loud",
        "since=yesterday",
        "since=2023-11-14T22:13:20",
        "since=1700000000",
        "until=9999-12-31T23:59:59-14:00",
        "acknowledged=maybe",
        "querry=q1",
        "camera=a%00b",
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(asked: str, shelf, http) -> None:
    assert http.get(f"/v1/alerts?{asked}").status_code == 422
    assert shelf.asked is None


@pytest.mark.parametrize("cursor", ["!", "eWFyZA", pack_cursor("1" * 19), pack_cursor("-1")])
def test_a_foreign_cursor_is_refused(cursor: str, http) -> None:
    with pytest.raises(EntityInvalidError, match="cursor"):
        http.get("/v1/alerts", params={"cursor": cursor})


def test_one_alert_has_its_history(shelf, http) -> None:
    states = [alert(0), alert(0, revision=2, state="updated"), alert(0, revision=3, state="closed")]
    shelf.write(states[0], alert(1), *states[1:])
    told = http.get(f"/v1/alerts/{states[0].alert_id}").json()
    assert (told["state"], told["revision"]) == ("closed", 3)
    assert [(one["state"], one["revision"]) for one in told["history"]] == [
        ("opened", 1),
        ("updated", 2),
        ("closed", 3),
    ]
    assert set(told["history"][0]) == {field.name for field in fields(AlertRecord)}


def test_the_first_to_acknowledge_stays_noted(shelf, http) -> None:
    shelf.write(alert(0))
    told = http.post(f"/v1/alerts/{alert(0).alert_id}/ack").json()
    assert told["acknowledged_by"] == "ada"
    assert told["acknowledged_at"] == "2023-11-14T22:14:20.000000Z"
    assert http.get("/v1/alerts").json()["items"] == [told]


def test_feedback_takes_the_place_of_earlier_feedback(shelf, http) -> None:
    shelf.write(alert(0))
    path = f"/v1/alerts/{alert(0).alert_id}/feedback"
    http.post(path, json={"verdict": "unsure"})
    told = http.post(path, json={"verdict": "wrong", "note": "a parked\ncar"}).json()
    assert told["feedback"] == {
        "verdict": "wrong",
        "note": "a parked\ncar",
        "by": "ada",
        "at": "2023-11-14T22:14:50.000000Z",
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "maybe"},
        {"verdict": "right", "note": "x" * 2001},
        {"verdict": "right", "note": None},
        {"verdict": "right", "by": "eve"},
        {"verdict": "right", "note": "\x00"},
        [],
    ],
    ids=str,
)
def test_feedback_that_cannot_be_meant_is_refused(body: object, shelf, http) -> None:
    shelf.write(alert(0))
    answer = http.post(f"/v1/alerts/{alert(0).alert_id}/feedback", json=body)
    assert answer.status_code == 422
    assert shelf.get(alert(0).alert_id).feedback is None


def test_an_alert_that_is_not_there(http) -> None:
    path = f"/v1/alerts/{alert(0).alert_id}"
    for method, url, body in (
        ("GET", path, None),
        ("POST", f"{path}/ack", None),
        ("POST", f"{path}/feedback", {"verdict": "right"}),
    ):
        with pytest.raises(EntityNotFoundError):
            http.request(method, url, json=body)
    assert http.get("/v1/alerts/nothing").status_code == 422
