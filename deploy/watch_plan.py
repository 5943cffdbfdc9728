"""From what was typed to what will be run: everything that can be refused is refused here."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.camera_names import name_cameras
from deploy.config import ALERTS_PER_DAY, WatchOptions
from deploy.errors import UsageError
from encoder.bundle import Bundle, load_bundle
from grounding.calibration import Budget, Calibration, check_threshold, read_calibration
from grounding.query_text import QueryText, check_text
from streamer.address import find_addresses
from streamer.config import CameraSettings, ReadOptions
from streamer.source_facts import SourceFacts

QUERY_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class PlannedCamera:
    """A camera to be read; `facts` are known of files only."""

    settings: CameraSettings
    facts: SourceFacts | None

    @property
    def camera_id(self) -> str:
        """The camera's name."""
        return self.settings.options.camera_id

    @property
    def file_start(self) -> float | None:
        """UTC seconds at which a file begins, cut to the millisecond as sessions are."""
        if self.facts is None or self.facts.start is None:
            return None
        return round(self.facts.start * 1e6) // 1000 / 1000

    @property
    def seconds(self) -> float | None:
        """How much of a file will be read; None where the length is not known."""
        if self.facts is None or self.facts.seconds is None:
            return None
        begin, end = self.settings.options.from_seconds or 0.0, self.settings.options.to_seconds
        return max(0.0, min(self.facts.seconds, end or self.facts.seconds) - begin)


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """A run that may begin; `warnings` are sentences the user should read first."""

    cameras: tuple[PlannedCamera, ...]
    queries: tuple[QueryText, ...]
    bundle: Bundle
    threshold: float
    warnings: tuple[str, ...]

    @property
    def ends(self) -> bool:
        """Whether the run comes to an end by itself: all its cameras are files."""
        return all(camera.facts is not None for camera in self.cameras)


def plan_watch(options: WatchOptions) -> WatchPlan:
    """Check the options, the sources and the bundle, cheapest first.

    Raises UsageError, and what streamer, encoder and grounding raise for sources, bundles,
    queries and thresholds that cannot be used.
    """
    queries = _queries(options)
    _check_times(options)
    _check_sensitivity(options)
    for source in options.sources:
        find_addresses(source)
    bundle = load_bundle(options.bundle)
    calibration = read_calibration(bundle.manifest.calibration)
    budget = _budget(options, calibration)
    return WatchPlan(
        cameras=tuple(_cameras(options, bundle)),
        queries=queries,
        bundle=bundle,
        threshold=budget.threshold,
        warnings=(*_warnings(queries, budget), *_uncalibrated(bundle, calibration)),
    )


def query_id(text: str) -> str:
    """The same text has the same id in every run, and so the same event the same alert id."""
    return hashlib.sha256(text.encode()).hexdigest()[:QUERY_ID_LENGTH]


def _queries(options: WatchOptions) -> tuple[QueryText, ...]:
    if not options.queries:
        raise UsageError('no query: say what to watch for with --query "a car drives past"')
    if not options.sources:
        raise UsageError("no source: name a file, a stream or a device")
    checked = [check_text(query) for query in options.queries]
    return tuple({query.text: query for query in checked}.values())


def _check_times(options: WatchOptions) -> None:
    begin, end = options.from_seconds, options.to_seconds
    if end is not None and end <= (begin or 0.0):
        raise UsageError(f"--to {end:g} s is not after --from {begin or 0:g} s: nothing to read")
    if (begin, end, options.start) == (None, None, None):
        return
    for source in options.sources:
        if any(address.kind != "file" for address in find_addresses(source)):
            raise UsageError(f"--from, --to and --start are for files, and {source!r} is live")


def _check_sensitivity(options: WatchOptions) -> None:
    if options.threshold is None:
        return
    if options.alerts_per_day is not None:
        raise UsageError(
            f"--alerts-per-day {options.alerts_per_day:g} and --threshold {options.threshold:g} "
            "exclude each other: give one of them"
        )
    check_threshold(options.threshold)


def _budget(options: WatchOptions, calibration: Calibration) -> Budget:
    if options.threshold is not None:
        return Budget(options.threshold, measured=True)
    wanted = options.alerts_per_day
    return calibration.threshold_for(ALERTS_PER_DAY if wanted is None else wanted)


def _cameras(options: WatchOptions, bundle: Bundle) -> Iterator[PlannedCamera]:
    from streamer.source import probe  # PyAV: not needed to parse a command line

    for source, camera_id in zip(options.sources, name_cameras(options.sources), strict=True):
        read = ReadOptions(
            camera_id=camera_id,
            clip_format=bundle.space.clip_format,
            start=options.start,
            from_seconds=options.from_seconds,
            to_seconds=options.to_seconds,
            decoder="auto",
        )
        is_file = all(address.kind == "file" for address in find_addresses(source))
        # A live camera may be offline now and come back: its reader deals with that
        yield PlannedCamera(
            CameraSettings(source, read), facts=probe(source, read) if is_file else None
        )


def _warnings(queries: Sequence[QueryText], budget: Budget) -> Iterator[str]:
    for query in queries:
        for warning in query.warnings:
            yield f"{query.text!r}: {warning}"
    if not budget.measured:
        yield (
            f"no alert rate that low or high was measured for this bundle: the nearest "
            f"threshold that was, {budget.threshold:.3g}, is used"
        )


def _uncalibrated(bundle: Bundle, calibration: Calibration) -> Iterator[str]:
    if not calibration.calibrated:
        yield (
            f"bundle {bundle.name} is not calibrated: its scores are the network's own, no "
            "probabilities, and how often it raises false alarms is not known"
        )
