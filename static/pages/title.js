// @ts-check
/**
 * The page's title: its own words, and before them how many notifications are unread.
 *
 * @module
 */

let words = document.title;
let unread = 0;

/** @param {string} text */
export function setTitle(text) {
  words = text;
  draw();
}

/** @param {number} count */
export function setUnread(count) {
  unread = count;
  draw();
}

function draw() {
  document.title = unread > 0 ? `(${unread}) ${words}` : words;
}
