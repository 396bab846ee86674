// @ts-check
/**
 * The turns of a conversation are a tree: asking again, or an edited question, is another child of
 * the same parent. A page shows one path through it, from the first question to the last.
 *
 * @module
 */

/**
 * @typedef {object} Turn
 * @property {string} id
 * @property {string | null} parent
 *
 * @typedef {object} Step        one turn of the path
 * @property {string} id
 * @property {string} parent     "" for the first
 * @property {string[]} versions all children of this parent, in the order in which they were asked
 */

/**
 * The path to show: at each fork the version that was chosen, else the one that leads to the newest
 * turn, so that every tab shows what was asked last.
 *
 * @param {readonly Turn[]} turns                    in the order in which they were asked
 * @param {ReadonlyMap<string, string>} [chosen]     parent (or "") to the child that is wanted
 * @returns {Step[]}
 */
export function pathOf(turns, chosen = new Map()) {
  const known = new Set(turns.map((turn) => turn.id));
  /** @type {Map<string, string[]>} */
  const children = new Map();
  /** @type {Map<string, string>} */
  const parents = new Map();
  for (const { id, parent } of turns) {
    // A parent that is not there any more leaves its children at the beginning.
    const under = parent && known.has(parent) && parent !== id ? parent : "";
    parents.set(id, under);
    children.set(under, [...(children.get(under) ?? []), id]);
  }
  const newest = lineage(turns.at(-1)?.id ?? "", parents);
  /** @type {Step[]} */
  const path = [];
  const seen = new Set();
  for (let parent = ""; !seen.has(parent); ) {
    seen.add(parent);
    const versions = children.get(parent);
    if (!versions) break;
    const wanted = chosen.get(parent);
    const id =
      wanted !== undefined && versions.includes(wanted)
        ? wanted
        : (versions.find((one) => newest.has(one)) ?? versions[versions.length - 1]);
    path.push({ id, parent, versions });
    parent = id;
  }
  return path;
}

/** A turn and all above it. @param {string} id @param {Map<string, string>} parents */
function lineage(id, parents) {
  const found = new Set();
  for (let at = id; at && !found.has(at); at = parents.get(at) ?? "") found.add(at);
  return found;
}
