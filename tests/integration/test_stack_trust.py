"""02.1, 02.2, 02.4, 04.3: one root, one holder of secrets, and nobody who can do more than its work."""

import ssl
import stat
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx2
import pytest
from cryptography import x509

from stack import bao, identity, openbao, postgres
from stack.bao import Bao, Refused
from stack.settings import SERVICES, Stack
from support.machine import Machine

OTHERS = [(service, other) for service in SERVICES for other in SERVICES if service != other]


@pytest.fixture
def here(stack: Machine) -> Stack:
    return stack.stack


@pytest.fixture
async def bootstrap(here: Stack) -> AsyncIterator[Bao]:
    async with bao.session(here) as session:
        yield session


def bare(here: Stack) -> ssl.SSLContext:
    """A client that trusts our root and has no certificate to show."""
    return ssl.create_default_context(cafile=str(here.ca))


async def connected(here: Stack, database: str, user: dict[str, str], context: ssl.SSLContext):
    return await asyncpg.connect(
        host="127.0.0.1",
        port=here.port_of("postgres"),
        database=database,
        user=user["username"],
        password=user["password"],
        ssl=context,
        timeout=5,
    )


async def leased(session: Bao, role: str) -> dict[str, str]:
    user = await session.read(f"database/creds/{role}")
    assert user is not None
    return user


class TestTransport:
    async def test_openbao_refuses_tls_1_2(self, here):
        context = bao.tls(here)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        async with httpx2.AsyncClient(verify=context, trust_env=False) as http:
            with pytest.raises(httpx2.TransportError, match=r"(?i)version"):
                await http.get(here.url_of("openbao") + "/v1/sys/health")

    async def test_openbao_refuses_a_client_without_certificate(self, here):
        async with httpx2.AsyncClient(verify=bare(here), trust_env=False) as http:
            with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
                await http.get(here.url_of("openbao") + "/v1/sys/health")

    async def test_postgres_refuses_tls_1_2(self, here):
        context = bao.tls(here)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, OSError)):
            await connected(here, "postgres", {"username": "postgres", "password": ""}, context)

    async def test_postgres_refuses_plain_text(self, here):
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(
                host="127.0.0.1", port=here.port_of("postgres"), user="postgres", database="postgres", ssl=False
            )

    async def test_postgres_refuses_a_right_password_without_certificate(self, here):
        async with bao.session(here, "auth") as session:
            user = await leased(session, "auth-request")
            with pytest.raises((asyncpg.PostgresError, OSError)):
                await connected(here, "auth", user, bare(here))
            connection = await connected(here, "auth", user, bao.tls(here, "auth"))  # the control
            await connection.close()

    async def test_a_workload_is_not_the_superuser(self, here):
        for name in (*SERVICES, "keeper", "migrator", "postgres", "openbao"):
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                await connected(here, "auth", {"username": "postgres", "password": ""}, bao.tls(here, name))

    async def test_the_superuser_comes_in_with_the_bootstrap_certificate(self, here):
        connection = await postgres.superuser(here)
        assert await connection.fetchval("SHOW data_checksums") == "on"
        assert await connection.fetchval("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "TLSv1.3"
        await connection.close()


class TestPolicies:
    @pytest.mark.parametrize("role", ["bootstrap", "keeper", "migrator", "tenant_data"])
    async def test_a_certificate_opens_only_its_own_role(self, here, role):
        async with bao.client(here, "audit", base_url=here.url_of("openbao")) as http:
            answer = await http.post("/v1/auth/cert/login", json={"name": role})
            assert answer.status_code == 400
            assert (await http.post("/v1/auth/cert/login", json={"name": "audit"})).status_code == 200  # the control

    @pytest.mark.parametrize(("service", "other"), OTHERS)
    async def test_a_service_cannot_unwrap_anothers_key(self, here, service, other):
        client = str(uuid.uuid4())
        async with bao.session(here, other) as session:
            await session.write(f"transit/{other}/keys/{client}")
            wrapped = (await session.write(f"transit/{other}/datakey/plaintext/{client}"))["ciphertext"]
            assert await session.write(f"transit/{other}/decrypt/{client}", ciphertext=wrapped)  # the control
        async with bao.session(here, service) as session:
            with pytest.raises(Refused) as refused:
                await session.write(f"transit/{other}/decrypt/{client}", ciphertext=wrapped)
            assert refused.value.status == 403

    @pytest.mark.parametrize(("service", "other"), OTHERS)
    async def test_a_service_reaches_nothing_else_of_another(self, here, service, other):
        async with bao.session(here, service) as session:
            users = (f"database/creds/{other}-request", f"database/creds/{service}-migrate")
            for path in (f"kv/data/{other}/seal", *users):
                with pytest.raises(Refused) as refused:
                    await session.read(path)
                assert refused.value.status == 403
            with pytest.raises(Refused) as refused:
                await session.write(f"pki/issue/{other}", common_name=other)
            assert refused.value.status == 403

    @pytest.mark.parametrize("service", SERVICES)
    async def test_a_service_cannot_take_its_keys_away(self, here, service):
        client = str(uuid.uuid4())
        async with bao.session(here, service) as session:
            await session.write(f"transit/{service}/keys/{client}")
            attempts = {
                f"transit/{service}/keys/{client}/config": {"deletion_allowed": True},
                f"transit/{service}/keys/{uuid.uuid4()}": {"exportable": True},
                f"transit/{service}/keys/{client}/trim": {"min_available_version": 1},
            }
            for path, values in attempts.items():
                with pytest.raises(Refused) as refused:
                    await session.write(path, **values)
                assert refused.value.status == 403, path
            with pytest.raises(Refused):
                await session.read(f"transit/{service}/export/encryption-key/{client}")

    async def test_auth_signs_with_a_key_it_cannot_change(self, here):
        async with bao.session(here, "auth") as session:
            assert await session.write("transit/auth/sign/token-signing", input="AAAA")
            with pytest.raises(Refused) as refused:
                await session.write("transit/auth/keys/token-signing", type="ed25519")
            assert refused.value.status == 403

    async def test_the_bootstrap_cannot_unwrap_or_make_database_users(self, here, bootstrap):
        for service in SERVICES:
            with pytest.raises(Refused) as refused:
                await bootstrap.write(f"transit/{service}/decrypt/any", ciphertext="vault:v1:AAAA")
            assert refused.value.status == 403
            with pytest.raises(Refused) as refused:
                await bootstrap.read(f"database/creds/{service}-job")
            assert refused.value.status == 403

    async def test_no_root_token_lives(self, bootstrap):
        accessors = await bootstrap.list("auth/token/accessors")
        checked = 0
        for accessor in accessors:
            try:
                token = await bootstrap.write("auth/token/lookup-accessor", accessor=accessor)
            except Refused:
                continue  # ended between the two calls
            assert "root" not in token["policies"]
            assert token["path"].startswith("auth/cert/")
            checked += 1
        assert checked


class TestCertificates:
    @pytest.mark.parametrize("name", ["auth", "postgres", "gateway", "keeper", "migrator"])
    def test_a_workloads_identity_is_one_private_file_of_a_day_at_most(self, here, name):
        file = here.identity(name) / "identity.pem"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        leaf, issuer = x509.load_pem_x509_certificates(file.read_bytes())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://konci/{name}"]
        assert names.get_values_for_type(x509.DNSName) == ["localhost"]
        assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(seconds=here.cert_ttl + 5)
        root = x509.load_pem_x509_certificate(here.ca.read_bytes())
        leaf.verify_directly_issued_by(issuer)
        issuer.verify_directly_issued_by(root)
        assert issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0

    async def test_nobody_gets_a_certificate_in_another_name(self, here):
        async with bao.session(here, "auth") as session:
            for lie in ({"common_name": "audit"}, {"common_name": "auth", "uri_sans": "spiffe://konci/bootstrap"}):
                with pytest.raises(Refused) as refused:
                    await session.write("pki/issue/auth", **lie)
                assert refused.value.status in (400, 403)

    @pytest.mark.parametrize("service", ["auth", "tenant_data", "audit", "recording_storage", "keeper"])
    async def test_nobody_gets_a_certificate_with_another_common_name(self, here, service):
        """PostgreSQL's superuser and Kafka's principals go by it: one such certificate would be the platform's end."""
        others = ("bootstrap", "kafka", "postgres", "keeper", "gateway", "operator:eve")
        names = (*others, "auth", "tenant_data", "audit", "recording_storage")
        own = {"common_name": service, "uri_sans": f"spiffe://konci/{service}"}
        async with bao.session(here, service) as session:
            for name in set(names) - {service}:
                lie = {**own, "common_name": name, "exclude_cn_from_sans": True}
                with pytest.raises(Refused) as refused:
                    await session.write(f"pki/issue/{service}", **lie)
                assert refused.value.status == 403
            issued = await session.write(f"pki/issue/{service}", **own)
        leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
        assert leaf.subject.rfc4514_string() == f"CN={service}"

    async def test_operators_are_operators_only(self, bootstrap):
        for lie in (
            {"common_name": "auth"},
            {"common_name": "operator:eve", "uri_sans": "spiffe://konci/auth"},
            {"common_name": "operator:eve", "ip_sans": "127.0.0.1"},
        ):
            with pytest.raises(Refused):
                await bootstrap.write("pki/issue/operator", **lie)
        issued = await bootstrap.write(
            "pki/issue/operator", common_name="operator:eve", uri_sans="spiffe://konci/operator/eve", ttl="48h"
        )
        leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
        assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(hours=12, seconds=5)
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]

    async def test_an_identity_is_renewed_by_its_keeper(self, here):
        before = (here.identity("prometheus") / "identity.pem").read_bytes()
        await identity.issue(here, "prometheus", by="keeper")
        assert (here.identity("prometheus") / "identity.pem").read_bytes() != before


class TestSecretsOnDisk:
    def test_nothing_in_the_run_folder_is_open_to_others(self, here):
        public = {here.ca, here.run / "postgres.txt", here.run / ".lock"}
        for file in here.run.rglob("*"):
            if file.is_file() and not file.is_symlink() and file.name != "ca.pem" and file not in public:
                reachable = all(stat.S_IMODE(folder.stat().st_mode) & 0o011 for folder in _between(here.run, file))
                assert not (reachable and stat.S_IMODE(file.stat().st_mode) & 0o077), file

    def test_no_secret_is_in_a_command_line_or_an_environment_variable(self, here, stack):
        running = [pid for file in (here.run / "pid").iterdir() if (pid := stack.pid(file.name)) > 0]
        assert running
        for pid in running:
            for part in ("cmdline", "environ"):
                text = Path(f"/proc/{pid}/{part}").read_bytes()
                for sign in (b"PRIVATE KEY", b"PASSWORD", b"SECRET", b"TOKEN", b"password=", b"hvs.", b"=s."):
                    assert sign not in text, (pid, part, sign)

    async def test_the_audit_log_has_the_request_id_and_no_secret(self, here):
        request_id = str(uuid.uuid4())
        async with bao.session(here, "auth") as session:
            session._http.headers["X-Request-Id"] = request_id
            secret = await session.read("kv/data/auth/email-index")
        lines = [line for line in openbao.audit_log(here).read_text().splitlines() if request_id in line]
        assert any('"path":"kv/data/auth/email-index"' in line for line in lines)
        assert secret is not None
        assert secret["data"]["key"] not in "".join(lines)


class TestAgain:
    def test_up_twice_starts_nothing(self, stack):
        before = {name: stack.pid(name) for name in ("openbao", "postgres")}
        done = stack.konci("up", "--only", "openbao,postgres", "--json")
        assert '"started": []' in done.stdout
        assert {name: stack.pid(name) for name in before} == before

    async def test_up_twice_leaves_keys_and_secrets(self, stack, here, bootstrap):
        before = await bootstrap.read("kv/data/audit/seal"), await bootstrap.read("transit/auth/keys/token-signing")
        stack.konci("up", "--only", "openbao,postgres")
        after = await bootstrap.read("kv/data/audit/seal"), await bootstrap.read("transit/auth/keys/token-signing")
        assert before == after


def _between(top: Path, file: Path) -> list[Path]:
    return [folder for folder in file.parents if folder.is_relative_to(top)]
