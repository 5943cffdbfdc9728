"""Everything deploy raises.

DeployError
├── UsageError        options or sources that cannot be meant; names the option and the value
│   └── ConfigError   the configuration cannot be meant; a sentence for each thing that is wrong
├── PortError         the address to listen at cannot be had
├── SampleClipError   the demo's clip cannot be fetched, or is not the one expected
├── ApiError          a Watchword server cannot be asked, or does not do as it was asked
│   ├── ServerUnreachableError  nobody answers at the address, or not in time
│   ├── ServerAnswerError       what answers is no Watchword server
│   └── ApiRefusedError         the server said no; `status` says how
│       └── ApiInputError       an id or a field that was typed: unknown, taken, not meant so
├── DeliveryTestError a receiver did not accept a test message
├── VaultError        secrets cannot be sealed or read
│   ├── KeyFileError  the key file cannot be made or used; the sentence says why
│   └── SealError     a secret that this key did not seal
├── StoreError        the database cannot be opened, read or written
│   ├── StoreUrlError     an address that cannot be meant
│   ├── StoreDriverError  a PostgreSQL server, and its driver is not installed
│   ├── StoreUnreachableError  its server does not answer, or went away
│   ├── StoreLoginError   its server does not let this user in
│   ├── StoreMissingError its server has no such database
│   ├── StoreServerError  its server is too old, or it cannot hold every text
│   ├── StoreAccessError  it may not be read or written
│   ├── StoreInUseError   another Watchword holds it
│   ├── StoreNewerError   a newer Watchword wrote it
│   ├── StoreForeignError a database of another program
│   ├── StoreKeyError     its secrets were sealed with another key
│   ├── StoreBrokenError  no database, or one that was damaged
│   ├── StoreFullError    the disk is full
│   ├── StoreBusyError    others keep it locked or too busy
│   ├── StoreDiskError    the disk fails
│   └── StoreClosedError  used after it was closed
└── BenchError        a measurement that cannot be made here
"""


class DeployError(Exception):
    """Base of this package's errors."""


class UsageError(DeployError):
    """Wrong usage: an option or a source that cannot be meant."""


class ConfigError(UsageError):
    """The configuration cannot be meant: a sentence a line for each thing that is wrong."""


class PortError(DeployError):
    """The address to listen at cannot be had."""


class SampleClipError(DeployError):
    """The demo's clip cannot be fetched, or is not the one expected."""


class BenchError(DeployError):
    """A measurement that cannot be made on this machine."""


class ApiError(DeployError):
    """A Watchword server cannot be asked, or does not do as it was asked."""


class ServerUnreachableError(ApiError):
    """Nobody answers at the server's address, or not in time."""


class ServerAnswerError(ApiError):
    """What answers is no Watchword server."""


class ApiRefusedError(ApiError):
    """The server said no; `status` is that of its answer."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class ApiInputError(ApiRefusedError):
    """The server said no to what was typed: an id or a field."""


class DeliveryTestError(DeployError):
    """A receiver did not accept a test message."""


class VaultError(DeployError):
    """Secrets cannot be sealed or read."""


class KeyFileError(VaultError):
    """The key file cannot be made, read or trusted."""


class SealError(VaultError):
    """A sealed secret that was damaged, or sealed with another key."""


class StoreError(DeployError):
    """The database cannot be opened, read or written."""


class StoreUrlError(StoreError):
    """The address of the database is none that can be opened."""


class StoreDriverError(StoreError):
    """The database is on a PostgreSQL server, and the driver for it is not installed."""


class StoreUnreachableError(StoreError):
    """The server of the database does not answer, or went away."""


class StoreLoginError(StoreError):
    """The server of the database does not let this user in."""


class StoreMissingError(StoreError):
    """The server has no database of this name."""


class StoreServerError(StoreError):
    """The server is too old, or the database is encoded so that it cannot hold every text."""


class StoreAccessError(StoreError):
    """The database may not be read or written: its folder, its file, or rights on a server."""


class StoreInUseError(StoreError):
    """Another Watchword process holds the database."""


class StoreNewerError(StoreError):
    """A newer Watchword wrote the database."""


class StoreForeignError(StoreError):
    """The database belongs to another program."""


class StoreKeyError(StoreError):
    """The database's secrets were sealed with another key."""


class StoreBrokenError(StoreError):
    """The file is no database, or was damaged."""


class StoreFullError(StoreError):
    """The disk is full."""


class StoreBusyError(StoreError):
    """Others keep the database locked, or all connections to it in use."""


class StoreDiskError(StoreError):
    """The disk cannot be read or written."""


class StoreClosedError(StoreError):
    """The store was closed."""
