"""Everything deploy raises.

DeployError
├── UsageError        options or sources that cannot be meant; names the option and the value
├── SampleClipError   the demo's clip cannot be fetched, or is not the one expected
└── BenchError        a measurement that cannot be made here
"""


class DeployError(Exception):
    """Base of this package's errors."""


class UsageError(DeployError):
    """Wrong usage: an option or a source that cannot be meant."""


class SampleClipError(DeployError):
    """The demo's clip cannot be fetched, or is not the one expected."""


class BenchError(DeployError):
    """A measurement that cannot be made on this machine."""
