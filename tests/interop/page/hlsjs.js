// hls.js behind the interface described in index.html. Every ERROR event counts, fatal or not: a buffer stall is one.
// `window.hlsConfig` is its configuration, where a script has one.
const hls = new Hls(window.hlsConfig);
// It jumps over the hole at the start of a stream whose source has it, and says so: that is no problem of ours.
const startsLate = (data) => window.late > 0 && data.details === Hls.ErrorDetails.BUFFER_SEEK_OVER_HOLE && video.buffered.length === 1 && video.buffered.start(0) <= window.late + 0.01;
hls.on(Hls.Events.ERROR, (_, data) => startsLate(data) || window.problem(`${data.type} ${data.details}${data.response ? ` ${data.response.code}` : ""} ${data.reason ?? data.error?.message ?? ""}${data.buffer === undefined ? "" : ` with ${data.buffer.toFixed(2)} s ahead`}`.trim(), data.fatal));
hls.attachMedia(video);

let audible = -1;
hls.on(Hls.Events.AUDIO_TRACK_SWITCHED, (_, data) => (audible = data.id));

window.player = {
  version: Hls.version,
  load: (url) => hls.loadSource(url),
  live: () => hls.latestLevelDetails?.live === true,
  levels: () => hls.levels.map((level, id) => ({ id, width: level.width, height: level.height, name: `${level.height}p-${level.bitrate}` })),
  level: () => hls.currentLevel,
  setLevel: (id) => {
    window.unsettle();
    hls.currentLevel = id;
  },
  tracks: () => hls.audioTracks.map((track, id) => ({ id, name: `${id}-${track.name}` })),
  audio: () => audible,
  setAudio: (id) => {
    window.unsettle();
    hls.audioTrack = id;
  },
};
