"""Who may ask what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from deploy.http.access import AccessOptions, Token, is_local
from tests.deploy.http.world import World, check_problem

WRITE = {"text": "a red car"}
TOKENS = AccessOptions(
    (
        Token.of("viewer", frozenset({"read"}), "read-read-read-read"),
        Token.of("editor", frozenset({"write"}), "write-write-write"),
        Token.of("prometheus", frozenset({"metrics"}), "metrics-metrics"),
    )
)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8080",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:65535",
        "[0:0:0:0:0:0:0:1]:80",
    ],
)
def test_this_machine_is_answered(host: str, client: TestClient) -> None:
    assert is_local(host)
    assert client.get("/v1/queries", headers={"Host": host}).status_code == 200
    added = client.post("/v1/queries", json=WRITE, headers={"Host": host})
    assert added.status_code == 201


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.example:localhost",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "0.0.0.0",
        "2130706433",
        "::1",
        "[::1",
        "[::1]x",
        "[::2]",
        "[::ffff:127.0.0.1]",
        "localhost:80:80",
        "localhost:99999",
        "localhost:http",
        "localhost@evil.example",
        "localhost,evil.example",
    ],
)
def test_other_names_of_it_are_refused(host: str, client: TestClient) -> None:
    assert not is_local(host)
    check_problem(client.get("/v1/queries", headers={"Host": host}), 403, "localhost")


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_every_host_is_judged(host: str) -> None:
    judged = is_local(host)
    assert not judged or host.strip().lower().startswith(("localhost", "127.0.0.1", "["))


def test_two_hosts_are_refused(client: TestClient) -> None:
    twice = [("Host", "localhost"), ("Host", "evil.example")]
    check_problem(client.get("/v1/queries", headers=twice), 403)


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "x-forwarded-proto", "Forwarded", "X-Real-IP"]
)
def test_forwarded_requests_are_refused(header: str, client: TestClient) -> None:
    answer = client.get("/v1/queries", headers={header: "127.0.0.1"})
    check_problem(answer, 403, header.lower())


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8080", 201),
        ("https://LOCALHOST:8080", 201),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("http://127.0.0.1:8080", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_the_origin_of_a_write_is_checked(origin: str, status: int, client: TestClient) -> None:
    headers = {"Origin": origin}
    assert client.post("/v1/queries", json=WRITE, headers=headers).status_code == status
    assert client.get("/v1/queries", headers=headers).status_code == 200


def test_nothing_was_done_when_it_was_refused(world: World, client: TestClient) -> None:
    client.post("/v1/queries", json=WRITE, headers={"Origin": "http://evil.example"})
    client.post("/v1/queries", json=WRITE, headers={"Host": "evil.example"})
    assert world.store.queries.page("", 1) == []


def test_health_is_open_to_all(world: World) -> None:
    foreign = {"Host": "10.0.0.7:8080", "X-Forwarded-For": "10.0.0.8"}
    with world.client() as client, world.client(access=TOKENS) as guarded:
        for one in (client, guarded):
            assert one.get("/healthz/live", headers=foreign).status_code == 200
        assert guarded.get("/healthz").status_code == 401


def test_metrics_are_open_on_loopback_without_tokens(client: TestClient) -> None:
    assert client.get("/metrics").status_code == 200
    check_problem(client.get("/metrics", headers={"Host": "evil.example"}), 403)


@pytest.mark.parametrize(
    ("text", "method", "path", "status"),
    [
        ("read-read-read-read", "GET", "/v1/queries", 200),
        ("read-read-read-read", "GET", "/openapi.json", 200),
        ("read-read-read-read", "POST", "/v1/queries", 403),
        ("read-read-read-read", "GET", "/metrics", 403),
        ("write-write-write", "GET", "/v1/queries", 200),
        ("write-write-write", "POST", "/v1/queries", 201),
        ("write-write-write", "GET", "/metrics", 403),
        ("metrics-metrics", "GET", "/metrics", 200),
        ("metrics-metrics", "GET", "/v1/queries", 403),
        ("metrics-metrics", "POST", "/v1/queries", 403),
    ],
)
def test_scopes(text: str, method: str, path: str, status: int, world: World) -> None:
    body = {"json": WRITE} if method == "POST" else {}
    with world.client(access=TOKENS) as client:
        # From anywhere, through any proxy: the token is what counts
        headers = {"Host": "watchword.example", "X-Forwarded-For": "10.0.0.1", **bearer(text)}
        answer = client.request(method, path, headers=headers, **body)
    assert answer.status_code == status, answer.text
    if status == 403:
        check_problem(answer, 403, "scope")
        assert "insufficient_scope" in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(""),
        {"Authorization": "read-read-read-read"},
        {"Authorization": "Basic cmVhZDpyZWFk"},
        {"Authorization": b"Bearer \xff\xfe"},
        {"Cookie": "token=read-read-read-read"},
    ],
)
def test_who_has_no_token_is_asked_for_one(headers: dict, world: World) -> None:
    with world.client(access=TOKENS) as client:
        for path in (
            "/v1/queries",
            "/metrics",
            "/nowhere",
            "/v1/queries?token=read-read-read-read",
        ):
            answer = client.get(path, headers=headers)
            check_problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_audit_names_the_token(world: World) -> None:
    with world.client(access=TOKENS) as client:
        headers = bearer("write-write-write")
        answer = client.post("/v1/silences", json={"duration_seconds": 60}, headers=headers)
    assert answer.json()["created_by"] == "editor"


def test_a_token_keeps_no_text() -> None:
    assert "secret-text" not in repr(Token.of("name", frozenset(), "secret-text"))
