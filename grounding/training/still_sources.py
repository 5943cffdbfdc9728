"""The training sources that are pictures: person crops, fires, Flickr8k."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from grounding.training.concepts import lacks
from grounding.training.footage import Footage
from grounding.training.pictures import read_crop, read_picture
from grounding.training.source_groups import Item, grouped


def read_fall_pictures(data: Path) -> Iterator[Item]:
    """Person crops, fallen or upright; UP-Fall's own frames keep UP-Fall's group."""
    items: list[Item] = []
    for path in sorted((data / "falls").rglob("*")):
        if path.suffix.lower() not in {".jpg", ".jpeg", ".png"}:
            continue
        fallen = path.parent.name == "fall"
        footage = _still(
            f"falls/{path.parent.name}/{path.stem}",
            "falls",
            ("lying",) if fallen else ("calm_people",),
            "fallen" if fallen else "upright",
        )
        items.append((footage, read_crop(path)))
    for footage, frames in grouped(items, "falls", 0.8):
        yield replace(footage, group=_named_fall_group(footage)), frames


def _named_fall_group(footage: Footage) -> str:
    name = footage.id.rsplit("/", 1)[1]
    for prefix, group in (
        ("2018-07-04T12", "up_fall"),
        ("fall-", "falls/urfd"),
        ("rgb_", "falls/urfd"),
        ("split10", "falls/split10"),
        ("split11", "falls/split11"),
    ):
        if name.startswith(prefix):
            return group
    return footage.group


def read_fires(data: Path) -> Iterator[Item]:
    """Pictures of fires, and of rooms, streets and sunsets without one."""
    items: list[Item] = []
    for path in sorted((data / "fire").rglob("*")):
        if not path.is_file():
            continue
        burning = path.parent.name == "fire"
        footage = _still(
            f"fire/{path.parent.name}/{path.name}",
            "fire",
            ("fire",) if burning else (),
            "burning" if burning else "unlit",
        )
        items.append((footage, read_picture(path)))
    yield from grouped(items, "fire", 0.9)


def read_flickr(data: Path) -> Iterator[Item]:
    """Flickr8k: a picture is its own group; the official split goes with it."""
    captions: dict[str, list[str]] = defaultdict(list)
    with next((data / "flickr8k").rglob("captions.csv")).open(newline="") as file:
        for row in csv.DictReader(file):
            captions[row["image"]].append(row["caption"].strip())
    splits = {
        name: split
        for split in ("train", "dev", "test")
        for name in (data / f"flickr8k_{split}.txt").read_text().split()
    }
    for path in sorted((data / "flickr8k").rglob("*.jpg")):
        if path.name in splits:
            footage = _still(f"flickr8k/{path.stem}", "flickr8k", (), "picture")
            yield (
                replace(
                    footage,
                    group=footage.id,
                    captions=tuple(captions[path.name]),
                    split=splits[path.name],
                ),
                read_picture(path),
            )


def _still(name: str, source: str, shows: tuple[str, ...], scene: str) -> Footage:
    return Footage(
        id=name,
        source=source,
        group="",
        kind="still",
        fps=1.0,
        frames=1,
        shows=shows,
        lacks=lacks(scene, set(shows)),
    )
