// npm's `eventsource`: the browser's EventSource, in Node.
import { EventSource } from "eventsource";
import { query } from "./shown.mjs";

const [hub, id] = process.argv.slice(2);
const say = (told) => console.log(JSON.stringify(told));
const source = new EventSource(`${hub}/generations/${id}/events${query}`);

source.addEventListener("snapshot", (event) => {
  say({ whole: JSON.parse(event.data).choices[0].content });
});
source.addEventListener("delta", (event) => say({ text: JSON.parse(event.data).content ?? "" }));
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) say({ end: "204" });
});
