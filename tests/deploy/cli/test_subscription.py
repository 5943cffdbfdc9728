import pytest

from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script

HOOK = "cccc11112222"


@pytest.fixture
def script(script: Script) -> Script:
    script.put("subscriptions", HOOK, url="https://hooks.example/a?token=geheim")
    script.put("queries", "aaaa11112222", text="smoke")
    return script


def test_the_secret_is_told_once(script: Script, terminal: Terminal) -> None:
    ran = terminal.ask("subscription", "add", "https://b.example/hook")
    assert script.bodies("POST") == [{"url": "https://b.example/hook"}]
    assert ran.out.splitlines()[1] == "secret whsec_c2VjcmV0"
    assert "not told again" in ran.err
    for words in (("list",), ("show", "0000"), ("list", "--json")):
        assert "whsec_" not in terminal.ask("subscription", *words).out


def test_programs_get_the_secret_too(terminal: Terminal) -> None:
    (made,) = terminal.ask("subscription", "add", "https://b.example/hook", "--json").lines
    assert made["secret"].startswith("whsec_")


def test_everything_that_can_be_said_of_a_subscription(script: Script, terminal: Terminal) -> None:
    terminal.ask(
        *("subscription", "add", "https://b.example", "--state", "opened", "--state", "closed"),
        *("--query", "aaaa", "--camera", "gate-*", "--min-severity", "critical", "--paused"),
    )
    assert script.bodies("POST") == [
        {
            "url": "https://b.example",
            "states": ["opened", "closed"],
            "queries": ["aaaa11112222"],
            "cameras": ["gate-*"],
            "min_severity": "critical",
            "paused": True,
        }
    ]


def test_secrets_in_the_url_are_not_shown(terminal: Terminal) -> None:
    for words in (("list",), ("show", "cccc")):
        shown = terminal.ask("subscription", *words).out
        assert "https://hooks.example/a?token=***" in shown
        assert "geheim" not in shown


def test_a_subscription_that_was_given_up_says_so(script: Script, terminal: Terminal) -> None:
    script.entities["subscriptions"][HOOK]["disabled_reason"] = "It answered 410 Gone."
    assert "disabled" in terminal.ask("subscription", "list").out
    assert "410 Gone" in terminal.ask("subscription", "show", HOOK).out


def test_an_edit_says_only_what_changes(script: Script, terminal: Terminal) -> None:
    terminal.ask("subscription", "edit", "cccc", "--query", "", "--camera", "", "--running")
    terminal.ask("subscription", "edit", "cccc", "--url", "https://b.example", "--state", "closed")
    assert script.bodies("PATCH") == [
        {"queries": ["*"], "cameras": ["*"], "paused": False},
        {"url": "https://b.example", "states": ["closed"]},
    ]
    assert "nothing to change" in terminal.ask("subscription", "edit", HOOK, code=2).err


def test_subscriptions_are_removed(script: Script, terminal: Terminal) -> None:
    terminal.ask("subscription", "remove", "cccc")
    assert script.entities["subscriptions"] == {}


def answered(script: Script, **answer: object) -> None:
    script.answers[f"POST /v1/subscriptions/{HOOK}:test"] = (200, answer)


def test_a_test_message_that_is_taken(script: Script, terminal: Terminal) -> None:
    answered(script, outcome="sent", status=204, message="", seconds=0.25)
    ran = terminal.ask("subscription", "test", "cccc")
    assert ran.out == "https://hooks.example/a?token=*** answered HTTP 204 after 0.25 s\n"


def test_a_test_message_that_is_refused_is_a_fault(script: Script, terminal: Terminal) -> None:
    answered(script, outcome="failed", status=500, message="It is ill.", seconds=0.25)
    ran = terminal.ask("subscription", "test", HOOK, "--json", code=1)
    assert ran.lines[0]["status"] == 500
    assert ran.err.endswith("?token=*** did not accept the test message: It is ill.\n")
    answered(script, outcome="failed", status=None, message="", seconds=10.0)
    ran = terminal.ask("subscription", "test", HOOK, code=1)
    assert "did not answer within 10.00 s" in ran.out
