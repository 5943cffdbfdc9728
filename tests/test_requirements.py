import pytest

from tests.requirements import skip_or_fail


def test_what_is_missing_is_skipped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WATCHWORD_REQUIRE", "kafka")
    with pytest.raises(pytest.skip.Exception, match="needs rtsp: not here"):
        skip_or_fail("rtsp", "not here")


def test_what_was_promised_must_be_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WATCHWORD_REQUIRE", "kafka, rtsp")
    with pytest.raises(pytest.fail.Exception, match="rtsp is required here"):
        skip_or_fail("rtsp", "not here")
