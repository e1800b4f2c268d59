"""The attack suite's own rules: each attempt is counted, each denial stands beside a control, the run is reported."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pentest import report, target
from pentest.evidence import Evidence, Probes, Trial
from support.book import Book, Route, routes
from support.hotel import Hotel, expect, found
from support.machine import Machine

_EVIDENCE = pytest.StashKey[Evidence]()
_PROBES = pytest.StashKey[Probes]()
_BEGAN = pytest.StashKey[float]()
_ASKED = pytest.StashKey[set[str]]()
_HERE = Path(__file__).parent


def _evidence(config: pytest.Config) -> Evidence:
    return config.stash.setdefault(_EVIDENCE, Evidence())


def _is_ours(item: pytest.Item) -> bool:
    return _HERE in item.path.parents


@pytest.fixture
def probes(request: pytest.FixtureRequest) -> Probes:
    """Where a test notes what it tried."""
    return request.node.stash[_PROBES]


@pytest.fixture(scope="session")
def otter(stack: Machine) -> Iterator[Hotel]:
    """The attacker: a hotel of the suite's own, since attacks rename it, fill its log and use up its objects."""
    with found(stack, "Otter Lodge") as hotel:
        yield hotel


@pytest.fixture(scope="session")
def heron(stack: Machine) -> Iterator[Hotel]:
    """The victim, untouched by any other test."""
    with found(stack, "Heron Lodge") as hotel:
        yield hotel


@pytest.fixture(scope="session")
def evidence(pytestconfig: pytest.Config) -> Evidence:
    return _evidence(pytestconfig)


@pytest.fixture(scope="session", autouse=True)
def _against(stack: Machine, evidence: Evidence) -> None:
    """Nothing here is attacked but this very stack, and the report says which build of it."""
    target.confine()
    evidence.builds |= target.builds(stack.stack)


@pytest.fixture(scope="session")
def all_routes(otter: Hotel, evidence: Evidence) -> list[Route]:
    """Every route of the contract that the gateway serves."""
    found = routes(expect(otter.http.get("/v1/openapi.json"), 200).json())
    assert len(found) >= 40
    evidence.serves("route", [route.title for route in found])
    return found


@pytest.fixture(scope="session")
def own(otter: Hotel, all_routes: list[Route]) -> Book:
    """The attacker's objects."""
    return Book(otter, all_routes)


@pytest.fixture(scope="session")
def theirs(heron: Hotel, all_routes: list[Route]) -> Book:
    """The victim's objects."""
    return Book(heron, all_routes)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if not _is_ours(item):
        return
    item.stash[_PROBES] = Probes(must_attack="probes" in item.fixturenames)
    item.config.stash.setdefault(_BEGAN, time.time())
    promise = " ".join((item.module.__doc__ or "").split())
    _evidence(item.config).tests[item.nodeid] = Trial(item.path.stem, item.name, promise, item.stash[_PROBES])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    result = yield
    if _is_ours(item) and (verdict := item.stash[_PROBES].verdict()):
        pytest.fail(verdict, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    made = yield
    test = _evidence(item.config).tests.get(item.nodeid)
    if test is not None:
        test.seconds += call.duration
        if made.when == "call":
            test.outcome = "held" if made.passed else "leaked"
            test.said = item.stash[_PROBES].verdict() or str(call.excinfo.value if call.excinfo else "")
    return made


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    evidence = _evidence(session.config)
    if not _is_whole(session, evidence):
        return
    report.write(evidence, began=session.config.stash[_BEGAN])
    if evidence.missed() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    evidence = _evidence(config)
    if not evidence.tests:
        return
    terminalreporter.section("isolation")
    for line in evidence.leaks():
        terminalreporter.write_line(line)
    for line in evidence.missed():
        terminalreporter.write_line(f"never attacked: {line}")
    terminalreporter.write_line(evidence.summary())


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[_ASKED] = {item.nodeid for item in session.items if _is_ours(item)}


def _is_whole(session: pytest.Session, evidence: Evidence) -> bool:
    """Whether every file of the suite ran, to its end, and nothing was picked out: a part of it is no report."""
    files = {path.stem for path in _HERE.glob("test_*.py")}
    option = session.config.option
    ran = {test.file for test in evidence.tests.values()}
    return (
        ran == files
        and not (option.keyword or option.markexpr or option.deselect)
        and not any("::" in asked for asked in session.config.args)
        and (set(evidence.tests) == session.config.stash.get(_ASKED, set()))
    )
