import subprocess
import sys

import pytest

from deploy.cli.errors import exit_code, sentences
from deploy.errors import BenchError, SampleClipError, UsageError
from encoder.errors import ModelError, RuntimeMissingError, UnknownBundleError
from grounding.errors import DetectorError, LongQueryError, SensitivityError
from streamer.errors import (
    BusAccessError,
    BusUnreachableError,
    NotAVideoError,
    SourceMissingError,
    SourceRefusedError,
    SourceStalledError,
    TopicPolicyError,
)
from tests.conftest import ROOT


@pytest.mark.parametrize(
    "error",
    [
        UsageError,
        UnknownBundleError,
        RuntimeMissingError,
        LongQueryError,
        SensitivityError,
        SourceMissingError,
        NotAVideoError,
        BusAccessError,
        TopicPolicyError,
    ],
)
def test_what_the_user_can_mend_by_typing_is_wrong_usage(error: type[Exception]) -> None:
    assert exit_code(error("why")) == 2


@pytest.mark.parametrize(
    "error",
    [
        BenchError,
        SampleClipError,
        ModelError,
        DetectorError,
        SourceRefusedError,
        SourceStalledError,
        BusUnreachableError,
    ],
)
def test_the_rest_is_a_fault_at_run_time(error: type[Exception]) -> None:
    assert exit_code(error("why")) == 1


def test_an_expected_error_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, sentences():
        raise UsageError("--to 3 s is not after --from 5 s")
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "watchword: --to 3 s is not after --from 5 s\n")


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), sentences():
        raise ZeroDivisionError


def test_a_reader_that_leaves_is_no_fault_of_ours() -> None:
    done = subprocess.run(
        f"{sys.executable} -m deploy --help | true",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
