"""Grounding that is too slow for its cameras for a while, on a real broker.

While both cameras show red, what its queries ask for takes more than twice the time there is. No
step is asked for by name: which one is enough depends on the machine.
"""

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.chaos import GROUNDING, scene
from tests.e2e.checks import check_evaluated, check_events, check_time
from tests.e2e.media import GREY, RED
from tests.e2e.serving import wait_for
from tests.e2e.slow_bundle import make_slow_bundle
from tests.kafka_broker import KafkaBroker

pytestmark = pytest.mark.slow

PAIR_SECONDS = 0.4
SILENT = 5  # queries that cost as much as others and never alert
NEVER = {"threshold": 0.999999}
FILM = [(GREY, 6), (RED, 90), (GREY, 900)]
LIMIT = 4.0  # seconds of lag
STEP = "watchword_overload_step"
CALM = 400.0  # seconds for all steps to be taken back


def test_what_is_too_slow_leaves_out_and_tells_it_and_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_slow_bundle(tmp_path / "slow", PAIR_SECONDS)
    grounding = {"overload_after_seconds": LIMIT, "overload_pairs": 1, "threads": 1}
    with (
        KafkaBroker(tmp_path / "broker") as broker,
        scene(
            tmp_path, bundle, broker.bootstrap_servers, scenes=FILM, grounding=grounding
        ) as watched,
    ):
        mind, api = watched.split["mind"], watched.split.api
        silent = [
            api.add_query(f"red {number}", sensitivity=NEVER)["id"] for number in range(SILENT)
        ]
        steps = [0.0]

        def stepped() -> bool:
            step = mind.metric(STEP)
            if step != steps[-1]:
                steps.append(step)
            return max(steps) > 0 and step == 0

        wait_for(stepped, about="steps to be taken and taken back", patience=CALM)
        told = api.get("blind", reason="overload")["items"]
        watched.rest(5, 5)
        assert mind.metric("watchword_bus_lag_records", topic="watchword.embeddings.v1") <= 4
        account = watched.end()
    with capsys.disabled():
        sys.stdout.write(f"\nsteps {steps}, {len(told)} blind periods")
    assert {abs(b - a) for a, b in pairwise(steps)} == {1.0}
    assert told
    overload = [one for one in account.blind if one.reason == "overload"]
    assert overload
    # An alert that is open is seen on, and nobody else is told of by name
    assert {query for one in overload for query in one.queries} <= {*silent, *account.queries, "*"}
    assert not account.dead_letters
    check_time(account)
    check_evaluated(account)
    check_events(account, GROUNDING["merge_seconds"])
