#!/bin/sh
# An answer of one's own, said line by line: any program that prints can be a producer.
#
#   sh examples/producers/curl.sh "Why is the sea salty?"
#
# With OPENAI_BASE_URL (and OPENAI_API_KEY, HUB_MODEL) it pipes that provider's answer through.
set -eu

hub=${HUB_URL:-http://127.0.0.1:8000}
question=$(printf %s "${1:-Why is the sea salty?}" | sed 's/[\\"]/\\&/g')

# Where the hub has keys: HUB_TOKEN.
post() {
    curl -sS --fail-with-body -X POST ${HUB_TOKEN:+-H "Authorization: Bearer $HUB_TOKEN"} "$@"
}

begun=$(post "$hub/generations" -H 'Content-Type: application/json' \
    -d "{\"producer\": \"client\", \"prompt\": \"$question\"}")
id=$(printf %s "$begun" | sed 's/.*"id":"\([^"]*\)".*/\1/')
echo "$hub/g/$id"

# `-T -` sends what it reads as it comes, and curl would call that a PUT.
send() {
    post -T - -H "Content-Type: $1" "$hub/generations/$id/deltas"
}

answer() {
    for word in The sea is salty.; do
        printf '{"content": "%s "}\n' "$word"
        sleep 0.1 # it thinks
    done
    echo '{"completed": {}}'
}

ask() {
    curl -sSN --fail "$OPENAI_BASE_URL/chat/completions" -H 'Content-Type: application/json' \
        -H "Authorization: Bearer ${OPENAI_API_KEY:-}" -d "{\"model\": \"${HUB_MODEL:-gpt-4o-mini}\",
        \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"$question\"}]}"
}

if [ -n "${OPENAI_BASE_URL:-}" ]; then
    ask | send text/event-stream
else
    answer | send application/x-ndjson
fi
