import json

from grounding.alert import Alert
from grounding.record import alert_record, as_json
from grounding.webhook_message import check_body, webhook_body

ALERT = Alert(
    alert_id="one",
    revision=2,
    state="closed",
    query_id="q",
    query="a red car",
    query_version=1,
    severity="warning",
    camera_id="yard",
    session=1,
    start=990.0,
    end=996.0,
    score=0.75,
    saliency=((991.0, 0.5),),
    at=1000.0,
)


def test_the_body_of_an_alert() -> None:
    body = json.loads(webhook_body(ALERT, 60.0))
    assert body == {
        "type": "alert.closed",
        "timestamp": "1970-01-01T00:01:00.000000Z",
        "data": json.loads(json.dumps(as_json(alert_record(ALERT)))),
    }


def test_the_body_does_not_change_from_one_attempt_to_the_next() -> None:
    assert webhook_body(ALERT, 60.0) == webhook_body(ALERT, 60.0)


def test_the_body_of_a_check() -> None:
    assert json.loads(check_body("desk", 0.0)) == {
        "type": "test",
        "timestamp": "1970-01-01T00:00:00.000000Z",
        "data": {"subscription_id": "desk"},
    }
