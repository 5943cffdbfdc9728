import socket

import httpx
import pytest

from deploy.client.api import PAGE, ApiClient
from deploy.errors import (
    ApiInputError,
    ApiRefusedError,
    ServerAnswerError,
    ServerUnreachableError,
    UsageError,
)
from tests.deploy.client.api_server import Script


@pytest.fixture
def client(script: Script) -> ApiClient:
    return ApiClient(script.url)


def test_what_is_asked_for_is_answered(script: Script, client: ApiClient) -> None:
    with client:
        made = client.post("/v1/cameras", {"id": "gate", "source": "rtsp://gate/1"})
        assert made["id"] == "gate"
        assert client.patch("/v1/cameras/gate", {"loop": True})["loop"] is True
        assert client.get("/v1/cameras/gate")["source"] == "rtsp://gate/1"
        client.delete("/v1/cameras/gate")
    assert script.entities["cameras"] == {}


def test_a_list_is_walked_page_by_page_and_only_as_far_as_it_is_read(
    script: Script, client: ApiClient
) -> None:
    for index in range(7):
        script.put("queries", f"{index:012x}")
    items = client.walk("/v1/queries", {"limit": 3})
    assert [next(items)["id"] for _ in range(3)] == [f"{index:012x}" for index in range(3)]
    assert len(script.asked) == 1
    assert len(list(items)) == 4
    assert [one.params.get("cursor") for one in script.asked] == [None, ["3"], ["6"]]
    assert list(client.walk("/v1/alerts")) == []
    assert script.asked[-1].params == {"limit": [str(PAGE)]}


def test_a_token_is_sent_and_never_shown(script: Script) -> None:
    script.token = "correct"
    with ApiClient(script.url, "correct") as client:
        assert list(client.walk("/v1/cameras")) == []
    for token in (None, "wrong-one"):
        with ApiClient(script.url, token) as client, pytest.raises(ApiRefusedError) as refused:
            client.get("/v1/cameras")
        assert refused.value.status == 401
        assert "--token-file" in str(refused.value)
        assert "wrong-one" not in str(refused.value)


@pytest.mark.parametrize("token", ["two words", "new\nline", "schlüssel"])
def test_a_token_that_no_header_carries_is_not_shown_either(token: str) -> None:
    with pytest.raises(UsageError, match="the token holds") as refused:
        ApiClient("http://localhost", token)
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiRefusedError),
        (403, ApiRefusedError),
        (404, ApiInputError),
        (409, ApiInputError),
        (412, ApiInputError),
        (422, ApiInputError),
        (429, ApiRefusedError),
        (503, ApiRefusedError),
    ],
)
def test_a_refusal_is_its_own_sentence(
    script: Script, client: ApiClient, status: int, kind: type[ApiRefusedError]
) -> None:
    script.answers["GET /v1/cameras/a"] = (status, {"detail": "This is why."})
    with pytest.raises(ApiRefusedError, match="This is why") as refused:
        client.get("/v1/cameras/a")
    assert (type(refused.value), refused.value.status) == (kind, status)


def test_each_wrong_field_is_named(script: Script, client: ApiClient) -> None:
    errors = [
        {"field": "text", "message": "'text' is empty."},
        {"field": "sensitivity.threshold", "message": "It is above 1."},
        {"field": "cameras", "message": "This is why."},
        "and more",
    ]
    script.answers["POST /v1/queries"] = (422, {"detail": "This is why.", "errors": errors})
    with pytest.raises(ApiInputError) as refused:
        client.post("/v1/queries", {})
    assert str(refused.value) == (
        "This is why; 'text' is empty; sensitivity.threshold: It is above 1; and more"
    )


@pytest.mark.parametrize("answer", [(200, b"<html>"), (200, []), (404, b"not here"), (302, b"")])
def test_somebody_elses_server(
    script: Script, client: ApiClient, answer: tuple[int, object]
) -> None:
    script.answers["GET /v1/cameras/a"] = answer
    with pytest.raises(ServerAnswerError, match="check --server"):
        client.get("/v1/cameras/a")


@pytest.mark.parametrize("page", [{}, {"items": 3, "next": None}, {"items": []}])
def test_a_list_that_is_none(script: Script, client: ApiClient, page: object) -> None:
    script.answers["GET /v1/cameras"] = (200, page)
    with pytest.raises(ServerAnswerError, match="is no list"):
        list(client.walk("/v1/cameras"))


def test_a_fault_without_a_sentence_names_its_status(script: Script, client: ApiClient) -> None:
    script.answers["GET /v1/cameras/a"] = (500, b"Internal Server Error")
    with pytest.raises(ApiRefusedError, match="HTTP 500 Internal Server Error"):
        client.get("/v1/cameras/a")


def test_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with ApiClient(url) as client, pytest.raises(ServerUnreachableError) as refused:
            client.get("/v1/cameras")
    assert url in str(refused.value)
    assert "watchword serve" in str(refused.value)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [(httpx.ReadTimeout("slow"), "did not answer in time"), (httpx.ReadError("gone"), "broke")],
)
def test_a_connection_that_fails(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, sentence: str
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise fault

    client = ApiClient("http://localhost")
    monkeypatch.setattr(httpx.Client, "request", failing)
    with pytest.raises(ServerUnreachableError, match=sentence):
        client.get("/v1/cameras")


def test_our_own_loopback_is_not_asked_through_a_proxy(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with ApiClient(script.url) as client:
        assert list(client.walk("/v1/cameras")) == []
