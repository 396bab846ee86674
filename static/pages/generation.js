// @ts-check
/** `/g/{id}`: one generation. @module */

import { ConnectionView } from "./connection.js";
import { part } from "./dom.js";
import { Inbox } from "./inbox.js";
import { GenerationView } from "./generation_view.js";
import { setTitle } from "./title.js";
import { WatchersView } from "./watchers.js";

const root = part(document, "generation");
const title = document.title;
const connection = new ConnectionView(part(document, "connection"));
const watchers = new WatchersView(part(document, "watchers"));
const view = new GenerationView(root, {
  changed() {
    if (view.missing) {
      part(document, "missing").hidden = false;
      setTitle(title);
      return;
    }
    setTitle(`${part(root, "status").textContent} · ${title}`);
    if (!view.ended) return;
    connection.show({ name: "ended", reason: "", attempt: 0, until: null, problem: null });
  },
  state: (state) => connection.show(state),
  watchers: (channel, listeners, tabs) => {
    if (listeners > 0) watchers.show(channel, listeners, tabs);
    else watchers.drop(channel);
  },
});
new Inbox();
view.watch(root.dataset.generation ?? "");
