// The SDK's reader on any UI message stream: ai_sdk_url.mjs VERSION URL
import { headers } from "./shown.mjs";

const [version, url] = process.argv.slice(2);
const { DefaultChatTransport, readUIMessageStream } = await import(version === "7" ? "ai" : `ai${version}`);

const transport = new DefaultChatTransport({
  api: url,
  headers,
  prepareReconnectToStreamRequest: () => ({ api: url }),
});
const stream = await transport.reconnectToStream({ chatId: "any" });
const problems = [];
let message = null;
const messages = readUIMessageStream({ stream, onError: (error) => problems.push(error.message) });
for await (const one of messages) message = one;
process.stdout.write(`${JSON.stringify({ message, problems })}\n`);
