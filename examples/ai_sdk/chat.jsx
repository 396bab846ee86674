// A page with `useChat()` of the AI SDK. There is no server code: it talks to the hub itself.
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { useState } from "react";
import { createRoot } from "react-dom/client";

const HUB = document.body.dataset.hub;
// The same chat in every tab that has this address.
const id = new URLSearchParams(location.search).get("chat") ?? "example";

function Chat() {
  const { messages, sendMessage, regenerate, status, error } = useChat({
    id,
    resume: true, // a reload in mid-answer goes on with it
    transport: new DefaultChatTransport({ api: `${HUB}/api/chat` }),
  });
  const [text, setText] = useState("Why is the sea salty?");
  const ask = (event) => {
    event.preventDefault();
    sendMessage({ text });
    setText("");
  };
  // The SDK's own stop() closes this page's request alone; this stops the answer, for all.
  const stop = () => fetch(`${HUB}/api/chat/${encodeURIComponent(id)}/stop`, { method: "POST" });
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
  if (part.type === "dynamic-tool") return <pre>{`${part.toolName} ${JSON.stringify(part.input)}`}</pre>;
  if (part.type.startsWith("data-")) return <pre>{JSON.stringify(part.data)}</pre>;
  return null;
}

createRoot(document.querySelector("main")).render(<Chat />);
