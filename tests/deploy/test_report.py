import json

import pytest
from rich.console import Console

from deploy.report import Summary, Told, alert_json, alert_table, summary_json, summary_line
from grounding.alert import Alert

ORIGIN = 1740816000.0  # 2025-03-01T08:00:00Z
SUMMARY = Summary(
    clips=5,
    windows=5,
    queries=2,
    alerts=1,
    seconds=0.51239,
    clips_per_second=9.758,
    blind_seconds=0,
)


def told(query: str = "a car", start: float = 5.25, camera: str = "street") -> Told:
    alert = Alert(
        alert_id="ab" * 32,
        revision=3,
        state="closed",
        query_id="0123",
        query=query,
        query_version=1,
        severity="warning",
        camera_id=camera,
        session=int(1000 * ORIGIN),
        start=ORIGIN + start,
        end=ORIGIN + start + 2.5,
        score=0.87654,
        saliency=((ORIGIN + 5, 0.25), (ORIGIN + 7, 1.0)),
        at=ORIGIN + 10,
        bundle="watchword-lite",
    )
    return Told(alert, ORIGIN)


def drawn(rows: list[Told], queries: list[str]) -> list[str]:
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(alert_table(rows, queries))
    return capture.get().splitlines()


def test_an_alert_as_json_has_the_agreed_fields_in_order() -> None:
    assert json.loads(json.dumps(alert_json(told()))) == {
        "id": "ab" * 32,
        "state": "closed",
        "query": "a car",
        "query_id": "0123",
        "camera": "street",
        "start": "2025-03-01T08:00:05.250000Z",
        "end": "2025-03-01T08:00:07.750000Z",
        "start_seconds": 5.25,
        "end_seconds": 7.75,
        "score": 0.87654,
        "saliency": [[5.0, 0.25], [7.0, 1.0]],
        "bundle": "watchword-lite",
    }


def test_an_alert_of_a_live_camera_has_no_offsets() -> None:
    told_live = Told(told().alert, None)
    fields = alert_json(told_live)
    assert fields["start_seconds"] is None
    assert fields["saliency"][0] == (ORIGIN + 5, 0.25)
    assert any("2025-03-01 08:00:05Z" in line for line in drawn([told_live], []))


def test_the_summary_as_json() -> None:
    assert summary_json(SUMMARY) == {
        "summary": {
            "clips": 5,
            "windows": 5,
            "queries": 2,
            "alerts": 1,
            "seconds": 0.512,
            "clips_per_second": 9.758,
            "blind_seconds": 0,
        }
    }


def test_the_table_is_in_the_order_of_time_and_names_what_was_not_found() -> None:
    lines = drawn([told("late", 7.0), told("early", 1.0)], ["late", "early", "absent"])
    places = [
        next(i for i, line in enumerate(lines) if w in line) for w in ("early", "late", "absent")
    ]
    assert places == sorted(places)
    assert "nothing found" in lines[places[2]]
    assert "0:07.0" in lines[places[1]]
    assert "▂█" in lines[places[1]]


@pytest.mark.parametrize("length", [10, 200])
def test_the_table_fits_eighty_columns(length: int) -> None:
    lines = drawn([told("long words " * (length // 10))], [])
    assert max(len(line) for line in lines) <= 80


def test_cameras_are_named_when_there_are_several() -> None:
    assert "camera" not in "".join(drawn([told()], []))
    assert "yard" in "".join(drawn([told(), told(camera="yard")], []))


def test_markup_in_a_query_is_shown_as_typed() -> None:
    assert any("a [bold] car" in line for line in drawn([told("a [bold] car")], ["x [/y]"]))


def test_the_summary_line_counts_in_words() -> None:
    assert summary_line(SUMMARY) == "1 alert for 2 queries; 5 clips in 0.5 s, 0.0 s blind"
