import pytest

from deploy.doctor.requirement import Requirement, parse_requirement


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("av<19,>=16", Requirement("av", "<19,>=16")),
        ("onnxruntime<2,>=1.20; extra == 'cpu'", Requirement("onnxruntime", "<2,>=1.20", "cpu")),
        ('torch; extra == "train"', Requirement("torch", "", "train")),
        ("uvicorn[standard] (>=0.32, <1)", Requirement("uvicorn", ">=0.32,<1")),
        ("tzdata ; sys_platform == 'win32'", Requirement("tzdata", "")),
    ],
)
def test_lines_of_metadata(line: str, wanted: Requirement):
    assert parse_requirement(line) == wanted


@pytest.mark.parametrize(
    ("versions", "good", "bad"),
    [
        (">=16,<19", ["16", "16.0.0", "18.9.1rc1"], ["15.9", "19", "19.0.0"]),
        ("==2.13.0", ["2.13", "2.13.0+cpu"], ["2.13.1", "2.12"]),
        ("~=1.4.2", ["1.4.2", "1.4.9"], ["1.5", "1.4.1"]),
        (">1,<=2,!=1.5", ["1.1", "2.0"], ["1", "2.1", "1.5.0"]),
        ("", ["0", "99.9"], []),
    ],
)
def test_versions(versions: str, good: list[str], bad: list[str]):
    requirement = Requirement("x", versions)
    assert all(requirement.admits(version) for version in good)
    assert not any(requirement.admits(version) for version in bad)
