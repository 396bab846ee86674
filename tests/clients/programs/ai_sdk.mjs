// `useChat`'s transport without a page: ai_sdk.mjs VERSION ORIGIN CHAT ask|resume|stop [MESSAGES]
// Prints what the SDK's own reader makes of the stream: each chunk's type, then the message.
import { headers } from "./shown.mjs";

const [version, origin, chat, mode, messages] = process.argv.slice(2);
const { DefaultChatTransport, readUIMessageStream } = await import(version === "7" ? "ai" : `ai${version}`);

const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);
const transport = new DefaultChatTransport({ api: `${origin}/api/chat`, headers });

let stream = null;
try {
  if (mode === "resume") {
    stream = await transport.reconnectToStream({ chatId: chat });
  } else {
    stream = await transport.sendMessages({
      chatId: chat,
      messages: JSON.parse(messages),
      trigger: "submit-message",
      messageId: undefined,
      abortSignal: undefined,
    });
  }
} catch (error) {
  say({ error: error.message });
  process.exit(0);
}
if (stream === null) {
  say({ nothing: true });
  process.exit(0);
}
const [types, whole] = stream.tee();
const read = (async () => {
  let last = null;
  const problems = [];
  const messages = readUIMessageStream({
    stream: whole,
    onError: (error) => problems.push(error.message),
  });
  for await (const message of messages) last = message;
  return { message: last, problems };
})();
const seen = [];
for await (const chunk of types) seen.push(chunk.type);
say({ types: seen, ...(await read) });
