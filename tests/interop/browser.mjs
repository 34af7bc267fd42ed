// A fresh headless Chromium that talks to nobody on its own.
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
];

/** Where Chromium is: `$CHROMIUM`, or Debian's place. */
export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** A whole visit has this long; then the browser is closed under it, and what it waits for fails. */
const VISIT_LIMIT_MS = 300_000;

/** Runs `work(page, context)` in a browser with an empty profile; the browser and the profile are gone afterwards, whatever happens. */
export async function withPage(options, work) {
  await access(CHROMIUM).catch(() => {
    throw new Error(`no Chromium at ${CHROMIUM}; install it or set CHROMIUM`);
  });
  const profile = await mkdtemp(join(tmpdir(), "rillcast-interop-"));
  const context = await chromium.launchPersistentContext(profile, { executablePath: CHROMIUM, args: FLAGS, headless: true, ...options });
  const limit = setTimeout(() => void context.close(), VISIT_LIMIT_MS);
  try {
    return await work(context.pages()[0] ?? (await context.newPage()), context);
  } finally {
    clearTimeout(limit);
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** Parses `--name value` and `--flag`; `flags` names those without a value. Unknown words are refused. */
export function parseArgs(argv, { values, flags }) {
  const parsed = {};
  for (let at = 0; at < argv.length; at += 1) {
    const name = argv[at].replace(/^--/, "");
    if (!argv[at].startsWith("--") || !(values.includes(name) || flags.includes(name))) throw new Error(`unknown argument ${argv[at]}`);
    if (flags.includes(name)) parsed[name] = true;
    else if ((parsed[name] = argv[(at += 1)]) === undefined) throw new Error(`--${name} wants a value`);
  }
  return parsed;
}
