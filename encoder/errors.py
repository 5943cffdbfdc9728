"""What can go wrong in this room, as a tree; every sentence names the thing and the fix.

EncoderError
├── BundleError                 a bundle cannot be used
│   ├── UnknownBundleError      no bundle of that name
│   ├── ManifestError           manifest.json is missing, unreadable or says what it may not
│   ├── DamagedBundleError      a file is missing, left over, or not the one the manifest names
│   └── ForeignSpaceError       vectors of another embedding space
├── RuntimeMissingError         a runtime that is wanted is not here, or has nothing to run on
│   └── NoEngineError           TensorRT has no engine for this model on this card
│       └── UnfitEngineError    there is one, and it may not be used here
├── EngineError                 a card, or a runtime on it, cannot build, load or run a model
│   └── CardMemoryError         a card has too little memory free
├── ModelError                  a runtime refuses a model, or it is not the expected one
├── ClipError                   clips that do not fit the bundle's embedding space
├── TextError                   a text that cannot be encoded
├── EmbeddingRecordError        bytes that are no embedding of a known schema
├── FeaturesRecordError         bytes that are no text features of a known schema
├── ReplayError                 a dead letter that cannot be published again
├── WeightsError                published weights could not be fetched, or are not the pinned ones
│   └── CheckpointError         a user's checkpoint that cannot be read, or must not be
└── TrainingError               training data that is missing or unusable
"""


class EncoderError(Exception):
    """Anything this room raises on purpose."""


class BundleError(EncoderError):
    """A bundle cannot be used."""


class UnknownBundleError(BundleError):
    """No bundle of that name."""


class ManifestError(BundleError):
    """The manifest is missing, unreadable or says something it may not."""


class DamagedBundleError(BundleError):
    """A file is missing, left over, or not the one the manifest names."""


class ForeignSpaceError(BundleError):
    """Vectors of another embedding space met this one's."""


class RuntimeMissingError(EncoderError):
    """A runtime that is wanted is not installed, too old, or finds nothing to run on."""


class NoEngineError(RuntimeMissingError):
    """TensorRT has no engine for this model on this card."""


class UnfitEngineError(NoEngineError):
    """The model's engine is damaged, or of another card, TensorRT, system or weights."""


class EngineError(EncoderError):
    """TensorRT cannot build, load or run an engine, or what a model runs on fails as it runs.

    Never the fault of what was to be encoded.
    """


class CardMemoryError(EngineError):
    """A card has too little memory free."""


class ModelError(EncoderError):
    """A runtime refuses a model, or its inputs and outputs are not the expected ones."""


class ClipError(EncoderError):
    """Clips whose pictures do not have the shape the bundle's embedding space asks for."""


class TextError(EncoderError):
    """A text that cannot be encoded, such as an empty one."""


class EmbeddingRecordError(EncoderError):
    """Bytes on the embeddings topic that are no embedding of a known schema."""


class FeaturesRecordError(EncoderError):
    """Bytes on the query features topic that are no text features of a known schema."""


class ReplayError(EncoderError):
    """A dead letter that cannot be published again, or had better not be."""


class WeightsError(EncoderError):
    """Published weights could not be fetched, or are not the pinned ones."""


class CheckpointError(WeightsError):
    """A user's checkpoint that cannot be read: damaged, of another format, or with foreign code."""


class TrainingError(EncoderError):
    """Training data that is missing or unusable."""
