"""What evidence tells Prometheus."""

from dataclasses import replace

from prometheus_client import CollectorRegistry, Counter, Gauge

from streamer.evidence.tally import EvidenceTally


class RecordingMetrics:
    """Of recording, by camera."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.segments = Counter(
            "watchword_evidence_segments_total",
            "Segments that were kept.",
            ["camera"],
            registry=registry,
        )
        self.bytes = Counter(
            "watchword_evidence_bytes_total",
            "Bytes of the segments that were kept.",
            ["camera"],
            registry=registry,
        )
        self.dropped = Counter(
            "watchword_evidence_packets_dropped_total",
            "Packets of a camera that were not kept: the storage was slow, or refused, "
            "or no picture came.",
            ["camera"],
            registry=registry,
        )
        self.faults = Counter(
            "watchword_evidence_faults_total",
            "Times that evidence of a camera could not be written, or its stream not be kept.",
            ["camera"],
            registry=registry,
        )

    def tell(self, camera_id: str, tally: EvidenceTally, told: EvidenceTally) -> EvidenceTally:
        """Count what came to a camera's tally since `told`; returns what is told now."""
        now = replace(tally)
        for metric, grown in (
            (self.segments, now.segments - told.segments),
            (self.bytes, now.bytes - told.bytes),
            (self.dropped, now.packets_dropped - told.packets_dropped),
            (self.faults, now.faults - told.faults),
        ):
            metric.labels(camera_id).inc(max(0, grown))
        return now

    def forget(self, camera_id: str) -> None:
        """Remove every series of a camera that is no more, or not here."""
        for metric in (self.segments, self.bytes, self.dropped, self.faults):
            metric.remove_by_labels({"camera": camera_id})


class StorageMetrics:
    """Of where evidence lies."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.stored = Gauge(
            "watchword_evidence_stored_bytes",
            "Bytes of all segments, snapshots and clips of alerts that lie in the storage.",
            registry=registry,
        )
        self.removed = Counter(
            "watchword_evidence_removed_total",
            "Segments, snapshots and clips of alerts that were removed, by reason: age, size.",
            ["reason"],
            registry=registry,
        )
        self.sweep_faults = Counter(
            "watchword_evidence_sweep_faults_total",
            "Times that old evidence could not be removed.",
            registry=registry,
        )
