// A stream made with ffmpeg and a small origin that serves it as rillcast would: enough to try the page and the player
// scripts without the server, and to prove that the scripts fail when a stream is wrong.
//
//   node fixture.mjs DIR [PORT] [--empty]     makes the stream in DIR unless it is there, serves it and the built page until ended
import { spawn } from "node:child_process";
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "./serve.mjs";

/** The page's policy; the real server sends the same. */
export const PAGE_POLICY =
  "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; img-src 'self' data:; style-src 'self'";
export const DURATION_SECONDS = 24;

const RUNGS = [
  { size: [426, 240], kilobits: 300, codecs: "avc1.640015" },
  { size: [640, 360], kilobits: 700, codecs: "avc1.64001e" },
  { size: [1280, 720], kilobits: 1800, codecs: "avc1.64001f" },
];
const VOICES = [
  { hertz: 440, language: "en", name: "English" },
  { hertz: 660, language: "de", name: "Deutsch" },
];

function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", reject);
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))));
  });
}

const hls = (out) => ["-f", "hls", "-hls_time", "4", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4", "-hls_flags", "independent_segments", `${out}.m3u8`];
const named = (dir, name) => ["-hls_fmp4_init_filename", `${name}.init.mp4`, "-hls_segment_filename", join(dir, `${name}.%d.m4s`)];

/** Makes `DIR/vod/sample.mp4/master.m3u8`: three renditions with a burnt-in time code, two audio tracks, one of subtitles. */
export async function makeStream(dir) {
  const out = join(dir, "vod/sample.mp4");
  if (await access(join(out, "master.m3u8")).then(() => true, () => false)) return;
  await mkdir(out, { recursive: true });
  for (const { size: [width, height], kilobits } of RUNGS) {
    const text = `drawtext=text='${height}p %{pts\\:hms}':x=w/20:y=h*0.8:fontsize=h/10:fontcolor=white:box=1:boxcolor=black@0.6`;
    await run("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", `testsrc2=size=${width}x${height}:rate=25:duration=${DURATION_SECONDS}`, "-vf", text,
      "-c:v", "libx264", "-preset", "veryfast", "-b:v", `${kilobits}k`, "-pix_fmt", "yuv420p", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-bf", "0",
      ...named(out, `v${height}`), ...hls(join(out, `v${height}`))]);
  }
  for (const { hertz, language } of VOICES) {
    await run("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", `sine=frequency=${hertz}:duration=${DURATION_SECONDS}`, "-c:a", "aac", "-b:a", "96k",
      ...named(out, `a-${language}`), ...hls(join(out, `a-${language}`))]);
  }
  const cue = (n) => `00:00:${String(n * 2).padStart(2, "0")}.000 --> 00:00:${String(n * 2 + 2).padStart(2, "0")}.000\nline ${n}\n`;
  await writeFile(join(out, "s.vtt"), `WEBVTT\n\n${Array.from({ length: DURATION_SECONDS / 2 }, (_, n) => cue(n)).join("\n")}`);
  await writeFile(join(out, "s.m3u8"), `#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:${DURATION_SECONDS}\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:${DURATION_SECONDS}.0,\ns.vtt\n#EXT-X-ENDLIST\n`);
  await writeFile(join(out, "master.m3u8"), master());
}

function master() {
  const audio = VOICES.map(({ language, name }, n) =>
    `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="${name}",LANGUAGE="${language}",AUTOSELECT=YES,DEFAULT=${n === 0 ? "YES" : "NO"},CHANNELS="1",URI="a-${language}.m3u8"`);
  const text = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",AUTOSELECT=YES,DEFAULT=NO,URI="s.m3u8"';
  const video = RUNGS.flatMap(({ size, kilobits, codecs }) => [
    `#EXT-X-STREAM-INF:BANDWIDTH=${kilobits * 1300 + 96000},AVERAGE-BANDWIDTH=${kilobits * 1000 + 96000},CODECS="${codecs},mp4a.40.2",RESOLUTION=${size.join("x")},FRAME-RATE=25.000,AUDIO="a",SUBTITLES="s",CLOSED-CAPTIONS=NONE`,
    `v${size[1]}.m3u8`]);
  return ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS", ...audio, text, ...video, ""].join("\n");
}

const asset = (path, sizeBytes, modified) => ({
  path, title: path.replace(/^.*\//, "").replace(/\.\w+$/, ""), size_bytes: sizeBytes, modified,
  master: `/vod/${path.split("/").map(encodeURIComponent).join("/")}/master.m3u8`,
});
const LIBRARY = {
  assets: [
    asset("films/A rather long name, with a comma & 100 % odd signs – director's cut (2024).mp4", 4_700_000_000, "2025-11-02T10:00:00Z"),
    asset("films/broken.mp4", 12_345, "2026-01-30T10:00:00Z"),
    asset("lectures/week 01.mp4", 345_000_000, "2026-02-01T10:00:00Z"),
    asset("sample.mp4", 8_400_000, "2026-03-01T10:00:00Z"),
  ],
  truncated: false,
};
const PROBLEM = {
  type: "about:blank", status: 422, title: "This file cannot be played",
  detail: "box `moov` at byte 40 claims 9000 bytes, its parent has 812. The file seems to be cut short.",
};

/**
 * Serves `dir` and the built page at once; every asset but `films/broken.mp4` is the sample. `empty` offers none.
 * `fault(path)` may answer first, to make a stream or a page that is wrong, or keep the answer waiting.
 */
export function serveFixture(dir, { port = 0, empty = false, fault = () => undefined } = {}) {
  const page = fileURLToPath(new URL("../../src/web/dist/", import.meta.url));
  const headers = { "content-security-policy": PAGE_POLICY };
  return serve({
    port,
    async answer(path) {
      const wrong = await fault(path);
      if (wrong !== undefined) return wrong;
      if (path === "/library.json") return { json: empty ? { assets: [], truncated: false } : LIBRARY };
      if (path.startsWith("/vod/films/broken.mp4/")) return { status: 422, type: "application/problem+json", json: PROBLEM };
      const listed = LIBRARY.assets.find((item) => path.startsWith(`/vod/${item.path}/`));
      if (listed !== undefined) return { file: join(dir, "vod/sample.mp4", path.slice(`/vod/${listed.path}/`.length)) };
      if (path === "/") return { file: join(page, "index.html"), headers };
      if (path === "/app.js" || path === "/app.css") return { file: join(page, path), headers };
      return { status: 404, type: "application/problem+json", json: { status: 404, title: "No such asset", detail: `There is no ${path}.` } };
    },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dir, port] = process.argv.slice(2);
  if (dir === undefined) throw new Error("usage: node fixture.mjs DIR [PORT] [--empty]");
  await makeStream(dir);
  const { url } = await serveFixture(dir, { port: Number(port ?? 0), empty: process.argv.includes("--empty") });
  console.log(`${url}/  stream: ${url}/vod/sample.mp4/master.m3u8`);
}
