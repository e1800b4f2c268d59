"""Schemathesis over the merged contract, through the gateway, as two clients' administrators, an agent and nobody.

It never judges a platform whose contract it could not read, nor one that refused every request.
"""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judges import accepted
from judges.environment import HERE, tool, version
from judges.verdict import CannotJudge, Verdict
from support.hotel import Hotel, Person, expect, found, patiently
from support.machine import Machine
from support.newcomer import newcomer

_SEED = int(os.environ.get("KONCI_JUDGE_SEED", "4"))
_TURNS = 3  # of a round: one that ended its own session, by an id that it was shown, did not reach the rest
_AWAY = 0.005  # of all requests: a busy machine may let a few down
_PATIENCE = 900  # seconds for one round on a busy machine
# What ends the session that asks, or changes what it signs in with: each of these gets a person of its own.
_SELF_ENDING = (
    "DELETE /v1/sessions",
    "DELETE /v1/sessions/current",
    "DELETE /v1/users/me/totp",
    "POST /v1/users/me/totp",
    "POST /v1/users/me/totp/confirm",
    "PUT /v1/users/me/password",
)


@dataclass(frozen=True, slots=True)
class _Round:
    name: str
    arguments: Sequence[str]
    examples: int


def judge(stack: Machine) -> Verdict:
    """The verdict over every operation of the contract, with all checks."""
    program = tool("api", "schemathesis")
    with ExitStack() as hotels:
        otter, heron = (hotels.enter_context(found(stack, name)) for name in ("Otter House", "Heron Inn"))
        return _judge(stack, program, otter, heron)


def _judge(stack: Machine, program: Path, otter: Hotel, heron: Hotel) -> Verdict:
    folder = stack.run / "judges"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "answers").write_text("")
    _example(otter), _example(heron)
    ending = [part for operation in _SELF_ENDING for part in ("--exclude-name", operation)]
    only = [part for operation in _SELF_ENDING for part in ("--include-name", operation)]
    rounds = (
        _Round("own", only, 4),
        _Round("agent", ["--auth-wfc-user=agent", *ending], 2),
        _Round("clients", ending, 8),
    )
    reports = {}
    for one in rounds:
        for turn in range(_TURNS):
            # Access tokens live for ten minutes: new ones for each round.
            people = {"otter": otter.admin, "heron": heron.admin, "agent": newcomer(otter)}
            _renew(otter.admin), _renew(heron.admin)
            _configure(folder, people, [newcomer(otter, "viewer") for _ in _SELF_ENDING] if one.name == "own" else None)
            reports[f"{one.name} {turn}"] = _run(stack, program, folder, one)
            # An agent may well be deleted by its administrator; whoever asks in this round may not.
            asking = {"agent": ["agent"], "clients": ["otter", "heron"]}.get(one.name, [])
            if all(_is_signed_in(people[name]) for name in asking):
                break
        else:
            raise CannotJudge(f"a session ended in each of {_TURNS} rounds {one.name}: what came after was not reached")
    return _verdict(version(program, "--version"), reports, _answers(folder))


def _renew(person: Person) -> None:
    body = {"refresh_token": person.session["refresh_token"]}
    answer = patiently(lambda: person.http.post("/v1/sessions/refresh", json=body))
    if answer.status_code == 200:
        person.session |= answer.json()
    else:
        expect(person.sign_in(), 201)


def _is_signed_in(person: Person) -> bool:
    return patiently(lambda: person.get("/v1/users/me")).status_code == 200


def _configure(folder: Path, people: Mapping[str, Person], guinea_pigs: Sequence[Person] | None) -> None:
    (folder / "people.json").write_text(_wfc(people))
    written = (HERE / "api.toml").read_text()
    if guinea_pigs is not None:
        written = written.partition("[auth.wfc]")[0] + _own(guinea_pigs)
    (folder / "api.toml").write_text(written)


def _example(hotel: Hotel) -> None:
    guest = hotel.guest(email="guest@example.com", phone="+44 20 7946 0000")
    call = hotel.call(guest_id=guest["id"])
    turns = [{"speaker": "guest", "text": "Is there a boat?"}]
    hotel.agent.put(f"/v1/calls/{call['id']}/transcript", json={"turns": turns})


def _wfc(people: Mapping[str, Person]) -> str:
    entries = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {person.token}"}]}
        for name, person in people.items()
    ]
    return json.dumps({"auth": entries})


def _own(people: Sequence[Person]) -> str:
    return "\n".join(
        f'[[operations]]\ninclude-name = "{operation}"\nheaders = {{ Authorization = "Bearer {person.token}" }}\n'
        for operation, person in zip(_SELF_ENDING, people, strict=True)
    )


def _run(stack: Machine, program: Path, folder: Path, one: _Round) -> dict[str, Any]:
    report = folder / f"{one.name}.json"
    report.unlink(missing_ok=True)
    print(f"api: round {one.name}", flush=True)
    command = [
        str(program), "--config-file=api.toml", "run", f"{stack.url_of('gateway')}/v1/openapi.json",
        f"--tls-verify={stack.stack.ca}",
        f"--seed={_SEED}", f"--max-examples={one.examples}", "--continue-on-failure", "--no-color",
        "--report=json", f"--report-json-path={report}", *one.arguments,
    ]  # fmt: skip
    told = {**os.environ, "KONCI_JUDGE_PEOPLE": str(folder / "people.json"), "PYTHONPATH": str(HERE)}
    told |= {"SCHEMATHESIS_HOOKS": "api_check", "KONCI_JUDGE_ANSWERS": str(folder / "answers")}
    try:
        with (folder / f"{one.name}.log").open("w") as log:
            subprocess.run(command, cwd=folder, env=told, stdout=log, stderr=log, timeout=_PATIENCE, check=False)
        found: dict[str, Any] = json.loads(report.read_text())
    except (OSError, ValueError, subprocess.TimeoutExpired) as failed:
        raise CannotJudge(
            f"no report of round {one.name} ({type(failed).__name__}): read {folder}/{one.name}.log"
        ) from failed
    return found


def _answers(folder: Path) -> Counter[tuple[str, str]]:
    """How often each operation answered each status."""
    lines = (folder / "answers").read_text(encoding="utf-8").splitlines()
    return Counter((label, status) for status, label in (line.split(" ", 1) for line in lines))


def _verdict(said: str, reports: Mapping[str, dict[str, Any]], answers: Counter[tuple[str, str]]) -> Verdict:
    requests, away = answers.total(), sum(times for (_, status), times in answers.items() if status == "503")
    if away > requests * _AWAY:
        raise CannotJudge(f"{away} of {requests} requests met a part that was away: try again on a quieter machine")
    labels = {label for label, _ in answers}
    reached = {label for label, status in answers if status.startswith("2")}
    never, known = accepted.weigh("api", [("never succeeds", label) for label in labels - reached], by_chance=True)
    problems = list(never)
    for name, report in reports.items():
        counts = report["operations"]
        if not report["complete"] or report["errors"] or counts["tested"] != counts["selected"]:
            problems.append(f"round {name} is not complete: {report['stop_reason']}, {report['errors']}")
        problems += [f"{name}: {one['title']}: {label}" for one in report["failures"] for label in one["operations"]]
    line = (
        f"{requests} requests to {len(labels)} operations as two clients, an agent and six who end their sessions, seed"
        f" {_SEED}; {len(reached)} operations also succeeded, {known} are known not to; {away} answers were 503"
    )
    return Verdict("api", said, line, problems)
