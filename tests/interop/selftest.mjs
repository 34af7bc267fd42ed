// Proves that the scripts can fail: a good stream passes in both players and on the page, and each fault is found and named.
//
//   node --test selftest.mjs      needs ffmpeg, Chromium and a built page (src/web/dist); nothing from outside
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DURATION_SECONDS, makeStream, PAGE_POLICY, serveFixture } from "./fixture.mjs";

const STREAM = "/vod/sample.mp4";
const page = (name) => fileURLToPath(new URL(`../../src/web/dist/${name}`, import.meta.url));
let dir;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "rillcast-selftest-"));
  await makeStream(dir);
});
after(() => rm(dir, { recursive: true, force: true }));

/** Runs a script against a fixture with `fault`; returns its exit code and JSON result. */
async function run(script, args, fault) {
  const { url, close } = await serveFixture(dir, { fault });
  try {
    return await new Promise((resolve, reject) => {
      const words = [fileURLToPath(new URL(script, import.meta.url)), ...args(url), "--json"];
      execFile(process.execPath, words, { maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
        if (stdout === "") reject(new Error(`${script} printed nothing: ${stderr}`));
        else resolve({ code: error?.code ?? 0, result: JSON.parse(stdout) });
      });
    });
  } finally {
    await close();
  }
}

const watch = (player, fault, extra = []) => run("player.mjs", (url) => ["--player", player, "--url", `${url}${STREAM}/master.m3u8`, ...extra], fault);
const visit = (fault) => run("page.mjs", (url) => ["--url", `${url}/`, "--asset", "sample.mp4", "--refused", "films/broken.mp4"], fault);

function passes({ code, result }) {
  assert.deepEqual(result.checks.filter((check) => !check.ok), []);
  assert.equal(code, 0);
}

function fails({ code, result }, name, evidence) {
  const found = result.checks.find((check) => check.name === name);
  assert.ok(found !== undefined && !found.ok, `"${name}" should have failed: ${JSON.stringify(result.checks)}`);
  assert.match(found.evidence, evidence);
  assert.equal(code, 1);
}

for (const player of ["hlsjs", "shaka"]) {
  test(`${player} plays a good stream from start to end, every level and voice`, async () => {
    passes(await watch(player, undefined, ["--switch", "--duration", String(DURATION_SECONDS)]));
  });

  test(`${player}: a stream that begins late is found`, async () => {
    const text = (await readFile(join(dir, STREAM, "a-en.m3u8"), "utf8")).replace(/#EXTINF:.*\n.*\n/, "#EXT-X-GAP\n$&");
    const late = await watch(player, (path) => (path.endsWith("/a-en.m3u8") ? { text } : undefined));
    assert.equal(late.code, 1, JSON.stringify(late.result.checks));
  });

  test(`${player}: a segment that is not there is found`, async () => {
    const missing = await watch(player, (path) => (/v\d+\.3\.m4s$/.test(path) ? { status: 404, json: {} } : undefined));
    fails(missing, "no request refused", /404 .*\.3\.m4s/);
    fails(missing, "no player error, fatal or not", /./);
  });
}

test("a segment that comes too late is found", async () => {
  // Asked for ahead, at once; playback is there some five seconds later. (Shaka would not play on before it has two seconds.)
  const late = (path) => (/v\d+\.4\.m4s$/.test(path) ? new Promise((resolve) => setTimeout(resolve, 12_000)) : undefined);
  fails(await watch("hlsjs", late, ["--seek", "15.3"]), "no stall while playing", /1 stalls/);
});

test("a wrong length is found", async () => {
  fails(await watch("hlsjs", undefined, ["--duration", "30"]), "it has the right length", /says 24(\.\d+)? s, the source has 30 s/);
});

test("a stream that allows no other origin is found", async () => {
  fails(await watch("hlsjs", () => ({ file: join(dir, STREAM, "master.m3u8"), headers: { "access-control-allow-origin": "http://127.0.0.1:1" } })), "it starts", /fatal/);
});

test("the page passes", async () => passes(await visit()));

test("a page that asks another origin is found", async () => {
  const script = `${await readFile(page("app.js"), "utf8")}\nfetch("http://127.0.0.1:1/").catch(() => undefined);`;
  const open = PAGE_POLICY.replace("connect-src 'self'", "connect-src *");
  const asked = await visit((path) => (path === "/app.js" ? { text: script } : path === "/" ? { file: page("index.html"), headers: { "content-security-policy": open } } : undefined));
  fails(asked, "nothing is asked of another origin", /127\.0\.0\.1:1\//);
});

test("a page that breaks its policy is found", async () => {
  const text = (await readFile(page("index.html"), "utf8")).replace("</body>", "<script>1</script></body>");
  const broken = await visit((path) => (path === "/" ? { text, type: "text/html", headers: { "content-security-policy": PAGE_POLICY } } : undefined));
  fails(broken, "nothing is logged as an error", /Content Security Policy/);
});
