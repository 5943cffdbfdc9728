import pytest

from deploy.doctor import packages
from deploy.doctor.check import Check
from deploy.doctor.packages import check_packages, check_python, check_runtime, missing
from deploy.doctor.requirement import Requirement

WANTED = (
    Requirement("av", ">=16,<19"),
    Requirement("numpy", ">=2,<3"),
    Requirement("onnxruntime", ">=1.20,<2", "cpu"),
    Requirement("onnxruntime-gpu", ">=1.21,<2", "gpu"),
    Requirement("torch", ">=2.6", "train"),
)


def here(**versions: str) -> packages.Installed:
    return {name.replace("_", "-"): version for name, version in versions.items()}.get


def statuses(checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.name, check.status) for check in checks]


def test_python():
    assert check_python("3.12.1", ">=3.11").status == "ok"
    old = check_python("3.10.9", ">=3.11")
    assert (old.status, old.fix) == ("fail", "install Python >=3.11")


def test_this_python_will_do():
    assert check_python().status == "ok"


def test_all_packages_are_one_line():
    (check,) = check_packages(WANTED, here(av="18.0", numpy="2.1"))
    assert (check.status, check.found) == ("ok", "2 of 2 are here in the versions wanted")


def test_each_wrong_package_is_a_line():
    checks = list(check_packages(WANTED, here(av="15.1")))
    assert statuses(checks) == [("package av", "fail"), ("package numpy", "fail")]
    assert checks[0].found == "15.1, wanted is >=16,<19"
    assert checks[1].found == "not installed, wanted is >=2,<3"
    assert checks[1].fix == "pip install 'numpy>=2,<3'"


def test_only_what_every_run_needs_is_missing():
    assert missing(WANTED, here(av="18")) == ["numpy"]
    assert missing(None) == []


def test_a_copy_that_is_not_installed():
    assert statuses(list(check_packages(None))) == [("packages", "warn")]


def test_no_runtime():
    check = check_runtime(WANTED, here())
    assert check.status == "fail"
    assert "pip install 'watchword[cpu]'" in check.fix


def test_both_runtimes():
    check = check_runtime(WANTED, here(onnxruntime="1.22", onnxruntime_gpu="1.22"))
    assert (check.status, "overwrite each other" in check.found) == ("fail", True)


@pytest.mark.parametrize(("name", "extra"), [("onnxruntime", "cpu"), ("onnxruntime-gpu", "gpu")])
def test_one_runtime(name: str, extra: str):
    assert check_runtime(WANTED, {name: "1.22"}.get).found == f"{name} 1.22"
    old = check_runtime(WANTED, {name: "1.19"}.get)
    assert (old.status, old.fix) == ("fail", f"pip install --upgrade 'watchword[{extra}]'")


def test_packages_without_metadata(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packages, "PROJECT", "watchword-that-is-not-there")
    assert packages.requirements() is None
    assert check_python("3.12", None).status == "ok"
    assert packages.installed("watchword-that-is-not-there") is None
