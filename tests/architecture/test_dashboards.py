"""07.1: the dashboards are what their code builds; each panel says what to do, and each alert has one."""

import json
import re
from pathlib import Path

import pytest
import yaml

from dashboards import __main__ as boards
from support import tree

RULES = [
    rule
    for group in yaml.safe_load(tree.text(Path("deploy/prometheus/rules.yml")))["groups"]
    for rule in group["rules"]
]
PANELS = [panel for text in boards.wanted().values() for panel in json.loads(text)["panels"] if panel["type"] != "row"]
# Where to look, what to read, or which panel beside it tells more.
WHAT_TO_DO = re.compile(r"konci \w+|docs/runbooks/[a-z-]+\.md|\bsee [A-Z]")


def measured(expression):
    """What a rule compares, without what it is compared to."""
    left = re.split(r" (?:==|<|>) ", expression)[0]
    return left[1:-1] if left.startswith("(") and left.endswith(")") else left


def shows(panel, rule):
    return measured(rule["expr"]) in {target["expr"] for target in panel["targets"]}


def test_the_committed_dashboards_are_those_of_the_code():
    assert boards.stale() == [], "run `PYTHONPATH=deploy/grafana python -m dashboards`"


def test_a_stale_missing_or_unknown_file_is_named(tmp_path):
    boards.write(tmp_path)
    assert boards.stale(tmp_path) == []
    (tmp_path / "recordings.json").write_text("{}")
    (tmp_path / "services.json").unlink()
    (tmp_path / "invented.json").write_text("{}")
    assert boards.stale(tmp_path) == ["invented.json", "recordings.json", "services.json"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_says_what_to_do_when_it_is_bad(panel):
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert "\n" not in panel["description"]
    assert WHAT_TO_DO.search(panel["description"]), panel["description"]
    for runbook in re.findall(r"docs/runbooks/[\w-]+\.md", panel["description"]):
        assert (tree.REPO / runbook).is_file()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_is_on_a_panel_that_says_where_to_look(rule):
    (panel,) = [panel for panel in PANELS if shows(panel, rule) and rule["alert"] in panel["description"]]
    # A panel does not know which label is meant: SERVICE, as in the runbooks.
    look = re.sub(r"\{\{ \$\$labels\.(\w+) \}\}", lambda label: label[1].upper(), rule["annotations"]["look"])
    assert f"Look: {look}." in panel["description"]
    (runbook,) = re.findall(r"docs/runbooks/[\w-]+\.md", panel["description"])
    assert f"`{rule['alert']}`" in tree.text(Path(runbook))


def test_no_panel_names_an_alert_that_is_gone():
    named = {name for panel in PANELS for name in re.findall(r"Its alert: (\w+)", panel["description"])}
    assert named == {rule["alert"] for rule in RULES}
