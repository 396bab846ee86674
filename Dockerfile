# Two images from one file. The last stage, which `docker build .` makes, is for both kinds of
# process: the web (the default command) and the worker (`python -m workers`). The stage `model` is
# the bundled local model. Settings come from the environment; there is nothing to write to.
#
# Behind a company's proxy: --build-arg HTTPS_PROXY=…, and a base image that knows its authority.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
# /run/model: where the model leaves its key for the worker.
RUN useradd --system --uid 10001 --no-create-home hubbub \
    && install -d -o hubbub -m 0700 /run/model
WORKDIR /app

FROM base AS model
# llama.cpp's threads.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-model.txt ./
RUN pip install --only-binary :all: --no-deps -r requirements-model.txt
COPY hubbub/parts/local_model.py ./
USER 10001
EXPOSE 8080
ENV HUBBUB_MODEL_KEY_FILE=/run/model/key
CMD ["python", "local_model.py", "0.0.0.0", "8080"]

FROM base AS hubbub
COPY requirements.txt ./
RUN pip install --only-binary :all: -r requirements.txt
COPY . ./
USER 10001
EXPOSE 8000
# The exec form: SIGTERM reaches gunicorn itself, which ends its streams within HUB_GRACE_SECONDS.
CMD ["python", "-m", "hubbub", "web"]
