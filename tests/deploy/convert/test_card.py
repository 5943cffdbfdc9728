from dataclasses import replace

from deploy.convert.card import Facts, InputFile, license_of, limits_of, sources_of, trained_on

STAGE2 = Facts(
    variant="stage2-1b",
    distilled=False,
    mobileclip=False,
    detector="QVHighlights",
    recipe="sg-detr",
    frames=4,
    frames_trained=4,
    files=(
        InputFile("vision", "stage2.pt", "aa"),
        InputFile("sg-detr", "qvh.ckpt", "bb"),
        InputFile("tokenizer", "tokenizer.json", "cc"),
    ),
)
DISTILLED = replace(
    STAGE2,
    variant="clip-l14",
    distilled=True,
    mobileclip=True,
    recipe="evaluation",
    frames=4,
    frames_trained=8,
    files=(*STAGE2.files, InputFile("delta", "l14.bin", "dd"), InputFile("text", "blt.pt", "ee")),
)


def test_every_file_is_named_with_its_hash_and_licence() -> None:
    sources = {source.file: source for source in sources_of(DISTILLED)}
    assert {name: source.sha256 for name, source in sources.items()} == {
        file.name: file.sha256 for file in DISTILLED.files
    }
    assert "research only" in sources["blt.pt"].license
    assert (
        sources["stage2.pt"].license == sources["l14.bin"].license == "none stated by its authors"
    )
    assert sources_of(STAGE2)[0].license == "Apache-2.0"
    assert all(source.license for source in (*sources_of(DISTILLED), *trained_on(DISTILLED)))


def test_the_strictest_licence_is_the_bundles() -> None:
    assert license_of(DISTILLED).startswith("research only")
    assert "InternVideo2: Apache-2.0" in license_of(STAGE2)


def test_limits_are_sentences_about_this_very_bundle() -> None:
    plain, changed = limits_of(STAGE2), limits_of(DISTILLED)
    assert all(limit.endswith(".") for limit in (*plain, *changed))
    assert not any("interpolated" in limit for limit in plain)
    assert any("trained with 8 frames a clip and sees 4" in limit for limit in changed)
    assert any("research only" in limit for limit in changed)
    assert not any("research" in limit for limit in plain)
