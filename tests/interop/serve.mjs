// The smallest static server the scripts need: loopback only, answers from a function, permissive CORS as HLS origins send it.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, isAbsolute, normalize } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
  ".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/mp4", ".mp4": "video/mp4", ".vtt": "text/vtt",
};

/**
 * Listens on a free loopback port (or `port`). `answer(path)` gets the decoded path and returns `{ file }`, `{ text }` or `{ json }`,
 * with `status`, `type` and `headers` where they differ from the usual, or a promise of it. Returns `{ url, close }`.
 */
export async function serve({ port = 0, answer }) {
  const server = createServer(async (request, response) => {
    const path = decodePath(request.url);
    const { file, text, json, status = 200, type, headers = {} } = path === null ? { status: 400, json: {} } : await answer(path);
    const common = { "access-control-allow-origin": "*", "cache-control": "no-cache", ...headers };
    try {
      const body = file === undefined ? Buffer.from(text ?? JSON.stringify(json)) : await readFile(file);
      response.writeHead(status, { ...common, "content-type": type ?? TYPES[extname(file ?? path)] ?? (json === undefined ? "application/octet-stream" : "application/json"), "content-length": body.length });
      response.end(body);
    } catch (error) {
      response.writeHead(error.code === "ENOENT" ? 404 : 500, common);
      response.end();
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  const close = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

/** The path without its query, decoded; null when it is malformed or climbs. */
function decodePath(target) {
  try {
    const path = decodeURIComponent(new URL(target, "http://localhost").pathname);
    return isAbsolute(path) && normalize(path) === path ? path : null;
  } catch {
    return null;
  }
}
