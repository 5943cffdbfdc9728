"""The two towers of one InternVideo2 from the files a user has."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from encoder.bert import BertConfig
from encoder.checkpoint import Checkpoint, read_state
from encoder.errors import CheckpointError
from encoder.internvideo2.bert import Stage2Text
from encoder.internvideo2.config import VARIANTS, VideoConfig, video_config_of
from encoder.internvideo2.load import load_video, merge_distilled
from encoder.internvideo2.load_report import LoadReport
from encoder.internvideo2.load_text import TextKind, load_text, text_kind
from encoder.internvideo2.mobileclip import MobileClipConfig, MobileClipText
from encoder.internvideo2.tower import VideoTower

REDUCED = "reduced"  # the name of sizes that were never published
TOKENS: Mapping[TextKind, int] = {"stage2": 40, "mobileclip": 77}  # as texts were read in training
HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True)
class TowerFiles:
    """Checkpoints: `vision` alone may hold everything; distilled models come in three files."""

    vision: Path
    delta: Path | None = None
    text: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TowerTensors:
    """What the files hold, before anything is made of it."""

    vision: Checkpoint
    delta: Checkpoint | None
    text: Checkpoint  # the vision file again where it holds the text tower too
    video_state: Mapping[str, Tensor]  # official keys, the delta's in their places
    config: VideoConfig
    kind: TextKind

    @property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """The files by what they gave, each once."""
        found = {"vision": self.vision, "delta": self.delta, "text": self.text}
        return {
            role: file
            for role, file in found.items()
            if file is not None and (role == "vision" or file is not self.vision)
        }

    @property
    def variant(self) -> str:
        """The name of the published size, or `reduced`."""
        size = (self.config.width, self.config.depth)
        names = (n for n, known in VARIANTS.items() if (known.width, known.depth) == size)
        return next(names, REDUCED)

    @property
    def temperature(self) -> float | None:
        """That of the training's softmax: for the record, cosines are used as they are."""
        temp = self.video_state.get("temp")
        return None if temp is None or temp.numel() != 1 else float(temp)


@dataclass(frozen=True, slots=True, eq=False)
class Towers:
    """Both towers, in float32, in evaluation mode."""

    video: VideoTower
    text: nn.Module
    reports: dict[str, LoadReport]  # "video", "text"
    words: int  # of the text tower
    max_tokens: int
    half: bool  # the text weights were published in half precision


def read_towers(files: TowerFiles) -> TowerTensors:
    """Read the files and find out what they are; nothing is computed yet.

    Raises CheckpointError for a file that cannot be read or belongs to no such model.
    """
    vision = read_state(files.vision)
    delta = None if files.delta is None else read_state(files.delta)
    text = vision if files.text is None else read_state(files.text)
    state: Mapping[str, Tensor] = vision.state
    if delta is not None:
        if "vision_proj.weight" in state:
            raise CheckpointError(
                f"{files.delta} is a delta, and {files.vision} is a Stage 2 model, which has none:"
                " give the distilled model's own vision file"
            )
        state = merge_distilled(state, delta.state)
    config = video_config_of(state)
    return TowerTensors(vision, delta, text, state, config, text_kind(text.state))


def load_towers(tensors: TowerTensors, frames: int | None = None) -> Towers:
    """Both towers, for clips of `frames` (as trained unless given).

    Raises CheckpointError for tensors that do not fit, or towers that share no space.
    """
    video, video_report = load_video(tensors.video_state, frames=frames)
    text, text_report = load_text(tensors.text.state)
    words, positions, joint = _sizes(text)
    if joint != video.config.joint:
        raise CheckpointError(
            f"the video tower gives {video.config.joint} numbers and the text tower {joint}: they"
            " are of different models"
        )
    if tensors.temperature is not None:  # goes into the manifest
        video_report = replace(video_report, loaded=(*video_report.loaded, "temp"))
    if tensors.text is tensors.vision:
        text_report = _apart(video_report, text_report)
    return Towers(
        video=video.eval(),
        text=text,
        reports={"video": video_report, "text": text_report},
        words=words,
        max_tokens=min(TOKENS[tensors.kind], positions),
        half=all(tensors.text.state[key].dtype in HALF for key in _floats(tensors, text_report)),
    )


def _floats(tensors: TowerTensors, report: LoadReport) -> list[str]:
    return [key for key in report.loaded if tensors.text.state[key].is_floating_point()]


def _sizes(text: nn.Module) -> tuple[int, int, int]:
    """Words, positions and joint dimensions of a text tower."""
    if isinstance(text, MobileClipText):
        own: MobileClipConfig = text.config
        return own.words, own.positions, own.joint
    assert isinstance(text, Stage2Text)
    bert: BertConfig = text.bert.config
    return bert.words, bert.positions, text.text_proj.out_features


def _apart(video: LoadReport, text: LoadReport) -> LoadReport:
    """The text tower's report where both are in one file: what the other saw to is not in it."""
    seen = {*video.loaded, *video.dropped}
    return replace(text, dropped=tuple(key for key in text.dropped if key not in seen))
