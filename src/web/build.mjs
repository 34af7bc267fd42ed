// Builds the page into dist/: index.html, app.js and app.css, nothing else, nothing fetched from outside.
//
// hls.js is taken in its UMD form: only there is the worker for MPEG-TS part of the same file (made into a blob: URL at run
// time), so the page stays three files. The build is a function of the sources and the lock file; no time, no hash, no path.
// hls.js stays at 1.7.3: 1.7.4 never ends a film with less than 0.2 s of sound (1.5 to 1.7.3 play it).
import { build } from "esbuild";
import { copyFile, mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

await rm(at("dist"), { recursive: true, force: true });
await mkdir(at("dist"), { recursive: true });
await build({
  entryPoints: [at("src/main.ts")],
  outfile: at("dist/app.js"),
  alias: { "hls.js": "hls.js/dist/hls.min.js" },
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
});
await build({ entryPoints: [at("src/app.css")], outfile: at("dist/app.css"), minify: true, logLevel: "warning" });
await copyFile(at("src/index.html"), at("dist/index.html"));
