"""What the process as a whole counts; labels are bounded."""

from prometheus_client import Counter

STORE_FAULTS = Counter(
    "watchword_store_faults_total",
    "Times the store could not take in what a topic held; it is tried again",
    ["topic"],
)
ALERTS_SUPPRESSED = Counter(
    "watchword_alerts_suppressed_total",
    "Alerts that were kept and told to nobody: silence, cooldown",
    ["reason"],
)
