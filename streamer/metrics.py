"""What the streamer tells Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from streamer.evidence.metrics import RecordingMetrics

MESSAGES_LOST = Counter(
    "watchword_bus_messages_lost_total",
    "Messages queued for Kafka that never got there: refused, or left at the process's end.",
    ["topic"],
)
DEAD_LETTER_COUNT = Counter(
    "watchword_dead_letters_total", "Records given up after repeated faults", ["stage"]
)


class StreamerMetrics:
    """The streamer's metrics in one registry; a URL is never a label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.up = Gauge(
            "watchword_stream_up",
            "Whether pictures of the camera arrive (1) or not (0); none if it is paused or over.",
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
        self.decode_seconds = Counter(
            "watchword_stream_decode_seconds_total",
            "Processor seconds of reading, decoding and resizing the camera's pictures.",
            ["camera"],
            registry=registry,
        )
        self.decoder = Gauge(
            "watchword_stream_decoder_info",
            "1 for what the camera's pictures are decoded on: cpu, or cuda (an NVIDIA card).",
            ["camera", "decoder"],
            registry=registry,
        )
        self.card_refusals = Counter(
            "watchword_stream_card_refusals_total",
            "Times a camera went from the card to the processor, which decodes it from then on.",
            ["camera"],
            registry=registry,
        )
        self.records_refused = Counter(
            "watchword_camera_records_refused_total",
            "Records of cameras that could not be read; what the camera was before goes on.",
            registry=registry,
        )
        self.publishes_refused = Counter(
            "watchword_stream_publishes_refused_total",
            "What cameras that hung and were left behind wanted to say when it was too late.",
            registry=registry,
        )

        self.recording = RecordingMetrics(registry)

    def forget(self, camera_id: str) -> None:
        """Remove every series of a camera that is no more, or not here."""
        self.recording.forget(camera_id)
        for metric in (
            *(self.up, self.reconnects, self.last_frame, self.clips),
            *(self.decode_errors, self.decode_seconds, self.decoder, self.card_refusals),
        ):
            metric.remove_by_labels({"camera": camera_id})

    def tell_decoder(self, camera_id: str, decoder: str) -> None:
        """Say what a camera is decoded on; of what it was before nothing stays."""
        self.decoder.remove_by_labels({"camera": camera_id})
        self.decoder.labels(camera_id, decoder).set(1)
