"""What the encoder counts; names are fixed by the design, labels are bounded."""

from prometheus_client import Counter, Gauge, Histogram

BATCH_SIZE = Histogram(
    "watchword_encode_batch_size",
    "Clips in one run of the video tower",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
DURATION = Histogram(
    "watchword_encode_duration_seconds",
    "Seconds a batch of clips spent in a stage: unpack, encode, publish",
    ["stage"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
)
LATENCY = Histogram(
    "watchword_encode_latency_seconds",
    "Seconds from when a clip was produced until its embedding was committed",
    buckets=(0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 3.0, 10.0, 60.0),
)
COMMITS_LOST = Counter(
    "watchword_commits_lost_total",
    "Times a stage began anew because its partitions went elsewhere before a commit",
    ["stage"],
)
CLIPS_STALE = Counter(
    "watchword_clips_stale_total",
    "Clips of live cameras that came too late to be worth encoding",
    ["camera"],
)
BUNDLE_INFO = Gauge(
    "watchword_bundle_info", "1 for the bundle in use", ["name", "version", "space"]
)
RUNTIME_INFO = Gauge(
    "watchword_encode_runtime_info", "1 for what the video tower runs on", ["runtime"]
)
TEXTS = Counter(
    "watchword_query_texts_total",
    "Versions of standing queries whose texts were encoded, or refused with a problem",
    ["outcome"],
)
