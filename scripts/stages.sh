#!/bin/bash
# Runs stages one after another, stops at the first that fails, and ends with the time of each and the count of tests.
#
#   scripts/stages.sh STAGE...
#
# A stage is a function below whose name begins with stage_. All of them run at the root of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
log=$target/stages/tests.log
fuzz_seconds=${FUZZ_SECONDS:-60}
mkdir -p "$target/stages"
if [[ -t 1 ]]; then
  export CARGO_TERM_COLOR=always # the test stages write through a pipe, into the log that is counted
fi

make_quietly() { env -u MAKEFLAGS -u MAKELEVEL make --silent "$@"; }

stage_rust() { scripts/install.sh rust; }
stage_tools() { scripts/install.sh rust node sample interop; }
stage_peers() { scripts/install.sh rust node sample peers; }

stage_page() { make_quietly page; }
stage_interop-packages() { make_quietly interop-packages; }
stage_types() { npm --prefix src/web run --silent check; }

stage_format() { cargo fmt --all --check; }
stage_clippy() { cargo clippy --locked --workspace --all-targets -- -D warnings; }
stage_docs() { RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps; }

# A tool that is missing fails its test here; without the variable, as in a plain `cargo test`, the test says that it skips.
# The fuzz corpora are replayed by ordinary tests of the fuzz crate.
stage_tests() {
  export RILLCAST_REQUIRE_TOOLS=1
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --workspace --no-fail-fast 2>&1 | tee -a "$log"
    cargo test --locked --workspace --doc 2>&1 | tee -a "$log"
  else
    cargo test --locked --workspace --no-fail-fast 2>&1 | tee -a "$log"
  fi
}

# Those that start the binary once more, with file bytes read instead of sent from the page cache; the browsers and
# players with test-full.
stage_reads() { test_reads --test vod --test index --test optimize; }
stage_reads-interop() { test_reads --test interop; }

test_reads() {
  local config=$PWD/$target/stages/reads.toml
  [[ $target == /* ]] && config=$target/stages/reads.toml
  printf '[delivery]\nzero_copy = false\n' >"$config"
  RILLCAST_REQUIRE_TOOLS=1 RILLCAST_TEST_CONFIG=$config cargo test --locked "$@" 2>&1 | tee -a "$log"
}

stage_deny() {
  if [[ ! -x .tools/bin/cargo-deny ]]; then
    echo "installing cargo-deny into .tools (once, some minutes)"
    cargo install --quiet --locked --root .tools cargo-deny
  fi
  .tools/bin/cargo-deny --locked check bans licenses sources
}

# Every playable corpus file in every player; plain cargo, because it takes longer than nextest lets one test run.
stage_matrix() {
  RILLCAST_REQUIRE_TOOLS=1 cargo test --locked --test interop -- --ignored --nocapture --test-threads=1
}

# The browser scripts against streams and pages that are wrong on purpose.
stage_selftest() { npm --prefix tests/interop test; }

stage_fuzz() {
  local target_file name found=
  for target_file in fuzz/libfuzzer/fuzz_targets/*.rs; do
    [[ -e $target_file ]] || break
    found=yes
    name=$(basename "$target_file" .rs)
    echo "fuzzing $name for $fuzz_seconds s"
    fuzz/run.sh "$name" "$fuzz_seconds"
  done
  [[ -n $found ]] || { echo "no fuzz target in fuzz/libfuzzer/fuzz_targets" >&2; return 1; }
}

stage_release() { cargo build --release --locked --bin rillcast; }

# NGINX_VOD_MODULE, when set, is the path of nginx-vod-module as a dynamic module: it is then measured too.
stage_bench() { cargo run --release --locked -p rillcast-bench -- run --profile --server "$target/release/rillcast"; }
stage_bench-quick() { cargo run --release --locked -p rillcast-bench -- run --quick --server "$target/release/rillcast"; }
stage_bench-profile() { cargo run --release --locked -p rillcast-bench -- profile --quick --server "$target/release/rillcast"; }
stage_bench-baseline() { cargo run --release --locked -p rillcast-bench -- run --profile --write-baseline --server "$target/release/rillcast"; }

times=()
report() {
  printf '\n'
  printf '%s\n' "${times[@]}"
  if [[ -s $log ]]; then
    # Closing lines: nextest's "Summary [..] 9 tests run: 8 passed, 1 failed, 0 skipped", libtest's "8 passed; 1 failed; 0 ignored".
    sed 's/\x1b\[[0-9;]*m//g' "$log" | awk -v seconds="$SECONDS" '
      /^ *Summary \[|^test result:/ {
        for (i = 2; i <= NF; i++) {
          if ($i ~ /^passed/) passed += $(i - 1)
          if ($i ~ /^failed|^timed/) failed += $(i - 1)
          if ($i ~ /^(skipped|ignored)/) skipped += $(i - 1)
        }
      }
      END { printf "tests: %d passed, %d failed, %d skipped; all stages %d s\n", passed, failed, skipped, seconds }'
  fi
}

[[ $# -gt 0 ]] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
for stage; do
  declare -F "stage_$stage" >/dev/null || { echo "stages.sh: no stage named $stage" >&2; exit 2; }
done
rm -f "$log"
for stage; do
  echo "== $stage"
  started=$SECONDS
  # Not in a condition: bash would then ignore `set -e` within the stage.
  set +e
  (set -e; "stage_$stage")
  code=$?
  set -e
  took=$((SECONDS - started))
  if [[ $code -ne 0 ]]; then
    times+=("$(printf '%-18s %4d s  FAILED (exit %d)' "$stage" "$took" "$code")")
    report
    exit 1
  fi
  times+=("$(printf '%-18s %4d s' "$stage" "$took")")
done
report
