"""Bundles: folders with everything a model needs, checked before anything in them is used."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from encoder.errors import (
    BundleError,
    DamagedBundleError,
    ForeignSpaceError,
    UnknownBundleError,
)
from encoder.manifest import MANIFEST, Manifest, read_manifest, sha256_of
from encoder.space import EmbeddingSpace

DEFAULT_BUNDLE = "watchword-lite"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are all there and are the ones its manifest names."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """The bundle's name, as in `--bundle NAME`."""
        return self.manifest.name

    @property
    def space(self) -> EmbeddingSpace:
        """The embedding space its towers share."""
        return self.manifest.space.space

    def path(self, role: str) -> Path:
        """The file of a role: "video", "text", "tokenizer", "detector", "gate_clip"...

        A role is a file's name without its suffix. Raises BundleError if there is none.
        """
        for name in self.manifest.files:
            if Path(name).stem == role:
                return self.folder / name
        raise BundleError(
            f"bundle {self.name} has no file for {role!r}: it cannot be used for this"
        )

    def require_space(self, space_id: str) -> None:
        """Raises ForeignSpaceError unless `space_id` names this bundle's space."""
        if space_id != self.space.id:
            raise ForeignSpaceError(
                f"vectors of embedding space {space_id} cannot be compared with those of bundle"
                f" {self.name} ({self.space.id}): encode again with this bundle"
            )


@dataclass(frozen=True, slots=True)
class ListedBundle:
    """A folder that looks like a bundle: its manifest, or what is wrong with it."""

    name: str
    folder: Path
    manifest: Manifest | None
    problem: str = ""


def bundle_folders() -> tuple[Path, ...]:
    """Where bundles are looked for: the package's own, then the user's."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return (Path(__file__).parent / "bundles", Path(data) / "watchword" / "bundles")


def load_bundle(
    name_or_folder: str | Path = DEFAULT_BUNDLE, search: Sequence[Path] | None = None
) -> Bundle:
    """Find a bundle by name (in `search`, default `bundle_folders()`) or folder, and check it.

    Raises UnknownBundleError, ManifestError or DamagedBundleError, each naming the thing.
    """
    search = bundle_folders() if search is None else search
    folder = _find(name_or_folder, search)
    bundle = Bundle(folder, read_manifest(folder))
    verify_files(bundle)
    return bundle


def load_manifest(
    name_or_folder: str | Path = DEFAULT_BUNDLE, search: Sequence[Path] | None = None
) -> Manifest:
    """What a bundle says of itself, for who runs none of its models; its files are not checked.

    Raises UnknownBundleError or ManifestError.
    """
    return read_manifest(_find(name_or_folder, bundle_folders() if search is None else search))


def list_bundles(search: Sequence[Path] | None = None) -> list[ListedBundle]:
    """The bundles that can be named, sorted; their files are not checked."""
    found: dict[str, ListedBundle] = {}
    for parent in bundle_folders() if search is None else search:
        for path in sorted(parent.glob(f"*/{MANIFEST}")):
            listed = _look(path.parent)
            found.setdefault(listed.name, listed)
    return [found[name] for name in sorted(found)]


def verify_files(bundle: Bundle) -> None:
    """Raises DamagedBundleError unless exactly the manifest's files are there, byte for byte."""
    present = {path.name for path in bundle.folder.iterdir()} - {MANIFEST}
    named = set(bundle.manifest.files)
    if missing := sorted(named - present):
        raise DamagedBundleError(f"{_sentence(bundle, missing)} missing: fetch the bundle again")
    if extra := sorted(present - named):
        raise DamagedBundleError(f"{_sentence(bundle, extra)} not in its manifest: remove it")
    for name, entry in bundle.manifest.files.items():
        path = bundle.folder / name
        if not path.is_file():
            raise DamagedBundleError(f"bundle {bundle.name}: {path} is no file")
        size = path.stat().st_size
        if size != entry.bytes or sha256_of(path) != entry.sha256:
            raise DamagedBundleError(
                f"bundle {bundle.name}: {path} is damaged, its SHA-256 is not the manifest's:"
                " fetch the bundle again"
            )


def _sentence(bundle: Bundle, names: list[str]) -> str:
    verb = "is" if len(names) == 1 else "are"
    return f"bundle {bundle.name}: {', '.join(names)} in {bundle.folder} {verb}"


def _find(name_or_folder: str | Path, search: Sequence[Path]) -> Path:
    listed = list_bundles(search)
    for bundle in listed:
        if bundle.name == str(name_or_folder):
            return bundle.folder
    folder = Path(name_or_folder)
    if (folder / MANIFEST).is_file():
        return folder
    if folder.is_dir() and (isinstance(name_or_folder, Path) or os.sep in name_or_folder):
        raise UnknownBundleError(f"{folder} is no bundle: it holds no {MANIFEST}")
    known = ", ".join(bundle.name for bundle in listed) or "none"
    raise UnknownBundleError(
        f"no bundle is called {str(name_or_folder)!r}, and no folder of a bundle is there;"
        f" known bundles: {known}"
    )


def _look(folder: Path) -> ListedBundle:
    try:
        manifest = read_manifest(folder)
    except BundleError as error:
        return ListedBundle(folder.name, folder, None, str(error))
    return ListedBundle(manifest.name, folder, manifest)
