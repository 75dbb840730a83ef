# shellcheck shell=bash
# What `run` and `side-by-side` share: may we, have we everything, start and stop the emulator. Sourced.

official=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$official/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target/official"
target=$(cd "$target" && pwd)
dir=$target/official
# What the scripts inside the namespace need to know. OFFICIAL_IDENTITY may be another build of the example.
export OFFICIAL_EMULATOR=$target/debug/alibabacloud-emulator NODE_PATH=$dir/node/node_modules
export OFFICIAL_IDENTITY=${OFFICIAL_IDENTITY:-$target/debug/examples/identity}

# Where the clients should have run, not running them is a failure; elsewhere it is said, and no more.
give_up() {
  echo "$title: 0 ran, all skipped: $1"
  if [ "$strict" = yes ]; then exit 1; fi
  exit 0
}

prepare() {
  title=$1 strict=no
  local missing=() tool
  for tool in unshare ip mount openssl python3 node npm cargo; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  if [ "$(id -u)" != 0 ]; then give_up "not root, and a network of one's own needs that"; fi
  # Containers forbid it even to root: no fault of the project's, and nothing that it could install.
  if ! unshare --mount --net true 2>/dev/null; then give_up "namespaces are forbidden here, even to root"; fi
  if [ "${#missing[@]}" = 0 ] || [ -n "${CI:-}" ]; then strict=yes; fi
  if [ "${#missing[@]}" != 0 ]; then give_up "not installed: ${missing[*]}"; fi

  (cd "$root" && cargo build --quiet -p alibabacloud-emulator -p alibabacloud-credentials \
    --bin alibabacloud-emulator --example identity)
  "$official/setup" "$dir" || give_up "the official clients cannot be installed"
  "$official/ca" "$dir/ca"
}

emulator=
# start_emulator MODE: plain on port 80, TLS on 443, of all addresses in the namespace.
start_emulator() {
  local ready=$dir/ready
  rm -f "$ready"
  mkfifo "$ready"
  "$OFFICIAL_EMULATOR" serve --http 0.0.0.0:80 --https 0.0.0.0:443 \
    --cert "$dir/ca/chain.pem" --key "$dir/ca/leaf.key" --metadata "$1" >"$ready" &
  emulator=$!
  # Its one line says that it listens; none within 10 s, or the end of the file, that it does not.
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
