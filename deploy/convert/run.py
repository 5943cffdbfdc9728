"""From checkpoints to a whole bundle that was tested."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.convert.card import description_of, license_of, limits_of, sources_of, trained_on
from deploy.convert.options import ConvertOptions
from deploy.convert.place import require_free, require_space, written_whole
from deploy.convert.read import Inputs, bytes_needed, read_inputs
from deploy.convert.report import ConvertReport, InputEntry, Tensors
from deploy.errors import UsageError
from encoder.bundle import load_bundle
from encoder.export import Stored, TextRange, data_file, export_text
from encoder.internvideo2.export import VideoExport, export_video
from encoder.internvideo2.load_report import LoadReport
from encoder.internvideo2.residuals import drawn_peaks, float16_problem
from encoder.internvideo2.self_test import SelfTest, compare_towers
from encoder.manifest import (
    Manifest,
    Precision,
    SpaceEntry,
    TextSettings,
    check_name,
    write_manifest,
)
from encoder.session import SessionOptions
from grounding.config import GroundingConfig
from grounding.parts import load_parts
from grounding.sgdetr.official import OfficialGrounding, export_official

Say = Callable[[str], None]
VERSION = "1"
STEPS = 9  # how often `say` is called


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found out of a bundle and its towers."""

    self_test: SelfTest
    export_errors: dict[str, float | None]
    residual_peaks: tuple[float, ...]


def convert(options: ConvertOptions, say: Say) -> ConvertReport:
    """Write the bundle to `options.out` and test it; `say` is told each step as it begins.

    Raises UsageError for choices that cannot be, also float16 for a tower that it cannot hold,
    CheckpointError (encoder's) and WeightsError (grounding's) for checkpoints that do not fit,
    ModelError for graphs that say something else than their network; nothing is left at
    `options.out` then.
    """
    named = options.name if options.name is not None else options.out.absolute().name
    name = check_name(named)
    require_free(options.out)
    inputs = read_inputs(options, say)
    require_space(options.out, bytes_needed(inputs, options))
    say("measuring the residual stream")
    peaks = _residual_peaks(inputs, options)
    with written_whole(options.out) as folder:
        errors, precision = _write_towers(inputs, options, folder, say)
        say("exporting SG-DETR")
        grounding = export_official(inputs.detector, folder)
        errors["detector"] = grounding.largest_error
        inputs.tokenizer.save(str(folder / "tokenizer.json"))
        manifest = _manifest(name, inputs, grounding)
        precision |= {path.name: "fp32" for path in grounding.files}
        manifest = write_manifest(folder, manifest, precision)
        say("testing the bundle")
        found = _test(folder, inputs)
    return _report(options, inputs, manifest, Measured(found, errors, peaks))


def _residual_peaks(inputs: Inputs, options: ConvertOptions) -> tuple[float, ...]:
    """After each block; raises UsageError where float16 is wanted and does not reach so far."""
    peaks = drawn_peaks(inputs.towers.video, inputs.space)
    problem = float16_problem(peaks) if options.precision == "fp16" else ""
    if problem:
        raise UsageError(f"--precision fp16 does not do for this checkpoint, {problem}: use bf16")
    return peaks


def _write_towers(
    inputs: Inputs, options: ConvertOptions, folder: Path, say: Say
) -> tuple[dict[str, float | None], dict[str, Precision]]:
    """The towers' three graphs; how far each is from its tower, and how files store weights."""
    tower, space = inputs.towers.video, inputs.space
    say("exporting the video tower")
    plain = export_video(tower, folder, space, VideoExport("decomposed"))
    say(f"exporting the video tower for TensorRT, {options.precision}")
    fused = export_video(tower, folder, space, VideoExport("fused", options.precision))
    say("exporting the text tower")
    given = TextRange(inputs.towers.words, inputs.towers.max_tokens)
    stored: Stored = "fp16" if inputs.towers.half else "fp32"
    text = export_text(inputs.towers.text, folder / "text.onnx", given, stored)
    made: list[tuple[Path, Precision]] = [
        (plain.path, "fp32"),
        (fused.path, options.precision),
        (text.path, stored),
    ]
    precision = {
        file.name: kept for path, kept in made for file in (path, data_file(path)) if file.is_file()
    }
    errors = {each.path.stem: each.largest_error for each in (plain, fused, text)}
    return errors, precision


def _manifest(name: str, inputs: Inputs, grounding: OfficialGrounding) -> Manifest:
    facts = inputs.facts
    temperature = inputs.tensors.temperature
    return Manifest(
        name=name,
        version=VERSION,
        license=license_of(facts),
        description=description_of(facts),
        sources=sources_of(facts),
        trained_on=trained_on(facts),
        limits=[*limits_of(facts), *grounding.limits],
        space=SpaceEntry.of(inputs.space),
        text=TextSettings(max_tokens=inputs.towers.max_tokens),
        detector=grounding.detector,
        calibration=grounding.calibration,
        accuracy={} if temperature is None else {"training_temperature": temperature},
    )


def _test(folder: Path, inputs: Inputs) -> SelfTest:
    """Load the bundle as a run does, and compare its towers."""
    bundle = load_bundle(folder)
    load_parts(bundle, GroundingConfig(session=SessionOptions(device="cpu")))
    return compare_towers(bundle, inputs.towers)


def _report(
    options: ConvertOptions,
    inputs: Inputs,
    manifest: Manifest,
    measured: Measured,
) -> ConvertReport:
    facts = inputs.facts
    reports = {**inputs.towers.reports, "detector": inputs.detector.report}
    return ConvertReport(
        bundle=str(options.out),
        name=manifest.name,
        space=manifest.space.id,
        variant=facts.variant,
        detector=inputs.detector.sentence,
        inputs=tuple(
            InputEntry(role=file.role, file=file.name, sha256=file.sha256) for file in facts.files
        ),
        tensors={network: _tensors(report) for network, report in reports.items()},
        files=manifest.files,
        self_test={
            "clips": measured.self_test.video_cosine,
            "texts": measured.self_test.text_cosine,
            "tokens": measured.self_test.token_cosine,
        },
        export_errors=measured.export_errors,
        residual_peaks=measured.residual_peaks,
        limits=tuple(manifest.limits),
    )


def _tensors(report: LoadReport) -> Tensors:
    return Tensors(loaded=report.loaded, dropped=report.dropped, interpolated=report.interpolated)
