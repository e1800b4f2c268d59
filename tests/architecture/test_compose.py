"""`compose.yaml` and the Dockerfile say what the local run says: same processes, order, settings, ports, identities.

They are not run here for want of a container engine; `docker compose config` is asked where a client has it.
"""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from stack import container, openbao, services, up
from stack.settings import SERVICES, Stack
from support import tree


class Strict(yaml.SafeLoader):
    """An engine refuses a key that is given twice; PyYAML takes the last."""

    def construct_mapping(self, node, deep=False):
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = {name for name in names if names.count(name) > 1}
        assert not twice, f"twice in one mapping: {twice}, {node.start_mark}"
        return super().construct_mapping(node, deep)


COMPOSE = yaml.load(tree.text(Path("compose.yaml")), Strict)  # noqa: S506 - a SafeLoader
PARTS = COMPOSE["services"]
DOCKERFILE = tree.text(Path("deploy/docker/Dockerfile"))
# Where the containers are: the volume's place, and the default ports.
INSIDE = Stack(run=Path("/run/konci"))
OUR_STEPS = {"pod", "trust", "databases", *(f"{service}-migrate" for service in SERVICES)}
# Needs an engine: there is no Grafana among the packages of the local run.
GRAFANA = "grafana"
GRAFANA_PORT = 8462
OURS = {name: part for name, part in PARTS.items() if name != GRAFANA}


def settings(service, *, identity=None):
    told = services.environment(INSIDE, service, identity=identity)
    del told["PYTHONUNBUFFERED"]  # the image says it
    return told


def has_compose():
    docker = shutil.which("docker")
    return docker and subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0


def test_a_key_is_given_once():
    with pytest.raises(AssertionError, match="twice"):
        yaml.load("a: {b: 1, b: 2}", Strict)  # noqa: S506 - a SafeLoader


def test_the_same_processes():
    assert set(OURS) - OUR_STEPS == set(up.NAMES)


@pytest.mark.parametrize("service", SERVICES)
def test_services_are_told_what_they_are_told_locally(service):
    assert PARTS[service]["environment"] == settings(service)
    assert PARTS[f"{service}-migrate"]["environment"] == settings(service, identity="migrator")
    assert (PARTS[service]["command"], PARTS[f"{service}-migrate"]["command"]) == (["serve"], ["migrate"])


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_preloaded_is_in_the_image(service):
    """Where it is missing, the dynamic linker says so and goes on without: nobody else would notice."""
    [stage] = re.findall(r"^FROM source AS service$(.*?)^(?=FROM)", DOCKERFILE, re.DOTALL | re.MULTILINE)
    assert f"FROM service AS {service}\n" in DOCKERFILE
    assert PARTS[service]["environment"]["LD_PRELOAD"] == "libjemalloc.so.2"
    assert " install libjemalloc2 " in stage


def test_the_collector_is_told_what_it_is_told_locally():
    told = {**settings("audit"), "KONCI_VAULT_AUDIT_LOG": str(openbao.audit_log(INSIDE))}
    assert PARTS["audit_collector"]["environment"] == told


@pytest.mark.parametrize("name", container.SERVERS)
def test_servers_are_the_same_programs_in_the_same_place(name):
    part = PARTS[name]
    assert (part["entrypoint"], part["command"]) == (["python", "-m", "stack.container"], ["run", name])
    assert part["environment"]["KONCI_RUN"] == str(INSIDE.run)
    assert int(part["environment"]["KONCI_PORT"]) == INSIDE.port
    assert part["healthcheck"]["test"][1:] == ["python", "-m", "stack.container", "ready", name]


def test_each_stop_is_the_local_one():
    signals = {
        program.name: f"SIG{program.stop_signal}" for program in (up.PROGRAMS[name](INSIDE) for name in up.NAMES)
    }
    assert {name: PARTS[name].get("stop_signal", "SIGTERM") for name in up.NAMES} == signals


def before(name):
    for earlier in PARTS[name].get("depends_on", {}):
        yield earlier
        yield from before(earlier)


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("postgres", {"openbao", "trust"}),
        ("kafka", {"openbao", "trust"}),
        ("keeper", {"kafka", "databases"}),
        ("auth", {"auth-migrate", "keeper", "databases"}),
        ("tenant_data", {"tenant_data-migrate", "auth"}),
        ("audit", {"audit-migrate", "auth"}),
        ("recording_storage", {"recording_storage-migrate", "auth"}),
        ("envoy", set(SERVICES)),
    ],
)
def test_nothing_starts_before_what_it_needs(name, needs):
    assert needs <= set(before(name))


def test_only_the_gateway_and_grafana_are_published_and_on_loopback():
    published = {name: part["ports"] for name, part in PARTS.items() if "ports" in part}
    assert published == {"pod": [f"127.0.0.1:{port}:{port}" for port in (INSIDE.port, GRAFANA_PORT)]}
    assert GRAFANA_PORT not in INSIDE.ports().values()
    assert {part["network_mode"] for name, part in PARTS.items() if name != "pod"} == {"service:pod"}


def test_nothing_runs_with_more_rights_than_it_needs():
    for part in PARTS.values():
        assert part["cap_drop"] == ["ALL"]
        assert part["read_only"] is True
        assert "no-new-privileges:true" in part["security_opt"]
        assert "privileged" not in part
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["konci"]


def test_no_secret_is_in_an_environment_variable():
    told = {name: str(value) for part in PARTS.values() for name, value in part.get("environment", {}).items()}
    assert not [name for name in told if re.search(r"KEY$|PASSWORD|SECRET|TOKEN", name)]
    assert "-----BEGIN" not in "".join(told.values())


def test_each_image_is_built_from_the_one_dockerfile():
    stages = set(re.findall(r"^FROM .+ AS (\w+)$", DOCKERFILE, re.MULTILINE))
    for part in OURS.values():
        build = part["build"]
        assert (tree.REPO / build["dockerfile"]).is_file()
        assert build["args"]["SERVICE"] in stages
        assert part["image"] == f"konci/{build['args']['SERVICE']}"


def test_each_path_that_the_dockerfile_copies_exists_and_is_let_in():
    let_in = {line[1:] for line in tree.text(Path(".dockerignore")).splitlines() if line.startswith("!")}
    copied = [word for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()]
    assert copied
    for path in copied:
        assert (tree.REPO / path).exists()
        assert path in let_in
    for path in re.findall(r"(?<![\w/.])(?:deploy|libs)/[\w./-]+", DOCKERFILE):
        assert (tree.REPO / path).exists()


def test_grafana_sees_no_identity_and_starts_only_on_demand():
    grafana = PARTS[GRAFANA]
    assert grafana["volumes"] == ["./deploy/grafana:/etc/grafana:ro"]
    assert grafana["profiles"] == [GRAFANA]
    assert re.fullmatch(r"grafana/grafana:\d+\.\d+\.\d+", grafana["image"])
    assert "environment" not in grafana
    assert set(grafana["secrets"]) == set(COMPOSE["secrets"])
    # Where it is written, and nowhere in the repository.
    assert all(held["file"].startswith(".run/grafana/") for held in COMPOSE["secrets"].values())


def test_grafana_lets_nobody_in_and_asks_our_prometheus():
    told = configparser.ConfigParser(interpolation=None)
    told.read_string(tree.text(Path("deploy/grafana/grafana.ini")))
    assert not told.getboolean("auth.anonymous", "enabled")
    assert not told.getboolean("users", "allow_sign_up")
    server = told["server"]
    assert (server["protocol"], server["min_tls_version"], server["http_port"]) == (
        "https",
        "TLS1.3",
        str(GRAFANA_PORT),
    )
    secrets = {f"/run/secrets/{name}" for name in PARTS[GRAFANA]["secrets"]}
    assert secrets == {
        server["cert_file"],
        server["cert_key"],
        told["security"]["admin_password"][len("$__file{") : -1],
    }
    (source,) = yaml.safe_load(tree.text(Path("deploy/grafana/provisioning/datasources/prometheus.yaml")))[
        "datasources"
    ]
    assert source["url"] == f"http://127.0.0.1:{INSIDE.port_of('prometheus')}"
    scraped = yaml.safe_load(tree.text(Path("deploy/prometheus/prometheus.yml")))["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped
    (shown,) = yaml.safe_load(tree.text(Path("deploy/grafana/provisioning/dashboards/konci.yaml")))["providers"]
    inside = Path(shown["options"]["path"]).relative_to("/etc/grafana")
    assert list((tree.REPO / "deploy" / "grafana" / inside).glob("*.json"))
    assert (
        tree.REPO
        / "deploy"
        / "grafana"
        / Path(told["dashboards"]["default_home_dashboard_path"]).relative_to("/etc/grafana")
    ).is_file()


@pytest.mark.engine
@pytest.mark.skipif(not has_compose(), reason="needs a container engine's client: `docker compose`")
def test_docker_itself_reads_it():
    read = subprocess.run(
        ["docker", "compose", "-f", str(tree.REPO / "compose.yaml"), "config", "--quiet"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert read.returncode == 0, read.stderr
