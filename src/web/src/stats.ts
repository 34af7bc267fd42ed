// The stats overlay: figures of the running playback and a minute of buffer and bandwidth as a sparkline.
//
// Everything is read twice a second from the video element and hls.js, also while hidden, so that the minute before somebody
// looks is there to see. Times are milliseconds unless named otherwise.
import Hls, { type LoaderStats } from "hls.js";
import { levelText, rateText } from "./menus";

const SAMPLE_INTERVAL_MS = 500;
/** One minute of samples. */
const SAMPLE_LIMIT = 120;
/** Load times kept a kind, for the median. */
const TIMING_LIMIT = 50;

interface Reading {
  readonly bufferSeconds: number;
  readonly bandwidth: number;
}

/** Last and median of the newest load times. */
class Timings {
  #recent: number[] = [];

  add(stats: LoaderStats): void {
    this.#recent = [...this.#recent.slice(1 - TIMING_LIMIT), stats.loading.end - stats.loading.start];
  }

  text(): string {
    const last = this.#recent.at(-1);
    if (last === undefined) return "–";
    const sorted = [...this.#recent].sort((a, b) => a - b);
    return `${Math.round(last)} ms · median ${Math.round(sorted[Math.floor(sorted.length / 2)] ?? last)} ms`;
  }
}

export class Stats {
  #hls: Hls | null = null;
  #startedAt = 0;
  #firstFrameMs: number | null = null;
  #playlists = new Timings();
  #segments = new Timings();
  #troubles: string[] = [];
  #stalls = 0;
  #readings: Reading[] = [];
  #timer: number | undefined;
  readonly #values = new Map<string, HTMLElement>();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly panel: HTMLElement,
    private readonly figures: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
  ) {
    video.addEventListener("waiting", () => {
      // Waiting before the first frame or for a seek is not a stall.
      if (this.#firstFrameMs !== null && !video.seeking) this.#stalls += 1;
    });
  }

  /** Starts afresh for a new source. */
  follow(hls: Hls | null): void {
    this.#hls = hls;
    this.#startedAt = performance.now();
    this.#firstFrameMs = null;
    this.#playlists = new Timings();
    this.#segments = new Timings();
    this.#troubles = [];
    this.#stalls = 0;
    this.#readings = [];
    this.#watchFirstFrame(this.#startedAt);
    hls?.on(Hls.Events.MANIFEST_LOADED, (_, data) => this.#playlists.add(data.stats));
    hls?.on(Hls.Events.LEVEL_LOADED, (_, data) => this.#playlists.add(data.stats));
    hls?.on(Hls.Events.AUDIO_TRACK_LOADED, (_, data) => this.#playlists.add(data.stats));
    hls?.on(Hls.Events.FRAG_LOADED, (_, data) => this.#segments.add((data.part ?? data.frag).stats));
    window.clearInterval(this.#timer);
    this.#timer = window.setInterval(() => this.#read(), SAMPLE_INTERVAL_MS);
    this.#read();
  }

  stop(): void {
    window.clearInterval(this.#timer);
  }

  trouble(what: string): void {
    this.#troubles.push(what);
    this.#draw();
  }

  toggle(): boolean {
    this.panel.hidden = !this.panel.hidden;
    this.#draw();
    return !this.panel.hidden;
  }

  #watchFirstFrame(startedAt: number): void {
    const seen = (): void => {
      if (this.#startedAt === startedAt) this.#firstFrameMs ??= performance.now() - startedAt;
    };
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(seen);
    else (this.video as HTMLVideoElement).addEventListener("loadeddata", seen, { once: true });
  }

  #read(): void {
    this.#readings = [...this.#readings.slice(1 - SAMPLE_LIMIT), { bufferSeconds: this.#bufferSeconds(), bandwidth: this.#hls?.bandwidthEstimate || 0 }];
    this.#draw();
  }

  #bufferSeconds(): number {
    const { buffered, currentTime } = this.video;
    for (let index = 0; index < buffered.length; index += 1) {
      // A tenth of tolerance: a range that begins a frame after the play head is still ahead of it.
      if (buffered.start(index) <= currentTime + 0.1 && currentTime <= buffered.end(index)) return buffered.end(index) - currentTime;
    }
    return 0;
  }

  #draw(): void {
    if (this.panel.hidden) return;
    const hls = this.#hls;
    const level = hls?.levels[hls.currentLevel];
    const { droppedVideoFrames: dropped, totalVideoFrames: total } = this.video.getVideoPlaybackQuality();
    const live = hls?.latestLevelDetails?.live === true;
    this.#row("Level", hls === null ? null : level === undefined ? "–" : levelText(level));
    this.#row("Picture", this.video.videoWidth > 0 ? `${this.video.videoWidth} × ${this.video.videoHeight}` : "–");
    this.#row("Bandwidth", hls === null ? null : rateText(hls.bandwidthEstimate) || "–");
    this.#row("Buffer", `${this.#bufferSeconds().toFixed(1)} s`);
    this.#row("Dropped", total === 0 ? "–" : `${dropped} of ${total} frames`);
    this.#row("First frame", this.#firstFrameMs === null ? "–" : `${Math.round(this.#firstFrameMs)} ms`);
    this.#row("Latency", live ? `${hls.latency.toFixed(1)} s · target ${(hls.targetLatency ?? 0).toFixed(1)} s` : null);
    this.#row("Playlists", hls === null ? null : this.#playlists.text());
    this.#row("Segments", hls === null ? null : this.#segments.text());
    this.#row("Stalls", String(this.#stalls));
    this.#row("Errors", this.#troubles.length === 0 ? "none" : `${this.#troubles.length} · ${this.#troubles.at(-1)}`);
    drawSparkline(this.canvas, this.#readings);
  }

  /** Writes one figure; null takes the row out of sight. */
  #row(name: string, text: string | null): void {
    let value = this.#values.get(name);
    if (value === undefined) {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      term.textContent = name;
      value = document.createElement("dd");
      row.append(term, value);
      this.figures.append(row);
      this.#values.set(name, value);
    }
    if (value.parentElement !== null) value.parentElement.hidden = text === null;
    value.textContent = text ?? "";
  }
}

/** Draws buffer as an area and bandwidth as a line, each on its own scale from zero to its highest reading. */
function drawSparkline(canvas: HTMLCanvasElement, readings: readonly Reading[]): void {
  const scale = window.devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const trace = (pick: (reading: Reading) => number): void => {
    const top = Math.max(...readings.map(pick), 1e-9) * 1.1;
    context.beginPath();
    readings.forEach((reading, index) => {
      const x = width - ((readings.length - 1 - index) * width) / (SAMPLE_LIMIT - 1);
      context.lineTo(x, height - 1 - (pick(reading) / top) * (height - 3));
    });
  };
  const colour = (name: string): string => getComputedStyle(canvas).getPropertyValue(name);
  trace((reading) => reading.bandwidth);
  context.lineWidth = 1.5;
  context.strokeStyle = colour("--bandwidth");
  context.stroke();
  trace((reading) => reading.bufferSeconds);
  context.strokeStyle = colour("--buffer");
  context.stroke();
  context.lineTo(width, height);
  context.lineTo(width - ((readings.length - 1) * width) / (SAMPLE_LIMIT - 1), height);
  context.globalAlpha = 0.18;
  context.fillStyle = colour("--buffer");
  context.fill();
  context.globalAlpha = 1;
}
