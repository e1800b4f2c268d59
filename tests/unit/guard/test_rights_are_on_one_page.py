"""04.3: what a route asks for is on the page of rights, each role holds a part of the next; what is not there is no."""

import ast
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from events.access import Action
from guard.identity import Caller
from guard.rights import ENROLLING, NEEDS, OF_PLATFORM, OUTCOMES, ROLES, Right
from support import tree


def calls(name: str) -> Iterator[tuple[str, Action]]:
    """(place, action) of each call `name(…Action.X…)` in the services' routes."""
    for path in tree.modules("services"):
        if "routes" not in str(path):
            continue
        for node in ast.walk(tree.parsed(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield from ((f"{path}:{node.lineno}", Action[word]) for word in _actions(node))


def _actions(node: ast.Call) -> Iterator[str]:
    for argument in node.args:
        if isinstance(argument, ast.Attribute) and ast.unparse(argument.value) == "Action":
            yield argument.attr


def caller(role: str, **more: Any) -> Caller:
    return Caller("user", "u", "u", uuid4(), ROLES[role], **more)


def test_each_action_of_a_users_route_needs_a_right() -> None:
    asked = list(calls("may"))
    assert len(asked) > 25
    assert not [(where, action) for where, action in asked if action not in NEEDS]


def test_each_line_of_the_page_is_asked_for() -> None:
    assert {action for _, action in calls("may")} == {*NEEDS} - OUTCOMES


def test_an_outcome_needs_what_its_admission_needed() -> None:
    assert {NEEDS[action] for action in OUTCOMES} == {NEEDS[Action.RECORDING_PLAY]}


def test_each_right_is_needed() -> None:
    assert {*NEEDS.values()} == {*Right} - OF_PLATFORM


def test_each_role_holds_less_than_the_next() -> None:
    assert ROLES["viewer"] < ROLES["agent"] < ROLES["admin"]


def test_what_is_done_on_the_platform_is_nobodys_at_a_client() -> None:
    assert ROLES["admin"] == {*Right} - OF_PLATFORM


@pytest.mark.parametrize("role", ["viewer", "agent"])
def test_only_the_admin_sees_people_log_and_settings(role: str) -> None:
    kept = {right for right in Right if right.split(":")[0] in {"user", "client", "access_event"}}
    assert not ROLES[role] & kept


def test_a_viewer_sees_that_there_is_a_recording_and_does_not_hear_it() -> None:
    assert caller("viewer").may(Action.RECORDING_READ)
    assert not any(caller("viewer").may(action) for action in (Action.RECORDING_PLAY, Action.RECORDING_PLAYED))
    assert caller("agent").may(Action.RECORDING_PLAY)


def test_only_the_admin_places_and_lifts_a_hold() -> None:
    for action in (Action.RECORDING_HOLD, Action.RECORDING_RELEASE):
        assert [role for role in ROLES if caller(role).may(action)] == ["admin"]


def test_a_viewer_changes_nothing_but_its_own() -> None:
    assert {right for right in ROLES["viewer"] if not right.endswith(":read")} == {Right.SESSION_OWN}


@pytest.mark.parametrize("action", [action for action in Action if action not in NEEDS], ids=str)
def test_what_is_not_on_the_page_nobody_may(action: Action) -> None:
    assert not caller("admin").may(action)
    assert Caller("service", "auth", "auth", uuid4()).may(action)


@pytest.mark.parametrize("role", ROLES)
def test_who_owes_a_second_factor_may_enrol_and_leave(role: str) -> None:
    owing = caller(role, owes_totp=True)
    assert {action for action in Action if owing.may(action)} == ENROLLING


def test_an_operator_may_what_was_granted_and_no_more() -> None:
    operator = Caller("operator", "alice", "alice", uuid4(), frozenset({Right.GUEST_READ}))
    assert {action for action in Action if operator.may(action)} == {
        Action.GUEST_LIST,
        Action.GUEST_READ,
        Action.GUEST_SEARCH,
    }


def test_the_page_cannot_be_written_on() -> None:
    for page in (NEEDS, ROLES):
        with pytest.raises(TypeError):
            page[next(iter(page))] = None  # type: ignore[index]  # that is what is tested
