// What the programs show where the hub has keys.
export const token = process.env.HUB_TOKEN ?? "";
export const headers = token ? { Authorization: `Bearer ${token}` } : {};
// For what can send no header.
export const query = token ? `?token=${encodeURIComponent(token)}` : "";
