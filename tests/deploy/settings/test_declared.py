"""Cameras and queries of the file."""

from datetime import UTC, datetime

import pytest

from tests.deploy.settings.conftest import Load, Refused


def camera(**fields: object) -> str:
    listed = {"id": "yard", "source": "rtsp://yard/1", **fields}
    return f"cameras: {{list: [{listed!r}]}}".replace("True", "true")


def query(**fields: object) -> str:
    listed = {"id": "cat", "text": "a cat", **fields}
    return f"queries: {{list: [{listed!r}]}}"


def test_a_camera(load: Load):
    (yard,) = load(
        camera(loop=True, labels={"a": "b"}, credentials_environment="WATCHWORD_CAMERA_YARD")
    ).cameras.list
    assert (yard.id, yard.source, yard.loop) == ("yard", "rtsp://yard/1", True)
    assert yard.credentials_environment == "WATCHWORD_CAMERA_YARD"
    assert (yard.sub_source, yard.decode, yard.masks, yard.region) == (None, "auto", (), None)
    assert yard.evidence


def test_a_film(load: Load):
    (yard,) = load(camera(pace="fastest", start="2025-03-01T08:00:00Z")).cameras.list
    assert yard.pace == "fastest"
    assert yard.start == datetime(2025, 3, 1, 8, tzinfo=UTC)
    (yard,) = load(
        "cameras: {list: [{id: a, source: b, start: 2025-03-01T08:00:00Z}]}"
    ).cameras.list
    assert yard.start == datetime(2025, 3, 1, 8, tzinfo=UTC)


def test_a_cameras_pictures(load: Load):
    corners = [[0, 0], [1, 0], [1, 0.5]]
    (yard,) = load(
        camera(sub_source="rtsp://yard/2", decode="nonref", masks=[corners], region=[0, 0, 1, 0.5])
    ).cameras.list
    assert (yard.sub_source, yard.decode) == ("rtsp://yard/2", "nonref")
    assert yard.masks == (((0, 0), (1, 0), (1, 0.5)),)
    assert yard.region == (0, 0, 1, 0.5)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"id": "my yard"}, "cameras.list[0].id = 'my yard': should be 1 to 63 lower-case"),
        ({"id": "x" * 64}, "should be 1 to 63 lower-case"),
        ({"id": ""}, "cameras.list[0].id = ''"),
        ({"source": ""}, "cameras.list[0].source = ''"),
        ({"source": 7}, "cameras.list[0].source = 7: should be a valid string"),
        ({"rtsp_transport": "pigeon"}, "should be 'tcp' or 'udp'"),
        ({"decoder": "abacus"}, "should be 'auto', 'cpu' or 'cuda'"),
        ({"credentials_environment": "HOME"}, "should be a variable named WATCHWORD_CAMERA_"),
        ({"credentials_environment": "WATCHWORD_CAMERA_A_FILE"}, "a file is named by the same"),
        ({"pace": "brisk"}, "should be 'fastest' or 'own'"),
        ({"start": "yesterday"}, "It is no time: write date, time and offset"),
        ({"decode": "some"}, "should be 'auto', 'all', 'nonref' or 'keyframes'"),
        ({"masks": [[[0, 0], [1, 1]]]}, "has 2 corners; 3 to 64 make a polygon"),
        ({"masks": [[[0, 0], [1, 1], [0, 1.5]]]}, "holds 1.5: places in a picture are fractions"),
        ({"region": [0.5, 0, 0.5, 1]}, "give left, top, right and bottom, right and below"),
        ({"labels": {"a": 1}}, "cameras.list[0].labels.a = 1"),
        ({"labels": {"a b": "c"}}, "cameras.list[0].labels.a b = 'a b': "),
    ],
)
def test_cameras_that_cannot_be_meant(refused: Refused, fields: dict[str, object], said: str):
    assert said in refused(camera(**fields))


def test_ids_name_one(refused: Refused):
    same = "{id: a, source: b}, {id: a, source: c}"
    assert "line 1: cameras.list: two entries have the id 'a'" in refused(
        f"cameras: {{list: [{same}]}}"
    )
    same = "{id: a, text: b}, {id: a, text: c}"
    assert "line 1: queries.list: two entries have the id 'a'" in refused(
        f"queries: {{list: [{same}]}}"
    )


def test_a_query(load: Load):
    (cat,) = load(
        query(
            text="  a  cat ",
            cameras=["yard-*"],
            sensitivity={"threshold": 0.5},
            schedule={"hours": [{"days": ["mon"], "begin": "22:00", "end": "06:00"}]},
        )
    ).queries.list
    assert (cat.text, cat.cameras, cat.sensitivity.threshold) == ("a cat", ("yard-*",), 0.5)
    assert cat.schedule is not None
    assert (cat.schedule.timezone, cat.schedule.hours[0].begin) == ("UTC", "22:00")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": "?!"}, "queries.list[0].text = '?!': the query '?!' has no words"),
        ({"text": "a " * 600}, "at most 500 are read"),
        ({"negatives": ["."]}, "queries.list[0].negatives[0] = '.'"),
        ({"cameras": []}, "queries.list[0].cameras: should have at least one entry"),
        ({"cameras": ["Yard 1"]}, "should be a camera's id, in which * may stand"),
        ({"sensitivity": {}}, "sensitivity: needs alerts_per_day or threshold, and not both"),
        ({"sensitivity": {"alerts_per_day": 1, "threshold": 0.5}}, "and not both"),
        ({"sensitivity": {"threshold": 1}}, "threshold = 1: should be less than 1"),
        ({"sensitivity": {"alerts_per_day": 0}}, "alerts_per_day = 0: should be greater than 0"),
        ({"severity": "bad"}, "should be 'info', 'warning' or 'critical'"),
        ({"for_seconds": -1}, "for_seconds = -1: should be greater than or equal to 0"),
        ({"schedule": {"hours": []}}, "hours: should have at least one entry"),
        (
            {"schedule": {"hours": [{}], "timezone": "Mars"}},
            "timezone = 'Mars': 'Mars' is no time zone",
        ),
        ({"schedule": {"hours": [{}], "timezone": "../x"}}, "is no time zone"),
        ({"schedule": {"hours": [{"days": ["monday"]}]}}, "should be 'mon', 'tue'"),
        ({"schedule": {"hours": [{"begin": "24:00"}]}}, "hours begin at '24:00'"),
        ({"schedule": {"hours": [{"end": "24:30"}]}}, "end = '24:30': '24:30' is no time of day"),
        ({"colour": "red"}, "queries.list[0].colour is no setting"),
    ],
)
def test_queries_that_cannot_be_meant(refused: Refused, fields: dict[str, object], said: str):
    assert said in refused(query(**fields))
