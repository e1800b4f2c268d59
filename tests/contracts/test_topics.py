"""topics.yaml and the code say the same: who writes what to where, and who reads it (02.2, 04.4)."""

import ast

import pytest

from events.catalogue import EVENTS
from events.topic import TOPICS, access_topic, dead_letters_of
from support import tree

SERVICES = ("auth", "tenant_data", "recording_storage", "audit")
DEAD_LETTERS = {name for name in TOPICS if name.endswith(".dlq")}


def strings(*folder):
    """Every string constant in the Python files below a folder, docstrings and all."""
    for path in tree.modules(folder[0]):
        if path.parts[: len(folder)] == folder:
            for node in ast.walk(tree.parsed(path)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def published():
    """The topics that services name when they publish."""
    for path in tree.modules("services"):
        for node in ast.walk(tree.parsed(path)):
            is_publishing = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_publishing and node.func.attr == "publish" and isinstance(node.args[0], ast.Constant):
                yield path.parts[1], node.args[0].value


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_alone_writes_its_access_events_and_audit_reads_them(service):
    topic = access_topic(service)
    assert topic.owner == service
    assert topic.readers == ("audit",)
    assert topic.events == ("AccessEvent",)
    assert dead_letters_of(topic.name).owner == "audit"


def test_no_access_topic_without_its_service():
    assert {name for name in TOPICS if name.startswith("access.")} - DEAD_LETTERS == {f"access.{s}" for s in SERVICES}


def test_a_topic_carries_known_events_and_each_event_has_a_topic():
    carried = {event for topic in TOPICS.values() for event in topic.events}
    assert carried == set(EVENTS)
    assert all(TOPICS[name].events or name in DEAD_LETTERS for name in TOPICS)


def test_a_dead_letter_topic_belongs_to_a_topic():
    assert all(name.removesuffix(".dlq") in TOPICS for name in DEAD_LETTERS)


def test_who_publishes_owns_the_topic():
    found = list(published())
    assert found
    assert [(service, name) for service, name in found if name not in TOPICS or TOPICS[name].owner != service] == []


@pytest.mark.parametrize("name", sorted(set(TOPICS) - DEAD_LETTERS))
def test_the_code_of_the_owner_or_of_guard_names_the_topic(name):
    topic = TOPICS[name]
    if name.startswith("access."):
        assert "access." in set(strings("libs", "guard"))  # f"access.{service}"
        return
    named = {*strings("libs", "guard"), *strings("services", topic.owner)}
    assert name in named


def test_what_all_processes_read_is_one_compacted_partition():
    assert TOPICS["auth.revocations"].partitions == 1
    assert TOPICS["auth.revocations"].cleanup == "compact"


def test_audit_stores_for_every_service_and_every_service_hears_of_it():
    assert TOPICS["audit.stored"].owner == "audit"
    assert set(TOPICS["audit.stored"].readers) == set(SERVICES)
