"""A Flask application with users of its own: questions by `GET`, and an inbox for each user.

    .venv/bin/python -m examples.users

Its views decide who may do what, as they always did; the streams are the hub's. Sign in under any
name: this is an example. It talks to the hub's Redis, and the hub's workers answer.
"""

import os

from flask import Flask, Response, abort, redirect, render_template, request, session

from hub import Hubbub

app = Flask(__name__)
app.secret_key = os.urandom(16)
app.config["HUBBUB_REDIS_URL"] = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
hubbub = Hubbub(app)


def user() -> str:
    return session.get("user") or abort(401)


@app.get("/")
def page() -> str:
    return render_template("users.html", user=session.get("user"))


@app.post("/sign-in")
def sign_in() -> Response:
    session["user"] = request.form["user"]
    return redirect("/")


@app.get("/ask")
def ask() -> Response:
    return hubbub.ask(prompt=request.args["question"], owner=user())


@app.get("/inbox")
def inbox() -> Response:
    return hubbub.stream(f"user:{user()}:inbox")


@app.post("/tell")
def tell() -> tuple[str, int]:
    hubbub.publish(
        f"user:{request.form['to']}:inbox", {"from": user(), "text": request.form["text"]}
    )
    return "", 204


if __name__ == "__main__":
    app.run(port=int(os.environ.get("EXAMPLE_PORT", "5050")), threaded=True)
