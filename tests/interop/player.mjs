// Plays one HLS URL in a real browser with hls.js or Shaka Player, on a page of another origin, and checks what a viewer
// would notice: a start without a hole, seeks, every level and audio track, the last seconds, and no error on the way.
//
//   node player.mjs --player hlsjs|shaka --url MASTER [--seek S] [--switch] [--duration S] [--tolerance S] [--late S]
//     [--cmcd query|headers] [--cmcd-version 1|2] [--session ID] [--shots DIR] [--json]
//
// `--switch` also walks through every level and audio track; `--duration` is the length the source has; `--late` is how much
// later than the other tracks the source's last one starts, so that playback may begin so much later. A stream without an end is
// played as live: start, advance, switches. With `--cmcd` the player tells the server of itself (CTA-5004) as it does by itself, and the
// session is called so. Exit 0 when every check holds, 1 otherwise.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, withPage } from "./browser.mjs";
import { Report } from "./report.mjs";
import { serve } from "./serve.mjs";

const USAGE = "usage: node player.mjs --player hlsjs|shaka --url MASTER [--seek S] [--switch] [--duration S] [--tolerance S] [--late S] [--cmcd query|headers] [--cmcd-version 1|2] [--session ID] [--shots DIR] [--json]";
/** One step (a start, a seek, a switch) has this long; generous, since a loaded machine is slow but not wrong. */
const DEADLINE_MS = 30_000;
/** A stream may start this late and no later. */
const START_SECONDS = 0.1;
/** Behind the end of a hole hls.js goes on this much later. */
const JUMP_SECONDS = 0.1;
const LAST_SECONDS = 3;
/** A stream may end this much before its duration: a frame of the longer track. */
const END_SECONDS = 0.25;

const PLAYERS = {
  hlsjs: { library: "node_modules/hls.js/dist/hls.js", manifest: "node_modules/hls.js/package.json" },
  shaka: { library: "node_modules/shaka-player/dist/shaka-player.compiled.debug.js", manifest: "node_modules/shaka-player/package.json" },
};

const args = parseArgs(process.argv.slice(2), { values: ["player", "url", "seek", "duration", "tolerance", "late", "cmcd", "cmcd-version", "session", "shots"], flags: ["switch", "json"] });
const chosen = PLAYERS[args.player];
if (chosen === undefined || args.url === undefined) throw new Error(USAGE);
const seconds = (name) => {
  const value = args[name] === undefined ? undefined : Number(args[name]);
  if (value !== undefined && !(value >= 0)) throw new Error(`--${name} wants seconds, not ${args[name]}`);
  return value;
};
const wanted = { seek: seconds("seek"), duration: seconds("duration"), tolerance: seconds("tolerance") ?? 0.1, late: seconds("late") ?? 0 };
if (args.shots !== undefined) await mkdir(args.shots, { recursive: true });

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const adapter = await readFile(here(`page/${args.player}.js`), "utf8");

/** What makes the player tell of itself, for both adapters. */
function telling() {
  if (args.cmcd === undefined) return "";
  if (!["query", "headers"].includes(args.cmcd)) throw new Error(USAGE);
  const version = Number(args["cmcd-version"] ?? 1);
  const cmcd = { useHeaders: args.cmcd === "headers", sessionId: args.session ?? "", contentId: "film", version };
  return `window.hlsConfig = ${JSON.stringify({ cmcd })}; window.shakaConfig = ${JSON.stringify({ cmcd: { enabled: true, ...cmcd } })};`;
}

/** The bare page and the player, from a loopback origin of their own: the stream's server must allow that. */
function servePlayer() {
  const files = { "/": "page/index.html", "/player.js": chosen.library };
  const answer = (path) => (path in files ? { file: here(files[path]) } : { status: 204, text: "" });
  return serve({ answer: (path) => (path === "/adapter.js" ? { text: `${telling()}\n${adapter}` } : answer(path)) });
}

/** What the steps below need: the page and its video element. */
class Viewer {
  constructor(page) {
    this.page = page;
  }

  /** Waits until `condition(argument)` holds in the page, or a fatal error ends all hope; a failure says what the player was at. */
  async until(what, condition, argument) {
    const options = { timeout: DEADLINE_MS, polling: 50 };
    const holds = this.page.waitForFunction(condition, argument, options).then(() => true);
    const dies = this.page.waitForFunction(() => window.problems.some((problem) => problem.fatal), undefined, options).then(() => false);
    // The loser times out later, when nobody listens any more.
    dies.catch(() => undefined);
    holds.catch(() => undefined);
    const outcome = await Promise.race([holds, dies]).catch(() => null);
    if (outcome === true) return;
    const reason = outcome === null ? `not within ${DEADLINE_MS / 1000} s` : "a fatal error";
    throw new Error(`${what}: ${reason}; ${JSON.stringify(await this.state())}`);
  }

  state() {
    return this.page.evaluate(() => window.state());
  }

  async playsOn(from, length) {
    await this.until(`playback from ${from.toFixed(2)} s on`, (least) => {
      const { video } = window;
      return video.ended || (!video.seeking && video.currentTime >= least);
    }, from + length);
  }

  async seek(to) {
    await this.page.evaluate((at) => window.seek(at), to);
    await this.until(`the seek to ${to.toFixed(2)} s`, () => !window.video.seeking && window.video.readyState >= 2);
  }

  /** Goes back when too little is left to see a change. */
  async roomFor(length) {
    const { time, duration, live } = await this.state();
    if (!live && duration - time < length + LAST_SECONDS) await this.seek(Math.max(0, Math.min(1, duration / 4)));
    await this.page.evaluate(() => window.go());
  }

  async shot(name) {
    if (args.shots !== undefined) await this.page.screenshot({ path: join(args.shots, `${args.player}-${name}.png`) });
  }
}

async function start(viewer) {
  await viewer.page.evaluate(({ url, late }) => window.start(url, late), { url: args.url, late: wanted.late });
  await viewer.until("the first frame or sound", () => window.video.readyState >= 2);
  const state = await viewer.state();
  return { first: state.first, duration: state.duration, levels: state.levels.length, audio: state.audio.length };
}

function startsAtZero({ first, live }) {
  if (live) return "live";
  const latest = START_SECONDS + wanted.late;
  if (first.bufferedStart > latest) throw new Error(`the buffer begins at ${first.bufferedStart} s, a hole`);
  if (first.time > latest + (wanted.late > 0 ? JUMP_SECONDS : 0)) throw new Error(`playback begins at ${first.time} s`);
  return `time ${first.time} s, buffer from ${first.bufferedStart} s`;
}

async function advances(viewer, { time, duration, live }) {
  await viewer.playsOn(live ? time : 0, live ? 2 : Math.min(2, duration - 0.2));
  const state = await viewer.state();
  if (!live && state.ranges.length !== 1) throw new Error(`the buffer has holes: ${JSON.stringify(state.ranges)}`);
  await viewer.shot("start");
  return `${state.time.toFixed(2)} s, buffered ${JSON.stringify(state.ranges)}`;
}

function rightLength({ duration }) {
  if (wanted.duration === undefined) return `${duration} s, not compared`;
  if (!(Math.abs(duration - wanted.duration) <= wanted.tolerance)) throw new Error(`the player says ${duration} s, the source has ${wanted.duration} s`);
  return `${duration} s`;
}

async function hasPicture(viewer) {
  const { levels, width, height, frames } = await viewer.state();
  if (levels.length > 0 && levels.every((level) => level.height === 0)) return "audio only";
  if (!(width > 0 && height > 0 && frames > 0)) throw new Error(`${width} × ${height}, ${frames} frames decoded`);
  return `${width} × ${height}`;
}

async function seeks(viewer, to) {
  await viewer.seek(to);
  await viewer.playsOn(to, 1);
  await viewer.shot(`seek-${Math.round(to)}`);
  return `${to.toFixed(2)} s, then on to ${(await viewer.state()).time.toFixed(2)} s`;
}

async function showsLevel(viewer, level) {
  await viewer.roomFor(4);
  await viewer.page.evaluate((id) => window.player.setLevel(id), level.id);
  await viewer.until(`level ${level.name}`, ({ id, width, height }) => {
    // RESOLUTION may mean decoded or displayed pixels, and a pixel aspect ratio may change either side: players widen, servers
    // may narrow. So some tolerance, far below the distance of two levels.
    const near = (seen, told) => Math.abs(seen - told) <= Math.max(2, told * 0.015);
    const fits = ([wide, high]) => near(wide, width) && near(high, height);
    return window.player.level() === id && (height === 0 || window.pictures().some(fits));
  }, level);
  const { time, width, height, frames, levels } = await viewer.state();
  await viewer.playsOn(time, 0.5);
  const after = await viewer.state();
  // An only level was on screen before, perhaps to the end of a short film.
  if (levels.length > 1 && level.height > 0 && after.frames <= frames) throw new Error(`no frame decoded after the switch to ${level.name}`);
  await viewer.shot(`level-${level.name}`);
  return `${width} × ${height}`;
}

async function hearsTrack(viewer, track) {
  await viewer.roomFor(4);
  const before = await viewer.state();
  await viewer.page.evaluate((id) => window.player.setAudio(id), track.id);
  await viewer.until(`audio ${track.name}`, (id) => window.player.audio() === id, track.id);
  await viewer.playsOn((await viewer.state()).time, 1);
  const after = await viewer.state();
  if (after.audioBytes <= before.audioBytes) throw new Error(`no sound decoded after the switch to ${track.name}`);
  return `${after.audioBytes - before.audioBytes} bytes decoded`;
}

async function ends(viewer, duration) {
  await viewer.seek(Math.max(0, duration - LAST_SECONDS));
  await viewer.page.evaluate(() => window.go());
  await viewer.until("the end", () => window.video.ended);
  const { time, frames, audioBytes } = await viewer.state();
  if (time < duration - END_SECONDS) throw new Error(`it ends at ${time.toFixed(3)} s of ${duration.toFixed(3)} s`);
  return `ended at ${time.toFixed(3)} s of ${duration.toFixed(3)} s; ${frames} frames and ${audioBytes} bytes of sound decoded`;
}

async function play(viewer, report) {
  const started = await report.check("it starts", () => start(viewer));
  if (started === undefined) return;
  const state = await viewer.state();
  const { duration } = state;
  await report.check("it starts at 0 without a hole", () => startsAtZero(state));
  await report.check("it plays on", () => advances(viewer, state));
  await report.check("it has a picture", () => hasPicture(viewer));
  if (!state.live) await report.check("it has the right length", () => rightLength(state));
  if (!state.live && duration > 4) await report.check("it seeks into the middle", () => seeks(viewer, wanted.seek ?? duration / 2));
  if (args.switch) {
    for (const level of state.levels) await report.check(`level ${level.name} is shown`, () => showsLevel(viewer, level));
    if (state.audio.length > 1) for (const track of state.audio) await report.check(`audio ${track.name} is heard`, () => hearsTrack(viewer, track));
  }
  if (!state.live) await report.check("it plays to the end", () => ends(viewer, duration));
}

/** One visit: the steps, then what must not have happened on the way. */
async function visit(page, origin, report, extra) {
  const refused = [];
  page.on("response", (response) => {
    if (response.status() >= 400) refused.push(`${response.status()} ${response.url()}`);
  });
  await page.goto(`${origin}/`, { timeout: DEADLINE_MS });
  const viewer = new Viewer(page);
  await play(viewer, report);
  const { problems, stalls, frames, dropped } = await viewer.state();
  Object.assign(extra, { version: await page.evaluate(() => window.player.version), problems, stalls, frames, dropped });
  await report.check("no player error, fatal or not", () => {
    if (problems.length > 0) throw new Error(problems.map(({ what, at }) => `${what} at ${at} s`).join("; "));
  });
  await report.check("no stall while playing", () => {
    if (stalls > 0) throw new Error(`${stalls} stalls`);
  });
  await report.check("no request refused", () => {
    if (refused.length > 0) throw new Error(refused.join("; "));
  });
}

const server = await servePlayer();
const report = new Report({ player: args.player, url: args.url });
const extra = {};
await report.check("the visit comes to its end", () => withPage({ viewport: { width: 960, height: 540 } }, (page) => visit(page, server.url, report, extra)));
await server.close();
process.exitCode = report.end(args.json, extra);
