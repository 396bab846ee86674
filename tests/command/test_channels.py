"""`publish` and `listen`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.command.conftest import Run, Start, StartTerminal
from tests.support.deadline import eventually, patience
from tests.support.stack import Stack


def listeners(hub: Stack, channel: str) -> int:
    found: int = hub.get(f"/channels/{channel}").json()["listeners"]
    return found


def history(hub: Stack, channel: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = hub.get(f"/channels/{channel}/history").json()["events"]
    return events


def test_publish_prints_the_id_under_which_the_event_is_stored(
    run: Run, hub: Stack, channel: str
) -> None:
    done = run("publish", channel, "good news", "--event", "notice")
    (event,) = history(hub, channel)
    assert (done.returncode, done.stdout.strip()) == (0, event["id"])
    assert (event["event"], event["data"]) == ("notice", "good news")


@pytest.mark.parametrize("words", [(), ("-",)])
def test_publish_reads_standard_input_without_the_line_end_of_echo(
    run: Run, hub: Stack, channel: str, words: tuple[str, ...]
) -> None:
    run("publish", channel, *words, stdin="two\nlines\n")
    assert history(hub, channel)[0]["data"] == "two\nlines"


def test_data_that_is_said_to_be_json_must_be(run: Run, hub: Stack, channel: str) -> None:
    refused = run("publish", channel, "{", "--json")
    assert refused.returncode == 2 and refused.stderr.startswith("hubbub: DATA is not JSON")
    assert run("publish", channel, '{"a": 1}', "--json").returncode == 0
    assert [event["data"] for event in history(hub, channel)] == ['{"a":1}']


def test_the_same_key_publishes_once(run: Run, hub: Stack, channel: str) -> None:
    first, again = (run("publish", channel, "x", "--key", "k1") for _ in range(2))
    assert first.stdout == again.stdout and again.returncode == 0
    assert len(history(hub, channel)) == 1
    assert "idempotency-key-reused" in run("publish", channel, "y", "--key", "k1").stderr


def test_ndjson_publishes_line_by_line(run: Run, hub: Stack, channel: str) -> None:
    lines = "".join(f'{{"event":"n","data":{number}}}\n' for number in range(2500))
    done = run("publish", channel, "--ndjson", stdin=lines)
    ids = [event["id"] for event in history(hub, channel)]
    assert done.returncode == 0 and done.stdout.split()[: len(ids)] == ids
    assert len(done.stdout.split()) == hub.get(f"/channels/{channel}").json()["retained"] == 2500


def test_ndjson_publishes_each_line_when_it_comes(start: Start, hub: Stack, channel: str) -> None:
    process = start("publish", channel, "--ndjson")
    assert process.stdin is not None and process.stdout is not None
    for number in range(2):
        process.stdin.write(f'{{"data":{number}}}\n')
        process.stdin.flush()
        assert process.stdout.readline().strip() == history(hub, channel)[-1]["id"]
    process.stdin.close()
    assert process.wait(20) == 0


def test_ndjson_says_which_lines_were_refused(run: Run, hub: Stack, channel: str) -> None:
    done = run("publish", channel, "--ndjson", "--key", "k", stdin='{"data":1}\n{"data":\n')
    assert done.returncode == 1 and done.stderr.startswith("hubbub: lines 1 to 2, ")
    assert not history(hub, channel)
    assert run("publish", channel, "x", "--ndjson").returncode == 2


def test_listen_prints_events_as_they_come(start: Start, hub: Stack, channel: str) -> None:
    process = start("listen", channel, "--count", "2")
    eventually(lambda: listeners(hub, channel) == 1)
    hub.publish(channel, "one")
    hub.publish(channel, {"n": 2}, event="notice")
    assert process.communicate(timeout=20 * patience()) == ('one\nnotice: {"n":2}\n', "")
    assert process.returncode == 0


def test_several_channels_come_on_one_connection_and_are_told_apart(
    run: Run, hub: Stack, channel: str
) -> None:
    other = f"{channel}-other"
    hub.publish(channel, "1", event="notice")
    hub.publish(other, "2")
    done = run("listen", channel, other, "--from", "start", "--count", "2", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    shown = {(one["channel"], one["event"], one["data"]) for one in found}
    assert shown == {(channel, "notice", "1"), (other, "message", "2")}
    done = run("listen", channel, other, "--from=start", "--count=2")
    assert sorted(done.stdout.splitlines()) == ["2", "notice: 1"]


def test_listen_goes_on_over_a_restart_of_the_hub_loses_nothing_and_says_so(
    own_hub: Stack, start: Start
) -> None:
    process = start("listen", "news", "sport", "--json", "--count", "4", at=own_hub)
    eventually(lambda: listeners(own_hub, "news") == 1)
    own_hub.publish("news", "1")
    own_hub.publish("sport", "2")
    assert process.stdout is not None
    seen = [process.stdout.readline(), process.stdout.readline()]
    own_hub.web.kill()
    assert process.stderr is not None and "trying again" in process.stderr.readline()
    own_hub.web.start()
    own_hub.publish("news", "3")
    own_hub.publish("sport", "4")
    out, _ = process.communicate(timeout=30 * patience())
    lines = [*seen, *out.splitlines()]
    assert [json.loads(line)["data"] for line in lines] == ["1", "2", "3", "4"]


def test_listen_says_what_was_lost(run: Run, hub: Stack, channel: str) -> None:
    hub.publish(channel, "1")
    words = ("listen", channel, "--after", "elsewhere", "--from", "start", "--count=1")
    done = run(*words)
    assert done.stdout == "1\n"
    assert done.stderr == f"hubbub: events of {channel} were lost: unknown-id\n"
    gap, event = (json.loads(line) for line in run(*words, "--json").stdout.splitlines())
    assert (gap["event"], json.loads(gap["data"])["reason"]) == ("gap", "unknown-id")
    assert event["data"] == "1"


def test_a_reader_that_has_enough_ends_listen_without_a_word(
    start: Start, hub: Stack, channel: str
) -> None:
    process = start("listen", channel)
    eventually(lambda: listeners(hub, channel) == 1)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    hub.publish(channel, "1")
    assert process.wait(20) == 141
    assert process.stderr.read() == ""


def test_a_terminal_sees_which_channel_and_no_control_characters(
    terminal: StartTerminal, hub: Stack, channel: str
) -> None:
    hub.publish(channel, "\x1b[2Jred", event="notice")
    shown = terminal("listen", channel, f"{channel}-other", "--from", "start", "--count", "1")
    assert shown.status() == 0
    assert shown.seen == f"{channel} | notice: \\x1b[2Jred\r\n"


def test_more_channels_than_a_stream_carries_are_refused_before_they_are_sent(run: Run) -> None:
    done = run("listen", *"abcdefghi")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hubbub: at most 8 channels") and done.stderr.count("\n") == 1


def test_a_name_that_is_none_is_refused_before_it_is_sent(run: Run) -> None:
    done = run("publish", "a/b", "x")
    assert done.returncode == 2 and "a channel name is 1 to 128 characters" in done.stderr
