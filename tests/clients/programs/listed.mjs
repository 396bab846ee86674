// npm's `eventsource` on a list of channels: says every event that it gets.
import { EventSource } from "eventsource";

const [url] = process.argv.slice(2);
const source = new EventSource(url);
for (const type of ["subscribed", "notice", "message"]) {
  source.addEventListener(type, ({ data, lastEventId }) => {
    console.log(JSON.stringify({ heard: [type, data, lastEventId] }));
  });
}
