import tarfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from encoder.errors import TrainingError
from encoder.training.flickr8k import HEIGHT, WIDTH, read_flickr8k, read_pictures
from encoder.training.retrieval_check import bundle_recall
from tests.encoder.models import make_bundle


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """A JPEG file of RGB pixels."""
    import av

    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height = pixels.shape[1], pixels.shape[0]
    context.pix_fmt, context.time_base = "yuvj420p", Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    path.write_bytes(b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)]))


CAPTIONS = {"one.jpg": ["a car", "the road"], "two.jpg": ["person falls"], "three.jpg": ["a a"]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with three pictures, one in each split."""
    root = tmp_path / "flickr8k"
    (root / "images").mkdir(parents=True)
    lines = ["image,caption"]
    for number, (name, captions) in enumerate(CAPTIONS.items()):
        pixels = np.full((48, 64, 3), 60 * number + 20, np.uint8)
        write_picture(root / "images" / name, pixels)
        lines += [f'{name},"{caption}"' for caption in captions]
    (root / "captions.csv").write_text("\n".join(lines))
    folder = tmp_path / "data"
    folder.mkdir()
    with tarfile.open(folder / "flickr8k.tar", "w") as tar:
        tar.add(root, "flickr8k")
    for split, name in zip(("train", "dev", "test"), CAPTIONS, strict=True):
        (folder / f"flickr8k_{split}.txt").write_text(name + "\n")
    return folder


def test_the_set_is_read_with_its_official_splits(data: Path, tmp_path: Path) -> None:
    flickr = read_flickr8k(data, tmp_path / "cache")
    names = [path.name for path in flickr.paths]
    assert names == sorted(CAPTIONS)
    assert [names[int(flickr.splits[s][0])] for s in ("train", "dev", "test")] == list(CAPTIONS)
    assert flickr.captions[names.index("one.jpg")] == ("a car", "the road")
    pixels = read_pictures(flickr.paths)
    assert pixels.shape == (3, HEIGHT, WIDTH, 3)
    assert abs(float(pixels[names.index("two.jpg")].mean()) - 80) < 4


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"flickr8k\.tar is missing"):
        read_flickr8k(tmp_path, tmp_path)


def test_the_only_picture_of_a_split_is_always_found(data: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "tiny")
    recall = bundle_recall(bundle, data, tmp_path / "cache", lambda line: None)
    assert recall[1] == 1.0
