// @ts-check
/**
 * The window follows a growing page only while its end is in sight, and never jumps otherwise: a
 * reader who has scrolled up stays where they are, and is offered a way down.
 *
 * @module
 */

const NEAR_PX = 48;

export class Follow {
  #button;
  #following = true;
  #y = 0;

  /** @param {HTMLElement} content   what grows @param {HTMLElement} button   leads to the end */
  constructor(content, button) {
    this.#button = button;
    button.onclick = () => this.toEnd();
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#grown()).observe(content);
  }

  toEnd() {
    this.#following = true;
    this.#grown();
  }

  #grown() {
    if (this.#following) scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
    this.#offer();
  }

  /** Only a way up is a wish to stay: the end itself moves away with every line. */
  #scrolled() {
    if (this.#distance() < NEAR_PX) this.#following = true;
    else if (scrollY < this.#y) this.#following = false;
    this.#y = scrollY;
    this.#offer();
  }

  #offer() {
    this.#button.hidden = this.#following || this.#distance() < NEAR_PX;
  }

  #distance() {
    return document.documentElement.scrollHeight - scrollY - innerHeight;
  }
}
