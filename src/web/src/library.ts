// The library: what the server offers, and the list that shows it.
//
// `GET library.json` is parsed at this border; what does not look like an asset is left out, so the rest of the page never
// meets a missing field. The list is made of plain links (`#/path`), so that history, middle click and bookmarks just work.

/** One playable thing. `master` is a percent-encoded path on this origin; `path` is the name people see. */
export interface Asset {
  readonly path: string;
  readonly title: string;
  readonly master: string;
  readonly sizeBytes: number | null;
  readonly modified: Date | null;
}

export interface Library {
  readonly assets: readonly Asset[];
  /** The server had more than it was willing to list. */
  readonly truncated: boolean;
}

/** Rows drawn at most; a longer library is narrowed with the filter. */
const ROW_LIMIT = 500;

/** Fetches and parses the library. Rejects with words fit for people. */
export async function loadLibrary(): Promise<Library> {
  const response = await fetch("library.json", { headers: { accept: "application/json" }, cache: "no-cache" });
  if (!response.ok) throw new Error(`The server answered ${response.status} ${response.statusText}`.trim() + ".");
  return parseLibrary(await response.json());
}

function parseLibrary(raw: unknown): Library {
  if (!isRecord(raw) || !Array.isArray(raw["assets"])) throw new Error("The server's list is not in a form this page knows.");
  return { assets: raw["assets"].flatMap((item: unknown) => parseAsset(item) ?? []), truncated: raw["truncated"] === true };
}

function parseAsset(raw: unknown): Asset | null {
  if (!isRecord(raw) || typeof raw["path"] !== "string" || typeof raw["master"] !== "string") return null;
  const { path, title, master, size_bytes: size } = raw;
  const modified = typeof raw["modified"] === "string" ? new Date(raw["modified"]) : null;
  return {
    path,
    master,
    title: typeof title === "string" && title !== "" ? title : lastName(path),
    sizeBytes: typeof size === "number" && size >= 0 ? size : null,
    modified: modified !== null && !Number.isNaN(modified.getTime()) ? modified : null,
  };
}

/** The asset a deep link names although the list does not hold it (a truncated list, or a file that is gone). */
export function unlisted(path: string): Asset {
  return { path, title: lastName(path), master: `/vod/${encodePath(path)}/master.m3u8`, sizeBytes: null, modified: null };
}

/** `#/dir/a%20b.mp4` to `dir/a b.mp4`; null when the fragment names nothing. */
export function pathFromHash(hash: string): string | null {
  if (!hash.startsWith("#/") || hash.length < 3) return null;
  try {
    return decodeURIComponent(hash.slice(2));
  } catch {
    return null; // A stray `%`: no such link was made here.
  }
}

/** Wires the list, its filter and its refresh button; `show` redraws for a new library. */
export class LibraryView {
  #library: Library = { assets: [], truncated: false };
  #selected: string | null = null;

  constructor(
    private readonly list: HTMLUListElement,
    private readonly filter: HTMLInputElement,
    private readonly count: HTMLElement,
    private readonly empty: HTMLElement,
  ) {
    filter.addEventListener("input", () => this.#draw());
    filter.addEventListener("keydown", (event) => this.#keyInFilter(event));
    list.addEventListener("keydown", (event) => this.#keyInList(event));
  }

  show(library: Library): void {
    this.#library = library;
    this.#draw();
  }

  /** Shows why there is no list. */
  fail(reason: string): void {
    this.#library = { assets: [], truncated: false };
    this.list.replaceChildren();
    this.count.textContent = "";
    this.#say("The library could not be read", reason);
  }

  get isEmpty(): boolean {
    return this.#library.assets.length === 0;
  }

  find(path: string): Asset | undefined {
    return this.#library.assets.find((asset) => asset.path === path);
  }

  select(path: string | null): void {
    this.#selected = path;
    for (const link of this.#links()) mark(link, link.dataset["path"] === path);
  }

  #draw(): void {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    const { assets, truncated } = this.#library;
    const matching = assets.filter((asset) => {
      const text = `${asset.title} ${asset.path}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    this.list.replaceChildren(...matching.slice(0, ROW_LIMIT).map((asset) => this.#row(asset)));
    const total = `${assets.length}${truncated ? "+" : ""}`;
    this.count.textContent = assets.length === 0 ? "" : words.length > 0 ? `${matching.length} of ${total}` : total;
    this.empty.hidden = true;
    if (assets.length === 0) this.#say("Nothing to play yet", "Put MP4 files into a folder and start the server with it:", "rillcast serve --media DIR");
    else if (matching.length === 0) this.#say("No match", "No name or folder holds these words.");
    else if (matching.length > ROW_LIMIT) this.#say("", `${matching.length - ROW_LIMIT} more are not shown; narrow the filter.`);
    else if (truncated) this.#say("", "The server cut this list short. What is missing can still be opened by its address: #/folder/name.mp4");
  }

  #row(asset: Asset): HTMLLIElement {
    const link = document.createElement("a");
    link.href = `#/${encodePath(asset.path)}`;
    link.dataset["path"] = asset.path;
    const folder = asset.path.includes("/") ? asset.path.slice(0, asset.path.lastIndexOf("/")) : "";
    const facts = [folder, sizeText(asset.sizeBytes), dateText(asset.modified)].filter((part) => part !== "").join(" · ");
    link.append(element("span", "name", asset.title), element("span", "about", facts));
    mark(link, asset.path === this.#selected);
    const row = document.createElement("li");
    row.append(link);
    return row;
  }

  #say(title: string, text: string, command?: string): void {
    const parts = [element("p", "empty-text", text)];
    if (title !== "") parts.unshift(element("h3", "", title));
    if (command !== undefined) parts.push(element("code", "command", command));
    this.empty.replaceChildren(...parts);
    this.empty.hidden = false;
  }

  #links(): HTMLAnchorElement[] {
    return [...this.list.querySelectorAll("a")];
  }

  #keyInFilter(event: KeyboardEvent): void {
    const first = this.#links()[0];
    if (event.key === "ArrowDown") first?.focus();
    else if (event.key === "Enter") first?.click();
    else if (event.key === "Escape") this.filter.blur();
    else return;
    event.preventDefault();
  }

  #keyInList(event: KeyboardEvent): void {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    const links = this.#links();
    const next = links.findIndex((link) => link === document.activeElement) + step;
    (next < 0 ? this.filter : links[next])?.focus();
    event.preventDefault();
  }
}

/** An element with a class and a text: the one way this page makes text, so nothing is ever parsed as HTML. */
export function element(tag: string, className: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.textContent = text;
  return made;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

export function sizeText(bytes: number | null): string {
  if (bytes === null) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = bytes / 1000 ** step;
  return `${value >= 100 || step === 0 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}

export function dateText(date: Date | null): string {
  return date === null ? "" : date.toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
}

function mark(link: HTMLAnchorElement, selected: boolean): void {
  if (selected) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.[^.]+$/, "") || path;
}
