#!/bin/sh
# Fuzzes one target: run.sh TARGET SECONDS [libFuzzer options]
#
# Findings go to fuzz/artifacts/TARGET/, new inputs to a scratch corpus beside the build; the committed
# seeds in fuzz/corpus/TARGET/ are only read. RUSTC_BOOTSTRAP lets the stable compiler take the flags
# that instrument the code for coverage. SANITIZER=address adds that sanitizer (unsafe code lies only
# in dependencies, so it is off unless asked for: the target runs about twice as fast).
set -eu
target=${1:?usage: run.sh TARGET SECONDS}
seconds=${2:?usage: run.sh TARGET SECONDS}
shift 2
here=$(cd "$(dirname "$0")" && pwd)
build=${FUZZ_TARGET_DIR:-$here/target}
triple=$(rustc -vV | sed -n 's/^host: //p')
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions"
if [ -n "${SANITIZER:-}" ]; then flags="$flags -Zsanitizer=$SANITIZER"; fi
RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" CARGO_TARGET_DIR="$build" cargo build --release --quiet \
    --manifest-path "$here/libfuzzer/Cargo.toml" --target "$triple" --bin "$target"
scratch=$build/corpus/$target
mkdir -p "$scratch" "$here/artifacts/$target"
exec "$build/$triple/release/$target" -max_total_time="$seconds" -print_final_stats=1 -max_len=20480 \
    -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$here/artifacts/$target/" \
    "$@" "$scratch" "$here/corpus/$target"
