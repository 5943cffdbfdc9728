"""What a converted bundle says about itself: licences, origins and limits, in plain sentences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from deploy.convert.options import RecipeChoice
from encoder.internvideo2.recipes import RECIPES
from encoder.manifest import Source

STAGE2_LICENSE = "Apache-2.0"
DISTILLED_LICENSE = "none stated by its authors"
MOBILECLIP_LICENSE = "Apple Machine Learning Research Model: research only, no commercial use"
SG_DETR_LICENSE = "none stated by its authors"
AUTHORS_TERMS = "see the authors' terms"

_ORIGINS: Mapping[str, str] = MappingProxyType(
    {
        "stage2": "huggingface.co/OpenGVLab/InternVideo2-Stage2_1B-224p-f4",
        "distilled": "huggingface.co/OpenGVLab/InternVideo2_distillation_models",
        "mobileclip": "github.com/apple/ml-mobileclip",
        "sg-detr": "github.com/ai-forever/sg-detr",
    }
)


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that was read."""

    role: str  # "vision", "delta", "text", "sg-detr", "tokenizer"
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the card depends on."""

    variant: str
    distilled: bool
    mobileclip: bool
    detector: str  # SG-DETR's variant
    recipe: RecipeChoice
    frames: int
    frames_trained: int
    files: tuple[InputFile, ...]


def license_of(facts: Facts) -> str:
    """The strictest of what went in, in words."""
    if facts.mobileclip:
        return "research only: so are the text tower's weights (MobileCLIP)"
    first = DISTILLED_LICENSE if facts.distilled else STAGE2_LICENSE
    return f"InternVideo2: {first}; SG-DETR: {SG_DETR_LICENSE}; the code: Apache-2.0"


def description_of(facts: Facts) -> str:
    """One sentence."""
    return (
        f"InternVideo2 {facts.variant}, {facts.frames} frames a clip, with SG-DETR trained on"
        f" {facts.detector}: converted from the authors' checkpoints."
    )


def sources_of(facts: Facts) -> list[Source]:
    """Each file with its name, hash and licence."""
    return [_source(file, facts) for file in facts.files]


def _source(file: InputFile, facts: Facts) -> Source:
    model = "distilled" if facts.distilled else "stage2"
    stage2 = DISTILLED_LICENSE if facts.distilled else STAGE2_LICENSE
    text = "mobileclip" if facts.mobileclip else "stage2"
    names: dict[str, tuple[str, str, str, str]] = {
        "vision": (f"InternVideo2 {facts.variant}", stage2, model, "the video tower"),
        "delta": (f"InternVideo2 {facts.variant}, delta", stage2, model, "the video tower's head"),
        "text": (
            "MobileCLIP-B" if facts.mobileclip else "InternVideo2 Stage 2",
            MOBILECLIP_LICENSE if facts.mobileclip else STAGE2_LICENSE,
            text,
            "the text tower",
        ),
        "sg-detr": (f"SG-DETR, {facts.detector}", SG_DETR_LICENSE, "sg-detr", "the detector"),
        "tokenizer": ("tokenizer", AUTHORS_TERMS, text, "the words"),
    }
    name, license_, origin, used_for = names[file.role]
    return Source(
        name=name,
        license=license_,
        origin=_ORIGINS[origin],
        used_for=used_for,
        file=file.name,
        sha256=file.sha256,
    )


def trained_on(facts: Facts) -> list[Source]:
    """What the checkpoints' authors say they trained with."""
    return [
        Source(
            name="videos and captions of InternVideo2",
            license=AUTHORS_TERMS,
            used_for="the towers (arXiv 2403.15377)",
        ),
        Source(
            name=facts.detector, license=AUTHORS_TERMS, used_for="the detector (arXiv 2410.01615)"
        ),
    ]


def limits_of(facts: Facts) -> list[str]:
    """What the bundle cannot do, a sentence each."""
    return list(_limits(facts))


def _limits(facts: Facts) -> Iterator[str]:
    yield "It reads English only, and sentences better than single words."
    yield "A whole picture is seen at the tower's size: small or distant things are lost."
    yield RECIPES[facts.recipe].limit
    if facts.frames != facts.frames_trained:
        yield (
            f"The video tower was trained with {facts.frames_trained} frames a clip and sees"
            f" {facts.frames}: its positions were interpolated, never trained."
        )
    if facts.distilled:
        yield "The published SG-DETR was trained on vectors of Stage 2, not of distilled models."
    yield (
        "The detector must have been trained on vectors of this very encoder: no file says so,"
        " and nothing here can check it."
    )
    if facts.mobileclip:
        yield "Its text tower may be used for research only."
