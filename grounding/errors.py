"""Everything grounding raises.

GroundingError
├── QueryTextError        a text that cannot be watched for
│   ├── EmptyQueryError
│   └── LongQueryError
├── ScheduleError         hours or a time zone that cannot be meant
├── SensitivityError      a threshold or an alert budget that means nothing
├── SettingsError         a bundle's detector or calibration section cannot be used
├── DetectorError         the detector's answer does not have the agreed shape
├── WeightsError          a checkpoint does not fit the network
└── DeliveryError         an event that cannot be sent as it is, whatever time passes
"""


class GroundingError(Exception):
    """Base of this package's errors."""


class QueryTextError(GroundingError):
    """A query's text cannot be watched for."""


class EmptyQueryError(QueryTextError):
    """A query without any letter or digit."""


class LongQueryError(QueryTextError):
    """A query longer than any sentence the text tower was made for."""


class ScheduleError(GroundingError):
    """Hours or a time zone that cannot be meant."""


class SensitivityError(GroundingError):
    """A threshold outside (0, 1), or an alert budget that is not positive."""


class SettingsError(GroundingError):
    """A bundle's detector settings or calibration cannot be used."""


class DetectorError(GroundingError):
    """The detector's answer does not have the agreed names or shapes."""


class WeightsError(GroundingError):
    """A checkpoint whose tensors are not this network's, or not what is asked of it."""


class DeliveryError(GroundingError):
    """An event that cannot be sent as it is, whatever time passes."""
