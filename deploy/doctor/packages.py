"""Python, the packages that are needed, and the two ONNX Runtimes that exclude each other."""

import platform
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata

from deploy.doctor.check import Check, fail, ok, warn
from deploy.doctor.requirement import Requirement, parse_requirement

PROJECT = "watchword"
_RUNTIMES = {"onnxruntime": "cpu", "onnxruntime-gpu": "gpu"}

Installed = Callable[[str], str | None]


def installed(name: str) -> str | None:
    """The version of a package, None if it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def requirements() -> Sequence[Requirement] | None:
    """What Watchword says it needs; None where it is not installed as a package."""
    try:
        return [parse_requirement(line) for line in metadata.requires(PROJECT) or ()]
    except metadata.PackageNotFoundError:
        return None


def check_python(version: str | None = None, wanted: str | None = None) -> Check:
    """The interpreter, against what the package says."""
    version = version or platform.python_version()
    if wanted is None:
        try:
            wanted = metadata.metadata(PROJECT)["Requires-Python"]
        except (metadata.PackageNotFoundError, KeyError):
            wanted = ">=3.11"
    if Requirement("python", wanted).admits(version):
        return ok("Python", f"{version} ({platform.machine()})")
    return fail("Python", f"{version}, wanted is {wanted}", f"install Python {wanted}")


def check_packages(
    wanted: Sequence[Requirement] | None, version_of: Installed = installed
) -> Iterator[Check]:
    """A line for all that are right, and one for each that is not."""
    if wanted is None:
        yield warn(
            "packages",
            f"{PROJECT} is not installed as a package: which versions it needs is not known",
            "pip install 'watchword[cpu]', or make demo in a copy of the repository",
        )
        return
    needed = [one for one in wanted if not one.extra]
    wrong = [one for one in needed if not _is_right(one, version_of)]
    if right := len(needed) - len(wrong):
        yield ok("packages", f"{right} of {len(needed)} are here in the versions wanted")
    for one in wrong:
        found = version_of(one.name)
        yield fail(
            f"package {one.name}",
            f"{found or 'not installed'}, wanted is {one.versions or 'any version'}",
            f"pip install '{one.name}{one.versions}'",
        )


def missing(wanted: Sequence[Requirement] | None, version_of: Installed = installed) -> list[str]:
    """The packages without which nothing can be looked at."""
    return [one.name for one in wanted or () if not one.extra and version_of(one.name) is None]


def check_runtime(wanted: Sequence[Requirement] | None, version_of: Installed = installed) -> Check:
    """ONNX Runtime: exactly one of its two packages, in a version that will do."""
    found = {name: version for name in _RUNTIMES if (version := version_of(name))}
    if not found:
        return fail(
            "ONNX Runtime",
            "not installed: no model can be run",
            "pip install 'watchword[cpu]', or 'watchword[gpu]' with an NVIDIA card",
        )
    if len(found) > 1:
        return fail(
            "ONNX Runtime",
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other",
            "pip uninstall -y onnxruntime onnxruntime-gpu, "
            "then pip install 'watchword[cpu]' or 'watchword[gpu]'",
        )
    ((name, version),) = found.items()
    ranges = {one.name: one for one in wanted or () if one.extra == _RUNTIMES[name]}
    if name in ranges and not ranges[name].admits(version):
        return fail(
            "ONNX Runtime",
            f"{name} {version}, wanted is {ranges[name].versions}",
            f"pip install --upgrade 'watchword[{_RUNTIMES[name]}]'",
        )
    return ok("ONNX Runtime", f"{name} {version}")


def _is_right(requirement: Requirement, version_of: Installed) -> bool:
    version = version_of(requirement.name)
    return version is not None and requirement.admits(version)
