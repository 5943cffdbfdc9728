"""What can go wrong in this room, as a tree; every sentence names the thing and the fix.

StreamerError
├── SourceError                 a camera could not be read; `reason` labels the reconnect metric
│   ├── SourceAddressError      the address itself is wrong (unknown scheme, empty glob)
│   │   └── AddressRefusedError it leads where this server may not connect
│   ├── SourceMissingError      no such file, device or page
│   ├── SourceFolderError       a folder where a video was expected
│   ├── NotAVideoError          the bytes are not a video
│   ├── NoVideoTrackError       a sound file, or data only
│   ├── UndecodableError        a video of which not one picture decodes
│   ├── UnsupportedSourceError  this FFmpeg has no such protocol or decoder
│   ├── CardDecodingError       a card is to decode it and cannot
│   ├── SourceAccessError       wrong or missing credentials, or file permission
│   ├── SourceRefusedError      nobody listens at the address
│   ├── SourceUnknownHostError  the host name does not resolve
│   ├── SourceTimeoutError      no answer in time
│   │   └── SourceStalledError  pictures came and then ceased
│   ├── SourceLostError         the connection broke
│   └── SourceCrashedError      the process that read it ended
│       ├── SourceTakenError    and another camera was to blame
│       └── SourceHungError     it has to end: calls for the camera never return in it
├── BusError
│   ├── BusClosedError          the bus is closed: everybody stop
│   ├── BusFullError            no room in the time given
│   ├── UnknownTopicError       a topic that was never declared
│   ├── NotAssignedError        a partition of somebody else
│   ├── CommitLostError         the partitions went elsewhere before the commit: begin anew
│   ├── BusUnreachableError     no broker answers
│   ├── BusAccessError          the broker refuses our credentials or certificate
│   ├── BusRefusedError         a message that no broker takes, as one that is too large
│   └── TopicPolicyError        a topic that exists is not as it has to be
├── RecordError                 bytes on a topic that are no valid record
│   ├── NewerRecordError        a record of a later schema than is read here
│   └── PoisonRecordError       a record that ended the process whenever it was tried
├── EvidenceError               recorded video could not be kept or had
│   ├── EvidenceStorageError    the storage refuses: full, read-only, unreachable, no such kind
│   ├── SegmentError            a file that is no video, or one this build cannot write
│   ├── EvidenceMissingError    nothing was kept of that time, or it is gone
│   └── EvidencePendingError    that time is still being written: ask again
├── RangeError                  a part of a file that it does not have
└── EntityError                 something registered: a camera, a query, a subscription, a silence
    ├── EntityNotFoundError     there is none of that id
    ├── EntityExistsError       the id is taken
    ├── EntityChangedError      somebody changed it since it was read
    ├── EntityReadOnlyError     it stands in the configuration file
    └── EntityInvalidError      a field that cannot be meant; names the field and the value
"""

from typing import ClassVar, Literal

Reason = Literal[
    "eof", "timeout", "stall", "auth", "decode", "clock_jump", "refused", "dns", "unknown"
]


class StreamerError(Exception):
    """Anything this room raises on purpose."""


class SourceError(StreamerError):
    """A camera could not be opened or read."""

    reason: ClassVar[Reason] = "unknown"

    @classmethod
    def counted_as(cls) -> str:
        """What the metric of reconnects calls it."""
        return cls.reason


class SourceAddressError(SourceError):
    """The address cannot be a source."""


class AddressRefusedError(SourceAddressError):
    """The address leads where this server may not connect (metadata, link-local, private)."""


class SourceMissingError(SourceError):
    """There is no such file, device or page."""


class SourceFolderError(SourceError):
    """The path is a folder."""


class NotAVideoError(SourceError):
    """The bytes are not a video."""

    reason: ClassVar[Reason] = "decode"


class NoVideoTrackError(SourceError):
    """The file has no pictures."""

    reason: ClassVar[Reason] = "decode"


class UndecodableError(SourceError):
    """Not one picture decodes."""

    reason: ClassVar[Reason] = "decode"


class UnsupportedSourceError(SourceError):
    """This build of FFmpeg lacks the protocol or decoder."""


class CardDecodingError(SourceError):
    """It is to be decoded on a card, and there is none, or it does not take it."""

    reason: ClassVar[Reason] = "decode"


class SourceAccessError(SourceError):
    """The source wants other credentials."""

    reason: ClassVar[Reason] = "auth"


class SourceRefusedError(SourceError):
    """Nobody listens at the address."""

    reason: ClassVar[Reason] = "refused"


class SourceUnknownHostError(SourceError):
    """The host name does not resolve."""

    reason: ClassVar[Reason] = "dns"


class SourceTimeoutError(SourceError):
    """No answer, or no picture, in time."""

    reason: ClassVar[Reason] = "timeout"


class SourceStalledError(SourceTimeoutError):
    """Pictures came and then ceased."""

    reason: ClassVar[Reason] = "stall"


class SourceLostError(SourceError):
    """The connection broke."""

    reason: ClassVar[Reason] = "eof"


class SourceCrashedError(SourceError):
    """The process that read the camera ended, by itself or because it hung."""

    @classmethod
    def counted_as(cls) -> str:
        """A reason that no health record of this schema may hold."""
        return "crash"


class SourceTakenError(SourceCrashedError):
    """The process that read the camera was ended, and nothing says that the camera did it."""


class SourceHungError(SourceCrashedError):
    """Calls for the camera never return in the process that reads it: it has to be replaced."""


class BusError(StreamerError):
    """A topic could not be written or read."""


class BusClosedError(BusError):
    """The bus is closed: whoever waits on it stops."""


class BusFullError(BusError):
    """A topic had no room in the time given."""


class UnknownTopicError(BusError):
    """The topic was never declared."""


class NotAssignedError(BusError):
    """The partition belongs to another member of the group."""


class CommitLostError(BusError):
    """The partitions went to another member before the commit; nothing was stored."""


class BusUnreachableError(BusError):
    """No broker answers."""


class BusAccessError(BusError):
    """The broker refuses the credentials or the certificate."""


class BusRefusedError(BusError):
    """A message that is never taken; others are."""


class TopicPolicyError(BusError):
    """A topic that exists already is not as it has to be."""


class RecordError(StreamerError):
    """The bytes are no valid record."""


class NewerRecordError(RecordError):
    """The record is of a later schema than is read here."""


class PoisonRecordError(RecordError):
    """The process ended whenever the record was tried alone."""


class EvidenceError(StreamerError):
    """Recorded video could not be kept or had."""


class EvidenceStorageError(EvidenceError):
    """The storage does not take it or give it."""


class SegmentError(EvidenceError):
    """A file that is no video, or a codec that cannot be kept."""


class EvidenceMissingError(EvidenceError):
    """Nothing was kept of that time, or it is gone."""


class EvidencePendingError(EvidenceError):
    """That time is still being written."""


class RangeError(StreamerError):
    """The file has no such part."""


class EntityError(StreamerError):
    """Something registered cannot be had, or not changed as asked."""


class EntityNotFoundError(EntityError):
    """There is none of that id."""


class EntityExistsError(EntityError):
    """The id is taken."""


class EntityChangedError(EntityError):
    """Somebody changed it since it was read."""


class EntityReadOnlyError(EntityError):
    """It stands in the configuration file, which alone may change it."""


class EntityInvalidError(EntityError):
    """A field that cannot be meant."""
