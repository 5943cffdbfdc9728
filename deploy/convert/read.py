"""The files that were named, read, recognised and found to fit each other."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from deploy.convert.card import Facts, InputFile
from deploy.convert.options import ConvertOptions
from deploy.errors import UsageError
from encoder.checkpoint import Checkpoint, read_state
from encoder.internvideo2.recipes import space_of
from encoder.internvideo2.tokenizer_file import (
    UNCASED,
    UNCASED_WORDS,
    check_tokenizer,
    read_tokenizer,
)
from encoder.internvideo2.towers import (
    TowerFiles,
    Towers,
    TowerTensors,
    load_towers,
    read_towers,
)
from encoder.manifest import sha256_of
from encoder.space import EmbeddingSpace
from grounding.sgdetr.official import VARIANTS, OfficialDetector, detector_from

Say = Callable[[str], None]
_DIGEST = 8  # hexadecimal digits of the weights' hash in the name of a space
_VIDEO_PARTS = ("vision_encoder.", "vision_proj.", "vision_align.")
_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Everything a bundle is made of."""

    tensors: TowerTensors
    towers: Towers
    detector: OfficialDetector
    tokenizer: Tokenizer
    space: EmbeddingSpace
    facts: Facts


def read_inputs(options: ConvertOptions, say: Say) -> Inputs:
    """Read all files; the smallest, which are refused soonest, first.

    Raises UsageError, CheckpointError (encoder's) or WeightsError (grounding's), each a sentence
    that names the file.
    """
    given = None if options.tokenizer is None else read_tokenizer(options.tokenizer)
    say("reading SG-DETR")
    checkpoint = read_state(options.sg_detr)
    detector = detector_from(checkpoint, options.variant)
    _require_moments(detector)
    say("reading InternVideo2")
    tensors = read_towers(TowerFiles(options.internvideo2, options.delta, options.text))
    say("loading InternVideo2")
    towers = load_towers(tensors, options.frames)
    tokenizer = given or _shipped_tokenizer(tensors, towers)
    check_tokenizer(tokenizer, towers.words, ends_highest=tensors.kind == "mobileclip")
    space = space_of(
        options.recipe,
        f"internvideo2-{tensors.variant}-{_digest(tensors)}",
        towers.video.config,
        detector.model.config.clip_seconds,
    )
    detector.require_space(space)
    read = {**tensors.checkpoints, "sg-detr": checkpoint}
    facts = Facts(
        variant=tensors.variant,
        distilled=tensors.config.head == "align",
        mobileclip=tensors.kind == "mobileclip",
        detector=VARIANTS[detector.variant].title,
        recipe=options.recipe,
        frames=towers.video.config.frames,
        frames_trained=tensors.config.frames,
        files=tuple(_input_files(read, options.tokenizer or UNCASED)),
    )
    return Inputs(tensors, towers, detector, tokenizer, space, facts)


def bytes_needed(inputs: Inputs, options: ConvertOptions) -> int:
    """About what the bundle will take on a disk, rather too much than too little."""
    video = sum(
        value.numel()
        for key, value in inputs.tensors.video_state.items()
        if key.startswith(_VIDEO_PARTS)
    )
    modules = (inputs.towers.text, inputs.detector.model)
    others = sum(part.numel() for module in modules for part in module.parameters())
    return video * (4 + _BYTES[options.precision]) + others * 4


def _require_moments(detector: OfficialDetector) -> None:
    variant = VARIANTS[detector.variant]
    if variant.postprocess is None:
        raise UsageError(
            f"{detector.path} is an SG-DETR of {variant.title}: it scores clips and finds no"
            " moments, so a bundle of it could raise no alert; take another checkpoint"
        )


def _shipped_tokenizer(tensors: TowerTensors, towers: Towers) -> Tokenizer:
    """BERT's uncased one, where it is the model's; raises UsageError otherwise."""
    if tensors.kind == "stage2" and towers.words == UNCASED_WORDS:
        return read_tokenizer(UNCASED)
    wanted = (
        "CLIP's (tokenizer.json, or open_clip's bpe_simple_vocab_16e6.txt.gz)"
        if tensors.kind == "mobileclip"
        else f"that of its {towers.words} words"
    )
    raise UsageError(f"this text tower needs a tokenizer: give {wanted} with --tokenizer FILE")


def _digest(tensors: TowerTensors) -> str:
    """A few digits that differ where any of the towers' files does."""
    hashes = "".join(file.sha256 for file in tensors.checkpoints.values())
    return hashlib.sha256(hashes.encode()).hexdigest()[:_DIGEST]


def _input_files(read: dict[str, Checkpoint], tokenizer: Path) -> list[InputFile]:
    files = [InputFile(role, file.path.name, file.sha256) for role, file in read.items()]
    return [*files, InputFile("tokenizer", tokenizer.name, sha256_of(tokenizer))]
