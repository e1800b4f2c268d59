"""JSON Schemas of the events, generated from the classes, and which change of one breaks its readers.

A schema that is committed is a contract: it is written anew only by a change that old records survive.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from events.catalogue import EVENTS, version_of
from events.event import Event

FOLDER = Path(__file__).parent / "schemas"

# Keywords that narrow what a value may be: a changed or added one refuses records that were written before.
_NARROWING = (
    "type",
    "const",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
)


class Breaking(Exception):
    """A change that readers or stored records would not survive; the remedy is a new version of the class."""


def file_name(kind: type[Event]) -> str:
    """`<Name>.v<version>.json`."""
    return f"{kind.__name__}.v{version_of(kind)}.json"


def generate(kind: type[Event]) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `kind` looks like on the wire."""
    schema = kind.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def text_of(schema: dict[str, Any]) -> str:
    """The one way a schema is written to disk."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def stale(folder: Path = FOLDER) -> list[str]:
    """Files of `folder` that differ from what the classes say, are missing, or belong to no class."""
    wanted = {file_name(kind): text_of(generate(kind)) for kind in EVENTS.values()}
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    current = {name for name in found if name in wanted or not _is_older(name)}
    return sorted(name for name in current | set(wanted) if found.get(name) != wanted.get(name))


def write(folder: Path = FOLDER) -> list[str]:
    """Writes what is stale and answers its names. Raises Breaking, before anything is written."""
    broken = []
    for kind in EVENTS.values():
        path = folder / file_name(kind)
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            broken += [f"{path.name}: {change}" for change in breaking(before, generate(kind))]
    if broken:
        raise Breaking("\n".join(broken))
    names = stale(folder)
    for kind in EVENTS.values():
        if file_name(kind) in names:
            (folder / file_name(kind)).write_text(text_of(generate(kind)), encoding="utf-8")
    return names


def _is_older(name: str) -> bool:
    # Older versions stay for as long as records of them may be read: they are history, not leftovers.
    kind, _, version = name.removesuffix(".json").partition(".v")
    return kind in EVENTS and version.isdigit() and int(version) < version_of(EVENTS[kind])


def breaking(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Each change from `before` to `after` that a record written under `before` may not survive."""
    return list(_compare(before, after, before.get("$defs", {}), after.get("$defs", {}), ""))


def _compare(
    before: dict[str, Any], after: dict[str, Any], old: dict[str, Any], new: dict[str, Any], at: str
) -> Iterator[str]:
    before, after = _resolve(before, old), _resolve(after, new)
    for word in _NARROWING:
        if word in after and after[word] != before.get(word):
            yield f"{at or '/'}: {word} is {after[word]!r}, was {before.get(word)!r}"
    gone = [value for value in before.get("enum", []) if "enum" in after and value not in after["enum"]]
    if gone or ("enum" in after and "enum" not in before):
        yield f"{at or '/'}: enum without {gone!r}"
    yield from _compare_properties(before, after, old, new, at)
    if isinstance(before.get("items"), dict) and isinstance(after.get("items"), dict):
        yield from _compare(before["items"], after["items"], old, new, f"{at}/items")
    if len(after.get("anyOf", [])) < len(before.get("anyOf", [])):
        yield f"{at or '/'}: fewer alternatives"
    for index, (a, b) in enumerate(zip(before.get("anyOf", []), after.get("anyOf", []), strict=False)):
        yield from _compare(a, b, old, new, f"{at}/anyOf/{index}")


def _compare_properties(
    before: dict[str, Any], after: dict[str, Any], old: dict[str, Any], new: dict[str, Any], at: str
) -> Iterator[str]:
    had, has = before.get("properties", {}), after.get("properties", {})
    yield from (f"{at}/{name}: removed" for name in had if name not in has)
    required = set(after.get("required", [])) - set(before.get("required", []))
    yield from (f"{at}/{name}: required now" for name in sorted(required))
    for name in had:
        if name in has:
            yield from _compare(had[name], has[name], old, new, f"{at}/{name}")


def _resolve(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    resolved: dict[str, Any] = definitions[str(reference).removeprefix("#/$defs/")]
    return resolved
