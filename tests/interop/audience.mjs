// Several hls.js viewers in one page, each at a URL of its own, from the first frame to the end. They keep little ahead, so
// that what happens on the way meets them, and every fragment is told with a hash of its bytes.
//
//   node audience.mjs --urls MASTER,MASTER,… [--rate R] [--ahead S]
//
// Prints `at S` while they play: what the slowest of them has reached, in seconds of the film. Then one JSON object: of each
// viewer its errors, stalls (as the page counts them, and the longest in seconds of the wall), frames, and fragments. Exit 0
// when it comes to that; what is good enough is for the caller to say.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, withPage } from "./browser.mjs";
import { serve } from "./serve.mjs";

const POLL_MS = 100;
const DEADLINE_MS = 120_000;

const args = parseArgs(process.argv.slice(2), { values: ["urls", "rate", "ahead"], flags: [] });
if (args.urls === undefined) throw new Error("usage: node audience.mjs --urls MASTER,MASTER,… [--rate R] [--ahead S]");
const urls = args.urls.split(",");
const rate = Number(args.rate ?? 1);
const ahead = Number(args.ahead ?? 10);

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const STAGE = `<!doctype html><meta charset="utf-8"><style>iframe { width: 300px; height: 170px; border: 0 }</style>${urls.map((_, n) => `<iframe name="${n}" src="/viewer" allow="autoplay"></iframe>`).join("")}`;
// Without a worker: it would be given the bytes before they can be looked at.
const BEFORE = `window.hlsConfig = ${JSON.stringify({ enableWorker: false, maxBufferLength: ahead, maxMaxBufferLength: ahead })};`;
const AFTER = `
window.fragments = [];
hls.on(Hls.Events.FRAG_LOADED, (_, { frag, payload }) => {
  let hash = 0x811c9dc5; // FNV-1a of 32 bits.
  for (const byte of new Uint8Array(payload)) hash = Math.imul(hash ^ byte, 0x01000193);
  window.fragments.push({ path: new URL(frag.url).pathname, bytes: payload.byteLength, hash: hash >>> 0 });
});`;

function answer(path, adapter) {
  if (path === "/") return { text: STAGE, type: "text/html; charset=utf-8" };
  if (path === "/viewer") return { file: here("page/index.html") };
  if (path === "/player.js") return { file: here("node_modules/hls.js/dist/hls.js") };
  if (path === "/adapter.js") return { text: `${BEFORE}\n${adapter}\n${AFTER}` };
  return { status: 204, text: "" };
}

/** Starts everybody and returns what each has seen when all are at the end, one of them fails, or time is over. */
async function watch(page, origin) {
  await page.goto(`${origin}/`);
  const frames = urls.map((_, n) => page.frame({ name: String(n) }));
  await Promise.all(frames.map((frame) => frame.waitForFunction(() => window.player !== undefined)));
  await Promise.all(frames.map((frame, n) => frame.evaluate(({ url, rate }) => {
    window.video.defaultPlaybackRate = rate;
    window.video.playbackRate = rate;
    window.start(url, 0);
  }, { url: urls[n], rate })));
  const until = Date.now() + DEADLINE_MS;
  for (;;) {
    const now = await Promise.all(frames.map((frame) => frame.evaluate(() => ({ time: window.video.currentTime, ended: window.video.ended, dead: window.problems.some((problem) => problem.fatal) }))));
    console.log(`at ${Math.min(...now.map(({ time }) => time)).toFixed(2)}`);
    if (now.every(({ ended }) => ended) || now.some(({ dead }) => dead) || Date.now() > until) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return Promise.all(frames.map((frame) => frame.evaluate(() => {
    const { time, duration, ended, frames, problems, stalls, longestStall } = window.state();
    return { time, duration, ended, frames, problems, stalls, longestStall, fragments: window.fragments };
  })));
}

const adapter = await readFile(here("page/hlsjs.js"), "utf8");
const server = await serve({ answer: (path) => answer(path, adapter) });
const viewers = await withPage({ viewport: { width: 960, height: 540 } }, (page) => watch(page, server.url));
await server.close();
console.log(JSON.stringify({ viewers }));
