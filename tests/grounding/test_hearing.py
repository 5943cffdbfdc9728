from grounding.hearing import Hearing


def test_silence_counts_from_when_a_camera_was_heard_last() -> None:
    now = [100.0]
    made = Hearing(lambda: now[0])
    made.hear(["yard", "gate"])
    now[0] = 105.0
    made.hear(["gate"])
    now[0] = 110.0
    assert made.silent(10.0) == ["yard"]
    assert made.silent(5.0) == ["yard", "gate"]
    assert made.silent(11.0) == []


def test_nothing_is_expected_of_a_camera_that_was_forgotten() -> None:
    made = Hearing(lambda: 100.0)
    made.hear(["yard", "gate"])
    made.forget(["yard", "never-heard"])
    assert made.silent(0.0) == ["gate"]
