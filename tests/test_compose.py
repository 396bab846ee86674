"""docker-compose.yml, as far as it can be judged without an engine."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from hub.settings import Settings
from tests.support.real import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()
# For the command line; what the launcher tells its parts.
NOT_IN_A_CONTAINER = {"HUB_URL", "HUB_LOCAL_MODEL_KEY", "HUB_NO_MODEL"}
PARTS = TEXT[TEXT.index("\nservices:") : TEXT.index("\nnetworks:")]
SERVICES = dict(re.findall(r"^  ([a-z-]+):\n((?:    .*\n|\n)+)", PARTS, re.MULTILINE))


def test_every_setting_reaches_the_containers() -> None:
    names = {setting.metadata["name"] for setting in fields(Settings)} - NOT_IN_A_CONTAINER
    passed = set(re.findall(r"^\s+([A-Z_]+):", TEXT, re.MULTILINE))
    assert not names - passed


@pytest.mark.parametrize(
    ("service", "keys"),
    [
        ("web", {"HUB_JWT_SECRET"}),
        ("worker", {"OPENAI_API_KEY"}),
        ("model", set()),
        ("redis", set()),
        ("tls", set()),
    ],
)
def test_a_part_has_the_keys_that_it_needs_and_no_other(service: str, keys: set[str]) -> None:
    every = {"HUB_JWT_SECRET", "OPENAI_API_KEY"}
    found = set(re.findall(r"^\s+([A-Z_]+):", SERVICES[service], re.MULTILINE))
    assert found & every == keys
    shared = TEXT[: TEXT.index("services:")]
    assert not every & set(re.findall(r"^\s+([A-Z_]+):", shared, re.MULTILINE))


def test_only_the_worker_reads_the_model_s_key() -> None:
    mounted = {name for name, text in SERVICES.items() if re.search(r"\bmodel:/run/model", text)}
    assert mounted == {"worker", "model"}
    assert "- model:/run/model:ro\n" in SERVICES["worker"]


def test_everything_is_published_on_this_machine_alone() -> None:
    published = re.findall(r"^\s+ports: \[(.*)\]$", TEXT, re.MULTILINE)
    assert published and TEXT.count("ports:") == len(published)
    assert all(port.startswith('"127.0.0.1:') for port in published)


def test_the_image_holds_what_a_web_process_and_a_worker_run() -> None:
    named = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for name in ("app.py", "gunicorn.conf.py", "hub", "workers", "templates", "static"):
        assert name in named
    assert all((ROOT / name).exists() for name in named)
