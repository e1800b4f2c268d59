"""02.1, 02.4, 07.1: what a guest said, was recorded saying, and every password, code and token, is nowhere in clear: no
log, span, metric, Kafka segment, database file, zone or temporary file holds it. What must be found is the control.
"""

import asyncio
import base64
import itertools
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.database import superuser
from support.hotel import Hotel, activate, expect, invite
from support.machine import Machine
from support.recordings import objects, places, play, send, wav
from support.workload import workload

_BEGAN = time.time()
_AT_ONCE = 100  # files in one search
_PLAIN = {"LC_ALL": "C"}  # bytes are bytes, and messages are English
_OURS_IN_CLEAR = ("bootstrap", "identity", "operators")  # 0600 key files: secrets by nature, and none of a guest's


def _files(stack: Machine) -> Iterator[Path]:
    places = [stack.run, stack.stack.folder("postgres").resolve()]
    for place in {path.resolve() for path in places}:
        for folder, names, files in os.walk(place):
            if Path(folder) == stack.run.resolve():
                names[:] = [name for name in names if name not in _OURS_IN_CLEAR]
            yield from (path for path in (Path(folder, file) for file in files) if not _is_older_audio(path))


def _is_older_audio(path: Path) -> bool:
    """A segment is written once: from before this file began, it is other tests' audio, and there is much of that."""
    try:
        return re.fullmatch("[0-9]{6}", path.name) is not None and path.stat().st_mtime < _BEGAN
    except FileNotFoundError:
        return True


def _spellings(text: str) -> list[bytes]:
    raw = text.encode()
    shifted = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [raw, raw.hex().encode(), *(spelling for spelling in shifted if len(spelling) > 8)]


def holding(stack: Machine, texts: list[str]) -> dict[str, list[str]]:
    """Which files hold which of `texts`, in clear, in hex or in base64."""
    wanted = b"\n".join(spelling for text in texts for spelling in _spellings(text))
    paths = (str(path) for path in _files(stack) if path.is_file())
    found: dict[str, list[str]] = {}
    while here := list(itertools.islice(paths, _AT_ONCE)):
        search = ["grep", "--text", "--only-matching", "--with-filename", "--null", "--fixed-strings", "--file=-", "--"]
        ended = subprocess.run(  # its status is looked at below
            [*search, *here], input=wanted, capture_output=True, env=os.environ | _PLAIN, check=False
        )
        # Gone since the folder was read: logs rotate and segments roll. Of anything else it must not say "not found".
        told = [line for line in ended.stderr.decode().splitlines() if not line.endswith("No such file or directory")]
        assert told == []
        assert ended.returncode in ({0, 1, 2} if ended.stderr else {0, 1})
        for line in ended.stdout.splitlines():
            path, _, match = line.partition(b"\0")
            found.setdefault(path.decode(), []).append(match.decode("ascii", "replace")[:40])
    return found


def _recorded(otter: Hotel, call_id: str, sound: str, title: str) -> str:
    """The id of a recording with `sound` in its samples, over and over; sent and played with `title` where it fits."""
    audio = wav(44) + sound.encode() * 2 * (2**20 // len(sound))
    audio = (
        b"RIFF"
        + (len(audio) - 8).to_bytes(4, "little")
        + audio[8:40]
        + (len(audio) - 44).to_bytes(4, "little")
        + audio[44:]
    )
    named = {"Content_Disposition": f'attachment; filename="{title}"', "X_Guest_Name": title, "Cookie": f"who={title}"}
    media = f"audio/wav; name={title}"
    stored = expect(send(otter.agent, call_id, audio, media=media, Idempotency_Key=secrets.token_hex(8), **named), 201)
    recording_id: str = stored.json()["id"]
    assert expect(play(otter.agent, recording_id, Range="bytes=44-", **named), 206).content == audio[44:]
    for wrong in (
        send(otter.agent, call_id, audio[:-9], media=media, **named),
        send(otter.agent, call_id, audio, media="audio/flac", **named),
        send(otter.agent, call_id, sound.encode() * 99, media=media, **named),
        send(otter.agent, call_id, audio, media=f"audio/{title}", **named),
        send(otter.agent, call_id, audio, media=media, Content_Digest=f"sha-256=:{title}:", **named),
        send(otter.agent, call_id, audio, media=media, Content_Digest=f"sha-256=:{'A' * 43}=:", **named),
        play(otter.agent, recording_id, Range=f"bytes={title}", **named),
        play(otter.agent, recording_id, Range="bytes=9999999999-", If_Range=stored.headers.get("etag", title), **named),
    ):
        expect(wrong, 200, 415, 416, 422)
    return recording_id


@pytest.fixture(scope="module")
def planted(stack: Machine, otter: Hotel) -> dict[str, list[str]]:
    mark = "mk" + secrets.token_hex(8)
    names = ("name", "notes", "ref", "mail", "outcome", "said", "user", "sound", "title")
    content = {name: f"{mark}{name}" for name in names}
    phone = "+358" + "".join(secrets.choice("123456789") for _ in range(11))
    agent = {"User-Agent": f"seen-{mark}"}
    guest = expect(
        otter.agent.post(
            "/v1/guests",
            json={
                "name": content["name"],
                "notes": content["notes"],
                "external_ref": content["ref"],
                "email": f"{content['mail']}@example.com",
                "phone": phone,
            },
            headers={**agent, "Idempotency-Key": secrets.token_hex(8)},
        ),
        201,
    ).json()
    call = expect(
        otter.agent.post(
            "/v1/calls",
            json={
                "guest_id": guest["id"],
                "direction": "inbound",
                "started_at": "2026-11-01T10:00:00Z",
                "from_number": phone,
                "outcome": content["outcome"],
            },
        ),
        201,
    ).json()
    turns = {"turns": [{"speaker": "guest", "text": content["said"]}]}
    expect(otter.agent.put(f"/v1/calls/{call['id']}/transcript", json=turns), 200, 201)
    expect(otter.agent.post("/v1/guests/search", json={"email": f"{content['mail']}@example.com"}, headers=agent), 200)
    for path in (f"/v1/guests/{guest['id']}", "/v1/guests?limit=5", f"/v1/calls/{call['id']}/transcript"):
        expect(otter.agent.get(path, headers=agent), 200)
    recorded = _recorded(otter, call["id"], content["sound"], content["title"])
    # What goes wrong is where texts slip into logs: a wrong type, a wrong field, a wrong password, a lost body.
    for body in ({"name": {content["name"]: 1}}, {"name": content["name"], content["notes"]: 1}, {"name": 5}):
        expect(otter.agent.post("/v1/guests", json=body), 422)
    expect(otter.agent.post("/v1/guests", content=f'{{"name": "{content["name"]}'.encode(),
                            headers={"Content-Type": "application/json"}), 400)  # fmt: skip

    password = f"a quiet lantern {mark} 47"
    email, token = invite(otter.admin, "viewer", email=f"{content['user']}@example.com")
    person = activate(otter.http, email, "viewer", token, password=password)
    wrong = f"not the lantern {mark}"
    expect(otter.http.post("/v1/sessions", json={"email": email, "password": wrong}), 401)
    old = person.session["refresh_token"]
    person.session |= expect(otter.http.post("/v1/sessions/refresh", json={"refresh_token": old}), 200).json()
    assert person.totp is not None
    secret = [
        *content.values(), phone, password, wrong, token, old, person.totp.secret, *person.recovery_codes,
        person.session["refresh_token"], person.token, person.token.rsplit(".", 1)[-1],
    ]  # fmt: skip
    otter.event(expect(otter.agent.get(f"/v1/guests/{guest['id']}", headers=agent), 200).headers["access-event"])
    return {"secret": secret, "seen": [f"seen-{mark}"], "mark": [mark], "recorded": [recorded]}


async def test_no_file_holds_it(stack: Machine, planted: dict[str, list[str]]) -> None:
    for database in ("auth", "tenant_data", "audit", "recording_storage"):
        async with superuser(stack, database) as connection:
            await connection.execute("CHECKPOINT")
    await asyncio.sleep(2)  # spans leave their process in batches of a second
    assert holding(stack, planted["secret"]) == {}


async def test_the_search_finds_what_is_there(stack: Machine, planted: dict[str, list[str]]) -> None:
    found = holding(stack, planted["seen"])
    assert any("/kafka/" in path for path in found), sorted(found)
    assert any("/base/" in path or "/pg_wal/" in path for path in found), sorted(found)


def test_the_search_reads_both_zones(stack: Machine, planted: dict[str, list[str]]) -> None:
    stored = objects(stack, planted["recorded"][0])
    assert {path.parts[-4] for path in stored} == {"a", "b"}
    assert {path.resolve() for path in stored} <= {path.resolve() for path in _files(stack)}
    found = holding(stack, ["konci recordings, zone"])
    assert {str(place / ".zone") for place in places(stack)} <= set(found)


async def test_no_metric_holds_it(stack: Machine, planted: dict[str, list[str]]) -> None:
    texts = []
    for service in ("auth", "tenant_data", "audit", "recording_storage"):
        async with workload(stack, "prometheus", service) as http:
            texts.append((await http.get("/metrics")).text)
    async with httpx2.AsyncClient(trust_env=False) as http:
        texts.append((await http.get(f"http://127.0.0.1:{stack.port_of('envoy_admin')}/stats/prometheus")).text)
    assert all("_total" in text or "_count" in text for text in texts)
    for secret in [*planted["secret"], *planted["mark"]]:
        assert not any(secret in text for text in texts)


def test_no_process_was_told_a_secret(stack: Machine) -> None:
    """02.4: no secret on a command line or in an environment variable."""
    programs = [line.split()[0] for line in stack.supervisor("status").splitlines() if "RUNNING" in line]
    assert len(programs) >= 9
    for program in programs:
        process = Path(f"/proc/{stack.pid(program)}")
        told = process.joinpath("environ").read_bytes() + process.joinpath("cmdline").read_bytes()
        assert not re.search(rb"(?i)(password|secret|token|passwd|private)[^=\0]*=[^\0]+", told), program
        assert b"PRIVATE KEY" not in told
