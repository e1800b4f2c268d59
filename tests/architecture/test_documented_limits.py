"""04.1, 05.4: the limits that the documents promise are those in the code, number by number."""

from datetime import timedelta
from pathlib import Path

import pytest

from audit import delivery
from auth import account, client, inviting, own, password, session, throttle, totp
from guard import intake
from recording_storage import archive
from stack.envoy import Limits
from support import tree


def readme(service: str) -> str:
    """A README as one line: where it breaks is not what it says."""
    return " ".join(tree.text(Path(f"services/{service}/README.md")).split())


def minutes(window: timedelta) -> int:
    return window // timedelta(minutes=1)


def hours(window: timedelta) -> int:
    return window // timedelta(hours=1)


FIRST = client.at_first()
IN_WORDS = {4: "four", 5: "five", 10: "ten"}
AUTH = {
    "length of a password": (
        f"{password.SHORTEST} characters, or {password.SHORTEST_WITH_TOTP} for a user who has a second factor or whose "
        f"client requires one; at most {password.LONGEST} code points"
    ),
    "how guessable it may be": f"zxcvbn {password._SCORE} or more",
    "words of the platform": f"a word of the platform ({', '.join(password.CONTEXT_WORDS)})",
    "life of a session": f"Idle {FIRST.session_idle_seconds // 3600} h, "
    f"absolute {FIRST.session_absolute_seconds // 3600} h",
    "life of an invitation": f"works once, for {hours(inviting.VALID)} h",
    "codes of one challenge": f"{IN_WORDS[session.CHALLENGE_ATTEMPTS]} wrong ones end the challenge",
    "recovery codes": f"{IN_WORDS[totp.CODES]} recovery codes as hashes",
    "enrolled in time": f"when none was offered in the last {minutes(account.OFFERED)} minutes",
    "enrolling": f"began over {IN_WORDS[minutes(own._FRESH)]} minutes ago",
    "guesses from one address": (
        f"{throttle.PASSWORD_HERE.attempts} in {minutes(throttle.PASSWORD_HERE.window)} min for an account from one "
        "address"
    ),
    "guesses from anywhere": (
        f"{throttle.PASSWORD_ANYWHERE.attempts} in a row for an account from anywhere (in "
        f"{hours(throttle.PASSWORD_ANYWHERE.window)} h, ended by any success)"
    ),
    "guesses from a network": (
        f"100 in {minutes(throttle.per_network(100).window)} min for an address (`KONCI_ATTEMPTS_PER_ADDRESS`, IPv6 by "
        f"/64), {IN_WORDS[throttle.per_network(1).attempts]} times as many for its network"
    ),
    "guesses of a day": (
        f"{throttle.PASSWORD_SLOW.attempts} in {hours(throttle.PASSWORD_SLOW.window)} h from all: "
        f"**{throttle.PASSWORD_ANYWHERE.attempts + throttle.PASSWORD_SLOW.attempts} guesses a day at an account**"
    ),
    "guesses at codes": f"codes apart, {throttle.CODE.attempts} an hour",
}
GATEWAY = {
    "requests": (
        f"`KONCI_LIMIT_ADDRESS` ({Limits.address}), `KONCI_LIMIT_SIGN_IN` ({Limits.sign_in} per address, "
        f"{Limits.sign_in * 10} at once), `KONCI_LIMIT_CLIENT` ({Limits.client}), "
        f"`KONCI_LIMIT_SESSION` ({Limits.session}), "
        f"`KONCI_LIMIT_EVERYTHING` ({Limits.everything})"
    ),
    "connections": f"`KONCI_LIMIT_CONNECTIONS` ({Limits.connections})",
}


@pytest.mark.parametrize("promise", AUTH.values(), ids=AUTH)
def test_of_signing_in(promise: str) -> None:
    assert promise in readme("auth")


@pytest.mark.parametrize("promise", GATEWAY.values(), ids=GATEWAY)
def test_of_the_gateway(promise: str) -> None:
    assert promise in readme("gateway")


def test_of_sessions_at_once() -> None:
    """They have no limit, and the README says so; tests/integration/auth/test_sessions.py begins four."""
    assert "A user has as many sessions at once as it begins: none ends another" in readme("auth")


def test_codes_are_counted_by_the_hour() -> None:
    assert hours(throttle.CODE.window) == 1


def test_of_what_must_fit_together() -> None:
    told = readme("tenant_data")
    assert "`ended_at` is not before `started_at`" in told
    assert "a page of those that match every given field" in told


def test_of_a_body() -> None:
    assert intake.BODY == 2**20
    assert "body up to 1 MiB" in readme("gateway")
    assert "413. The body is over 1 MiB; where no token" in tree.text(Path("docs/problems.md"))


def test_of_an_export() -> None:
    told = readme("audit")
    assert f"at most {delivery.EXPORT_PAGE} events of its file in memory" in told
    assert f"those with {delivery.EXPORT_RESOURCES} resources" in told
    exports = delivery.EXPORTS
    assert f"A client has {exports.of_one} exports at once, all clients together have {exports.in_all}" in told
    assert f"the last {exports.kept} are for clients that have none" in told


def test_of_recordings_at_once() -> None:
    uploads, plays = archive.UPLOADS, archive.PLAYS
    assert uploads.of_one == plays.of_one
    told = readme("recording_storage")
    assert (
        f"takes {uploads.in_all} uploads and {plays.in_all} plays at once, {uploads.of_one} of each for one client"
        in told
    )
    assert f"the last {uploads.kept} and {plays.kept} are for clients that have none" in told


def test_a_client_may_only_shorten_what_the_platform_allows() -> None:
    for name, most in (("session_idle_seconds", 3600), ("session_absolute_seconds", 86400)):
        assert getattr(FIRST, name) == most
        assert client.SettingsChange.model_validate({name: most})
        with pytest.raises(ValueError, match=name):
            client.SettingsChange.model_validate({name: most + 1})
