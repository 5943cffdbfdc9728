"""All checks, in the order in which one rests on another."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.doctor import media, packages
from deploy.doctor.check import Check


def examine(config: Path | None, environ: Mapping[str, str]) -> Iterator[Check]:
    """Look at everything that `watchword serve` with this configuration would need."""
    wanted = packages.requirements()
    yield packages.check_python()
    yield from packages.check_packages(wanted)
    yield packages.check_runtime(wanted)
    if packages.missing(wanted):
        return  # the rest would end at the first import, and says nothing new
    yield from media.check_media()
    yield media.check_ffmpeg()
    from deploy.doctor.installation import check_installation  # imports most of the packages

    yield from check_installation(config, environ)
