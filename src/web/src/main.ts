// The page: the address decides what plays (`#/path`), the list only writes addresses, keys do what buttons do.
import Hls from "hls.js";
import { Captions } from "./captions";
import { type Asset, dateText, element, LibraryView, loadLibrary, pathFromHash, sizeText, unlisted } from "./library";
import { Menus } from "./menus";
import { Player, type Refusal } from "./player";
import { Stats } from "./stats";

/** Seconds an arrow key moves. */
const STEP_SECONDS = 5;

function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

const video = byId("video", HTMLVideoElement);
const stage = byId("stage", HTMLElement);
const notice = byId("notice", HTMLElement);
const under = byId("under", HTMLElement);
const filter = byId("filter", HTMLInputElement);
const master = byId("master", HTMLInputElement);
const copy = byId("copy", HTMLButtonElement);
const tools = byId("tools", HTMLElement);
const live = byId("live", HTMLButtonElement);
const statsButton = byId("toggle-stats", HTMLButtonElement);

const view = new LibraryView(byId("list", HTMLUListElement), filter, byId("count", HTMLElement), byId("empty", HTMLElement));
const menus = new Menus(byId("menus", HTMLElement));
const captions = new Captions(video);
const stats = new Stats(video, byId("stats", HTMLElement), byId("figures", HTMLElement), byId("spark", HTMLCanvasElement));
const player = new Player(video, {
  onLoad: (hls) => {
    menus.follow(hls);
    captions.follow(hls);
    stats.follow(hls);
    live.hidden = true;
    hls?.on(Hls.Events.LEVEL_UPDATED, (_, data) => (live.hidden = !data.details.live));
  },
  onRefused: (refusal) => showRefusal(refusal),
  onTrouble: (what) => stats.trouble(what),
});

/** Plays what the address names, or shows that nothing is chosen. */
function follow(): void {
  const path = pathFromHash(location.hash);
  view.select(path);
  if (path === null) showIdle();
  else play(view.find(path) ?? unlisted(path));
}

function play(asset: Asset): void {
  document.title = `${asset.title} – rillcast`;
  byId("title", HTMLElement).textContent = asset.title;
  byId("facts", HTMLElement).textContent = [asset.path, sizeText(asset.sizeBytes), dateText(asset.modified)].filter((part) => part !== "").join(" · ");
  master.value = new URL(asset.master, location.href).href;
  copy.textContent = "Copy";
  under.hidden = false;
  showNotice();
  player.load(asset.master);
}

function showIdle(): void {
  document.title = "rillcast";
  player.stop();
  stats.stop();
  menus.follow(null);
  captions.follow(null);
  under.hidden = true;
  showNotice(element("p", "notice-title is-idle", "Nothing is playing"), element("p", "", view.isEmpty ? "The library has nothing to choose from yet." : "Choose something from the library."));
}

function showRefusal(refusal: Refusal): void {
  stats.stop();
  menus.follow(null);
  captions.follow(null);
  live.hidden = true;
  const retry = element("button", "", "Try again") as HTMLButtonElement;
  retry.type = "button";
  retry.addEventListener("click", follow);
  showNotice(element("p", "notice-title is-refusal", refusal.title), element("p", "", refusal.detail), retry);
}

/** Puts `parts` where the picture would be; none shows the picture. */
function showNotice(...parts: HTMLElement[]): void {
  notice.replaceChildren(...parts);
  tools.hidden = parts.length > 0;
  stage.classList.toggle("is-noticed", parts.length > 0);
}

function toggleStats(): void {
  statsButton.setAttribute("aria-expanded", String(stats.toggle()));
}

function togglePlay(): void {
  if (video.paused) void video.play().catch(() => undefined);
  else video.pause();
}

function toggleFullscreen(): void {
  if (document.fullscreenElement !== null) void document.exitFullscreen();
  else void stage.requestFullscreen?.().catch(() => undefined);
}

async function refresh(): Promise<void> {
  try {
    view.show(await loadLibrary());
  } catch (error) {
    view.fail(error instanceof Error ? error.message : String(error));
  }
  const path = pathFromHash(location.hash);
  view.select(path);
  if (path === null) showIdle();
}

/** Page-wide keys; a focused control keeps its own, and the browser keeps every chord. */
function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const inText = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  const onControl = inText || event.target instanceof HTMLButtonElement || event.target instanceof HTMLAnchorElement || event.target === video;
  if (inText) return;
  if (event.key === "i") toggleStats();
  else if (event.key === "/") filter.focus();
  else if (under.hidden || onControl) return;
  else if (event.key === " " || event.key === "k") togglePlay();
  else if (event.key === "f") toggleFullscreen();
  else if (event.key === "m") video.muted = !video.muted;
  else if (event.key === "ArrowLeft") video.currentTime -= STEP_SECONDS;
  else if (event.key === "ArrowRight") video.currentTime += STEP_SECONDS;
  else return;
  event.preventDefault();
}

statsButton.addEventListener("click", toggleStats);
live.addEventListener("click", () => player.seekToLive());
byId("refresh", HTMLButtonElement).addEventListener("click", () => void refresh());
byId("skip", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault(); // The fragment is the address of what plays.
  byId("watch", HTMLElement).focus();
});
master.addEventListener("focus", () => master.select());
// The clipboard exists only on secure origins; elsewhere the field can be selected and copied by hand.
copy.hidden = !("clipboard" in navigator);
copy.addEventListener("click", () => void navigator.clipboard.writeText(master.value).then(() => (copy.textContent = "Copied"), () => master.select()));
document.addEventListener("keydown", onKey);
window.addEventListener("hashchange", follow);

// The list first: it knows the title and date of what the address names.
void refresh().then(follow);
