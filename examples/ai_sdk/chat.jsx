// A page with `useChat()` of the AI SDK. There is no server code: it talks to the hub itself.
import { useChat } from "@ai-sdk/react";
import { lastAssistantMessageIsCompleteWithToolCalls } from "ai";
import { useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { StayingTransport } from "./transport.js";

const { hub: HUB, token } = document.body.dataset;
const headers = token ? { Authorization: `Bearer ${token}` } : {}; // where the hub has keys
const query = new URLSearchParams(location.search);
// The same chat in every tab that has this address.
const id = query.get("chat") ?? "example";

// What this page can do for the model.
const TOOLS = { window_size: () => `${innerWidth} x ${innerHeight}` };
const tools = [
  { name: "window_size", description: "How large the user's window is, in pixels.", parameters: { type: "object", properties: {} } },
].map((described) => ({ type: "function", function: described }));

function Chat() {
  const asked = useRef(false);
  const { messages, sendMessage, regenerate, addToolOutput, status, error } = useChat({
    id,
    resume: true, // a reload in mid-answer goes on with it
    // It goes on after a cut, too; without that, the SDK's own will do.
    transport: new StayingTransport({ hub: HUB, headers, body: { model: query.get("model") ?? undefined, tools } }),
    // Every tab sees the call; the one that asked answers it.
    onToolCall: ({ toolCall }) => {
      const { toolName: tool, toolCallId } = toolCall;
      if (asked.current && tool in TOOLS) addToolOutput({ tool, toolCallId, output: TOOLS[tool]() });
    },
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
  });
  const [text, setText] = useState("Why is the sea salty?");
  const ask = (event) => {
    event.preventDefault();
    const { files } = event.target.elements.files;
    asked.current = true;
    sendMessage({ text, files: files.length ? files : undefined });
    setText("");
  };
  // The SDK's own stop() closes this page's request alone; this stops the answer, for all.
  const stop = () => fetch(`${HUB}/api/chat/${encodeURIComponent(id)}/stop`, { method: "POST", headers });
  return (
    <>
      {messages.map((message) => (
        <article key={message.id} className={message.role}>
          {message.parts.map((part, number) => (
            <Part key={number} part={part} />
          ))}
        </article>
      ))}
      <form onSubmit={ask}>
        <label className="wide">
          Question <textarea value={text} rows="2" onChange={(e) => setText(e.target.value)} />
        </label>
        <label className="wide">
          Files <input type="file" name="files" multiple />
        </label>
        <button>Ask</button>
        <button type="button" onClick={stop}>
          Stop
        </button>
        <button type="button" onClick={() => regenerate()}>
          Again
        </button>
      </form>
      <p role="status">{error ? error.message : status}</p>
    </>
  );
}

function Part({ part }) {
  if (part.type === "text") return <p className="text">{part.text}</p>;
  if (part.type === "reasoning") return <p className="reasoning">{part.text}</p>;
  if (part.type === "dynamic-tool") return <pre>{[part.toolName, JSON.stringify(part.input), part.output].join(" ")}</pre>;
  if (part.type.startsWith("data-")) return <pre>{JSON.stringify(part.data)}</pre>;
  return null;
}

createRoot(document.querySelector("main")).render(<Chat />);
