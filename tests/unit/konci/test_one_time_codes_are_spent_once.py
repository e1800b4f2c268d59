"""A member of the demo never sends the code of one TOTP step twice (04.1)."""

import ssl

import pyotp
import pytest

from konci import member
from konci.api import Api
from konci.member import STEP, Member


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_700_000_005.0

        def time(self):
            return self.now

        def sleep(self, seconds):
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(member, "time", clock)
    return clock


@pytest.fixture
def one():
    api = Api("https://localhost:1", ssl.create_default_context())
    api.close()
    return Member("a@b.example", "agent", api, secret=pyotp.random_base32())


def test_two_codes_at_once_then_a_wait(clock, one):
    began = clock.now
    codes = [one.code(), one.code()]
    assert clock.now == began
    codes.append(one.code())
    assert codes == [pyotp.TOTP(one.secret).at(began + shift) for shift in (-STEP, 0, STEP)]
    assert 0 < clock.now - began < STEP + 1


def test_a_code_is_not_sent_when_its_step_is_about_to_be_refused(clock, one):
    clock.now = clock.now // STEP * STEP + STEP - 1
    one.code()
    assert clock.now % STEP < 1
