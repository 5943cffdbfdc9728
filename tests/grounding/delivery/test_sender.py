import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from grounding.delivery.options import DeliveryOptions
from grounding.delivery.outcome import DeliveryOutcome
from grounding.delivery.sender import WebhookSender, read_retry_after
from streamer.address_policy import AddressPolicy
from tests.grounding.delivery.messages import SECRET, delivery
from tests.grounding.delivery.receiver import (
    Exchange,
    Receiver,
    babble,
    drip,
    flood,
    hang_up,
    listening,
    never,
    status,
)

LOCAL = AddressPolicy(loopback=True, private=False)
PUBLIC = AddressPolicy(loopback=False, private=False)
PATIENT = DeliveryOptions(connect_timeout_seconds=30.0, total_timeout_seconds=60.0)
ATTEMPTS = 5
BRIEF = DeliveryOptions(total_timeout_seconds=0.3)
SECRETS = (SECRET, SECRET.removeprefix("whsec_"), "sesame", "/hook")


def send(url: str, options: DeliveryOptions = PATIENT, **changes: object) -> DeliveryOutcome:
    outcome = WebhookSender(LOCAL, options).send(delivery(url=url, **changes))
    assert not [secret for secret in SECRETS if secret in outcome.why]
    assert outcome.accepted == (outcome.why == "")
    return outcome


def send_to(
    answer: Callable[[Exchange], None], options: DeliveryOptions = PATIENT
) -> DeliveryOutcome:
    with listening(answer) as receiver:
        return send(receiver.url, options)


@contextmanager
def listening_twice(first: str, second: str) -> Iterator[tuple[Receiver, Receiver, int]]:
    """Two receivers on one port of two addresses."""
    with ExitStack() as opened:
        for attempt in range(ATTEMPTS):
            with ExitStack() as tried:
                one = tried.enter_context(listening(host=first))
                port = int(one.url.split(":")[2].split("/")[0])
                try:
                    other = tried.enter_context(listening(host=second, port=port))
                except OSError:  # somebody has that port there
                    if attempt == ATTEMPTS - 1:
                        raise
                    continue
                opened.enter_context(tried.pop_all())
                break
        yield one, other, port


def test_the_receiver_can_verify_what_came() -> None:
    with listening() as receiver:
        outcome = send(receiver.url)
    (request,) = receiver.received
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(request.body)
    assert (outcome.result, outcome.status) == ("accepted", 200)


def test_what_is_sent_is_a_standard_webhook() -> None:
    with listening() as receiver:
        send(receiver.url)
    (request,) = receiver.received
    assert request.path == "/hook?key=sesame"
    assert request.body == delivery().body
    assert request.headers["webhook-id"] == "a1e27.1"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 300
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "Watchword"
    assert request.headers["host"] == receiver.url.split("/")[2]


def test_every_attempt_is_signed_anew_and_keeps_its_id() -> None:
    times = iter([1_000_000.0, 1_000_100.9])
    sender = WebhookSender(LOCAL, PATIENT, clock=lambda: next(times))
    with listening() as receiver:
        for attempts in range(2):
            sender.send(delivery(url=receiver.url, attempts=attempts))
    first, second = (request.headers for request in receiver.received)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] == "1000000"
    assert second["webhook-timestamp"] == "1000100"
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize("code", [200, 201, 202, 204])
def test_every_success_is_accepted(code: int) -> None:
    assert send_to(status(code)).result == "accepted"


@pytest.mark.parametrize("code", [400, 401, 404, 422, 500, 502, 599])
def test_every_other_answer_is_tried_again(code: int) -> None:
    outcome = send_to(status(code, retry_after="5"))
    assert (outcome.result, outcome.status) == ("retry", code)
    assert f"answered {code}" in outcome.why
    assert outcome.retry_after_seconds is None  # only 429 and 503 may ask


def test_a_receiver_that_recovers_takes_the_same_message() -> None:
    with listening(status(500), status(200)) as receiver:
        results = [send(receiver.url).result for _ in range(2)]
    assert results == ["retry", "accepted"]
    assert receiver.received[0].body == receiver.received[1].body


@pytest.mark.parametrize("code", [429, 503])
def test_a_receiver_may_ask_for_time(code: int) -> None:
    assert send_to(status(code, retry_after="120")).retry_after_seconds == 120.0


def test_a_receiver_may_not_ask_for_ever() -> None:
    assert send_to(status(429, retry_after="9" * 400)).retry_after_seconds == 3600.0


def test_gone_is_gone() -> None:
    outcome = send_to(status(410))
    assert (outcome.result, outcome.status) == ("gone", 410)
    assert "wants no more" in outcome.why


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(code: int) -> None:
    with (
        listening() as inside,
        listening(status(code, location=inside.url)) as receiver,
    ):
        outcome = send(receiver.url)
        assert not inside.received
    assert (outcome.result, outcome.status) == ("retry", code)
    assert "redirects are not followed" in outcome.why
    assert inside.url not in outcome.why


def test_who_never_answers_is_given_up_in_time() -> None:
    assert "did not answer within 0.3 s" in send_to(never, BRIEF).why


@pytest.mark.parametrize(
    "beginning", [b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_who_drips_does_not_gain_time(beginning: bytes) -> None:
    outcome = send_to(drip(beginning), BRIEF)
    assert outcome.result == "retry"
    assert outcome.status is None


@pytest.mark.parametrize(
    "answer", [drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"), flood]
)
def test_an_answer_without_end_is_not_heard_out(answer: Callable[[Exchange], None]) -> None:
    assert send_to(answer).result == "accepted"


@pytest.mark.parametrize("answer", [hang_up, babble])
def test_who_speaks_no_http_is_tried_again(answer: Callable[[Exchange], None]) -> None:
    outcome = send_to(answer)
    assert outcome.result == "retry"
    assert "broke the connection off, or does not speak HTTP" in outcome.why


def test_nobody_listens() -> None:
    with listening() as receiver:
        url = receiver.url
    assert "Nobody listens at 127.0.0.1" in send(url).why


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://169.254.169.254/latest/meta-data", "metadata"),
        ("http://[::ffff:169.254.169.254]/", "metadata"),
        ("http://127.0.0.1:1/", "loopback"),
        ("http://2130706433:1/", "loopback"),
        ("http://10.0.0.1/", "private"),
    ],
)
def test_where_it_may_not_connect_it_does_not(url: str, why: str) -> None:
    outcome = WebhookSender(PUBLIC, BRIEF).send(delivery(url=url))
    assert outcome.result == "retry"
    assert why in outcome.why


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as proxy, listening() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert send(receiver.url).accepted
        assert not proxy.received


def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: the address that was checked is the one that is called."""
    looked_up: list[str] = []
    truly = socket.getaddrinfo

    def rebind(host: str, *rest: object, **wanted: object) -> object:
        if host != "rebind.test":
            return truly(host, *rest, **wanted)  # type: ignore[call-overload]
        looked_up.append(host)
        host = "127.0.0.2" if len(looked_up) == 1 else "127.0.0.1"
        return truly(host, *rest, **wanted)  # type: ignore[call-overload]

    policy = AddressPolicy(loopback=False, private=False, allowed=("127.0.0.2",))
    with listening_twice("127.0.0.2", "127.0.0.1") as (outside, inside, port):
        monkeypatch.setattr(socket, "getaddrinfo", rebind)
        sender = WebhookSender(policy, PATIENT)
        first = sender.send(delivery(url=f"http://rebind.test:{port}/hook"))
        second = sender.send(delivery(url=f"http://rebind.test:{port}/hook"))
        assert not inside.received
    assert (first.result, second.result) == ("accepted", "retry")
    assert outside.received[0].headers["host"] == f"rebind.test:{port}"
    assert "127.0.0.1, a loopback address" in second.why
    assert len(looked_up) == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"secret": "whsec_"}, "secret"),
        ({"secret": "whsec_?"}, "secret"),
        ({"secret": "whsec_pr\u00e8s"}, "secret"),
        ({"url": "ftp://hooks.example/"}, "no web server"),
        ({"url": "http://user:sesame@hooks.example/"}, "leave them out"),
    ],
)
def test_what_can_never_be_sent_fails_for_good(changes: dict[str, str], why: str) -> None:
    outcome = WebhookSender(LOCAL, BRIEF).send(delivery(**changes))
    assert outcome.result == "failed"
    assert why in outcome.why
    assert "sesame" not in outcome.why


def test_logs_hold_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send_to(status(500))
    assert not [secret for secret in SECRETS if secret in caplog.text]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("Thu, 01 Jan 1970 00:20:00 GMT", 200.0),
        ("Thu, 01 Jan 1970 00:20:00 -0000", 200.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("-7", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0663", None),
    ],
)
def test_both_forms_of_retry_after_are_read(text: str, seconds: float | None) -> None:
    assert read_retry_after(text, now=1000.0) == seconds


@given(st.text())
def test_any_retry_after_is_read_or_ignored(text: str) -> None:
    seconds = read_retry_after(text, now=1000.0)
    assert seconds is None or seconds >= 0.0
