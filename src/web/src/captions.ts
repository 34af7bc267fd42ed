// Subtitles of the running stream, drawn by the browser from cues that hls.js has parsed.
//
// hls.js would draw them itself, but only through <track src="data:…">, which the page's policy (`media-src 'self' blob:`)
// rightly refuses. So it hands over the cues and one text track of our own shows those of the chosen rendition. A track made
// by script cannot be removed from its video element: it is made once and emptied for the next stream.
import Hls from "hls.js";

/** How hls.js must be set for this: no <track> elements for subtitles, closed captions or timed metadata. */
export const CAPTION_CONFIG = {
  renderTextTracksNatively: false,
  enableCEA708Captions: false,
  enableDateRangeMetadataCues: false,
  enableEmsgMetadataCues: false,
  enableID3MetadataCues: false,
} as const;

export class Captions {
  #track: TextTrack | null = null;
  #hls: Hls | null = null;
  /** Cues by rendition and by identity: hls.js does not parse a segment twice when a viewer switches back. */
  #cues = new Map<number, Map<string, TextTrackCue>>();

  constructor(private readonly video: HTMLVideoElement) {}

  follow(hls: Hls | null): void {
    this.#hls = hls;
    this.#cues = new Map();
    this.#show();
    hls?.on(Hls.Events.SUBTITLE_TRACK_SWITCH, () => this.#hls === hls && this.#show());
    hls?.on(Hls.Events.CUES_PARSED, (_, data) => {
      const rendition = data.subtitleTrack?.id;
      if (this.#hls !== hls || rendition === undefined) return;
      const known = this.#cues.get(rendition) ?? new Map<string, TextTrackCue>();
      this.#cues.set(rendition, known);
      for (const cue of data.cues as TextTrackCue[]) {
        const identity = `${cue.startTime} ${cue.endTime} ${(cue as VTTCue).text}`;
        if (known.has(identity)) continue;
        known.set(identity, cue);
        if (rendition === hls.subtitleTrack) this.#track?.addCue(cue);
      }
    });
  }

  /** Fills the track with the cues of the chosen rendition, or hides it. */
  #show(): void {
    const chosen = this.#hls?.subtitleTrack ?? -1;
    if (chosen >= 0) this.#track ??= this.video.addTextTrack("subtitles", "Subtitles");
    const track = this.#track;
    if (track === null) return;
    track.mode = "hidden"; // A disabled track gives no access to its cues.
    for (const cue of [...(track.cues ?? [])]) track.removeCue(cue);
    for (const cue of this.#cues.get(chosen)?.values() ?? []) track.addCue(cue);
    track.mode = chosen >= 0 ? "showing" : "disabled";
  }
}
