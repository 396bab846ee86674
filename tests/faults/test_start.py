"""At its start a process asks Redis what it is and may do: it waits for what passes, and stops with
one line for what does not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hub.errors import RedisUnavailable
from hub.store.data_version import DATA_VERSION
from hub.store.redis_link import RedisLink
from hub.store.server_check import _commands, check_server
from tests.faults.topology import Cluster, Sentinels
from tests.support.deadline import eventually
from tests.support.launch import BY_PYTHON, refusal
from tests.support.process import Process, ReservedPort
from tests.support.stack import Web, Worker, clean_environ
from tests.support.valkey import Valkey
from workers.store import SCRIPT_PACKAGES

StartValkey = Callable[..., Valkey]
USER, PASSWORD = "hubbub", "a-password-of-the-tests"
EVERYTHING = ("reset", "on", f">{PASSWORD}", "~*", "&*", "+@all")


def set_user(server: Valkey, *rules: str) -> str:
    """The URL with the hub's own user, which may do everything but for `rules`."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", USER, *EVERYTHING, *rules)
    return f"redis://{USER}:{PASSWORD}@127.0.0.1:{server.port}/0"


def link_to(url: str) -> RedisLink:
    return RedisLink.from_url(url)


def environ(redis_url: str, **env: str) -> dict[str, str]:
    return {
        **clean_environ(),
        "REDIS_URL": redis_url,
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_API_KEY": "a-key-of-the-tests",
        **env,
    }


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (("-xadd",), "xadd"),
        (("-publish",), "publish"),
        (("resetchannels", "&other:*"), "publish, subscribe"),
        (("-xreadgroup", "-zrange"), "xreadgroup, zrange"),
        (("resetkeys", "~other:*"), "NOPERM"),
        (("-eval", "-evalsha"), "NOPERM"),
    ],
    ids=" ".join,
)
def test_a_right_that_is_missing_is_named(
    start_valkey: StartValkey, rules: tuple[str, ...], named: str
) -> None:
    server = start_valkey(tcp=True)
    link = link_to(set_user(server, *rules))

    found = check_server(link, SCRIPT_PACKAGES)

    assert named in "; ".join(found.missing)
    link.close()


@pytest.fixture(scope="module")
def one_server() -> Iterator[Valkey]:
    with TemporaryDirectory(prefix="hub-") as name:
        server = Valkey(Path(name), tcp=True)
        yield server.start()
        server.end()


def names() -> set[str]:
    """Every command that the check asks about, and the two that it asks with."""
    asked = _commands(RedisLink(), SCRIPT_PACKAGES, "key")
    return {name.lower() for name, *_ in asked} | {"evalsha"}


@pytest.mark.parametrize("command", sorted(names()))
def test_each_right_that_is_missing_alone_is_named(one_server: Valkey, command: str) -> None:
    link = link_to(set_user(one_server, f"-{command}"))

    assert command in "; ".join(check_server(link, SCRIPT_PACKAGES).missing)
    link.close()


@pytest.mark.cluster
def test_a_cluster_whose_layout_may_not_be_asked_for_is_named(cluster: Cluster) -> None:
    for node in cluster.nodes:
        set_user(node, "-cluster|slots")
    link = link_to(cluster.url.replace("://", f"://{USER}:{PASSWORD}@"))

    assert "cluster|slots" in "; ".join(check_server(link, SCRIPT_PACKAGES).missing)


@pytest.mark.cluster
def test_a_url_of_another_kind_of_server_is_told_so(
    start_valkey: StartValkey, cluster: Cluster, short_path: Path, processes: list[Process]
) -> None:
    sentinels = Sentinels(short_path)
    processes += sentinels.processes
    sentinels.start()
    single = start_valkey(tcp=True).url
    meant = {
        sentinels.sentinels[0].url: "redis+sentinel://",
        cluster.nodes[0].url: "redis+cluster://",
        single.replace("redis://", "redis+cluster://"): "no Cluster",
    }
    for url, words in meant.items():
        [missing] = check_server(link_to(url), SCRIPT_PACKAGES).missing
        assert words in missing


def test_a_user_with_the_rights_of_the_page_is_enough(start_valkey: StartValkey) -> None:
    [rule] = re.findall(r"ACL SETUSER hubbub on >… (.+?)`", Path("docs/redis.md").read_text())
    server = start_valkey(tcp=True)
    with server.client() as client:
        client.execute_command(
            "ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", *rule.split(" ")
        )
    link = link_to(f"redis://{USER}:{PASSWORD}@127.0.0.1:{server.port}/0")

    assert not check_server(link, SCRIPT_PACKAGES).missing
    link.close()


def test_every_script_s_commands_are_asked_about() -> None:
    """The pattern that finds them finds all: a call is written as a literal, or as one of ARGV."""
    for package in SCRIPT_PACKAGES:
        for file in resources.files(package).joinpath("lua").iterdir():
            for call in re.findall(r"redis\.p?call\(([^,)]+)", file.read_text()):
                assert re.fullmatch(r"'[A-Z]+'|ARGV\[[13]\]", call), f"{file.name}: {call}"


def test_what_takes_events_away_is_told(start_valkey: StartValkey) -> None:
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    link = link_to(start_valkey(tcp=True, options=options).url)

    found = check_server(link, SCRIPT_PACKAGES)

    assert not found.missing
    assert any("allkeys-lru" in warning for warning in found.warnings)
    assert any("disk" in warning for warning in found.warnings)
    link.close()


def test_a_replica_is_waited_for(start_valkey: StartValkey) -> None:
    server = start_valkey(tcp=True)
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", 1)
    link = link_to(server.url)

    with pytest.raises(RedisUnavailable, match="replica"):
        check_server(link, SCRIPT_PACKAGES, try_seconds=0.1)
    link.close()


@pytest.mark.cluster
def test_a_cluster_is_asked_as_well(cluster: Cluster) -> None:
    link = link_to(cluster.url)

    found = check_server(link, SCRIPT_PACKAGES)

    assert found.version
    assert not found.missing
    link.close()


def test_a_web_process_whose_redis_will_not_do_ends_with_one_line(
    start_valkey: StartValkey, tmp_path: Path, processes: list[Process]
) -> None:
    url = set_user(start_valkey(tcp=True), "-xadd")
    port = ReservedPort()
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app"]
    env = environ(url, HOST="127.0.0.1", PORT=str(port.number), WEB_CONCURRENCY="2")
    web = Process("web", command, tmp_path / "log", env=env)
    processes.append(web)

    web.start()
    eventually(lambda: not web.running, 30)

    assert "its user may not run xadd" in web.log()
    assert "Traceback" not in web.log()
    assert PASSWORD not in web.log()
    port.close()


def test_a_worker_and_a_launcher_whose_redis_will_not_do_end_with_one_line(
    start_valkey: StartValkey, tmp_path: Path, processes: list[Process]
) -> None:
    env = environ(set_user(start_valkey(tcp=True), "-xreadgroup"))
    status, said = refusal(env, BY_PYTHON)
    assert status == 1 and len(said.splitlines()) == 1
    assert "REDIS_URL: this Redis will not do: its user may not run xreadgroup" in said

    worker = Worker(tmp_path / "log", env)
    processes.append(worker)

    worker.start()
    eventually(lambda: not worker.running, 30)

    [line] = worker.log().splitlines()
    assert "its user may not run xreadgroup" in line


def test_data_of_another_format_stop_a_process_with_one_line(
    start_valkey: StartValkey, tmp_path: Path, processes: list[Process]
) -> None:
    server = start_valkey(tcp=True)
    web = Web(tmp_path / "web.log", environ(server.url))
    worker = Worker(tmp_path / "worker.log", environ(server.url))
    processes += [web, worker]
    web.start()
    worker.start()
    eventually(lambda: web.get("/readyz").status_code == 200, 30)
    with server.client() as client:
        assert client.get("hub:{data}:version") == str(DATA_VERSION).encode()
        client.set("hub:{data}:version", "999")
    worker.kill()
    worker.log_path.unlink()

    worker.start()

    assert worker.wait(30) == 1
    [line] = worker.log().splitlines()
    assert "its data has format 999" in line
    answer = web.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "redis-unfit")
    assert "format 999" in answer.json()["detail"]


def test_redis_that_comes_later_is_waited_for(
    start_valkey: StartValkey, tmp_path: Path, processes: list[Process]
) -> None:
    server = start_valkey(tcp=True)
    server.kill()
    web = Web(tmp_path / "web.log", environ(server.url))
    worker = Worker(tmp_path / "worker.log", environ(server.url))
    processes += [web, worker]
    web.start()
    worker.start()
    eventually(lambda: "waiting for Redis" in worker.log(), 30)
    assert web.get("/readyz").json()["status"] == "redis-unavailable"

    server.start()

    eventually(lambda: web.get("/readyz").status_code == 200, 30)
    assert "disk" in web.get("/readyz").json()["warnings"][0]
    assert web.publish("news", "at last")


def test_readyz_names_what_redis_does_not_permit(
    start_valkey: StartValkey, tmp_path: Path, processes: list[Process]
) -> None:
    server = start_valkey(tcp=True)
    web = Web(tmp_path / "log", environ(set_user(server)))
    processes.append(web)
    web.start().checked()
    eventually(lambda: web.get("/readyz").json()["status"] == "no-worker")

    set_user(server, "-publish")

    answer = web.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "redis-unfit"
    assert "publish" in answer.json()["detail"]


@pytest.mark.parametrize("options", ["nr_inodes=1", "ro"], ids=["full", "sealed"])
def test_a_dev_shm_that_takes_no_file_costs_a_web_process_nothing(
    valkey: Valkey, tmp_path: Path, processes: list[Process], channel: str, options: str
) -> None:
    """Its permissions say that it would. The figures of both processes are added up elsewhere."""
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mounted = f"mount -t tmpfs -o {options} none /dev/shm"
    if not shutil.which("unshare") or subprocess.run([*inside, mounted]).returncode:
        pytest.skip("no mount namespace is given here")
    web = Web(tmp_path / "web.log", {**environ(valkey.url), "WEB_CONCURRENCY": "2"})
    web.command = [*inside, f'{mounted} && exec "$@"', "sh", *web.command]
    processes.append(web)
    web.start()
    for _ in range(10):
        web.publish(channel, "x")
    eventually(lambda: "hubbub_events_published_total 10.0" in web.get("/metrics").text)
