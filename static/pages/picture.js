// @ts-check
/**
 * A picture of the user's as an address that carries its bytes, made smaller where it is larger than
 * models look at.
 *
 * @module
 */

const LONGEST_SIDE = 1_600;
const PLAIN_BYTES = 400_000;
const KEPT_TYPES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** @param {File} file @returns {Promise<string>} */
export async function picture(file) {
  if (file.size <= PLAIN_BYTES && KEPT_TYPES.has(file.type)) return dataUrl(file);
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is not a picture that this browser can read.`);
  });
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.toDataURL("image/jpeg", 0.85);
}

/** @param {Blob} blob @returns {Promise<string>} */
function dataUrl(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(`${reader.result}`);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}
