"""04.1, 02.1: what must not be guessed comes from the system's generator, 128 bits or more of it, and never twice."""

import base64
import random
from collections.abc import Callable
from uuid import UUID

import pytest

from auth import totp
from auth.secret import Kind, Secret
from guard.keys import SubjectKey

ONE = UUID(int=1)
KEY = SubjectKey(ONE, ONE, ONE, bytes(32))
DRAWN: dict[str, Callable[[], str]] = {
    **{str(kind): lambda kind=kind: Secret.new(kind, ONE, ONE).text for kind in Kind},
    "the secret of a second factor": totp.new_secret,
    "recovery codes": lambda: " ".join(totp.new_recovery_codes()),
    "a sealed row's nonce": lambda: KEY.seal({}, ("guest", ONE)).hex(),
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_a_generator_that_is_set_back_repeats_nothing(draw: Callable[[], str]) -> None:
    drawn = set()
    for _ in range(20):
        random.seed(7)
        drawn.add(draw())
    assert len(drawn) == 20


@pytest.mark.parametrize("kind", Kind)
def test_an_opaque_secret_has_256_random_bits(kind: Kind) -> None:
    random_part = Secret.new(kind, ONE, ONE).text.rsplit(".", 1)[-1]
    assert len(base64.urlsafe_b64decode(random_part + "=")) == 32


def test_the_secret_of_a_second_factor_has_160() -> None:
    assert len(base64.b32decode(totp.new_secret())) == 20
