"""`POST /v1/embeddings`: asked of the provider and answered with what it says, as it says it.

No generation: there is nothing to watch or to resume. The web process asks by itself, so it needs
the providers' keys as the workers do; without them it says so.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from hub.errors import FieldError
from hub.identity import Action
from hub.settings import Settings
from hub.web.body import read_question
from hub.web.caller import caller_of
from hub.web.publishing import check_json
from workers.openai.chat_request import allow, mapping
from workers.openai.error import error_answer
from workers.provider import ProviderFailure, Providers


def embeddings_blueprint(providers: Providers, settings: Settings) -> Blueprint:
    """The blueprint `embeddings`."""
    blueprint = Blueprint("embeddings", __name__)

    @blueprint.post("/v1/embeddings")
    def embeddings() -> Response:
        caller_of(request.environ).require(Action.GENERATE)
        check_json(request)
        asked = mapping(read_question(request, settings)[1])
        if "input" not in asked:
            raise FieldError("input", "is missing")
        allow(asked.get("model"), settings.models)
        try:
            answer = providers.embed(asked, settings.max_answer_bytes)
        except ProviderFailure as error:
            return error_answer(error.as_failed())
        return Response(answer, content_type="application/json")

    return blueprint
