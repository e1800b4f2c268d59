"""02.1, 05.3: nothing in the sources runs a text, trusts everybody, or ciphers with what is not on the list here."""

import ast
from collections.abc import Callable, Iterator

import pytest

from support import tree

# Readers that run what they read, or fetch what it names; random numbers that can be foretold; memory by address.
REFUSED_MODULES = {
    "pickle", "marshal", "shelve", "dill", "jsonpickle", "xml", "lxml", "ctypes", "cffi", "random", "jinja2", "mako",
    "smtplib", "ldap", "ldap3", "telnetlib", "ftplib", "urllib.request", "requests", "aiohttp",
}  # fmt: skip
# Every name that ciphers, signs, hashes or reads keys: AES-GCM, Cobblestone-256 (AES-GCM in chunks), HKDF, SHA-256,
# Argon2id, EdDSA, ECDSA, RFC 6238.
CRYPTOGRAPHY = {
    "cryptography.cobblestone.Cobblestone256Decryptor", "cryptography.cobblestone.Cobblestone256Encryptor",
    "cryptography.x509", "cryptography.x509.oid.ExtendedKeyUsageOID", "cryptography.x509.oid.NameOID",
    "cryptography.exceptions.InvalidTag", "cryptography.hazmat.primitives.ciphers.aead.AESGCM",
    "cryptography.hazmat.primitives.hashes", "cryptography.hazmat.primitives.hashes.SHA256",
    "cryptography.hazmat.primitives.kdf.hkdf.HKDF", "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.serialization", "cryptography.hazmat.primitives.serialization.Encoding",
    "argon2.PasswordHasher", "argon2.exceptions.InvalidHashError", "argon2.exceptions.VerificationError",
    "joserfc.jws", "joserfc.jwk.KeySet", "joserfc.jwk.OKPKey", "joserfc.errors.JoseError",
    "joserfc.errors.SecurityWarning", "pyotp", "pyotp.exceptions.OTPVerificationError",
}  # fmt: skip
# Who asks other systems, each at an address from its settings; everybody else goes through these.
ASKERS = {
    "libs/guard/guard/http.py", "libs/guard/guard/vault.py", "libs/guard/guard/telemetry.py",
    "deploy/local/stack/bao.py", "deploy/local/stack/keeper.py", "deploy/local/stack/prometheus.py",
    "tools/konci/konci/api.py",
}  # fmt: skip
# Who opens files, or reads the environment: the start of each process, the reader of OpenBao's audit file, and the two
# kinds of zones. No route, no store.
FILE_READERS = {"__main__.py", "app.py", "settings.py", "vault_file.py", "collector.py", "folder.py", "bucket.py"}


def name_of(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module


def says(node: ast.AST, value: object, *keywords: str) -> bool:
    """Whether a call passes one of these keywords with this value."""
    return isinstance(node, ast.Call) and any(
        word.arg in keywords and isinstance(word.value, ast.Constant) and word.value.value is value
        for word in node.keywords
    )


def is_evaluating(node: ast.AST, _: str) -> bool:
    return name_of(node) in {"eval", "exec", "compile", "__import__"}


def is_a_shell(node: ast.AST, _: str) -> bool:
    shells = {"os.system", "os.popen", "asyncio.create_subprocess_shell", "subprocess.getoutput"}
    return name_of(node) in shells or says(node, True, "shell")


def is_a_program_started_by_a_service(node: ast.AST, path: str) -> bool:
    starts = "subprocess" in imports(node) or name_of(node).startswith(
        ("asyncio.create_subprocess", "os.exec", "os.spawn")
    )
    return starts and not path.startswith("deploy/")


def is_a_refused_module(node: ast.AST, _: str) -> bool:
    return any(found == bad or found.startswith(f"{bad}.") for found in imports(node) for bad in REFUSED_MODULES)


def is_an_unsafe_yaml(node: ast.AST, _: str) -> bool:
    return name_of(node).startswith("yaml.") and name_of(node) not in {"yaml.safe_load", "yaml.safe_dump"}


def is_trusting(node: ast.AST, _: str) -> bool:
    trusted = ast.unparse(node) in {"ssl.CERT_NONE", "ssl.CERT_OPTIONAL"} if isinstance(node, ast.Attribute) else False
    return trusted or says(node, False, "verify", "check_hostname")


def is_following_redirects(node: ast.AST, _: str) -> bool:
    return says(node, True, "follow_redirects", "allow_redirects")


def is_another_hash(node: ast.AST, _: str) -> bool:
    named = isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"hashlib", "hashes"}
    return named and node.attr not in {"sha256", "SHA256"}


def is_another_primitive(node: ast.AST, _: str) -> bool:
    names = {*imports(node)}
    if isinstance(node, ast.ImportFrom):
        names = {f"{node.module}.{alias.name}" for alias in node.names}
    libraries = {"cryptography", "argon2", "joserfc", "pyotp", "nacl", "jwt", "Crypto", "Cryptodome", "OpenSSL"}
    return any(name.split(".")[0] in libraries and name not in CRYPTOGRAPHY for name in names)


def is_a_pattern_of_somebody_elses_words(node: ast.AST, _: str) -> bool:
    called = {"compile", "match", "fullmatch", "search", "sub", "split", "findall", "finditer"}
    if not (isinstance(node, ast.Call) and name_of(node) in {f"re.{name}" for name in called}):
        return False
    return not isinstance(node.args[0], ast.Constant)


def is_sql_from_pieces(node: ast.AST, path: str) -> bool:
    """A statement that is put together where it is run; migrations name an owner, which no caller chooses."""
    run = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "prepare", "cursor"}
    if not (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in run and node.args
    ):
        return False
    made = isinstance(node.args[0], ast.JoinedStr | ast.BinOp) or name_of(node.args[0]).endswith((".format", ".join"))
    return made and path.startswith(("services/", "libs/")) and path != "libs/guard/guard/migrate.py"


def is_another_asker(node: ast.AST, path: str) -> bool:
    return name_of(node) in {"httpx2.Client", "httpx2.AsyncClient"} and path not in ASKERS


def is_a_file_opened_for_a_caller(node: ast.AST, path: str) -> bool:
    if not path.startswith("services/") or path.rsplit("/", 1)[-1] in FILE_READERS:
        return False
    return name_of(node) == "open" or bool({"os", "pathlib", "shutil", "tempfile"} & {*imports(node)})


RULES: dict[Callable[[ast.AST, str], bool], str] = {
    is_evaluating: "eval(text)",
    is_a_shell: "subprocess.run(text, shell=True)",
    is_a_program_started_by_a_service: "import subprocess",
    is_a_refused_module: "from xml.etree import ElementTree",
    is_an_unsafe_yaml: "yaml.load(text)",
    is_trusting: "httpx2.Client(verify=False)",
    is_following_redirects: "httpx2.get(address, follow_redirects=True)",
    is_another_hash: "hashlib.md5(data)",
    is_another_primitive: "from cryptography.hazmat.primitives.ciphers import modes",
    is_a_pattern_of_somebody_elses_words: "re.match(pattern, text)",
    is_sql_from_pieces: "connection.fetch(f'SELECT {column}')",
    is_another_asker: "httpx2.AsyncClient()",
    is_a_file_opened_for_a_caller: "open(name)",
}


def found(rule: Callable[[ast.AST, str], bool], path: str, module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if rule(node, path):
            yield f"{path}:{getattr(node, 'lineno', 0)} {ast.unparse(node)[:80]}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_nothing_is_named(rule: Callable[[ast.AST, str], bool]) -> None:
    assert len(tree.modules()) > 100
    assert not [where for path in tree.modules() for where in found(rule, str(path), tree.parsed(path))]


@pytest.mark.parametrize(("rule", "planted"), RULES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_one_is_named(rule: Callable[[ast.AST, str], bool], planted: str) -> None:
    assert [*found(rule, "services/auth/auth/session.py", ast.parse(planted))]
