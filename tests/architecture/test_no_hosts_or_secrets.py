"""No secret in the repository (02.4), and nothing that ties it to one machine or one package index."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support import tree

# Put together from pieces, so that this file is not its own finding.
SECRETS = {
    "a private key": re.compile("-----BEGIN " + r"([A-Z]+ )?PRIVATE KEY-----"),
    "a Vault token": re.compile(r"\b(hv|s)" + r"[sbr]?\.[A-Za-z0-9_-]{24,}"),
    "a signed token": re.compile("ey" + r"J[A-Za-z0-9_-]{20,}\.ey" + r"J[A-Za-z0-9_-]{20,}\."),
    "a cloud key": re.compile(r"\bAKI" + r"A[0-9A-Z]{16}\b"),
    "a password in an address": re.compile(r"[a-z]+://[^/\s:@{}]+:[^/\s:@{}]{3,}@"),
}
INDEX = re.compile(r"--(extra-)?index-url|--find-links|\bindex-url\s*=|\[\[tool\.uv\.index\]\]", re.IGNORECASE)
BINARY = {".png", ".wav", ".ico"}


def texts():
    # Bytes that are no text are kept as marks: a secret in a file of another encoding is still a secret.
    for path in tree.files():
        if path.suffix not in BINARY:
            yield str(path), (tree.REPO / path).read_text(encoding="utf-8", errors="replace")


def indexes():
    """The hosts of the package indexes that this machine uses."""
    configured = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True
    ).stdout
    variables = "\n".join(os.environ.get(name, "") for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_INDEX_URL"))
    return {host.split("@")[-1] for host in re.findall(r"https?://([^/\s'\"]+)", configured + variables)}


def test_no_secret():
    assert not [(path, name) for path, text in texts() for name, pattern in SECRETS.items() if pattern.search(text)]


def test_no_path_or_index_of_this_machine():
    told = [f"{tree.REPO}/", f"{Path.home()}/", *indexes()]
    assert not [(path, word) for path, text in texts() for word in told if word in text]


def test_the_lock_names_hashes_and_no_index():
    lock = tree.text(next(path for path in tree.files() if path.name == "requirements.lock"))
    assert "://" not in lock
    assert not INDEX.search(lock)
    pinned = re.findall(r"^[a-z0-9][^\s=]*==", lock, re.MULTILINE)
    assert pinned
    assert lock.count(" \\\n    --hash=sha256:") >= len(pinned)


def test_no_other_lock_file():
    # Both write download addresses.
    assert not {"uv.lock", "pylock.toml", "poetry.lock"} & {path.name for path in tree.files()}


def test_the_patterns_can_tell():
    examples = {
        "a private key": "-----BEGIN " + "PRIVATE KEY-----",
        "a Vault token": "hv" + "s." + "A" * 24,
        "a signed token": "ey" + "J" + "a" * 20 + ".ey" + "J" + "b" * 20 + ".c",
        "a cloud key": "AKI" + "A" + "B" * 16,
        "a password in an address": "postgres" + "://someone" + ":hunter2" + "@host",
    }
    assert all(SECRETS[name].search(example) for name, example in examples.items())
