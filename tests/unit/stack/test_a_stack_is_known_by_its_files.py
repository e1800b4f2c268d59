"""05.2: a stack that was brought up under other policies, roles, tables or limits is not one of this tree."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stack import configured
from stack.settings import REPO, Stack

# By hand, and not from PARTS: what is left out there would not be missed here.
FILES = {
    "deploy/openbao/audit.hcl": ["openbao"],
    "deploy/openbao/bootstrap.hcl": ["openbao"],
    "deploy/postgres/roles.sql": ["databases"],
    "libs/guard/guard/sql/guard.sql": ["databases"],
    "services/gateway/envoy.yaml": ["envoy"],
    "services/gateway/sds.yaml": ["envoy"],
    "deploy/kafka/server.properties": ["kafka"],
    "deploy/prometheus/rules.yml": ["prometheus"],
    "services/auth/migrations/0001_client.sql": ["auth-migrate"],
    "services/tenant_data/migrations/0001_guest.sql": ["tenant_data-migrate"],
    "services/audit/migrations/0002_vault_position.sql": ["audit-migrate"],
    "deploy/local/stack/databases.py": list(configured.PARTS),
}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    for folder in ("deploy", "services", "libs/guard/guard/sql"):
        shutil.copytree(REPO / folder, tmp_path / "tree" / folder)
    made = Stack(run=tmp_path / "run", repo=tmp_path / "tree")
    for part in configured.PARTS:
        configured.note(made, part)
    return made


def test_nothing_was_noted(tmp_path: Path) -> None:
    assert configured.strange(Stack(run=tmp_path)) == list(configured.PARTS)


@pytest.mark.parametrize("file", FILES)
def test_another_byte(stack: Stack, file: str) -> None:
    path = stack.repo / file
    path.write_bytes(path.read_bytes() + b"\n")
    assert configured.strange(stack) == FILES[file]


def test_a_file_more_or_less(stack: Stack) -> None:
    (stack.repo / "services" / "auth" / "migrations" / "0099_later.sql").write_text("SELECT 1")
    (stack.repo / "deploy" / "openbao" / "audit.hcl").unlink()
    assert configured.strange(stack) == ["openbao", "auth-migrate"]


def test_the_same_tree_in_another_place(stack: Stack) -> None:
    assert configured.strange(stack) == []
    assert configured.strange(replace(stack, repo=REPO)) == []


def test_every_file_that_configures_is_some_parts() -> None:
    known = {path for patterns in configured.PARTS.values() for pattern in patterns for path in REPO.glob(pattern)}
    folders = [*REPO.glob("services/*/migrations"), *(REPO / "deploy" / name for name in ("openbao", "postgres"))]
    there = {path for folder in folders for path in folder.iterdir()}
    assert there <= known
