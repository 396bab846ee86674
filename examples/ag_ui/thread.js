// A page with `HttpAgent` of AG-UI. There is no server code: it talks to the hub itself.
import { HttpAgent } from "@ag-ui/client";

const { hub: HUB, token } = document.body.dataset;
const headers = token ? { Authorization: `Bearer ${token}` } : {}; // where the hub has keys
// The same thread in every tab that has this address.
const threadId = new URLSearchParams(location.search).get("thread") ?? "example";
const status = document.querySelector("[role=status]");
let generation; // what answers now: its id is all that a stop needs

class HubAgent extends HttpAgent {
  constructor() {
    const followed = async (url, init) => {
      const answer = await fetch(url, init);
      generation = answer.headers.get("Hubbub-Generation");
      return answer;
    };
    super({ url: `${HUB}/ag-ui`, threadId, headers, fetch: followed });
  }

  // The thread's newest run from its start, while it runs and when it is over.
  connect(input) {
    const connected = new HubAgent();
    connected.url = `${HUB}/ag-ui/connect`;
    return connected.run(input);
  }
}

const agent = new HubAgent();

// What this page can do for the model.
const TOOLS = {
  window_size: {
    description: "How large the user's window is, in pixels.",
    parameters: { type: "object", properties: {} },
    run: () => `${innerWidth} x ${innerHeight}`,
  },
};
const tools = Object.entries(TOOLS).map(([name, { description, parameters }]) => ({ name, description, parameters }));

agent.subscribe({
  onMessagesChanged: show,
  onReasoningMessageContentEvent: ({ reasoningMessageBuffer, event }) => {
    document.querySelector("#reasoning").textContent = reasoningMessageBuffer + event.delta;
  },
  onCustomEvent: ({ event }) => {
    const item = document.createElement("li");
    item.textContent = `${event.name} ${JSON.stringify(event.value.data ?? event.value)}`;
    document.querySelector("#parts").append(item);
  },
  onRunErrorEvent: ({ event }) => {
    status.textContent = event.code === "cancelled" ? "Stopped." : event.message;
  },
});

function show() {
  const shown = agent.messages.map((message) => {
    const box = document.createElement("article");
    box.className = message.role;
    const calls = (message.toolCalls ?? []).map(({ function: f }) => `${f.name} ${f.arguments}`);
    for (const text of [message.content, ...calls].filter(Boolean)) {
      const line = document.createElement("p");
      line.className = "text";
      line.textContent = text;
      box.append(line);
    }
    return box;
  });
  document.querySelector("main").replaceChildren(...shown);
}

// Runs until the model wants no more tools.
async function run() {
  // The hub keeps the newest answer; what was said before it is the page's to keep.
  sessionStorage.setItem(threadId, JSON.stringify(agent.messages));
  await followed(() => agent.runAgent({ tools }));
  const calls = agent.messages.at(-1)?.toolCalls ?? [];
  for (const { id, function: called } of calls) {
    const content = TOOLS[called.name]?.run(JSON.parse(called.arguments || "{}")) ?? "There is no such tool.";
    agent.addMessage({ id: crypto.randomUUID(), role: "tool", toolCallId: id, content });
  }
  if (calls.length) await run();
}

async function followed(begin) {
  status.textContent = "Answering…";
  document.querySelector("#reasoning").textContent = "";
  document.querySelector("#parts").replaceChildren();
  try {
    await begin();
    if (status.textContent === "Answering…") status.textContent = "Done.";
  } catch (error) {
    // Nothing was asked in this thread yet.
    if (error.status === 404) status.textContent = "";
    else if (status.textContent === "Answering…") status.textContent = error.message;
  }
}

document.querySelector("form").onsubmit = async (event) => {
  event.preventDefault();
  const content = event.target.elements.question.value;
  agent.addMessage({ id: crypto.randomUUID(), role: "user", content });
  await run();
};
// The agent's own abortRun() closes this page's request alone; this stops the answer, for all.
document.querySelector("#stop").onclick = () => fetch(`${HUB}/generations/${generation}/cancel`, { method: "POST", headers });

agent.setMessages(JSON.parse(sessionStorage.getItem(threadId) ?? "[]"));
show();
await followed(() => agent.connectAgent());
