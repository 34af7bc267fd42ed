#!/bin/bash
# Installs what a make target needs and is not there yet, with Debian's apt-get; says nothing when all is there.
#
#   scripts/install.sh GROUP...     groups: rust node sample interop peers
#
# Each need is probed by what is used (a command, a plugin, a font), so that a tool from elsewhere counts too.
# There is no stamp: the probes take a fraction of a second, and a tool that was removed is found missing.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # nginx lives there, and Debian's users do not have it in their PATH

missing=()
need() { # PACKAGES PROBE...
  local packages=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=($packages)
}
any_command() {
  local name
  for name; do command -v "$name" && return; done
  return 1
}
monospace_font() { fc-match -f '%{file}' monospace | grep -q .; }
plugin() { gst-inspect-1.0 --exists "$1"; }

rust() {
  if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust 1.95 or later from https://rustup.rs, then run this again" >&2
    exit 1
  fi
  need 'gcc libc6-dev' any_command cc
  if ! cargo clippy --version >/dev/null 2>&1 || ! cargo fmt --version >/dev/null 2>&1; then
    echo "installing clippy and rustfmt with rustup"
    rustup component add clippy rustfmt
  fi
}

node() {
  local version
  version=$(command node --version 2>/dev/null) || version=
  if [[ -z $version || $(cut -d. -f1 <<<"${version#v}") -lt 20 ]] || ! command -v npm >/dev/null; then
    echo "Node.js 20 or later with npm is needed (found: ${version:-none}): see https://nodejs.org" >&2
    exit 1
  fi
}

sample() {
  need ffmpeg any_command ffmpeg
  need 'fontconfig fonts-dejavu-core' monospace_font
}

interop() {
  sample
  need chromium test -x "${CHROMIUM:-/usr/bin/chromium}" # where tests/interop looks for it
  need gstreamer1.0-tools any_command gst-launch-1.0
  need gstreamer1.0-plugins-base plugin playbin
  need gstreamer1.0-plugins-good plugin souphttpsrc
  need gstreamer1.0-plugins-bad plugin hlsdemux
  need gstreamer1.0-libav plugin avdec_h264
  need haproxy any_command haproxy
  need openssl any_command openssl
  need nginx-light any_command nginx
  need varnish any_command varnishd
  need libmaxmind-db-writer-perl perl -MMaxMind::DB::Writer::Tree -e1
}

peers() {
  need nginx-light any_command nginx
  need nghttp2-client any_command h2load
  need varnish any_command varnishd
  need trafficserver any_command traffic_server
}

[[ $# -gt 0 ]] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
for group; do
  case $group in
    rust | node | sample | interop | peers) "$group" ;;
    *) echo "install.sh: no group named $group" >&2 && exit 2 ;;
  esac
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  as_root=(sudo)
fi
if ! command -v apt-get >/dev/null || ! command -v "${as_root[0]:-true}" >/dev/null; then
  echo "these Debian packages, or what your system calls them, are needed and cannot be installed from here" >&2
  echo "(no apt-get, or neither root nor sudo):" >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi
echo "installing with apt-get: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
# The bench starts the caches itself; as services they would run for ever, one of them on port 8080.
for service in varnish trafficserver; do
  if [[ -d /run/systemd/system && " ${missing[*]} " == *" $service "* ]]; then
    "${as_root[@]}" systemctl disable --now --quiet "$service"
  fi
done
