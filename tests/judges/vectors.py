"""Wycheproof's verdicts over the very calls that the product makes: AES-GCM, HKDF, HMAC, Ed25519 and Cobblestone-256.

A file that is missing or has other counts than were published is no reason to pass: nothing was judged then.
"""

import hashlib
import hmac
import json
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cryptography
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA512
from joserfc import __version__ as joserfc_version
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from guard import keys
from judges.verdict import CannotJudge, Verdict
from recording_storage import segment
from support.tree import REPO

_FOLDER = REPO.parent / "shared" / "vectors" / "wycheproof"
_Case = dict[str, Any]
_BLOB_NONCE = 96  # bits: what `guard.keys` writes, and the only length that a sealed blob can carry
_NONCES = range(64, 1025)  # bits: what `cryptography` takes; SP 800-38D has shorter ones, which nobody here may use


def _bytes(case: _Case, *names: str) -> Iterator[bytes]:
    return (bytes.fromhex(case[name]) for name in names)


def _aes_gcm(group: _Case, case: _Case) -> bool:
    key, nonce, about, plain, sealed, tag = _bytes(case, "key", "iv", "aad", "msg", "ct", "tag")
    if group["ivSize"] == _BLOB_NONCE:
        try:
            return keys._decrypt(keys.AESGCM(key), keys._VERSION + nonce + sealed + tag, about) == plain
        except keys.NotOurs:
            return False
    try:
        return keys.AESGCM(key).decrypt(nonce, sealed + tag, about) == plain
    except (InvalidTag, ValueError):
        return False


def _hkdf(algorithm: type) -> Callable[[_Case, _Case], bool]:
    def derive(_group: _Case, case: _Case) -> bool:
        secret, salt, info, expected = _bytes(case, "ikm", "salt", "info", "okm")
        try:
            return keys.HKDF(algorithm(), case["size"], salt=salt, info=info).derive(secret) == expected
        except ValueError:
            return False

    return derive


def _hmac_sha256(group: _Case, case: _Case) -> bool:
    key, message, tag = _bytes(case, "key", "msg", "tag")
    return hmac.compare_digest(hmac.digest(key, message, "sha256")[: group["tagSize"] // 8], tag)


def _ed25519(group: _Case, case: _Case) -> bool:
    message, signature = _bytes(case, "msg", "sig")
    known = OKPKey.import_key({name: value for name, value in group["publicKeyJwk"].items() if name != "kid"})
    try:
        return bool(JWSRegistry.algorithms["EdDSA"].verify(message, signature, known))
    except (JoseError, ValueError):
        return False


def _cobblestone(_group: _Case, case: _Case) -> bool:
    key, context = _bytes(case, "key", "ctx")
    try:
        plain = segment._decrypt(key, context, zlib.decompress(bytes.fromhex(case["ct"])))
    except (segment.Damaged, ValueError):
        return False
    return len(plain) == case["msgLength"] and hashlib.sha512(plain).hexdigest() == case["msgSha512"]


# The file, how many vectors it was published with, and the call that is judged.
_JUDGED: tuple[tuple[str, int, Callable[[_Case, _Case], bool]], ...] = (
    ("aes_gcm_test.json", 316, _aes_gcm),
    ("hkdf_sha256_test.json", 86, _hkdf(keys.SHA256)),
    ("hkdf_sha512_test.json", 83, _hkdf(SHA512)),
    ("hmac_sha256_test.json", 174, _hmac_sha256),
    ("ed25519_test.json", 151, _ed25519),
    ("c2sp_chunked_encryption_aes_256_gcm_test.json", 35, _cobblestone),
)


def judge() -> Verdict:
    """The verdict over every vector; a file that nobody judges is found."""
    wrong: list[str] = []
    told: list[str] = []
    for name, published, accepts in _JUDGED:
        groups = _groups(_FOLDER / name)
        cases = [(group, case) for group in groups for case in group["tests"]]
        if len(cases) != published:
            raise CannotJudge(f"{name} has {len(cases)} vectors and not the {published} that were published")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joserfc: EdDSA has a newer name (docs/adr/0009)
            wrong += [
                f"{name} {case['tcId']}: {case['comment']}" for group, case in cases if _is_wrong(accepts, group, case)
            ]
        invalid = sum(case["result"] == "invalid" for _, case in cases)
        told.append(f"{name.partition('_test')[0]} {published} ({invalid} invalid{_outside(cases)})")
    unjudged = {path.name for path in _FOLDER.glob("*.json")} - {name for name, _, _ in _JUDGED}
    wrong += [f"{name} is judged by nobody" for name in sorted(unjudged)]
    versions = f"Wycheproof dac1dd4, cryptography {cryptography.__version__}, joserfc {joserfc_version}"
    return Verdict("vectors", versions, ", ".join(told), wrong)


def _groups(path: Path) -> list[_Case]:
    try:
        groups: list[_Case] = json.loads(path.read_bytes())["testGroups"]
    except (OSError, ValueError, KeyError) as failed:
        raise CannotJudge(
            f"{path.name} cannot be read ({type(failed).__name__}): vectors belong into {_FOLDER}"
        ) from failed
    return groups


def _outside(cases: list[tuple[_Case, _Case]]) -> str:
    count = sum(case["result"] == "valid" and _has_other_length(group) for group, case in cases)
    return f", {count} valid ones of nonce lengths that the library refuses" if count else ""


def _has_other_length(group: _Case) -> bool:
    return "ivSize" in group and group["ivSize"] not in _NONCES


def _is_wrong(accepts: Callable[[_Case, _Case], bool], group: _Case, case: _Case) -> bool:
    expected = case["result"] == "valid" and not _has_other_length(group)
    return accepts(group, case) != expected
