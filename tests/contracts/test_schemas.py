"""A schema is a contract: it is what the classes say, and it never changes so that a record of yesterday breaks."""

import copy
import json

import pytest

from events import schema
from events.__main__ import main
from events.access import AccessEvent
from events.catalogue import EVENTS
from events.event import Event

ACCESS = schema.generate(AccessEvent)


def changed(change):
    after = copy.deepcopy(ACCESS)
    change(after)
    return after


BREAKING = {
    "a field is removed": lambda s: s["properties"].pop("reason"),
    "a field is required": lambda s: s["required"].append("trace_id"),
    "a new field is required": lambda s: (
        s["properties"].update(region={"type": "string"}),
        s["required"].append("region"),
    ),
    "a type changes": lambda s: s["properties"]["request_id"].update(type="integer"),
    "a pattern is added": lambda s: s["properties"]["ip"].update(pattern="^1"),
    "a limit shrinks": lambda s: s["properties"]["user_agent"].update(maxLength=10),
    "a list gets shorter": lambda s: s["properties"]["resources"].update(maxItems=1),
    "an item changes": lambda s: s["$defs"]["Resource"]["properties"]["id"].update(maxLength=1),
    "a word leaves an enum": lambda s: s["$defs"]["Action"]["enum"].remove("guest:read"),
    "null is no longer allowed": lambda s: s["properties"]["guest_id"]["anyOf"].pop(),
    "the version is another": lambda s: s["properties"]["version"].update(const=2),
}

HARMLESS = {
    "a field is added": lambda s: s["properties"].update(region={"type": "string"}),
    "a word joins an enum": lambda s: s["$defs"]["Action"]["enum"].append("guest:greet"),
    "a description changes": lambda s: s["properties"]["resources"].update(description="other words"),
    "a field is no longer required": lambda s: s["required"].remove("ip"),
}


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING)
def test_breaking(change):
    assert schema.breaking(ACCESS, changed(change))


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_harmless(change):
    assert schema.breaking(ACCESS, changed(change)) == []


def test_the_committed_schemas_are_those_of_the_classes():
    assert schema.stale() == [], "run `python -m events schemas`"


def test_a_stale_missing_or_unknown_file_is_named(tmp_path):
    schema.write(tmp_path)
    assert schema.stale(tmp_path) == []
    (tmp_path / "Stored.v1.json").write_text("{}")
    (tmp_path / "Revoked.v1.json").unlink()
    (tmp_path / "Invented.v1.json").write_text("{}")
    assert schema.stale(tmp_path) == ["Invented.v1.json", "Revoked.v1.json", "Stored.v1.json"]


def test_a_breaking_change_is_not_written(tmp_path):
    schema.write(tmp_path)
    before = schema.generate(AccessEvent)
    before["properties"]["forgotten"] = {"type": "string"}
    path = tmp_path / schema.file_name(AccessEvent)
    path.write_text(schema.text_of(before))
    with pytest.raises(schema.Breaking, match="forgotten: removed"):
        schema.write(tmp_path)
    assert json.loads(path.read_text()) == before


def test_the_check_is_a_command(capsys):
    assert main(["schemas", "--check"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_each_event_is_closed_frozen_strict_and_named(kind):
    assert issubclass(kind, Event)
    assert kind.model_config["frozen"]
    assert kind.model_config["extra"] == "forbid"
    assert kind.model_config["strict"]
    assert kind.model_fields["event"].default == kind.__name__
    assert kind.model_fields["version"].default >= 1


def test_no_event_class_is_forgotten():
    def below(kind):
        return {kind, *(deeper for child in kind.__subclasses__() for deeper in below(child))}

    assert {kind for kind in below(Event) if "event" in kind.model_fields} == set(EVENTS.values())
