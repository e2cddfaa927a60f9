"""The files of deploy/ work as written: the unit, the line of cron in cron's environment, the image's instructions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.dockerfile import is_ignored, steps
from crawler.service.config import read_config
from crawler.service.state import read_state

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
JOB = '[jobs.name]\nevery = "1h"\nrun = ["label", "gemma-3-4b", "--json"]\n'


def instructions() -> list[tuple[str, str]]:
    return steps((DEPLOY / "Dockerfile").read_text("utf-8"))


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text("utf-8")))


# ---- systemd --------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists on this machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    text = (DEPLOY / "hf-catalog.service").read_text("utf-8")
    path = tmp_path / "hf-catalog.service"
    path.write_text(text.replace("/usr/local/bin/hf-catalog", "/bin/true"), encoding="utf-8")
    return path


def test_the_unit_is_hardened(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=30", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "--offline" in done.stderr:
        pytest.skip("this systemd rates no unit that is not loaded")
    assert done.returncode == 0, done.stdout[-200:]


def test_the_unit_is_valid(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert str(unit) not in done.stderr and "hf-catalog.service:" not in done.stderr, done.stderr


# ---- cron -----------------------------------------------------------------------------------------------------------


def cron_entries(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The variables and the commands of the file, with its folders in `folder` and this environment's programs."""
    text = (DEPLOY / "hf-catalog.cron").read_text("utf-8")
    places = {"/var/lib/hf-catalog": "lib", "/var/log/hf-catalog": "log", "/etc/hf-catalog": "etc"}
    for place, name in places.items():
        (folder / name).mkdir()
        text = text.replace(place, str(folder / name))
    text = text.replace("/usr/local/bin", str(Path(sys.executable).parent))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    commands = [line.split(None, 6)[6] for line in lines if line[0] in "*0123456789"]
    assert all("%" not in command for command in commands), "cron ends a command there"
    return variables, commands


def test_cron_runs_what_is_due_and_raises_an_alarm(small: str, tmp_path: Path) -> None:
    variables, (run, watch) = cron_entries(tmp_path)
    shutil.copy(small, tmp_path / "lib" / "catalog.db")
    (tmp_path / "lib" / "catalog.toml").write_text(JOB)
    environment = {"HOME": str(tmp_path), "LOGNAME": "hf-catalog", **variables}  # no more, as crontab(5) says

    def cron(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([variables["SHELL"], "-c", command], env=environment, capture_output=True, text=True)

    done = cron(run)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "else cron sends a mail each time"
    events = [json.loads(line)["event"] for line in (tmp_path / "log" / "schedule.log").read_text().splitlines()]
    assert events == ["job started", "job ended"]
    assert read_state(tmp_path / "lib" / "catalog.state.json").jobs["name"].last_outcome == "done"
    alarm = cron(watch)
    assert alarm.returncode == 1 and "the last complete crawl ended" in alarm.stderr


def test_logs_are_rotated(tmp_path: Path) -> None:
    program = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin")
    if program is None:
        pytest.skip("logrotate is not installed")
    text = (DEPLOY / "hf-catalog.logrotate").read_text("utf-8").replace("hf-catalog hf-catalog", "root root")
    (tmp_path / "rules").write_text(text.replace("/var/log/hf-catalog", str(tmp_path)))
    (tmp_path / "schedule.log").write_text("{}\n")
    tmp_path.chmod(0o755)
    (tmp_path / "rules").chmod(0o644)
    done = subprocess.run(
        [program, "--force", "--state", str(tmp_path / "state"), str(tmp_path / "rules")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "schedule.log.1").read_text() == "{}\n" and (tmp_path / "schedule.log").read_text() == ""


# ---- containers -----------------------------------------------------------------------------------------------------


def test_the_image_has_a_user_without_rights_a_volume_and_a_health_check() -> None:
    found = dict(instructions())
    assert found["USER"].split(":")[0].isdigit() and found["VOLUME"] == found["WORKDIR"] == "/catalog"
    check = json.loads(found["HEALTHCHECK"].partition("CMD")[2])
    assert check[:2] == ["hf-catalog", "status"] and json.loads(found["ENTRYPOINT"]) == ["hf-catalog"]


def test_the_image_gets_the_packages_and_nothing_else() -> None:
    rules = (ROOT / ".dockerignore").read_text("utf-8").split()
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    kept = {path.name for path in ROOT.iterdir() if not is_ignored(path.name, rules)}
    assert kept == {*wheel["packages"], "pyproject.toml", "README.md", "LICENSE", "catalog.example.toml"}
    assert is_ignored("analysis/names/__pycache__/a.pyc", rules) and not is_ignored("analysis/names/parse.py", rules)


def test_the_images_configuration_takes_the_catalog_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (script,) = (rest for word, rest in instructions() if word == "RUN" and "catalog.toml" in rest)
    script = script.replace("/etc/hf-catalog", str(tmp_path)).replace("/src", str(ROOT))
    subprocess.run(["/bin/sh", "-c", script], check=True)
    monkeypatch.setenv("HF_CATALOG_DB", "postgresql://catalog@database/catalog")
    settings = read_config(tmp_path / "catalog.toml")
    assert (str(settings.db), str(settings.state)) == (
        "postgresql://catalog@database/catalog", "/catalog/catalog.state.json",
    )  # fmt: skip
    monkeypatch.delenv("HF_CATALOG_DB")
    assert read_config(tmp_path / "catalog.toml").db == str(tmp_path / "catalog.db")


def test_compose_and_kubernetes_run_the_image_as_it_is() -> None:
    (compose,) = documents("compose.yaml")
    service = compose["services"]["catalog"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert service["volumes"] == ["catalog:/catalog"] and set(compose["volumes"]) == {"catalog", "database"}
    claim, job = documents("kubernetes.yaml")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsUser"] == int(dict(instructions())["USER"].split(":")[0])
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    command = json.loads(next(rest for word, rest in instructions() if word == "CMD"))
    assert [word for word in container["args"] if word != "--once"] == command
