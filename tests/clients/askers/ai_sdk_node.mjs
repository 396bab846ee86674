// The `ai` package with one of its providers: ai_sdk_node.mjs HUB chat|responses|compatible
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { MODEL, apiKey, baseURL, clock, headers, say, serve, weather } from "./asked.mjs";

const openai = createOpenAI({ apiKey, baseURL, headers });
const compatible = createOpenAICompatible({
  name: "hubbub",
  apiKey,
  baseURL,
  headers,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const model = {
  chat: () => openai.chat(MODEL),
  responses: () => openai.responses(MODEL),
  compatible: () => compatible(MODEL),
}[process.argv[3]]();
const tools = {
  weather: tool({ inputSchema: z.object({ city: z.string() }), execute: weather }),
  clock: tool({ inputSchema: z.object({ zone: z.string() }), execute: clock }),
};

async function hear(prompt, more = {}) {
  const result = streamText({ model, prompt, maxRetries: 0, onError() {}, ...more });
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") say({ text: part.text });
    else if (part.type === "error") throw part.error;
  }
  return result;
}

await serve({
  async text(prompt) {
    const { inputTokens, outputTokens } = await (await hear(prompt)).usage;
    say({ usage: [inputTokens, outputTokens] });
  },
  tools: (prompt) => hear(prompt, { tools, stopWhen: isStepCount(3) }),
  async shaped(prompt) {
    const shape = z.object({ name: z.string(), age: z.number() });
    const result = streamText({
      model,
      prompt,
      maxRetries: 0,
      output: Output.object({ schema: shape }),
    });
    for await (const object of result.partialOutputStream) say({ object });
  },
  async leave(prompt) {
    const abort = new AbortController();
    const result = streamText({ model, prompt, maxRetries: 0, abortSignal: abort.signal });
    for await (const text of result.textStream) {
      if (!text) continue;
      say({ text });
      break;
    }
    abort.abort();
  },
});
