from prometheus_client import CollectorRegistry, generate_latest

from streamer.metrics import StreamerMetrics


def test_names_are_those_of_the_design():
    registry = CollectorRegistry()
    metrics = StreamerMetrics(registry)
    metrics.up.labels("yard").set(1)
    metrics.reconnects.labels("yard", "stall").inc()
    metrics.last_frame.labels("yard").set(5.0)
    metrics.clips.labels("yard", "ok").inc(3)
    text = generate_latest(registry).decode()
    for line in (
        'watchword_stream_up{camera="yard"} 1.0',
        'watchword_stream_reconnects_total{camera="yard",reason="stall"} 1.0',
        'watchword_stream_last_frame_timestamp_seconds{camera="yard"} 5.0',
        'watchword_clips_total{camera="yard",outcome="ok"} 3.0',
    ):
        assert line in text


def test_two_registries_do_not_meet():
    first, second = CollectorRegistry(), CollectorRegistry()
    StreamerMetrics(first).up.labels("yard").set(1)
    StreamerMetrics(second)
    assert second.get_sample_value("watchword_stream_up", {"camera": "yard"}) is None


def test_a_camera_that_is_forgotten_leaves_no_series():
    registry = CollectorRegistry()
    metrics = StreamerMetrics(registry)
    for camera_id in ("yard", "gate"):
        metrics.up.labels(camera_id).set(1)
        metrics.reconnects.labels(camera_id, "stall").inc()
        metrics.reconnects.labels(camera_id, "eof").inc()
        metrics.last_frame.labels(camera_id).set(5.0)
        metrics.clips.labels(camera_id, "ok").inc(3)
        metrics.decode_errors.labels(camera_id).inc()
        metrics.decode_seconds.labels(camera_id).inc(0.25)
    before = generate_latest(registry).decode()
    metrics.forget("gate")
    text = generate_latest(registry).decode()
    assert "gate" not in text
    assert text.count('camera="yard"') == before.count('camera="yard"')
    metrics.forget("nobody")
