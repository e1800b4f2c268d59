"""Golden examples: records as they lay on the bus when their version was new. Whatever changes, they must be read."""

import json
from pathlib import Path

import jsonschema
import pytest

import events
from events.call import call_event_of
from events.catalogue import EVENTS, version_of
from events.client import client_event_of
from events.hold import hold_event_of
from events.revocation import revocation_of
from events.schema import FOLDER, file_name

EXAMPLES = sorted((Path(events.__file__).parent / "examples").glob("*.json"))


def kind_of(path):
    return EVENTS[path.name.split(".")[0]]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_it_is_read_and_written_back(path):
    text = path.read_text(encoding="utf-8")
    read = kind_of(path).model_validate_json(text)
    assert json.loads(read.payload()) == json.loads(text)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_its_schema_takes_it(path):
    schema = json.loads((FOLDER / file_name(kind_of(path))).read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    instance = json.loads(path.read_text(encoding="utf-8"))
    validator.validate(instance)
    assert not validator.is_valid({**instance, "more": 1})


@pytest.mark.parametrize("name", EVENTS)
def test_each_event_has_an_example(name):
    assert any(path.name.startswith(f"{name}.v{version_of(EVENTS[name])}.") for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_unknown_field_is_refused(path):
    instance = json.loads(path.read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="more"):
        kind_of(path).model_validate_json(json.dumps({**instance, "more": 1}))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_a_reader_of_a_mixed_topic_knows_which_it_is(path):
    readers = {"Revoked": revocation_of, "Heartbeat": revocation_of}
    readers |= dict.fromkeys(("ClientRegistered", "ClientChanged", "ClientOffboarded"), client_event_of)
    readers |= dict.fromkeys(("CallDeleted", "CallAssigned"), call_event_of)
    readers |= dict.fromkeys(("HoldPlaced", "HoldLifted"), hold_event_of)
    name = kind_of(path).__name__
    read = readers.get(name, kind_of(path).model_validate_json)
    assert type(read(path.read_text(encoding="utf-8"))).__name__ == name
