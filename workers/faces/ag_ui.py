"""AG-UI (contract §5): a run of an agent, asked by `RunAgentInput`, told by the protocol's events.

    POST /ag-ui            begin a run; its events
    POST /ag-ui/connect    {"threadId"}: the thread's newest run, from its start

A run is an ordinary generation; closing the request stops nothing.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from hub.errors import NotFound
from hub.shape import shaped
from hub.web.body import read_question
from hub.web.publishing import check_json
from workers.dialects.ag_ui import AgUi
from workers.faces.newest import Conversations
from workers.faces.run_input import ConnectInput, RunAgentInput, question
from workers.generation import Generation
from workers.openai.chat import OpenAIFace
from workers.openai.chat_request import Asked


def ag_ui_blueprint(face: OpenAIFace) -> Blueprint:
    blueprint = Blueprint("ag_ui", __name__)
    threads = Conversations(face.generations.all, "ag-ui")

    @blueprint.post("/ag-ui")
    def run() -> Response:
        names: list[str] = []

        def parse(body: Any) -> Asked:
            given = shaped(body, RunAgentInput)
            names.extend((given.threadId, given.runId))
            return question(body, face.settings.models)

        _, generation = face.ask(parse)
        thread, run_id = names
        threads.note(thread, generation, run_id)
        return stream(generation, thread, run_id)

    @blueprint.post("/ag-ui/connect")
    def connect() -> Response:
        owner = face.generations.owner()
        check_json(request)
        _, body = read_question(request, face.settings)
        thread = shaped(body, ConnectInput).threadId
        newest = threads.newest(thread, owner)
        if newest is None:
            raise NotFound(f"there is no run of the thread {thread[:100]!r}, or not any more")
        return stream(newest.generation, thread, newest.run)

    def stream(generation: Generation, thread: str, run_id: str) -> Response:
        view = AgUi(generation.id, thread_id=thread, run_id=run_id)
        return face.stream(generation, cancel_on_disconnect=False, view=view)

    return blueprint
