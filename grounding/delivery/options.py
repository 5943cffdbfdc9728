"""How webhooks are called."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """Settings of the sender, the retry plan and the worker.

    `lease_seconds` must outlast a whole attempt, looking up the host included: a claim that ends
    earlier is sent by somebody else too.
    """

    workers: int = 4
    connect_timeout_seconds: float = 5.0
    total_timeout_seconds: float = 10.0  # from connecting to the status of the answer
    first_retry_seconds: float = 5.0
    longest_retry_seconds: float = 3600.0
    give_up_after_seconds: float = 86400.0
    lease_seconds: float = 60.0
    poll_seconds: float = 1.0  # how late a retry may be noticed
    drain_seconds: float = 10.0  # for what is being sent when the worker is told to stop
    user_agent: str = "Watchword"
