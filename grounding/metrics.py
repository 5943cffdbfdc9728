"""What grounding counts; names are fixed by the design, labels are bounded."""

from prometheus_client import Counter, Gauge, Histogram

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
    "Windows: due; evaluated; blind (the newest clip is missing, or the window was not looked at)",
    ["outcome"],
)
IGNORED_EMBEDDINGS = Counter(
    "watchword_embeddings_ignored_total",
    "Embeddings not used: fenced (a later session runs), repeated or refused (a later state)",
    ["reason"],
)
AUDITED = Counter(
    "watchword_gate_audits_total",
    "Pairs that the gate refused and the audit looked at: missed (a moment was there) or agreed",
    ["outcome"],
)
COVERAGE = Gauge(
    "watchword_query_coverage_ratio",
    "Seconds of a camera that were evaluated, of those owed in the last hour",
    ["camera"],
)
BLIND_SECONDS = Counter(
    "watchword_blind_seconds_total",
    "Seconds in which a camera was not watched, by reason: stream, lag, overload, restart",
    ["reason"],
)
OVERLOAD_STEP = Gauge(
    "watchword_overload_step",
    "What grounding leaves out to keep up: 0 nothing, up to 3 (see grounding/overload.py)",
)
EVALUATIONS_SKIPPED = Counter(
    "watchword_query_evaluations_skipped_total",
    "(window, query) pairs that overload kept from the detector, by the step that did",
    ["step"],
)
STANDING_QUERIES = Gauge(
    "watchword_standing_queries",
    "Queries wanted armed: watched; waiting for text features; refused (see the log)",
    ["state"],
)
UNREADABLE_STATES = Counter(
    "watchword_alert_states_unreadable_total",
    "Open alerts of an earlier run that could not be gone on with",
)
SECONDS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
ALERT_LATENCY = Histogram(
    "watchword_alert_latency_seconds",
    "From the end of the clip that opened an alert until it was told, by channel: sse, webhook",
    ["channel"],
    buckets=SECONDS,
)
ALERT_ONSET = Histogram(
    "watchword_alert_onset_seconds",
    "From the start of an alert until it was told, by channel: sse, webhook",
    ["channel"],
    buckets=SECONDS,
)
FOLLOWERS = Gauge("watchword_stream_followers", "Readers of the alert stream now")
FOLLOWERS_DROPPED = Counter(
    "watchword_stream_followers_dropped_total",
    "Readers of the alert stream that were ended because they lagged too far behind",
)
DELIVERY_ATTEMPTS = Counter(
    "watchword_delivery_attempts_total",
    "Times an event was sent: accepted; retry (it is sent again); gone (410); failed (for good)",
    ["channel", "outcome"],
)
DELIVERIES_GIVEN_UP = Counter(
    "watchword_deliveries_given_up_total",
    "Events that were not told: expired (tried long enough), gone (410), failed (no way to send)",
    ["channel", "reason"],
)
DELIVERY_STORE_FAULTS = Counter(
    "watchword_delivery_store_faults_total",
    "Times the store could not say what is to be sent, or note what was; it is asked again",
)
