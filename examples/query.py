"""A page that asks with `fetchEventSource`: `{"query": …}` in, the answer's text out.

    .venv/bin/python -m examples.query

The page knows only this program, which may check who asks and what, and hands the question on. The
stream that comes back is the hub's, byte for byte; so are its ids, with which the page resumes.
"""

import os
from collections.abc import Iterator

import requests
from flask import Flask, Response, render_template, request, send_from_directory

HUB_URL = os.environ.get("HUB_URL", "http://127.0.0.1:8000")
# Its own, where the page shows none and the hub has keys.
TOKEN = os.environ.get("HUB_TOKEN", "")
PASSED_ON = ("Authorization", "Idempotency-Key", "Last-Event-ID")
KEPT = ("Content-Type", "Cache-Control", "X-Accel-Buffering")

app = Flask(__name__)


@app.get("/")
def page() -> str:
    return render_template("query.html")


@app.get("/vendor/<path:name>")
def vendored(name: str) -> Response:
    return send_from_directory("vendor", name)


@app.post("/query")
def query() -> Response:
    headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    headers |= {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    answer = requests.post(
        f"{HUB_URL}/generations?format=text",
        json={"prompt": request.json.get("query")},
        headers={**headers, "Accept": "text/event-stream"},
        stream=True,
        timeout=60,  # a comment comes every 15 seconds
    )

    def body() -> Iterator[bytes]:
        with answer:  # if this is cut it raises, and the page sees a cut as well
            while piece := answer.raw.read1(65536):
                yield piece

    kept = {name: answer.headers[name] for name in KEPT if name in answer.headers}
    return Response(body(), answer.status_code, kept)


@app.errorhandler(requests.RequestException)
def no_hub(error: requests.RequestException) -> Response:
    return Response(f"The hub at {HUB_URL} does not answer.", 502, content_type="text/plain")


if __name__ == "__main__":
    app.run(port=int(os.environ.get("EXAMPLE_PORT", "5050")))
