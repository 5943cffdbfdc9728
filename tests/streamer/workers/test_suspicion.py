"""Who is suspected of ending processes."""

from streamer.workers.suspicion import Suspicion


def test_a_camera_is_suspected_from_the_second_time_on():
    suspicion = Suspicion(now=lambda: 0.0)
    assert not suspicion.is_on("yard")
    suspicion.add(["yard", "gate"])
    assert not suspicion.is_on("yard")
    suspicion.add(["yard"])
    assert suspicion.is_on("yard")
    assert not suspicion.is_on("gate")


def test_it_is_forgotten_after_ten_minutes():
    now = [0.0]
    suspicion = Suspicion(now=lambda: now[0])
    suspicion.add(["yard"])
    now[0] = 500.0
    suspicion.add(["yard"])
    assert suspicion.is_on("yard")
    now[0] = 601.0
    assert not suspicion.is_on("yard")
    suspicion.add(["yard"])
    assert suspicion.is_on("yard")
