// A transport for `useChat()` that stays through a cut: it goes on reading where it stood, so the page
// sees one stream. The SDK's own goes to `error` there, and what it then reads again ai 5 and 6 append
// to what they have (docs/frontends.md).
import { DefaultChatTransport } from "ai";

export class StayingTransport extends DefaultChatTransport {
  // hub: its origin; waitMs: between two attempts
  constructor({ hub = "", waitMs = 1000, ...options }) {
    const generations = new WeakMap(); // of each answer's body: it may be cut before its first block
    const noted = async (...asked) => {
      const answer = await (options.fetch ?? fetch)(...asked);
      if (answer.body) generations.set(answer.body, answer.headers.get("Hubbub-Generation"));
      return answer;
    };
    super({ api: `${hub}/api/chat`, ...options, fetch: noted });
    this.place = { hub, waitMs, generations, headers: options.headers, credentials: options.credentials };
  }

  // A page that opens while the line is cut waits for it.
  async reconnectToStream(options) {
    for (;;) {
      try {
        return await super.reconnectToStream(options);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        await new Promise((go) => setTimeout(go, this.place.waitMs));
        if (options.abortSignal?.aborted) throw error;
      }
    }
  }

  processResponseStream(stream) {
    const leave = new AbortController();
    const blocks = staying(stream, this.place, leave.signal);
    const encoder = new TextEncoder();
    const whole = new ReadableStream({
      async pull(controller) {
        const { done, value } = await blocks.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel: () => leave.abort(),
    });
    return super.processResponseStream(whole);
  }
}

// The blocks of an event have the id of the one before it, and its last block its own: what waits is
// given on when the id moves, so that an event is shown whole, or asked for again.
async function* staying(stream, { hub, waitMs, generations, headers, credentials }, left) {
  const generation = generations.get(stream);
  let id = null;
  while (stream !== null) {
    let waiting = "";
    try {
      for await (const block of blocksOf(stream, left)) {
        waiting += block;
        const own = /^id: (.*)$/m.exec(block)?.[1] ?? id;
        const over = /^data: \[DONE\]$/m.test(block);
        if (own === id && !over) continue;
        id = own;
        yield waiting;
        if (over) return;
        waiting = "";
      }
    } catch (error) {
      if (error.name === "AbortError") throw error;
    }
    if (left.aborted) return;
    stream = await again();
  }

  // The rest of the answer; null where there is no more.
  async function again() {
    while (generation && !left.aborted) {
      await new Promise((go) => setTimeout(go, waitMs));
      // From its start, event by event: the blocks of a snapshot have one id, and would wait.
      const url = `${hub}/generations/${generation}/events?format=ai-sdk&from=start`;
      const place = id === null ? {} : { "Last-Event-ID": id };
      const asked = { credentials, headers: { ...headers, ...place }, signal: left };
      const answer = await fetch(url, asked).catch(() => null);
      if (answer?.ok) return answer.status === 204 ? null : answer.body;
      if (answer?.status < 500) throw new Error(await answer.text());
    }
    throw new Error("the connection was lost");
  }
}

async function* blocksOf(stream, left) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const stop = () => reader.cancel().catch(() => {});
  left.addEventListener("abort", stop);
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) yield `${block}\n\n`;
    }
  } finally {
    left.removeEventListener("abort", stop);
  }
}
