import pytest
from prometheus_client import REGISTRY

from grounding.delivery.outcome import DeliveryOutcome, Result, count_attempt
from tests.grounding.delivery.messages import delivery


def observed(name: str) -> tuple[float, float]:
    labels = {"channel": "webhook"}
    return tuple(
        REGISTRY.get_sample_value(f"watchword_alert_{name}_seconds_{part}", labels) or 0.0
        for part in ("count", "sum")
    )  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("state", "result", "counted"),
    [
        ("opened", "accepted", 1),
        ("updated", "accepted", 0),
        ("closed", "accepted", 0),
        ("test", "accepted", 0),
        ("opened", "retry", 0),
        ("opened", "gone", 0),
        ("opened", "failed", 0),
    ],
)
def test_latency_is_that_of_the_first_word_of_an_alert(
    state: str, result: Result, counted: int
) -> None:
    latency, onset = observed("latency"), observed("onset")
    count_attempt(delivery(state=state), DeliveryOutcome(result), now=992.0)
    after = observed("latency"), observed("onset")
    assert after[0] == pytest.approx((latency[0] + counted, latency[1] + 2.0 * counted))
    assert after[1] == pytest.approx((onset[0] + counted, onset[1] + 7.0 * counted))
