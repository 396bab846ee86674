"""An application with users, routes, hooks and error handlers of its own, as tests start it under
several servers: `create_app` in the manner of Flask's tutorial."""

from __future__ import annotations

import os

from flask import Flask, Response, request, session
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user

from hub import Hubbub
from hub.errors import HubError
from hub.identity import Identity

hubbub = Hubbub()
unruled = Hubbub()


class User(UserMixin):  # type: ignore[misc]
    def __init__(self, name: str) -> None:
        self.id = name


@hubbub.authorize
def may(identity: Identity, action: str, channel: str) -> bool:
    if not current_user.is_authenticated:
        return False
    name = current_user.id
    if action == "generate":
        return True
    if action == "operate":
        return bool(name == "root")
    return channel == "news" or channel.startswith((f"user:{name}:", "generation:"))


def create_app(**config: object) -> Flask:
    app = Flask(__name__)
    app.secret_key = "for tests"
    app.config.update({"HUBBUB_REDIS_URL": os.environ.get("PROGRAM_REDIS_URL"), **config})
    hubbub.init_app(app)
    app.register_blueprint(hubbub.blueprint, url_prefix="/hub")
    app.register_blueprint(unruled.blueprint, url_prefix="/closed", name="closed")
    manager = LoginManager(app)
    manager.user_loader(User)

    @app.before_request
    def count() -> None:
        session["requests"] = session.get("requests", 0) + 1

    @app.after_request
    def sign(response: Response) -> Response:
        response.headers["X-Program"] = f"request {session['requests']}"
        return response

    @app.errorhandler(HubError)
    def refused(error: HubError) -> tuple[dict[str, str], int]:
        return {"oh": error.code}, error.status

    @app.post("/login/<name>")
    def login(name: str) -> str:
        login_user(User(name))
        return name

    @app.get("/inbox")
    @login_required  # type: ignore[untyped-decorator]
    def inbox() -> Response:
        return hubbub.stream(f"user:{current_user.id}:inbox", "news")

    @app.post("/tell/<name>")
    def tell(name: str) -> str:
        return hubbub.publish(f"user:{name}:inbox", request.get_data(as_text=True), "notice")

    @app.post("/questions")
    @login_required  # type: ignore[untyped-decorator]
    def question() -> tuple[dict[str, str], int]:
        made = hubbub.generate(prompt=request.get_data(as_text=True), owner=current_user.id)
        return {"id": made.id}, 202

    @app.get("/questions/<one>")
    @login_required  # type: ignore[untyped-decorator]
    def watch(one: str) -> Response:
        return hubbub.stream(hubbub.generation(one), format=request.args.get("format"))

    @app.get("/ask")
    def ask() -> Response:
        return hubbub.ask(prompt=request.args["question"], format=request.args.get("format"))

    return app
