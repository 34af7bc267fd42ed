// The menus under the player: quality, audio, subtitles. Native selects, so keyboard, screen readers and phones need no help.
//
// hls.js is the only source of truth: a menu is redrawn from it on its events, and a choice is handed to it at once.
import Hls, { type Level, type MediaPlaylist } from "hls.js";

interface Option {
  readonly value: number;
  readonly text: string;
}

/** A labelled select that hides itself when there is nothing to choose. */
class Menu {
  readonly #select = document.createElement("select");
  readonly #label = document.createElement("label");

  constructor(parent: HTMLElement, name: string, onPick: (value: number) => void) {
    const caption = document.createElement("span");
    caption.textContent = name;
    this.#label.hidden = true;
    this.#label.append(caption, this.#select);
    this.#select.addEventListener("change", () => onPick(Number(this.#select.value)));
    parent.append(this.#label);
  }

  show(options: readonly Option[], value: number): void {
    // Replaced only when they differ: a menu that is open must not be torn from under the pointer.
    const texts = options.map((option) => option.text).join("\n");
    if (this.#select.dataset["texts"] !== texts) {
      this.#select.dataset["texts"] = texts;
      this.#select.replaceChildren(...options.map((option) => new Option(option.text, String(option.value))));
    }
    this.#select.value = String(value);
    this.#label.hidden = options.length < 2;
  }
}

export class Menus {
  #hls: Hls | null = null;
  readonly #quality: Menu;
  readonly #audio: Menu;
  readonly #subtitles: Menu;

  constructor(parent: HTMLElement) {
    this.#quality = new Menu(parent, "Quality", (value) => {
      if (this.#hls !== null) this.#hls.nextLevel = value;
      this.#drawQuality();
    });
    this.#audio = new Menu(parent, "Audio", (value) => {
      if (this.#hls !== null) this.#hls.audioTrack = value;
    });
    this.#subtitles = new Menu(parent, "Subtitles", (value) => {
      if (this.#hls !== null) this.#hls.subtitleTrack = value;
    });
  }

  /** Follows `hls` from now on; null empties the menus (native playback has its own). */
  follow(hls: Hls | null): void {
    this.#hls = hls;
    this.#draw();
    if (hls === null) return;
    const { MANIFEST_PARSED, LEVELS_UPDATED, LEVEL_SWITCHED, AUDIO_TRACKS_UPDATED, AUDIO_TRACK_SWITCHED, SUBTITLE_TRACKS_UPDATED, SUBTITLE_TRACK_SWITCH } = Hls.Events;
    const redraw = (): void => {
      if (this.#hls === hls) this.#draw();
    };
    for (const event of [MANIFEST_PARSED, LEVELS_UPDATED, LEVEL_SWITCHED, AUDIO_TRACKS_UPDATED, AUDIO_TRACK_SWITCHED, SUBTITLE_TRACKS_UPDATED, SUBTITLE_TRACK_SWITCH] as const) {
      hls.on(event, redraw);
    }
  }

  #draw(): void {
    this.#drawQuality();
    this.#audio.show((this.#hls?.audioTracks ?? []).map((track, index) => ({ value: index, text: trackText(track) })), this.#hls?.audioTrack ?? -1);
    const subtitles = (this.#hls?.subtitleTracks ?? []).map((track, index) => ({ value: index, text: trackText(track) }));
    this.#subtitles.show(subtitles.length === 0 ? [] : [{ value: -1, text: "Off" }, ...subtitles], this.#hls?.subtitleTrack ?? -1);
  }

  #drawQuality(): void {
    const hls = this.#hls;
    const levels = hls?.levels ?? [];
    const playing = levels[hls?.currentLevel ?? -1];
    const auto = hls?.autoLevelEnabled && playing !== undefined ? `Auto (${levelName(playing)})` : "Auto";
    // Best first, as people expect; the value stays the index hls.js knows.
    const options = levels.map((level, index) => ({ value: index, text: levelText(level) })).reverse();
    this.#quality.show(levels.length < 2 ? options : [{ value: -1, text: auto }, ...options], hls?.autoLevelEnabled === false ? hls.manualLevel : -1);
  }
}

/** `720p`, `1080p60`, or `audio` for a level without video. */
export function levelName(level: Level): string {
  if (level.height === 0) return level.videoCodec === undefined ? "audio" : "video";
  return `${Math.min(level.width, level.height)}p${level.frameRate > 31 ? Math.round(level.frameRate) : ""}`;
}

export function levelText(level: Level): string {
  return [levelName(level), rateText(level.averageBitrate || level.bitrate), codecName(level.videoCodec ?? level.audioCodec)].filter((part) => part !== "").join(" · ");
}

export function rateText(bitsPerSecond: number): string {
  if (!(bitsPerSecond > 0)) return "";
  return bitsPerSecond >= 1e6 ? `${(bitsPerSecond / 1e6).toFixed(1)} Mb/s` : `${Math.round(bitsPerSecond / 1e3)} kb/s`;
}

/** The name people know for an RFC 6381 codec string; an unknown one is shown as it is. */
export function codecName(codec: string | undefined): string {
  if (codec === undefined) return "";
  const names: readonly (readonly [RegExp, string])[] = [
    [/^avc[13]/, "H.264"], [/^(hvc|hev)1/, "HEVC"], [/^dv(h1|he)/, "Dolby Vision"], [/^av01/, "AV1"], [/^vp09/, "VP9"],
    [/^(mp3|mp4a\.(69|6B|40\.34))/i, "MP3"], [/^mp4a\.40/, "AAC"], [/^ac-3/, "AC-3"], [/^ec-3/, "E-AC-3"], [/^opus/i, "Opus"], [/^flac/i, "FLAC"],
  ];
  return names.find(([pattern]) => pattern.test(codec))?.[1] ?? codec;
}

/** What speakers call the language of a BCP 47 tag; the tag itself where the browser does not know it. */
function languageName(tag: string | undefined): string {
  if (tag === undefined || tag === "und") return "";
  try {
    return new Intl.DisplayNames([tag], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag; // Not a well-formed tag.
  }
}

/** The name, and the language unless the name says it: a title such as `Director's commentary` does not. */
function trackText(track: MediaPlaylist): string {
  const language = languageName(track.lang);
  const channels = track.channels?.startsWith("6") ? "5.1" : track.channels?.startsWith("8") ? "7.1" : "";
  const name = track.name || "track";
  return [name, name.toLowerCase().includes(language.toLowerCase()) ? "" : language, channels].filter((part) => part !== "").join(" · ");
}
