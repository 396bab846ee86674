// @ts-check
/** `/g/{id}`: one generation. @module */

import { part } from "./dom.js";
import { GenerationView } from "./generation_view.js";

const root = part(document, "generation");
const title = document.title;
const view = new GenerationView(root, () => {
  document.title = `${part(root, "status").textContent} · ${title}`;
});
view.watch(root.dataset.generation ?? "");
