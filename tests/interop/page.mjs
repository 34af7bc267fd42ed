// Drives the page of a running rillcast as a person would, and looks at what it must never do: log an error, break its own
// content policy, ask anything of another origin, or scroll sideways on a phone.
//
//   node page.mjs --url http://127.0.0.1:PORT/ [--asset PATH] [--refused PATH] [--shots DIR] [--json]
//
// Exit 0 when every check holds, 1 otherwise. `--refused` names an asset the server must refuse with a problem document.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs, withPage } from "./browser.mjs";
import { Report } from "./report.mjs";

const DEADLINE_MS = 20_000;
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

const args = parseArgs(process.argv.slice(2), { values: ["url", "asset", "refused", "shots"], flags: ["json"] });
if (args.url === undefined) throw new Error("usage: node page.mjs --url http://127.0.0.1:PORT/ [--asset PATH] [--refused PATH] [--shots DIR] [--json]");
if (args.shots !== undefined) await mkdir(args.shots, { recursive: true });

const report = new Report({ page: args.url });

/** Collects what must stay empty. A refusal is expected to be logged by the browser, so it is watched apart. */
function watch(page) {
  const seen = { errors: [], foreign: [] };
  const origin = new URL(args.url).origin;
  page.on("console", (message) => {
    if (message.type() === "error") seen.errors.push(message.text());
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (/^https?:$/.test(url.protocol) && url.origin !== origin) seen.foreign.push(url.href);
  });
  return seen;
}

const until = (page, condition, argument) => page.waitForFunction(condition, argument, { timeout: DEADLINE_MS, polling: 100 });
const playsPast = (page, seconds) => until(page, (least) => {
  const video = document.querySelector("video");
  return (!video.paused || video.ended) && video.currentTime >= least && video.videoWidth > 0;
}, seconds);
const shot = async (page, name) => {
  if (args.shots !== undefined) await page.screenshot({ path: join(args.shots, `${name}.png`) });
};

async function noSidewaysScroll(page) {
  const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  if (wide > seen) throw new Error(`the page is ${wide} px wide in a window of ${seen}`);
  return `${seen} px`;
}

async function openList(page) {
  await page.goto(args.url, { timeout: DEADLINE_MS });
  await page.locator("#list a").first().waitFor({ timeout: DEADLINE_MS });
  await shot(page, "list");
  return `${await page.locator("#list a").count()} assets`;
}

async function filterList(page) {
  const path = args.asset ?? (await page.locator("#list a").first().getAttribute("data-path"));
  await page.keyboard.press("/");
  await page.keyboard.type("no such name anywhere");
  await page.getByRole("heading", { name: "No match" }).waitFor({ timeout: DEADLINE_MS });
  await page.getByRole("searchbox").fill(path);
  await until(page, (wanted) => [...document.querySelectorAll("#list a")].some((link) => link.dataset.path === wanted), path);
  await page.getByRole("searchbox").fill("");
  return path;
}

async function pick(page, path) {
  const link = page.locator(`#list a[data-path=${JSON.stringify(path)}]`);
  await link.focus();
  await page.keyboard.press("Enter");
  await playsPast(page, 1);
  if ((await link.getAttribute("aria-current")) !== "true") throw new Error("the chosen asset is not marked");
  return await page.evaluate(() => location.hash);
}

async function showStats(page) {
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("i");
  await page.locator("#stats").waitFor({ state: "visible", timeout: DEADLINE_MS });
  const figure = (name) => page.locator("#figures div", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd").textContent();
  await until(page, () => /\d ms/.test(document.querySelector("#figures")?.textContent ?? ""));
  if ((await figure("Errors")) !== "none") throw new Error(`the page reports ${await figure("Errors")}`);
  return `first frame ${await figure("First frame")}, buffer ${await figure("Buffer")}`;
}

async function chooseQuality(page) {
  const menu = page.getByLabel("Quality");
  if ((await menu.count()) === 0 || !(await menu.isVisible())) return "one level only";
  const texts = await menu.locator("option").allTextContents();
  const [best, least] = [1, texts.length - 1];
  for (const index of [least, best]) {
    await menu.selectOption({ index });
    await until(page, (text) => [...document.querySelectorAll("#figures dt")].some((term) => term.textContent === "Level" && term.nextElementSibling.textContent === text), texts[index]);
    await shot(page, `quality-${index}`);
  }
  await menu.selectOption({ index: 0 });
  await until(page, () => document.querySelector(".menus select").selectedOptions[0].text.startsWith("Auto ("));
  return texts.join(" | ");
}

async function chooseTrack(page, name) {
  const menu = page.getByLabel(name);
  if ((await menu.count()) === 0 || !(await menu.isVisible())) return "nothing to choose";
  const count = await menu.locator("option").count();
  await menu.selectOption({ index: count - 1 });
  const from = await page.evaluate(() => document.querySelector("video").currentTime);
  await playsPast(page, from + 1);
  if (name === "Subtitles") await until(page, () => [...document.querySelector("video").textTracks].some((track) => track.mode === "showing" && track.cues.length > 0));
  return (await menu.locator("option").allTextContents()).join(" | ");
}

async function deepLinkOnPhone(page) {
  await page.setViewportSize(PHONE);
  await page.reload({ timeout: DEADLINE_MS });
  await playsPast(page, 0.5);
  const width = await noSidewaysScroll(page);
  await shot(page, "phone");
  await page.getByRole("button", { name: "Stats" }).click();
  await until(page, () => document.querySelectorAll("#figures div").length > 5);
  if (args.shots !== undefined) await page.screenshot({ path: join(args.shots, "phone-stats.png"), fullPage: true });
  await noSidewaysScroll(page);
  return width;
}

async function refusal(page) {
  await page.goto(`${args.url}#/${args.refused.split("/").map(encodeURIComponent).join("/")}`, { timeout: DEADLINE_MS });
  await page.locator("#notice .is-refusal").waitFor({ timeout: DEADLINE_MS });
  await shot(page, "refused");
  return (await page.locator("#notice").innerText()).replace(/\s*\n+\s*/g, " / ");
}

async function unknown(page) {
  await page.goto(`${args.url}#/no/such/asset.mp4`, { timeout: DEADLINE_MS });
  await page.locator("#notice .is-refusal").waitFor({ timeout: DEADLINE_MS });
  return (await page.locator("#notice").innerText()).replace(/\s*\n+\s*/g, " / ");
}

/** As on phones that lack Media Source Extensions; newer Chromium can play HLS by itself too. */
async function playsNatively(page, path) {
  await page.addInitScript(() => ["MediaSource", "ManagedMediaSource", "WebKitMediaSource"].forEach((name) => delete window[name]));
  await page.goto(`${args.url}#/${path.split("/").map(encodeURIComponent).join("/")}`, { timeout: DEADLINE_MS });
  if (await page.evaluate(() => document.querySelector("video").canPlayType("application/vnd.apple.mpegurl") === "")) {
    await page.getByText("This browser cannot play streams").waitFor({ timeout: DEADLINE_MS });
    return "this Chromium cannot, and is told so";
  }
  await playsPast(page, 0.5);
  return "played by the browser itself";
}

/** One visit of a person, then what must not have happened on the way. */
async function visit(page, context) {
  const seen = watch(page);
  await report.check("the library is listed", () => openList(page));
  const path = await report.check("the filter narrows the list", () => filterList(page));
  await report.check("a picked asset plays", () => pick(page, path));
  await report.check("key i shows the stats", () => showStats(page));
  await shot(page, "playing");
  await report.check("the window does not scroll sideways", () => noSidewaysScroll(page));
  await report.check("each chosen quality is shown", () => chooseQuality(page));
  await report.check("another audio track plays on", () => chooseTrack(page, "Audio"));
  await report.check("subtitles appear", () => chooseTrack(page, "Subtitles"));
  await report.check("a deep link plays on a phone", () => deepLinkOnPhone(page));
  await report.check("nothing is logged as an error", () => {
    if (seen.errors.length > 0) throw new Error(seen.errors.join("; "));
  });
  const other = await context.newPage();
  const otherSeen = watch(other);
  if (args.refused !== undefined) await report.check("a refusal is told in words", () => refusal(other));
  await report.check("an unknown asset is told in words", () => unknown(other));
  await report.check("without media source extensions it plays natively", () => playsNatively(other, path));
  await report.check("nothing is asked of another origin", () => {
    const foreign = [...seen.foreign, ...otherSeen.foreign];
    if (foreign.length > 0) throw new Error(foreign.join("; "));
  });
}

await report.check("the visit comes to its end", () => withPage({ viewport: DESKTOP, deviceScaleFactor: 1 }, visit));
process.exitCode = report.end(args.json);
