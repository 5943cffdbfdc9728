"""What the streamer tells Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class StreamerMetrics:
    """The streamer's metrics in one registry; a URL is never a label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.up = Gauge(
            "watchword_stream_up",
            "Whether pictures of the camera arrive (1) or not (0).",
            ["camera"],
            registry=registry,
        )
        self.reconnects = Counter(
            "watchword_stream_reconnects_total",
            "Sessions that ended and were begun anew, by why.",
            ["camera", "reason"],
            registry=registry,
        )
        self.last_frame = Gauge(
            "watchword_stream_last_frame_timestamp_seconds",
            "UTC time of the newest frame.",
            ["camera"],
            registry=registry,
        )
        self.clips = Counter(
            "watchword_clips_total",
            "Clips by outcome: ok, short, missing, dropped (also counted as ok or short).",
            ["camera", "outcome"],
            registry=registry,
        )
        self.decode_errors = Counter(
            "watchword_stream_decode_errors_total",
            "Packets that did not decode, and pictures decoded with damage.",
            ["camera"],
            registry=registry,
        )
