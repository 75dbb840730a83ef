# shellcheck shell=bash
# What `run` and `side-by-side` share: may we, have we everything, start and stop the emulator. Sourced, with
# `title` set.

: "${title:?}"
official=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$official/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target/official"
target=$(cd "$target" && pwd)
dir=$target/official
# What the scripts inside the namespace need to know. OFFICIAL_IDENTITY may be another build of the example.
export OFFICIAL_EMULATOR=$target/debug/alibabacloud-emulator NODE_PATH=$dir/node/node_modules
export OFFICIAL_ALICRED=$target/debug/alicred
export OFFICIAL_IDENTITY=${OFFICIAL_IDENTITY:-$target/debug/examples/identity}

# Where the clients should run, not running them is a failure; elsewhere it is said, and no more.
strict=no
give_up() {
  echo "$title: 0 ran, all skipped: $1"
  if [ "$strict" = yes ]; then exit 1; fi
  exit 0
}

# Which clients there are, and why not the others: for the scripts inside the namespace too.
export OFFICIAL_CLIENTS=${OFFICIAL_CLIENTS:-} OFFICIAL_LACKING=${OFFICIAL_LACKING:-}
lack() {
  OFFICIAL_LACKING+="${OFFICIAL_LACKING:+; }$1"
}

prepare() {
  local missing=() tool
  OFFICIAL_CLIENTS='' OFFICIAL_LACKING=''
  if [ "$(id -u)" != 0 ]; then give_up "not root, and a network of one's own needs that"; fi
  for tool in unshare mount ip openssl curl cargo; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  # Containers forbid it even to root: no fault of the project's, and nothing that it could install.
  if command -v unshare >/dev/null && ! unshare --mount --net --pid --fork true 2>/dev/null; then
    give_up "namespaces are forbidden here, even to root"
  fi
  # As root with everything there, nothing may be skipped; in CI, nothing may be missing either.
  if [ -n "${CI:-}" ]; then strict=yes; fi
  if [ "${#missing[@]}" != 0 ]; then give_up "not installed: ${missing[*]}"; fi

  "$official/ca" "$dir/ca"
  if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    lack "python: no python3 with venv"
  elif "$official/setup" "$dir" python; then
    OFFICIAL_CLIENTS+=" python"
  else
    lack "python: its packages cannot be installed"
  fi
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    lack "node: no node with npm"
  elif "$official/setup" "$dir" node; then
    OFFICIAL_CLIENTS+=" node"
  else
    lack "node: its packages cannot be installed"
  fi
  if [[ $OFFICIAL_LACKING == *"cannot be installed"* ]]; then strict=yes; fi
  if [ -z "$OFFICIAL_CLIENTS" ]; then give_up "$OFFICIAL_LACKING"; fi
  if [ -n "$OFFICIAL_LACKING" ] && [ "$strict" = yes ]; then
    echo "$title: $OFFICIAL_LACKING"
    exit 1
  fi

  (cd "$root" && cargo build --quiet -p alibabacloud-emulator -p alibabacloud-credentials -p alicred \
    --bin alibabacloud-emulator --bin alicred --example identity)
}

emulator=
# start_emulator MODE [ADDRESS]: plain on port 80 of an address, TLS on 443; by default of all addresses in the namespace.
start_emulator() {
  local ready=$dir/ready
  rm -f "$ready"
  mkfifo "$ready"
  "$OFFICIAL_EMULATOR" serve --http "${2:-0.0.0.0}:80" --https 0.0.0.0:443 \
    --cert "$dir/ca/chain.pem" --key "$dir/ca/leaf.key" --metadata "$1" >"$ready" &
  emulator=$!
  # Its one line says that it listens; none within 10 s ends the script.
  read -r -t 10 _ <>"$ready"
  rm -f "$ready"
}

stop_emulator() {
  if [ -n "$emulator" ]; then
    kill "$emulator" 2>/dev/null || true
    wait "$emulator" 2>/dev/null || true
    emulator=
  fi
}
