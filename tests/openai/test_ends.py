"""A stream whose end is all that says "this was all" must not end in that way when it is cut."""

from __future__ import annotations

import signal

import pytest
import requests

from tests.conftest import StartStack
from tests.support.provider import Gate, Script, ScriptedProvider, text_for


@pytest.mark.parametrize("format", ["text", "openai"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_web_process_that_ends_is_no_end_of_the_text(
    stack: StartStack, provider: ScriptedProvider, format: str, number: signal.Signals
) -> None:
    gate = Gate()
    provider.default = Script(text=text_for("long"), gate=gate)
    hub = stack()
    generation_id = hub.generate("long")
    url = f"{hub.url}/generations/{generation_id}/events?format={format}"
    with requests.get(url, stream=True, timeout=10) as answer:
        gate.release(2)
        assert answer.headers["Transfer-Encoding"] == "chunked"
        received = answer.iter_content(None)
        next(received)

        hub.web.part.signal_group(number)

        with pytest.raises(requests.RequestException):
            list(received)
    gate.open()
