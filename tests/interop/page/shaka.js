// Shaka Player behind the interface described in index.html; `window.shakaConfig` is its configuration, where a script has one. A level is one rendition of the picture, whatever its sound.
shaka.polyfill.installAll();
const inner = new shaka.Player();
if (window.shakaConfig !== undefined) inner.configure(window.shakaConfig);
const describe = (error) => `shaka ${error.category}.${error.code} ${JSON.stringify(error.data)}`.slice(0, 400);
const attached = inner.attach(video);
inner.addEventListener("error", ({ detail }) => window.problem(describe(detail), detail.severity === shaka.util.Error.Severity.CRITICAL));
inner.addEventListener("stalldetected", () => window.problem("shaka stalldetected", false));

// Shaka adds 1 ms to a negative timestamp offset and then jumps over what it made: only a gap that could be noticed counts.
// Its event does not say how long the gap was, and comes when the jump has been made.
const NOTICED_SECONDS = 0.01;
let before = 0;
for (const name of ["timeupdate", "seeking"]) video.addEventListener(name, () => (before = video.currentTime));
inner.addEventListener("gapjumped", () => {
  const { buffered, currentTime } = video;
  let from = before;
  for (let n = 1; n < buffered.length; n += 1) if (buffered.start(n) <= currentTime) from = buffered.end(n - 1);
  const atStart = from < NOTICED_SECONDS;
  if (currentTime - from > NOTICED_SECONDS + (atStart ? window.late : 0)) window.problem(`shaka gapjumped ${from.toFixed(3)} to ${currentTime.toFixed(3)} s`, false);
});

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
