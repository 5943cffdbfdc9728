import typer
from typer.main import get_command

from deploy.cli.entity_commands import add_group, registered
from deploy.cli.server import Desk
from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script


def test_a_group_holds_its_commands_with_the_options_of_a_server() -> None:
    def look(desk: Desk) -> None:
        """Look."""

    app = typer.Typer()
    app.command("other")(lambda: None)
    add_group(app, "thing", "Things.", {"look": look, "stare": look})
    thing = get_command(app).commands["thing"]  # type: ignore[attr-defined]
    assert list(thing.commands) == ["look", "stare"]
    options = {one.name for one in thing.commands["look"].params}
    assert {"server", "token", "token_file", "as_json"} <= options


def test_a_wrong_id_removes_nothing(script: Script, terminal: Terminal) -> None:
    for kind in ("query", "silence", "subscription"):
        path = {"query": "queries"}.get(kind, f"{kind}s")
        script.put(path, "a" * 12, text="smoke")
        terminal.ask(kind, "remove", "aa", "bb", code=2)
        assert list(script.entities[path]) == ["a" * 12]
        assert terminal.ask(kind, "remove", "aa", "--json").lines == [{"removed": "a" * 12}]
        assert script.entities[path] == {}


def test_what_an_entity_does_not_say_is_left_empty() -> None:
    assert [text for _, text in registered({})] == ["", "", ""]
    at = "2025-03-01T08:00:00Z"
    told = dict(registered({"declared": True, "created_at": at, "updated_at": at}))
    assert told["created"] == "2025-03-01 08:00:00Z"
    assert "configuration file" in told["declared"]
