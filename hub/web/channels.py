"""Channels over HTTP (contract §2, §3): subscribe, publish, inform, delete."""

from __future__ import annotations

from flask import Blueprint, Response, request

from hub.channel import BEFORE_FIRST, check_channel
from hub.fanout.delivery import Delivery
from hub.fanout.pace import Pace
from hub.identity import Action
from hub.query import whole
from hub.store.follow import continues
from hub.store.frame import StoredEvent
from hub.timestamp import rfc3339
from hub.web.caller import caller_of
from hub.web.json_response import json_answer, long_json_answer
from hub.web.publishing import Publishing
from hub.web.request_head import head_of
from hub.web.stream_response import listed_channels, subscribe

MAX_HISTORY = 1000


def channels_blueprint(delivery: Delivery, publishing: Publishing) -> Blueprint:
    blueprint = Blueprint("channels", __name__)
    history = delivery.history

    @blueprint.get("/channels/<channel>/events")
    def listen(channel: str) -> Response:
        return subscribe(delivery, [check_channel(channel)])

    @blueprint.get("/events")
    def listen_to_many() -> Response:
        return subscribe(delivery, listed_channels(head_of(request.environ)), listed=True)

    @blueprint.post("/channels/<channel>/events")
    def publish(channel: str) -> Response:
        head, caller = head_of(request.environ), caller_of(request.environ)
        status, answer = publishing.publish(channel, head, caller, request)
        return json_answer(answer, status)

    @blueprint.get("/channels/<channel>")
    def inform(channel: str) -> Response:
        caller_of(request.environ).require(Action.INFORM, check_channel(channel))
        found = history.inspect(channel)
        return json_answer(
            {
                "channel": channel,
                "listeners": delivery.count(channel),
                "last_event_id": found.last or None,
                "oldest_event_id": found.oldest or None,
                "retained": found.retained,
            }
        )

    @blueprint.get("/channels/<channel>/history")
    def read_history(channel: str) -> Response:
        caller_of(request.environ).require(Action.HISTORY, check_channel(channel))
        after = request.args.get("after") or BEFORE_FIRST
        limit = whole(request.args, "limit", 1, MAX_HISTORY, default=MAX_HISTORY)
        page = history.read(channel, after, limit=limit)
        complete = continues(page)
        if not page.position:  # an id that says nothing: what is left, from its beginning
            page = history.read(channel, BEFORE_FIRST, limit=limit)
        pace, events = Pace(), []
        for frame in page.frames:
            events.append(StoredEvent.of(frame))
            pace.step()
        more = bool(events) and events[-1].id != page.state.last
        return long_json_answer(
            {
                "events": [
                    {
                        "id": event.id,
                        "event": event.event,
                        "data": event.data,
                        "time": rfc3339(event.time_ms / 1000),
                    }
                    for event in events
                ],
                "complete": complete,
                "next": events[-1].id if more else None,
            }
        )

    @blueprint.delete("/channels/<channel>")
    def delete(channel: str) -> Response:
        caller = caller_of(request.environ)
        caller.require_free(channel)
        caller.require(Action.DELETE, channel)
        history.delete(channel)
        return Response(status=204)

    return blueprint
