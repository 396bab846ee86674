"""`static/hubbub.js` in a real browser, on a real hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from hub import sse
from tests.browser.listening import Tab
from tests.browser.proxy import Proxy
from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.stack import Stack
from tests.support.stream import EventStream

pytestmark = pytest.mark.browser


def listeners(hub: Stack, channel: str) -> int:
    count: int = hub.get(f"/channels/{channel}").json()["listeners"]
    return count


def test_tabs_of_one_browser_share_one_stream(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    tabs = [Tab(context, hub.url).listen(channel).until_open() for _ in range(4)]
    eventually(lambda: listeners(hub, channel) == 1)
    hub.publish(channel, "one")
    for tab in tabs:
        tab.until(["one"])
    eventually(lambda: tabs[0].heard()["listeners"].get(channel) == [1, 4])


def test_two_browsers_have_a_stream_each(
    hub: Stack, context: BrowserContext, other_context: BrowserContext, channel: str
) -> None:
    tabs = [Tab(one, hub.url).listen(channel).until_open() for one in (context, other_context)]
    assert listeners(hub, channel) == 2
    eventually(lambda: tabs[0].heard()["listeners"].get(channel) == [2, 1])


def test_more_tabs_than_a_browser_has_connections_all_hear_and_can_still_ask(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    channels = [f"{channel}-{number}" for number in range(10)]
    tabs: list[Tab] = []
    for number, name in enumerate(channels):
        tabs.append(Tab(context, hub.url).listen(name))
        hub.publish(channels[0], f"{number} tabs")  # while the connection is being changed
    for tab in tabs:
        tab.until_open()
    for name in channels:
        hub.publish(name, f"for {name}")
    joins = [f"{number} tabs" for number in range(10)]
    for name, tab in zip(channels[1:], tabs[1:], strict=True):
        tab.until([f"for {name}"])
    eventually(lambda: tabs[0].data()[-1:] == [f"for {channels[0]}"])
    # It came in before the first was published, or after; from there on nothing is missing.
    first = tabs[0].data()[0]
    assert tabs[0].data() == [*joins[joins.index(first) :], f"for {channels[0]}"]
    answer = tabs[0].page.evaluate(f"hub.request('/channels/{channels[3]}')")
    assert answer["listeners"] == 1


def test_an_event_goes_to_the_tab_of_its_channel_alone(hub: Stack, context: BrowserContext) -> None:
    left, right = (Tab(context, hub.url).listen(name).until_open() for name in ("left", "right"))
    for number in range(20):
        hub.publish(("left", "right")[number % 2], f"{number}")
    left.until([f"{number}" for number in range(0, 20, 2)])
    right.until([f"{number}" for number in range(1, 20, 2)])


def test_one_tab_hears_several_channels_over_one_connection(
    hub: Stack, context: BrowserContext, proxied: Callable[[str], Proxy], channel: str
) -> None:
    proxy = proxied(hub.url)
    tab = Tab(context, proxy.url)
    before = proxy.accepted
    channels = [f"{channel}-{number}" for number in range(3)]
    tab.listen(*channels).until_open()
    assert proxy.accepted - before <= 3  # the module's files and the one stream
    for number in range(30):
        hub.publish(channels[number % 3], f"{number}")
    for at, name in enumerate(channels):
        tab.until([f"{number}" for number in range(at, 30, 3)], name)


def test_a_tab_that_closes_is_no_listener_any_more(hub: Stack, context: BrowserContext) -> None:
    stays = Tab(context, hub.url).listen("stays").until_open()
    goes = Tab(context, hub.url).listen("goes").until_open()
    eventually(lambda: listeners(hub, "goes") == 1)
    goes.page.close()
    eventually(lambda: listeners(hub, "goes") == 0)
    hub.publish("stays", "on")
    stays.until(["on"])


def test_what_was_published_while_the_connection_was_away_comes_once_and_in_order(
    hub: Stack, context: BrowserContext, proxied: Callable[[str], Proxy], channel: str
) -> None:
    proxy = proxied(hub.url)
    tab = Tab(context, proxy.url).listen(channel, f"{channel}-sport").until_open()
    expected: list[str] = []
    for cut in range(3):
        for number in range(10):
            hub.publish(channel, f"{cut}.{number}")
            expected.append(f"{cut}.{number}")
            if number == 4:
                proxy.cut()
        eventually(lambda: tab.states()[-1]["name"] in ("waiting", "connecting"))
        proxy.mend()
        tab.until(expected, channel)
    assert all(verdict["recovered"] for _, verdict in tab.heard()["verdicts"])
    assert tab.heard()["gaps"] == []


def test_a_connection_that_fell_silent_is_given_up_and_opened_anew(
    hub: Stack, context: BrowserContext, proxied: Callable[[str], Proxy], channel: str
) -> None:
    proxy = proxied(hub.url)
    tab = Tab(context, proxy.url).listen(channel).until_open()
    eventually(lambda: proxy.connections == 1)  # the browser's idle ones are gone
    proxy.freeze()
    hub.publish(channel, "into the void")
    eventually(lambda: any(state["reason"] == "silence" for state in tab.states()))
    proxy.mend()
    tab.until(["into the void"])


def test_a_hub_that_restarts_is_returned_to_and_nothing_is_missed(
    new_hub: Stack, context: BrowserContext, channel: str
) -> None:
    tab = Tab(context, new_hub.url).listen(channel).until_open()
    new_hub.publish(channel, "before")
    tab.until(["before"])
    new_hub.web.terminate()
    new_hub.web.wait()
    assert tab.states()[-1]["name"] in ("waiting", "connecting")
    new_hub.web.start()
    new_hub.publish(channel, "after")
    tab.until(["before", "after"])


def test_where_there_is_no_shared_worker_the_page_listens_by_itself(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    context.add_init_script("delete globalThis.SharedWorker")
    tabs = [Tab(context, hub.url).listen(channel).until_open() for _ in range(2)]
    assert tabs[0].page.evaluate("hub.shared") is False
    assert listeners(hub, channel) == 2
    hub.publish(channel, "one")
    for tab in tabs:
        tab.until(["one"])


def test_a_worker_that_cannot_be_loaded_is_quietly_done_without(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    context.route("**/worker.js", lambda route: route.abort())
    context.add_init_script(
        "globalThis.SharedWorker = class extends EventTarget {"
        " port = new MessageChannel().port1;"
        " constructor() { super(); setTimeout(() => this.onerror(new Event('error'))); } }"
    )
    tab = Tab(context, hub.url).listen(channel).until_open()
    hub.publish(channel, "one")
    tab.until(["one"])


def test_a_worker_that_comes_late_is_shared_and_nothing_is_missed_or_heard_twice(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    """On a busy machine a SharedWorker takes seconds to begin: until then the page listens by
    itself, and counted as a listener of its own it would be for as long as it lives."""
    context.add_init_script(
        "globalThis.SharedWorker = class {"
        " constructor() {"
        "  const { port1, port2 } = new MessageChannel();"
        "  this.port = port1;"
        "  globalThis.beginWorker = async () => {"
        "   const { PortServer } = await import('/static/hubbub/port_server.js');"
        "   new PortServer().serve(port2);"
        "  };"
        " } }"
    )
    hub.publish(f"{channel}-old", "one")
    tab = Tab(context, hub.url).listen(channel).listen(f"{channel}-old", start={"from": "start"})
    tab.until(["one"], f"{channel}-old")
    eventually(lambda: listeners(hub, channel) == 1)
    assert tab.page.evaluate("hub.shared") is False
    hub.publish(channel, "one")
    tab.until(["one"], channel)
    tab.page.evaluate("beginWorker()")
    tab.page.wait_for_function("hub.shared")
    for number in ("two", "three"):
        hub.publish(channel, number)
        hub.publish(f"{channel}-old", number)
    for name in (channel, f"{channel}-old"):
        tab.until(["one", "two", "three"], name)
    eventually(lambda: listeners(hub, channel) == 1)
    assert tab.heard()["gaps"] == []


def test_a_channel_that_is_refused_says_why_and_harms_no_other(
    hub: Stack, context: BrowserContext, proxied: Callable[[str], Proxy]
) -> None:
    proxy = proxied(hub.url)
    tab = Tab(context, proxy.url).listen("good", "better", "best", "not a name")
    eventually(lambda: any(state["name"] == "refused" for state in tab.states()))
    refused = next(state for state in tab.states() if state["name"] == "refused")
    assert refused["problem"]["code"] == "invalid-channel"
    assert "A-Z" in refused["problem"]["detail"]
    tab.until_open()
    for channel in ("good", "better", "best"):
        hub.publish(channel, "one")
        tab.until(["one"], channel)
    eventually(lambda: proxy.connections == 1)  # they have come together again


def test_a_late_tab_can_have_the_history_of_a_channel_that_is_open_already(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    first = Tab(context, hub.url).listen(channel).until_open()
    ids = [hub.publish(channel, f"{number}") for number in range(700)]
    first.until([f"{number}" for number in range(700)])
    late = Tab(context, hub.url).listen(channel, start={"from": "start"})
    after = Tab(context, hub.url).listen(channel, start={"after": ids[689]})
    hub.publish(channel, "700")
    late.until([f"{number}" for number in range(701)])
    after.until([f"{number}" for number in range(690, 701)])
    eventually(lambda: listeners(hub, channel) == 1)


def test_a_full_hub_is_waited_for(
    stack: StartStack, context: BrowserContext, listen: Callable[..., EventStream], channel: str
) -> None:
    hub = stack({"HUB_MAX_LISTENERS": "1", "HUB_RETRY_MS": "100"}, workers=0)
    first = listen(f"{hub.url}/channels/{channel}/events")
    first.next("subscribed")
    tab = Tab(context, hub.url).listen(channel)
    eventually(lambda: any(state["reason"] == "overloaded" for state in tab.states()))
    first.close()
    tab.until_open()


def test_history_that_is_gone_is_told(
    hub: Stack, context: BrowserContext, proxied: Callable[[str], Proxy], channel: str
) -> None:
    proxy = proxied(hub.url)
    tab = Tab(context, proxy.url).listen(channel, f"{channel}-sport").until_open()
    hub.publish(channel, "one")
    tab.until(["one"], channel)
    proxy.cut()
    hub.publish(channel, "lost")
    hub.delete(f"/channels/{channel}")
    proxy.mend()
    eventually(lambda: any(not verdict["recovered"] for _, verdict in tab.heard()["verdicts"]))
    hub.publish(f"{channel}-sport", "goal")
    hub.publish(channel, "two")
    tab.until(["goal"], f"{channel}-sport")
    tab.until(["one", "two"], channel)


def test_a_deletion_is_told_as_a_gap_and_the_next_events_find_their_channels(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    tab = Tab(context, hub.url).listen(channel, f"{channel}-sport").until_open()
    hub.publish(channel, "one")
    tab.until(["one"], channel)
    hub.delete(f"/channels/{channel}")
    eventually(lambda: tab.heard()["gaps"])
    assert tab.heard()["gaps"][0]["channel"] == channel
    hub.publish(f"{channel}-sport", "goal")
    hub.publish(channel, "two")
    tab.until(["goal"], f"{channel}-sport")
    tab.until(["one", "two"], channel)


def test_connections_that_grew_empty_are_put_together(
    hub: Stack, context: BrowserContext, proxied: Callable[[str], Proxy]
) -> None:
    proxy = proxied(hub.url)
    stays = Tab(context, proxy.url).listen("a", "b").until_open()
    goes = Tab(context, proxy.url).listen(*(f"goes-{number}" for number in range(6)))
    ninth = Tab(context, proxy.url).listen("ninth").until_open()
    goes.until_open()
    eventually(lambda: proxy.connections == 2)
    goes.page.close()
    eventually(lambda: proxy.connections == 1)
    for channel in ("a", "b", "ninth"):
        hub.publish(channel, f"for {channel}")
    stays.until(["for a"], "a")
    stays.until(["for b"], "b")
    ninth.until(["for ninth"])


def test_publishing_from_the_browser_stores_one_event(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    tab = Tab(context, hub.url).listen(channel).until_open()
    publish = f"hub.publish('{channel}', {{ a: 1 }}, {{ event: 'notice', key: 'k' }})"
    stored = tab.page.evaluate(publish)
    again = tab.page.evaluate(publish)
    assert stored == again
    tab.until(['{"a":1}'])
    assert tab.heard()["events"][0] == [channel, "notice", '{"a":1}', stored]


def test_what_the_hub_refuses_is_an_error_with_its_words(
    hub: Stack, context: BrowserContext, channel: str
) -> None:
    tab = Tab(context, hub.url).listen(channel).until_open()
    problem: dict[str, Any] = tab.page.evaluate(
        f"hub.publish('{channel}', 'x', {{ event: 'heartbeat' }}).catch(error => error.problem)"
    )
    assert problem["status"] == 400
    assert problem["code"] == "reserved-event-type"


def test_the_parser_follows_the_standard_at_every_border(
    hub: Stack, context: BrowserContext
) -> None:
    wire = (
        "\ufeffid: 1\r\nevent: notice\rdata: ünï 🙂\ndata\ndata:  two\n\n"
        ":\nid: 2\n\ndata: a\r\n\r\nid: x\0y\ndata: b\n\nretry: 12\n:comment\ndata:c\rdata:\r\r"
        "event: nothing\n\nid\ndata: d\n\nid: 9\ndata: cut off\n"
    ).encode()
    parser = sse.Parser()
    expected = [[one.event, one.data, one.id] for one in parser.feed(wire)]
    found = Tab(context, hub.url).page.evaluate(
        """async (bytes) => {
          const { Parser } = await import("/static/hubbub/parser.js");
          const wire = new Uint8Array(bytes);
          const runs = [];
          const run = (parts) => {
            const parser = new Parser();
            const events = parts.flatMap((part) => parser.feed(part));
            const told = events.map(({ type, data, id }) => [type, data, id]);
            runs.push([told, parser.lastId, parser.retryMs]);
          };
          for (let border = 0; border <= wire.length; border += 1) {
            run([wire.subarray(0, border), wire.subarray(border)]);
          }
          run([...wire].map((byte) => new Uint8Array([byte])));
          return runs;
        }""",
        list(wire),
    )
    assert [event[1] for event in expected] == ["ünï 🙂\n\n two", "a", "b", "c\n", "d"]
    for events, last_id, retry_ms in found:
        assert json.dumps(events) == json.dumps(expected)
        assert last_id == ""  # of the last whole event, not of the one that was cut off
        assert retry_ms == 12
