"""Where a stack lives and listens, and that a wrong setting is one line that says what to do."""

from pathlib import Path

import pytest

from stack.settings import Stack, StackError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KONCI_PORT", "http"),
        ("KONCI_PORT", "80"),
        ("KONCI_PORT", "65530"),
        ("KONCI_PORT", "nan"),
        ("KONCI_CERT_TTL", "1"),
        ("KONCI_DB_TTL", "-5"),
        ("KONCI_KEY_CACHE_SECONDS", "for ever"),
        ("KONCI_KEY_GRACE_SECONDS", "9"),
    ],
)
def test_a_wrong_number_is_named(name, value):
    with pytest.raises(StackError, match=name) as wrong:
        Stack.here({name: value})
    assert "\n" not in str(wrong.value)


def test_without_settings_it_lives_in_the_repository():
    stack = Stack.here({})
    assert stack.run == stack.repo / ".run"
    assert stack.url_of("gateway") == "https://localhost:8443"


def test_an_empty_setting_is_no_setting():
    assert Stack.here({"KONCI_PORT": "", "KONCI_RUN": ""}) == Stack.here({})


def test_two_stacks_share_no_port():
    one, other = Stack.here({"KONCI_PORT": "20000"}), Stack.here({"KONCI_PORT": "20100"})
    assert len(set(one.ports().values())) == len(one.ports())
    assert not set(one.ports().values()) & set(other.ports().values())


def test_a_child_process_finds_the_same_stack(tmp_path: Path):
    stack = Stack.here(
        {"KONCI_RUN": str(tmp_path), "KONCI_PORT": "20000", "KONCI_DB_TTL": "60", "KONCI_OTLP": "http://x"}
    )
    assert Stack.here(stack.environment()) == stack


def test_a_relative_run_folder_is_meant_from_here(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Stack.here({"KONCI_RUN": "runs/../mine"}).run == tmp_path / "mine"
