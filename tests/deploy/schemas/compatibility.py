"""What a change of a schema breaks: for readers of before with writers of now, or the reverse."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

WORDS = {"title", "description", "$comment", "default"}
STRUCTURE = {"$ref", "anyOf", "items", "prefixItems", "properties", "required"}


def breaks(old: Schema, new: Schema) -> list[str]:
    """A sentence for each change that wants a new major version; both are whole files."""
    return list(_Comparison(old, new).differences(old, new, "record"))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old["$defs"], new["$defs"]
        self._seen: set[tuple[str, str]] = set()

    def differences(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        if "$ref" in old and "$ref" in new:
            refs = old["$ref"], new["$ref"]
            if refs in self._seen:
                return
            self._seen.add(refs)
            old, new = (
                known[ref.rpartition("/")[2]]
                for known, ref in zip((self._old, self._new), refs, strict=True)
            )
        yield from self._constraints(old, new, at)
        yield from self._members(old, new, at)
        yield from self._fields(old, new, at)

    def _constraints(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        """Types, enumerations, bounds: each the same as before."""
        names = sorted((old.keys() | new.keys()) - WORDS - STRUCTURE - {"$defs", "$id", "$schema"})
        for name in names:
            if old.get(name) != new.get(name):
                yield f"{at}: {name} was {old.get(name)!r} and is {new.get(name)!r}"
        if ("$ref" in old) != ("$ref" in new):
            yield f"{at}: another type"

    def _members(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        for name in ("anyOf", "prefixItems"):
            before, after = old.get(name, []), new.get(name, [])
            longer = name == "prefixItems" and len(after) > len(before)
            if len(before) != len(after) and not longer:
                yield f"{at}: {name} had {len(before)} members and has {len(after)}"
            for index, pair in enumerate(zip(before, after, strict=False)):
                yield from self.differences(*pair, f"{at}[{index}]")
        before, after = old.get("items"), new.get("items")
        if isinstance(before, dict) and isinstance(after, dict):
            yield from self.differences(before, after, f"{at}[]")
        elif before != after:
            yield f"{at}: items were {before!r} and are {after!r}"

    def _fields(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        must, now_must = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before.keys() - after.keys()):
            yield f"{at}.{name}: removed"
        for name in sorted(now_must - must):
            yield (
                f"{at}.{name}: required, and was not"
                if name in before
                else (f"{at}.{name}: added without a default")
            )
        for name in sorted((must - now_must) & after.keys()):
            yield f"{at}.{name}: may be left out, and readers of before want it"
        for name in sorted(before.keys() & after.keys()):
            default, now = before[name].get("default"), after[name].get("default")
            if name not in must and name not in now_must and default != now:
                yield f"{at}.{name}: left out it meant {default!r} and means {now!r}"
            yield from self.differences(before[name], after[name], f"{at}.{name}")
