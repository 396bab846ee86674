"""A drop-in for flask-sse 1.0: change the import, and the same listeners get replay.

    from hub.flask_sse import sse

    app.config["REDIS_URL"] = "redis://localhost"
    app.register_blueprint(sse, url_prefix="/stream")
    sse.publish({"message": "Hello!"}, type="greeting")

What flask-sse's documentation says holds here; `docs/from-code.md` has a table of what differs.
Beyond it, events are stored, so a listener that was cut off returns with `Last-Event-ID` and misses
nothing; comments keep idle connections alive; and all listeners of a process share one connection
to Redis. The stream is `quiet`: such a program shows every event that it gets. An `id=` of the
publisher's own goes on the wire and resolves in history.

A `messages()` that a subclass overrides decides what goes out, as it does there. What it passes on
keeps its place in the history; each such listener has a Redis connection of its own, as every one
had with flask-sse. So it is with `SSE_REDIS_PUBSUB=1`, too.

Three things are wider than on the hub's own routes, because flask-sse lets programs have them: any
name of a channel (one outside our alphabet is stored under another name), any type and any id
without a line end.
"""

from hub.flask_sse.blueprint import ServerSentEventsBlueprint, sse
from hub.flask_sse.message import Message

__all__ = ["Message", "ServerSentEventsBlueprint", "sse"]
