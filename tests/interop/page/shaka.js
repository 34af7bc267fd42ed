// Shaka Player behind the interface described in index.html. A level is one rendition of the picture, whatever its sound.
shaka.polyfill.installAll();
const inner = new shaka.Player();
const describe = (error) => `shaka ${error.category}.${error.code} ${JSON.stringify(error.data)}`.slice(0, 400);
const attached = inner.attach(video);
inner.addEventListener("error", ({ detail }) => window.problem(describe(detail), detail.severity === shaka.util.Error.Severity.CRITICAL));
inner.addEventListener("stalldetected", () => window.problem("shaka stalldetected", false));
inner.addEventListener("gapjumped", () => window.problem("shaka gapjumped", false));

const variants = () => inner.getVariantTracks();
const active = () => variants().find((track) => track.active);
const picture = (track) => `${track.originalVideoId ?? track.videoId}`;
const sound = (track) => `${track.language}/${track.label ?? ""}/${track.originalAudioId ?? track.audioId}`;
/** One entry for each value of `key`, in the order of bandwidth. */
const distinct = (key) => [...new Map([...variants()].sort((a, b) => a.bandwidth - b.bandwidth).map((track) => [key(track), track])).entries()];
const choose = (wanted) => {
  window.unsettle();
  inner.configure({ abr: { enabled: false } });
  inner.selectVariantTrack(wanted, true);
};

window.player = {
  version: shaka.Player.version,
  load: async (url) => {
    await attached;
    await inner.load(url).catch((error) => window.problem(describe(error), true));
  },
  live: () => inner.isLive(),
  levels: () => distinct(picture).map(([id, track]) => ({ id, width: track.width ?? 0, height: track.height ?? 0, name: `${track.height ?? 0}p-${track.bandwidth}` })),
  level: () => (active() ? picture(active()) : null),
  setLevel: (id) => choose(variants().find((track) => picture(track) === id && sound(track) === sound(active())) ?? variants().find((track) => picture(track) === id)),
  tracks: () => distinct(sound).filter(([, track]) => track.audioId !== null).map(([id, track]) => ({ id, name: `${track.language}-${track.label ?? track.audioId}` })),
  audio: () => (active() ? sound(active()) : null),
  setAudio: (id) => choose(variants().find((track) => sound(track) === id && picture(track) === picture(active()))),
};
