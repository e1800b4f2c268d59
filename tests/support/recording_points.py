"""Where recording_storage is struck: each step of an upload, a play, a deletion, an expiry, a rewrap and a heal."""

from collections.abc import Callable
from typing import Any

from soak.failpoint import Point

_SERVICE = "recording_storage"
_Counts = Callable[[tuple[Any, ...], Any], bool]


def _every(_arguments: tuple[Any, ...], _result: Any) -> bool:
    return True


def _by(rule: str) -> _Counts:
    return lambda arguments, _: bool(arguments[1]) and arguments[2] == rule


def _did(rule: str) -> _Counts:
    return lambda arguments, result: bool(result) and arguments[2] == rule


def _done(_arguments: tuple[Any, ...], result: Any) -> bool:
    return bool(result)


def _at(module: str, name: str, side: str = "after", counts: _Counts = _every) -> Point:
    return Point(_SERVICE, f"{_SERVICE}.{module}", name, side, counts)


POINTS: dict[str, Point] = {
    "upload: its row is not committed": _at("store.upload", "begin_upload"),
    "upload: its row is there, nothing is stored": _at("writer", "Writer.write", "before"),
    "upload: a segment is in one zone": _at("holder", "Holder.write"),
    "upload: a segment is in both": _at("zone", "Zones.put"),
    "upload: all is stored, not settled": _at("zone", "Zones.settle", "before"),
    "upload: all is stored, nothing committed": _at("upload", "_keep", "before"),
    "upload: the recording is not committed": _at("store.recording", "insert_recording"),
    "upload: committed, not answered": _at("upload", "_keep"),
    "upload: broken off, not given up": _at("upload", "_give_up", "before"),
    "upload: given up, not swept": _at("upload", "_give_up"),
    "dead upload: in the log, not erased": _at("leftover", "_give_up", counts=_done),
    "dead upload: erased, its row is there": _at("store.upload", "forget_upload", "before"),
    "dead upload: forgotten": _at("store.upload", "forget_upload"),
    "play: its admission is not committed": _at("store.recording", "find_wrapped_key"),
    "play: admitted, not a byte is sent": _at("playing", "admit"),
    "play: its first segment is opened": _at("playing", "Playing.begin"),
    "play: in the middle": _at("reader", "Reader._open"),
    "play: its outcome is not committed": _at("playing", "Playing._complete", "before"),
    "play: its outcome is committed, its last piece not sent": _at("playing", "Playing._complete"),
    "delete: the key is destroyed, nothing committed": _at("store.removal", "destroy_keys"),
    "delete: committed, not answered": _at("removal", "remove"),
    "expiry: due, no key destroyed": _at("removal", "destroy", "before", _by("retention")),
    "expiry: keys destroyed, nothing committed": _at("removal", "destroy", counts=_by("retention")),
    "expiry: committed": _at("retention", "_sweep_batch", counts=_did("retention")),
    "call deleted: committed": _at("retention", "_sweep_batch", counts=_did("call deleted")),
    "call deleted: settled": _at("store.call", "settle_calls"),
    "erasing: before the first object goes": _at("zone", "Zones.erase", "before"),
    "erasing: one zone is empty": _at("zone", "Zones._erase_in"),
    "erasing: both are": _at("zone", "Zones.erase"),
    "erasing: the receipt is not committed": _at("store.removal", "end_removal"),
    "erasing: the receipt is committed": _at("removal", "_end"),
    "rewrap: wrapped anew, not stored": _at("store.key", "replace_wrapped", "before"),
    "rewrap: one is stored": _at("store.key", "replace_wrapped"),
    "rewrap: all of a client's are": _at("rewrapping", "_follow"),
    "heal: compared, nothing healed": _at("comparison", "compare", counts=_done),
    "heal: before a copy": _at("zone", "Zones.copy", "before"),
    "heal: after a copy": _at("zone", "Zones.copy"),
    "heal: whole, not marked so": _at("store.zone", "mark_safe", "before"),
    "heal: marked": _at("store.zone", "mark_safe"),
}
