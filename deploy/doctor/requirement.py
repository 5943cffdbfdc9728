"""What a package says it needs: `av<19,>=16; extra == 'cpu'`."""

import re
from dataclasses import dataclass

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*(?P<range>[^;]*)(?:;(?P<marker>.*))?"
)
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_BOUND = re.compile(r"(>=|<=|==|!=|~=|<|>)\s*([0-9][0-9.]*)")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package, the versions that will do, and the extra that wants it ("" for none)."""

    name: str
    versions: str
    extra: str = ""

    def admits(self, version: str) -> bool:
        """Whether a version will do; what is no number in it does not count.

        >>> Requirement("av", "<19,>=16").admits("18.1.0rc1")
        True
        """
        found = _numbers(version)
        return all(
            _holds(found, sign, _numbers(bound)) for sign, bound in _BOUND.findall(self.versions)
        )


def parse_requirement(text: str) -> Requirement:
    """Read a line of a package's metadata.

    >>> parse_requirement("av<19,>=16; extra == 'cpu'")
    Requirement(name='av', versions='<19,>=16', extra='cpu')
    """
    found = _REQUIREMENT.fullmatch(text.strip())
    if found is None:
        return Requirement(text.strip(), "")
    extra = _EXTRA.search(found["marker"] or "")
    versions = ",".join(part.strip() for part in found["range"].strip(" ()").split(","))
    return Requirement(found["name"], versions, extra[1] if extra else "")


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    numbers = [int(part) for part in release[0].split(".")] if release else []
    while numbers and numbers[-1] == 0:  # 2.0 is 2
        numbers.pop()
    return tuple(numbers)


def _holds(found: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    match sign:
        case ">=":
            return found >= bound
        case "~=":
            return found >= bound and found[: len(bound) - 1] == bound[:-1]
        case "<=":
            return found <= bound
        case "<":
            return found < bound
        case ">":
            return found > bound
        case "!=":
            return found != bound
        case _:
            return found == bound
