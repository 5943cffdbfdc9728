"""What grounding counts; names are fixed by the design, labels are bounded."""

from prometheus_client import Counter, Histogram

EVALUATIONS = Counter(
    "watchword_query_evaluations_total",
    "(window, query) pairs that reached a stage: scope, gate (passed), detector",
    ["stage"],
)
DURATION = Histogram(
    "watchword_grounding_duration_seconds",
    "Seconds a batch of due windows spent in a stage",
    ["stage"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)
ALERTS = Counter("watchword_alerts_total", "Alert events", ["severity", "state"])
WINDOWS = Counter(
    "watchword_windows_total",
    "Windows: due; evaluated; blind (the newest clip is missing)",
    ["outcome"],
)
IGNORED_EMBEDDINGS = Counter(
    "watchword_embeddings_ignored_total",
    "Embeddings not used: fenced (a later session runs) or repeated",
    ["reason"],
)
AUDITED = Counter(
    "watchword_gate_audits_total",
    "Pairs that the gate refused and the audit looked at: missed (a moment was there) or agreed",
    ["outcome"],
)
