"""Who may do what with which topic: one writer each, readers by name, nothing for anybody else (02.2, 04.1)."""

from events.topic import TOPICS
from stack import topics
from stack.topics import Grant

RULES = topics.grants(TOPICS.values())


def test_each_topic_has_exactly_one_writer():
    for topic in TOPICS.values():
        writers = {rule.principal for rule in RULES if rule.operation == "WRITE" and rule.name == topic.name}
        assert writers == {topic.owner}


def test_only_named_readers_read():
    for topic in TOPICS.values():
        readers = {rule.principal for rule in RULES if rule.operation == "READ" and rule.name == topic.name}
        assert readers == set(topic.readers)


def test_a_reader_joins_groups_named_after_itself_only():
    groups = {(rule.principal, rule.name) for rule in RULES if rule.resource == "GROUP" and rule.operation == "READ"}
    assert groups
    assert all(principal == name for principal, name in groups)


def test_no_service_sees_another_service_s_access_events():
    assert Grant("auth", "READ", "TOPIC", "access.tenant_data") not in RULES
    assert Grant("tenant_data", "READ", "TOPIC", "access.auth") not in RULES


def test_nobody_has_a_wildcard_but_the_keeper_who_reads_and_writes_nothing():
    assert {rule.principal for rule in RULES if rule.name == "*"} == {topics.KEEPER}
    kept = {rule.operation for rule in RULES if rule.principal == topics.KEEPER}
    assert not kept & {"READ", "WRITE", "ALL", "DELETE"}


def test_dead_letters_fit_where_the_record_did_not():
    for topic in TOPICS.values():
        size = int(topics.settings(topic)["max.message.bytes"])
        assert size == (2 if topic.name.endswith(".dlq") else 1) * 1_048_576


def test_a_compacted_topic_is_compacted_within_the_hour():
    settings = topics.settings(TOPICS["auth.revocations"])
    assert settings["cleanup.policy"] == "compact"
    assert settings["segment.ms"] == "3600000"
    assert "retention.ms" not in settings
