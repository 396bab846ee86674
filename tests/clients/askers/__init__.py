"""Programs that ask with other people's clients of OpenAI's interface: `NAME HUB FACE`, where FACE
is `chat` or `responses`.

Each is started once and told on its input what to do, a JSON object a line (`asked.py`,
`asked.mjs`), because the import of such a client takes seconds. It prints JSON lines: `{"text": …}`
as it comes, `{"tool": name, "arguments": {…}}` when a tool is called, `{"object": {…}}`,
`{"usage": [asked, answered]}`, `{"error": …}` for what it raised, and `{"done": true}` behind each.
"""
