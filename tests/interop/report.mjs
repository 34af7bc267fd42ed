// Checks by name, each with what was seen; printed as lines for people or as one JSON object for programs.

export class Report {
  #checks = [];

  constructor(subject) {
    this.subject = subject;
  }

  /** Runs one check. It holds unless `work` throws; what `work` returns is its evidence and is passed on. */
  async check(name, work) {
    try {
      const evidence = await work();
      this.#checks.push({ name, ok: true, evidence });
      return evidence;
    } catch (error) {
      this.#checks.push({ name, ok: false, evidence: (error instanceof Error ? error.message : String(error)).split("\n")[0] });
      return undefined;
    }
  }

  /** Prints the result and returns the exit code: 0 only if something was checked and all of it held. */
  end(asJson, extra = {}) {
    const failed = this.#checks.filter((check) => !check.ok);
    const ok = failed.length === 0 && this.#checks.length > 0;
    if (asJson) {
      console.log(JSON.stringify({ ok, ...this.subject, ...extra, checks: this.#checks }, null, 2));
    } else {
      for (const { name, ok: held, evidence } of this.#checks) console.log(`${held ? "ok  " : "FAIL"} ${name}${evidence === undefined ? "" : `: ${typeof evidence === "string" ? evidence : JSON.stringify(evidence)}`}`);
      console.log(ok ? `all ${this.#checks.length} checks hold` : `${failed.length} of ${this.#checks.length} checks failed`);
    }
    return ok ? 0 : 1;
  }
}
