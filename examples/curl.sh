#!/bin/sh
# Ask, and print the answer's `data:` lines while they come.
#
#   sh examples/curl.sh "Why is the sea salty?"
#
# HUB_TOKEN is shown where the hub has keys. `-N`: curl does not hold back what has come. The same with OpenAI's chunks, which end with
# `data: [DONE]`: post {"messages": […], "stream": true} to /v1/chat/completions.
set -eu

question=$(printf %s "${1:-Why is the sea salty?}" | sed 's/[\\"]/\\&/g')

curl -sSN --fail-with-body -X POST "${HUB_URL:-http://127.0.0.1:8000}/generations?format=text" \
    ${HUB_TOKEN:+-H "Authorization: Bearer $HUB_TOKEN"} \
    -H "Accept: text/event-stream" \
    -H "Content-Type: application/json" \
    -d "{\"prompt\": \"$question\"}"
