"""Kafka runs from exactly the committed jars: a missing, changed or added one is refused."""

import hashlib
from dataclasses import replace

import pytest

from stack import kafka
from stack.settings import Stack


@pytest.fixture
def installed(tmp_path):
    """A repository that lists two jars, and a folder that holds them."""
    jars = {"a.jar": b"first", "b.jar": b"second"}
    listing = tmp_path / "deploy" / "kafka" / "jars.sha256"
    listing.parent.mkdir(parents=True)
    listing.write_text("".join(f"{hashlib.sha256(jar).hexdigest()}  {name}\n" for name, jar in jars.items()))
    folder = tmp_path / "jars"
    folder.mkdir()
    for name, jar in jars.items():
        (folder / name).write_bytes(jar)
    return replace(Stack(run=tmp_path / "run"), repo=tmp_path), folder


def test_as_committed(installed):
    assert kafka.wrong_jars(*installed) == []


def test_a_changed_byte(installed):
    (installed[1] / "a.jar").write_bytes(b"First")
    assert kafka.wrong_jars(*installed) == ["a.jar"]


def test_a_missing_jar(installed):
    (installed[1] / "b.jar").unlink()
    assert kafka.wrong_jars(*installed) == ["b.jar"]


def test_an_added_jar_is_on_the_class_path_too(installed):
    (installed[1] / "c.jar").write_bytes(b"third")
    assert kafka.wrong_jars(*installed) == ["c.jar"]


def test_the_committed_list_names_the_broker_and_no_address():
    expected = kafka.expected_jars(Stack.here({}))
    assert f"kafka_2.13-{kafka.VERSION}.jar" in expected
    assert all(len(digest) == 64 and "/" not in name for name, digest in expected.items())


def test_the_properties_name_every_safeguard(tmp_path):
    text = kafka.properties(Stack(run=tmp_path, port=22_000))
    for line in (
        "ssl.enabled.protocols=TLSv1.3",
        "ssl.client.auth=required",
        "allow.everyone.if.no.acl.found=false",
        "super.users=User:kafka",
        "auto.create.topics.enable=false",
        "listeners=BROKER://127.0.0.1:22012,CONTROLLER://127.0.0.1:22013",
    ):
        assert line in text.splitlines()
    assert "{" not in text
