"""The only file that constructs. Read it top to bottom and you know the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from pydantic import SecretStr

from guard import http, runtime
from guard.places import Bounds, Places
from guard.tls import Certificate
from guard.vault import Vault
from recording_storage import adoption, comparison, consumers, rewrapping, zone
from recording_storage.archive import PLAYS, UPLOADS, Archive, running
from recording_storage.call import Calls
from recording_storage.effort import Effort
from recording_storage.healer import Healer, Wounded
from recording_storage.heartbeat import Heartbeat
from recording_storage.inquiry import Inquiry
from recording_storage.key import Keys
from recording_storage.routes import STREAMED, router
from recording_storage.scrubbing import Pace, Scrub
from recording_storage.settings import Settings
from recording_storage.sweeping import Sweep
from recording_storage.zone import Place, ZoneSettings


def build(settings: Settings, certificate: Certificate) -> FastAPI:
    @asynccontextmanager
    async def run(api: FastAPI) -> AsyncIterator[None]:
        async with (
            runtime.start(settings, certificate) as parts,
            http.client(certificate, peer="tenant_data") as tenant_data,
        ):
            wounded = Wounded()
            zones = zone.open_zones(await _zones(settings, parts.vault), wounded.note)
            keys = Keys(parts.vault, settings.service, lifetime=settings.key_cache_seconds)
            copies_kept = settings.copies_kept()
            sweep = Sweep(settings.sweep_every_seconds, settings.upload_silent_seconds, copies_kept)
            healer = Healer(parts.door, zones, keys, wounded)
            heartbeat = Heartbeat()
            uploads, plays = _places("uploads", UPLOADS), _places("plays", PLAYS)
            calls = Calls(tenant_data, settings.tenant_data)
            jobs = parts.pools.job
            inquiry = Inquiry(jobs, calls, sweep.wake, settings.compare_every_seconds)
            parts.consume([consumers.CLIENTS], consumers.learn_clients(jobs), purpose="clients")
            parts.consume([consumers.CALLS], consumers.learn_calls(jobs, sweep.wake), purpose="calls")
            parts.consume([consumers.GUESTS], consumers.learn_guests(jobs, inquiry.wake), purpose="guests")
            parts.background(adoption.run(jobs, zones), "zones")
            parts.background(heartbeat.run(jobs), "heartbeat")
            parts.background(sweep.run(parts.door, zones), "sweep")
            parts.background(Scrub(parts.door, zones, keys, wounded, _pace(settings)).run(), "scrub")
            parts.background(healer.run(), "healer")
            every, clock = settings.compare_every_seconds, parts.door.clock
            parts.background(comparison.run(jobs, zones, healer, wounded, every, clock=clock), "comparison")
            parts.background(inquiry.run(), "inquiry")
            parts.background(rewrapping.run(jobs, parts.vault, settings.service), "recording-keys")
            api.state.archive = Archive(
                zones, keys, calls, uploads, plays, Effort(), heartbeat, parts.revocations, sweep.wake, copies_kept
            )
            parts.equip(api)
            yield

    return http.app("recording_storage", [router], lifespan=run, streamed=STREAMED)


def _places(what: str, bounds: Bounds) -> Places:
    return Places(what, bounds, retry_after=5, running=running.labels(what))


def _pace(settings: Settings) -> Pace:
    return Pace(settings.scrub_bytes_per_second, timedelta(days=settings.scrub_every_days))


async def _zones(settings: Settings, vault: Vault) -> ZoneSettings:
    places = (settings.zone_a, settings.zone_b)
    if all(at.startswith("/") for at in places):
        return ZoneSettings((Place(places[0]), Place(places[1])), settings.zone_seconds)
    secret = await vault.secret("zones")  # {a: {key_id, key_secret}, b: …}
    first, second = (_place(settings, at, secret.get(name, {})) for name, at in zip("ab", places, strict=True))
    return ZoneSettings((first, second), settings.zone_seconds)


def _place(settings: Settings, at: str, opens: dict[str, str]) -> Place:
    if at.startswith("/"):
        return Place(at)
    if not {"key_id", "key_secret"} <= set(opens):
        raise ValueError(f"kv/{settings.service}/zones says not what opens {at}: give its key_id and key_secret")
    key_id, key_secret = SecretStr(opens["key_id"]), SecretStr(opens["key_secret"])
    ca = None if settings.zone_ca is None else str(settings.zone_ca)
    return Place(at, settings.zone_region, key_id, key_secret, ca)
