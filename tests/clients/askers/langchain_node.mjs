// @langchain/openai: a model's stream, an agent with tools, an object of a given shape.
import { AIMessageChunk } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { createAgent, tool } from "langchain";
import { z } from "zod";
import { MODEL, apiKey, baseURL, clock, headers, responses, say, serve, weather } from "./asked.mjs";

const model = new ChatOpenAI({
  model: MODEL,
  apiKey,
  maxRetries: 0,
  streamUsage: true,
  useResponsesApi: responses,
  configuration: { baseURL, defaultHeaders: headers },
});
const tools = [
  tool(weather, { name: "weather", schema: z.object({ city: z.string() }) }),
  tool(clock, { name: "clock", schema: z.object({ zone: z.string() }) }),
];

await serve({
  async text(prompt) {
    let whole;
    for await (const chunk of await model.stream(prompt)) {
      say({ text: chunk.text });
      whole = whole ? whole.concat(chunk) : chunk;
    }
    const { input_tokens, output_tokens } = whole.usage_metadata;
    say({ usage: [input_tokens, output_tokens] });
  },
  async tools(prompt) {
    const agent = createAgent({ model, tools });
    const asked = { messages: [{ role: "user", content: prompt }] };
    for await (const [chunk] of await agent.stream(asked, { streamMode: "messages" })) {
      if (AIMessageChunk.isInstance(chunk)) say({ text: chunk.text });
    }
  },
  async shaped(prompt) {
    const shape = z.object({ name: z.string(), age: z.number() });
    const shaping = model.withStructuredOutput(shape, { method: "jsonSchema" });
    say({ object: await shaping.invoke(prompt) });
  },
  async leave(prompt) {
    for await (const chunk of await model.stream(prompt)) {
      if (!chunk.text) continue;
      say({ text: chunk.text });
      break;
    }
  },
});
