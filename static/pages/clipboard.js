// @ts-check
/**
 * Copying, with a word on the button that was pressed.
 *
 * @module
 */

const SHOWN_MS = 1_500;

/**
 * @param {string} text
 * @param {HTMLElement} button
 * @returns {Promise<boolean>}   false where this page may not (an origin without HTTPS)
 */
export async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    return false;
  }
  if (button.dataset.copied === undefined) {
    button.dataset.copied = "";
    setTimeout(() => delete button.dataset.copied, SHOWN_MS);
  }
  return true;
}
