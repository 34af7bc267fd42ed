// The player: one asset in one video element, through hls.js, or natively where Media Source Extensions are absent (iPhones).
//
// It owns the hls.js instance and its recovery; menus and stats watch the instance but never change its life. What cannot be
// played is told as a `Refusal` in words, taken from the server's problem document (RFC 9457) when there is one.
import Hls, { type ErrorData } from "hls.js";
import { CAPTION_CONFIG } from "./captions";
import { isRecord } from "./library";

/** Why nothing plays, for people. */
export interface Refusal {
  readonly title: string;
  readonly detail: string;
}

export interface PlayerEvents {
  /** A new source is being loaded; `hls` is null when the browser plays natively. */
  readonly onLoad: (hls: Hls | null) => void;
  /** Playback can go on no further. */
  readonly onRefused: (refusal: Refusal) => void;
  /** Something went wrong, perhaps not fatally; for the stats. */
  readonly onTrouble: (what: string) => void;
}

/** The longest problem text shown; a server's answer is not trusted to be short. */
const TEXT_LIMIT = 400;

export class Player {
  #hls: Hls | null = null;
  #master: string | null = null;
  /** The last stream's estimate in bit/s, so that the next starts at a fitting level; at first a modest home line. */
  #bandwidth = 2_000_000;
  /** One try a source: a decoder that fails twice will fail again. */
  #mediaRecoveries = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly events: PlayerEvents,
  ) {
    video.addEventListener("error", () => {
      if (this.#hls === null && this.#master !== null) void this.#refuse(this.#master, video.error?.message ?? "");
    });
  }

  /** Stops what plays and starts `master`. */
  load(master: string): void {
    this.stop();
    this.#master = master;
    if (Hls.isSupported()) {
      this.#loadWithHls(master);
    } else if (this.video.canPlayType("application/vnd.apple.mpegurl") !== "") {
      this.events.onLoad(null);
      this.video.src = master;
    } else {
      this.events.onRefused({ title: "This browser cannot play streams", detail: "It has neither Media Source Extensions nor HLS of its own." });
      return;
    }
    // A page opened by its address may not start with sound; then the viewer presses play.
    this.video.play().catch(() => undefined);
  }

  stop(): void {
    this.#bandwidth = this.#hls?.bandwidthEstimate || this.#bandwidth;
    this.#hls?.destroy();
    this.#hls = null;
    this.#master = null;
    this.#mediaRecoveries = 0;
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** Jumps to the live edge; no effect on a recording. */
  seekToLive(): void {
    const position = this.#hls?.liveSyncPosition ?? null;
    if (position !== null) this.video.currentTime = position;
    void this.video.play().catch(() => undefined);
  }

  #loadWithHls(master: string): void {
    const hls = new Hls({ ...CAPTION_CONFIG, backBufferLength: 60, abrEwmaDefaultEstimate: this.#bandwidth });
    this.#hls = hls;
    this.events.onLoad(hls);
    hls.on(Hls.Events.ERROR, (_, data) => this.#onError(hls, master, data));
    hls.attachMedia(this.video);
    hls.loadSource(master);
  }

  #onError(hls: Hls, master: string, data: ErrorData): void {
    this.events.onTrouble(describe(data));
    if (!data.fatal || hls !== this.#hls) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.#mediaRecoveries === 0) {
      this.#mediaRecoveries += 1;
      hls.recoverMediaError();
      return;
    }
    void this.#refuse(data.url ?? data.frag?.url ?? master, describe(data));
  }

  async #refuse(url: string, reason: string): Promise<void> {
    const master = this.#master;
    const refusal = (await askWhy(url)) ?? { title: "Playback stopped", detail: reason || "The browser gave no reason." };
    if (this.#master !== master) return; // The viewer has moved on meanwhile.
    this.stop();
    this.events.onRefused(refusal);
  }
}

/** Asks for `url` once more to learn in words why it is refused; null when it is not, or says nothing useful. */
async function askWhy(url: string): Promise<Refusal | null> {
  let response: Response;
  try {
    response = await fetch(url, { headers: { accept: "application/problem+json, */*" }, cache: "no-cache" });
  } catch {
    return { title: "The server cannot be reached", detail: "It may have been stopped, or the network is down." };
  }
  if (response.ok) {
    void response.body?.cancel();
    return null;
  }
  const status = `${response.status} ${response.statusText}`.trim();
  const problem = await parseProblem(response);
  return { title: problem.title ?? "The server refused this", detail: problem.detail ?? `It answered ${status}.` };
}

async function parseProblem(response: Response): Promise<{ title?: string; detail?: string }> {
  if (!(response.headers.get("content-type") ?? "").includes("json")) return {};
  const raw: unknown = await response.json().catch(() => null);
  if (!isRecord(raw)) return {};
  return {
    ...(typeof raw["title"] === "string" ? { title: raw["title"].slice(0, TEXT_LIMIT) } : {}),
    ...(typeof raw["detail"] === "string" ? { detail: raw["detail"].slice(0, TEXT_LIMIT) } : {}),
  };
}

function describe(data: ErrorData): string {
  const status = data.response?.code ? ` (${data.response.code})` : "";
  return `${data.details}${status}${data.reason ? `: ${data.reason}` : ""}`;
}
