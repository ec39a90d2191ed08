"""`roost get`, `apply`, `explain`, `diff -f`: any kind, from files, without forgetting what files do not say."""

import json
from pathlib import Path

import pytest

from roost.cli.objects import path_value
from roost.cli.tests.conftest import Roost
from roost.cli.tests.fake_api import APP, ENV, OTHER_IMAGE, ready

FILE = "kind: App\nmetadata: {name: shop}\nspec:\n  processes: [{name: web, port: 8080, replicas: 3}]\n"


def written(roost: Roost, text: str, name: str = "app.yaml") -> str:
    """The file, in the working directory."""
    (roost.directory / name).write_text(text)
    return name


def test_get_lists_any_kind_with_its_own_columns(roost: Roost) -> None:
    said = roost("get", "apps")
    assert said.out.splitlines()[0].split() == ["NAME", "VERSION", "READY", "REASON", "URL", "AGE"]
    assert "shop-v2" in said.out
    assert roost("get", "App", "shop", "-o", "name").out == "shop\n"
    assert roost("get", "tenants").code == 0


def test_get_of_a_kind_that_is_not_there_says_which_are(roost: Roost) -> None:
    said = roost("get", "pods")
    assert said.code == 2
    assert "apps, " in said.err


def test_a_column_reads_paths_and_conditions() -> None:
    row = {"status": {"live": "v1", "conditions": ready()}}
    assert path_value(row, ".status.live") == "v1"
    assert path_value(row, '.status.conditions[?(@.type=="Ready")].status') == "True"
    assert path_value(row, ".status.nothing.there") == "-"


def test_apply_changes_what_the_file_says_and_leaves_the_rest(roost: Roost) -> None:
    assert roost("apply", "-f", written(roost, FILE)).out == "app/shop changed\n"
    spec = roost.api.objects[APP]["spec"]
    assert spec["processes"][0]["replicas"] == 3
    assert spec["artefact"]["image"] == OTHER_IMAGE
    assert roost("apply", "-f", "app.yaml").out == "app/shop unchanged\n"


def test_apply_creates_what_is_not_there_where_its_namespace_says(roost: Roost) -> None:
    text = FILE.replace("{name: shop}", "{name: till, namespace: acme-prod}")
    assert roost("apply", "-f", "-", stdin=text).out == "app/till created\n"
    assert "/v1/tenants/acme/environments/prod/apps/till" in roost.api.objects


def test_apply_takes_directories_and_several_objects_a_file(roost: Roost) -> None:
    (roost.directory / "all").mkdir()
    written(roost, FILE.replace("shop", "a") + "---\n" + FILE.replace("shop", "b"), "all/1.yaml")
    written(roost, json.dumps({"kind": "Project", "metadata": {"name": "c"}, "spec": {}}), "all/2.json")
    assert roost("apply", "-f", "all").out == "app/a created\napp/b created\nproject/c created\n"


def test_a_dry_run_of_apply_tells_the_difference_and_changes_nothing(roost: Roost) -> None:
    said = roost("apply", "-f", written(roost, FILE), "--dry-run")
    assert "+ 3" in said.err
    assert roost.api.objects[APP]["spec"]["processes"][0]["replicas"] == 2


@pytest.mark.parametrize("text", ["a: [", "- 1\n", "spec: {}\n", "kind: Nothing\n", "kind: App\nspec: {}\n", ""])
def test_a_file_that_does_not_fit_changes_nothing(roost: Roost, text: str) -> None:
    said = roost("apply", "-f", written(roost, text))
    assert said.code == 2
    assert "Traceback" not in said.err
    assert not [call for call in roost.api.calls if call[0] != "GET"]


def test_diff_of_a_file_is_what_apply_would_change(roost: Roost) -> None:
    said = roost("diff", "-f", written(roost, FILE), "--exit-code")
    assert said.code == 1
    assert said.out == "processes[web].replicas\n  - 2\n  + 3\n"
    roost("apply", "-f", "app.yaml")
    assert roost("diff", "-f", "app.yaml", "--exit-code").code == 0


def test_diff_is_intent_against_what_serves(roost: Roost) -> None:
    roost.api.objects[APP]["spec"]["config"] = [{"name": "LEVEL", "value": "debug"}]
    roost.api.objects[f"{ENV}/releases/shop-v2"]["spec"]["content"] = dict(roost.api.objects[APP]["spec"]) | {
        "config": []
    }
    said = roost("diff")
    assert said.code == 0
    assert said.out == "config[LEVEL].value\n  + debug\n"
    assert json.loads(roost("diff", "-o", "json").out) == [{"name": "config[LEVEL].value", "old": None, "new": "debug"}]


def test_diff_tells_what_another_environment_sets_differently(roost: Roost) -> None:
    spec = roost.api.objects[APP]["spec"]
    config = [{"name": "LEVEL", "value": "info"}]
    other = {**spec, "secretVersion": "b" * 16, "stopped": True, "config": config, "rollout": {"promote": 3}}
    roost.api.objects[APP.replace("/dev/", "/prod/")] = {**roost.api.objects[APP], "spec": other}
    spec["secretVersion"] = "a" * 16
    said = roost("diff", "--to", "prod", "--exit-code")
    assert said.code == 1, said.err
    assert said.out == "config[LEVEL].value\n  + info\n", "Neither secrets nor how one is handled are told."
    assert roost("diff", "v1", "--to", "prod").code == 2


def test_explain_tells_fields_bounds_and_defaults(roost: Roost) -> None:
    said = roost("explain", "app.processes.health")
    assert "startS" in said.out
    assert ">= 5" in said.out
    assert roost("explain", "app.spec.processes").code == 0
    assert "There is no kind" in roost("explain", "nothing").err
    assert roost("explain", "app.nothing").code == 2


def test_importing_a_file_of_variables_sets_them_all_at_once(roost: Roost) -> None:
    text = '# ours\nexport A=1 # one\nB=\'x # y\'\nC="line\\nnext \\"q\\""\nD=\n'
    assert roost("config", "import", written(roost, text, ".env"), "--secret").code == 0
    wanted = {"A": "1", "B": "x # y", "C": 'line\nnext "q"', "D": ""}
    assert roost.api.asked("PATCH", f"{APP}/config") == [{"set": wanted, "secret": True}]


@pytest.mark.parametrize("line", ["s3cr3t", "=s3cr3t", "A-B=s3cr3t", 'A="s3cr3t'])
def test_a_line_that_does_not_fit_is_named_by_its_number_and_not_told(roost: Roost, line: str) -> None:
    said = roost("config", "import", "-", stdin=f"A=1\n{line}\n")
    assert said.code == 2
    assert "2" in said.err
    assert "s3cr3t" not in said.err
    assert roost.api.asked("PATCH", f"{APP}/config") == []


def test_export_is_read_back_by_import(roost: Roost, tmp_path: Path) -> None:
    value = 'a "b" \\ c\n\td # e'
    roost.api.variables = {"A": {"name": "A", "value": value}, "S": {"name": "S", "secret": True}}
    said = roost("config", "export")
    assert "S" in said.err
    roost("config", "import", "-", stdin=said.out)
    assert roost.api.asked("PATCH", f"{APP}/config")[0]["set"] == {"A": value}


def test_editing_sends_what_differs(roost: Roost, monkeypatch: pytest.MonkeyPatch) -> None:
    roost.api.variables = {name: {"name": name, "value": "1", "secret": False} for name in ("A", "B", "C")}
    monkeypatch.setattr("click.edit", lambda text, **_: text.replace("A=1\n", "").replace("B=1", "B=2"))
    assert roost("config", "edit").code == 0
    assert roost.api.asked("PATCH", f"{APP}/config") == [{"set": {"B": "2"}, "unset": ["A"]}]


def test_leaving_the_editor_without_a_change_does_nothing(roost: Roost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.edit", lambda text, **_: None)
    assert "Nothing was changed" in roost("config", "edit").err
    assert roost.api.asked("PATCH", f"{APP}/config") == []
