"""From exceptions to exit codes: the one place where that is decided.

0 done; 1 a fault at run time; 2 wrong usage or configuration.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from deploy.errors import (
    ApiInputError,
    DeployError,
    KeyFileError,
    PortError,
    StoreAccessError,
    StoreForeignError,
    StoreInUseError,
    StoreKeyError,
    StoreNewerError,
    StoreUrlError,
    UsageError,
)
from encoder.errors import (
    BundleError,
    CheckpointError,
    EncoderError,
    RuntimeMissingError,
    TextError,
)
from grounding.errors import (
    GroundingError,
    QueryTextError,
    SensitivityError,
    SettingsError,
    WeightsError,
)
from streamer.errors import (
    BusAccessError,
    NotAVideoError,
    NoVideoTrackError,
    SourceAccessError,
    SourceAddressError,
    SourceFolderError,
    SourceMissingError,
    StreamerError,
    TopicPolicyError,
    UndecodableError,
    UnsupportedSourceError,
)

FAULT = 1
WRONG_USAGE = 2

# What was typed, installed or configured; everything else that is expected is a fault at run time
_USAGE_ERRORS = (
    UsageError,
    ApiInputError,
    BundleError,
    CheckpointError,
    KeyFileError,
    PortError,
    RuntimeMissingError,
    StoreAccessError,
    StoreForeignError,
    StoreInUseError,
    StoreKeyError,
    StoreNewerError,
    StoreUrlError,
    TextError,
    QueryTextError,
    SensitivityError,
    SettingsError,
    WeightsError,
    BusAccessError,
    TopicPolicyError,
    NotAVideoError,
    NoVideoTrackError,
    SourceAccessError,
    SourceAddressError,
    SourceFolderError,
    SourceMissingError,
    UndecodableError,
    UnsupportedSourceError,
)
_EXPECTED_ERRORS = (DeployError, EncoderError, GroundingError, StreamerError)


def exit_code(error: Exception) -> int:
    """2 when the user can mend it by typing or configuring something else, 1 otherwise."""
    return WRONG_USAGE if isinstance(error, _USAGE_ERRORS) else FAULT


@contextmanager
def sentences() -> Iterator[None]:
    """Turn expected errors into one sentence on standard error and an exit code.

    An unexpected exception passes through: its traceback is what a bug report needs.
    """
    try:
        yield
    except _EXPECTED_ERRORS as error:
        typer.echo(f"watchword: {error}", err=True)
        raise SystemExit(exit_code(error)) from error
    except BrokenPipeError:
        # The reader of our output left, as in `| head`. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAULT) from None
