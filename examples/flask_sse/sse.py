"""flask-sse's own quickstart. Only the import is another one.

gunicorn sse:app --worker-class gevent --bind 127.0.0.1:8000
"""

import os

from flask import Flask, render_template, request

from hub.flask_sse import sse

app = Flask(__name__)
app.config["REDIS_URL"] = os.environ.get("REDIS_URL", "redis://localhost")
app.register_blueprint(sse, url_prefix="/stream")


@app.route("/")
def index():
    return render_template("index.html")


@app.route("/hello")
def publish_hello():
    sse.publish({"message": "Hello!"}, type="greeting")
    return "Message sent!"


@app.route("/send_message", methods=["GET", "POST"])
def send_message():
    message = request.values.get("message", "Hello!")
    sse.publish({"message": message}, type=request.values.get("type", "greeting"))
    return "Message sent!"
