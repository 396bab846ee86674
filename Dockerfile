# One image for both kinds of process: the web (the default command) and the worker
# (`python -m workers`). Settings come from the environment; there is nothing to write to.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1

WORKDIR /app
COPY requirements.txt ./
RUN pip install --only-binary :all: -r requirements.txt

COPY . ./
RUN useradd --system --uid 10001 --no-create-home hubbub
USER 10001

EXPOSE 8000
# The exec form: SIGTERM reaches gunicorn itself, which ends its streams within HUB_GRACE_SECONDS.
CMD ["gunicorn", "-c", "gunicorn.conf.py", "app:app"]
