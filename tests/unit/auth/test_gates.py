"""05.4: what a guess counts against. Codes apart from passwords, a known device apart from everybody."""

from uuid import uuid4

import pytest

from auth.throttle import Throttle

GATES = Throttle(b"k" * 32, address_attempts=100)
ADA, BOB = b"a" * 32, b"b" * 32


def keys(*arguments) -> set[bytes]:
    return {gate.key for gate in GATES.password(*arguments)}


def test_a_known_device_shares_nothing_with_a_stranger_at_its_address() -> None:
    assert keys(ADA, "203.0.113.9", uuid4()).isdisjoint(keys(ADA, "203.0.113.9", None))


def test_codes_share_nothing_with_passwords() -> None:
    user = uuid4()
    codes = {gate.key for gate in [*GATES.code(user, None), *GATES.code(user, uuid4()), *GATES.in_session(user)]}
    assert len(codes) == 3
    assert codes.isdisjoint(keys(ADA, "203.0.113.9", None) | keys(ADA, "203.0.113.9", user))


def test_two_accounts_at_one_address_share_the_address_and_its_network() -> None:
    shared = keys(ADA, "203.0.113.9", None) & keys(BOB, "203.0.113.9", None)
    limits = [gate.limit for gate in GATES.password(ADA, "203.0.113.9", None) if gate.key in shared]
    assert [(limit.attempts, limit.is_shared) for limit in limits] == [(100, True), (400, True)]


@pytest.mark.parametrize(
    ("one", "other"), [("203.0.113.9", "203.0.113.200"), ("2001:db8:0:1::1", "2001:db8:0:ff00::1")]
)
def test_two_accounts_in_one_network_share_the_network_alone(one: str, other: str) -> None:
    """IPv6: an attacker with a /48 has 65 536 addresses of its own, and none of them is another's."""
    (gate,) = [gate for gate in GATES.password(ADA, one, None) if gate.key in keys(BOB, other, None)]
    assert (gate.limit.attempts, gate.limit.is_shared) == (400, True)


@pytest.mark.parametrize(("one", "other"), [("203.0.113.9", "203.0.114.9"), ("2001:db8::1", "2001:db8:1::1")])
def test_two_accounts_in_two_networks_share_nothing(one: str, other: str) -> None:
    assert keys(ADA, one, None).isdisjoint(keys(BOB, other, None))


def test_one_account_in_two_networks_shares_the_account_alone() -> None:
    shared = keys(ADA, "203.0.113.9", None) & keys(ADA, "203.0.114.9", None)
    assert shared == {GATES.account(ADA).key}
    assert GATES.account(ADA).limit.attempts == 20


@pytest.mark.parametrize(
    ("one", "other"), [("2001:db8::1", "2001:db8::ffff:2"), ("::ffff:203.0.113.9", "203.0.113.9"), ("", "")]
)
def test_one_neighbour(one: str, other: str) -> None:
    assert keys(ADA, one, None) == keys(ADA, other, None)


def test_two_neighbours() -> None:
    assert keys(ADA, "2001:db8:0:1::1", None) != keys(ADA, "2001:db8:0:2::1", None)


def test_no_key_names_anybody() -> None:
    other = Throttle(b"l" * 32, address_attempts=100)
    assert {gate.key for gate in other.password(ADA, "203.0.113.9", None)}.isdisjoint(keys(ADA, "203.0.113.9", None))


def slow(*arguments) -> list[tuple[str, int]]:
    """What is counted once an account has had its guesses in a row."""
    (account,) = [gate for gate in GATES.password(*arguments) if gate.instead]
    return [(gate.limit.name, gate.limit.attempts) for gate in account.instead]


def test_guesses_of_a_day_are_few() -> None:
    assert slow(ADA, "203.0.113.9", None) == [("password-slow-here", 1), ("password-slow", 40)]


def after(ip: str) -> bytes:
    (account,) = [gate for gate in GATES.password(ADA, ip, None) if gate.instead]
    return account.instead[0].key


@pytest.mark.parametrize(
    ("one", "other"), [("203.0.113.9", "203.0.113.200"), ("2001:db8:0:1::1", "2001:db8:0:ffff::1"), ("", "")]
)
def test_then_a_whole_network_is_one(one: str, other: str) -> None:
    assert after(one) == after(other)


@pytest.mark.parametrize(("one", "other"), [("203.0.113.9", "203.0.114.9"), ("2001:db8::1", "2001:db8:1::1")])
def test_then_two_networks_are_two(one: str, other: str) -> None:
    assert after(one) != after(other)
