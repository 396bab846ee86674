// @ts-check
/**
 * What a question or an answer holds beside its text: pictures and sources, in the forms in which
 * providers send them.
 *
 * A picture is shown only where its bytes came along (`data:`). One that lies elsewhere becomes a
 * link: fetching it would tell its server who reads.
 *
 * @module
 */

import { element } from "./dom.js";

const SHOWN = /^data:image\/(png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/=\s]+$/;
const WEB = /^https?:\/\//;

/** The text of a question as it was given. @param {any} asked @returns {string} */
export function textOf(asked) {
  if (typeof asked === "string") return asked;
  if (!Array.isArray(asked)) return "";
  return asked
    .filter((part) => part?.type === "text")
    .map((part) => part.text)
    .join("\n");
}

/** The addresses of the pictures in a message. @param {any} message @returns {string[]} */
export function picturesOf(message) {
  const content = Array.isArray(message) ? message : [];
  const lists = [content, message?.images, message?.content_parts];
  return lists
    .flatMap((list) => (Array.isArray(list) ? list : []))
    .map((part) => part?.image_url?.url ?? part?.image_url ?? part?.url)
    .filter((url) => typeof url === "string" && (SHOWN.test(url) || WEB.test(url)));
}

/** @param {any} choice @returns {{ url: string, title: string }[]} */
export function sourcesOf(choice) {
  const list = (/** @type {any} */ one) => (Array.isArray(one) ? one : []);
  const annotations = list(choice.annotations).map((/** @type {any} */ one) => one?.url_citation);
  const found = [...annotations, ...list(choice.citations), ...list(choice.search_results)];
  /** @type {Map<string, string>} */
  const titles = new Map();
  for (const one of found) {
    const url = typeof one === "string" ? one : one?.url;
    if (typeof url !== "string" || !WEB.test(url)) continue;
    titles.set(url, titles.get(url) || one.title || "");
  }
  return [...titles].map(([url, title]) => ({ url, title }));
}

/** @param {string[]} urls @returns {HTMLElement[]} */
export function pictures(urls) {
  return urls.map((url, at) => {
    if (!SHOWN.test(url)) {
      const link = /** @type {HTMLAnchorElement} */ (element("a", `Picture ${at + 1}: ${url}`));
      link.href = url;
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
      return link;
    }
    const image = /** @type {HTMLImageElement} */ (element("img"));
    image.src = url;
    image.alt = `Picture ${at + 1}`;
    return image;
  });
}
