"""03.2: the fuzzer of row-level security is believed only where it leaks once the policies are open: in every table."""

import pytest

from judges import rls_fuzz
from judges.verdict import CannotJudge

REACHABLE = {"public.guest", "public.call", "guard.data_key"}


def opened(*leaking: str) -> dict:
    return {
        "breaches": [
            dict(zip(("schema", "table", "operation"), (*name.split("."), "SELECT"), strict=True)) for name in leaking
        ]
    }


def test_one_table_that_shows_nothing() -> None:
    with pytest.raises(CannotJudge, match=r"tenant_data in public\.call with"):
        rls_fuzz.require_leaks("tenant_data", REACHABLE, opened("public.guest", "guard.data_key"))


def test_no_table_at_all() -> None:
    with pytest.raises(CannotJudge, match="any table"):
        rls_fuzz.require_leaks("tenant_data", set(), opened())


def test_every_table_leaks() -> None:
    rls_fuzz.require_leaks("tenant_data", REACHABLE, opened(*REACHABLE, "public.more"))
