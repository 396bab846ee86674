// AG-UI's own agent: ag_ui.mjs URL THREAD QUESTION [TOOLS]
// Prints the events' types and the messages that the agent keeps, or the error that it raised.
import { HttpAgent } from "@ag-ui/client";
import { headers } from "./shown.mjs";

const [url, thread, question, tools] = process.argv.slice(2);
const agent = new HttpAgent({ url, threadId: thread, headers });
agent.addMessage({ id: "question", role: "user", content: question });

const seen = [];
const custom = [];
let error = null;
try {
  await agent.runAgent(
    { runId: "run-1", tools: JSON.parse(tools ?? "[]") },
    {
      onEvent: ({ event }) => {
        seen.push(event.type);
        if (event.type === "CUSTOM") custom.push([event.name, event.value]);
      },
      onRunErrorEvent: ({ event }) => {
        error = { message: event.message, code: event.code };
      },
    },
  );
} catch (problem) {
  error ??= { message: problem.message };
}
process.stdout.write(`${JSON.stringify({ types: seen, messages: agent.messages, custom, error })}\n`);
process.exit(0);
