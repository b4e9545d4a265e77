#!/usr/bin/env bash
# The image: its last stage, built by the Dockerfile from a static binary that is built here, and run as the shipped
# Deployment runs it: another user, no capabilities, a root that nobody can write to. No base image is pulled, so the
# Dockerfile's first stage is not run.
#
#   tests/image.sh [BINARY]       BINARY: a static one that is there already
#
# Needs root, buildah, runc, curl and python3 (Debian: buildah runc curl python3), and to build the binary rustup and
# musl-gcc (musl-tools).
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "tests/image.sh: $*" >&2; exit 1; }
pass() { echo "ok: $*"; }

[ "$(id -u)" = 0 ] || fail "needs root, to mount an image and to start a container"
for command in buildah runc curl python3; do
    command -v "$command" >/dev/null || fail "$command is missing (Debian: apt-get install buildah runc curl python3)"
done

work=$(mktemp -d)
container=secretfence-image-test-$$
supervisor=
# Its own store: the machine's images are none of ours.
store=(--storage-driver vfs --root "$work/storage" --runroot "$work/run")
clean() {
    runc --root "$work/runc" delete --force "$container" >/dev/null 2>&1 || true
    [ -z "$supervisor" ] || wait "$supervisor" 2>/dev/null || true
    buildah "${store[@]}" rm --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT

static_binary() {
    local target
    target=$(uname -m)-unknown-linux-musl
    command -v musl-gcc >/dev/null || fail "musl-gcc is missing (Debian: apt-get install musl-tools)"
    rustup target add "$target" >&2
    cargo build --release --locked --bin secretfence --target "$target" >&2
    echo "${CARGO_TARGET_DIR:-target}/$target/release/secretfence"
}

binary=${1:-$(static_binary)}
[ -f "$binary" ] || fail "$binary: no such file"

# The stage "build" is stood in for by a folder; everything after it is the Dockerfile's.
mkdir -p "$work/build/image" "$work/bundle/etc"
cp "$binary" "$work/build/image/secretfence"
buildah "${store[@]}" build --quiet --isolation chroot --build-context "build=$work/build" --tag localhost/secretfence:test . >/dev/null
from=$(buildah "${store[@]}" from localhost/secretfence:test)
root=$(buildah "${store[@]}" mount "$from")

files=$(cd "$root" && find . -type f)
[ "$files" = ./secretfence ] || fail "the image holds more than the binary: $files"
pass "the image holds one file, of $(stat -c %s "$root/secretfence") bytes"

# What Linux needs another program for, to start: a program header of type PT_INTERP (3).
python3 - "$root/secretfence" <<'PYTHON' || fail "the binary is not static: it names an interpreter"
import struct, sys
head = open(sys.argv[1], "rb").read(1 << 16)
assert head[:5] == b"\x7fELF\x02", "no 64-bit ELF file"
(start,), (size, count) = struct.unpack_from("<Q", head, 32), struct.unpack_from("<HH", head, 54)
sys.exit(any(struct.unpack_from("<I", head, start + size * n)[0] == 3 for n in range(count)))
PYTHON
pass "the binary is static"

buildah "${store[@]}" inspect --type image localhost/secretfence:test > "$work/image.json"
python3 - "$work/image.json" <<'PYTHON' || fail "the image is not configured as the Deployment expects"
import json, sys
config = json.load(open(sys.argv[1]))["OCIv1"]["config"]
assert config["User"] == "65532:65532", config
assert config["Entrypoint"] == ["/secretfence"], config
assert set(config["ExposedPorts"]) == {"8443", "8080"} or set(config["ExposedPorts"]) == {"8443/tcp", "8080/tcp"}, config
PYTHON
pass "it runs as 65532:65532"

# A free port each, on loopback.
read -r reviews admin < <(python3 -c '
import socket
both = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in both))')

# The policies as a mounted ConfigMap has them: files behind a link that is switched.
mkdir -p "$work/policies/..first"
cp manifests/base/policies/*.yaml "$work/policies/..first/"
ln -s ..first "$work/policies/..data"
for file in "$work/policies/..first"/*.yaml; do ln -s "..data/${file##*/}" "$work/policies/${file##*/}"; done
chmod -R go+rX "$work/policies"

# The host's network, for curl. No seccomp profile: RuntimeDefault is the runtime's own, and not run here.
python3 - "$work" "$root" "$reviews" "$admin" > "$work/bundle/config.json" <<'PYTHON'
import json, sys
work, root, reviews, admin = sys.argv[1:]
json.dump({
    "ociVersion": "1.0.2",
    "root": {"path": root, "readonly": True},
    "process": {
        "terminal": False, "cwd": "/", "env": [], "noNewPrivileges": True,
        "user": {"uid": 65532, "gid": 65532},
        "capabilities": {k: [] for k in ("bounding", "effective", "inheritable", "permitted", "ambient")},
        "args": ["/secretfence", "serve", "--self-signed", "--policies=/etc/secretfence/policies", "--log-format=json",
                 f"--listen=127.0.0.1:{reviews}", f"--admin-listen=127.0.0.1:{admin}"],
    },
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/etc/secretfence/policies", "type": "bind", "source": f"{work}/policies", "options": ["rbind", "ro"]},
    ],
    "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
}, sys.stdout)
PYTHON

runc --root "$work/runc" run --bundle "$work/bundle" "$container" 2> "$work/log" &
supervisor=$!
for _ in $(seq 100); do
    curl -sf "http://127.0.0.1:$admin/readyz" > "$work/ready" && break
    kill -0 "$supervisor" 2>/dev/null || fail "it ended at once: $(cat "$work/log")"
    sleep 0.1
done
grep -qx ready "$work/ready" || fail "not ready within ten seconds: $(cat "$work/ready" "$work/log")"
curl -sf "http://127.0.0.1:$admin/livez" >/dev/null || fail "/livez does not answer"
pass "it is ready, with $(sed -n 's/^\[+\]policies ok //p' "$work/ready")"

# What the kernel says of the process, not what was asked for.
process=$(runc --root "$work/runc" state "$container" | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
grep -qE '^Uid:\s+65532\s+65532\s+65532\s+65532$' "/proc/$process/status" || fail "it runs as another user"
grep -qE '^CapEff:\s+0+$' "/proc/$process/status" || fail "it has capabilities"
grep -qE '^CapBnd:\s+0+$' "/proc/$process/status" || fail "it could have capabilities"
grep -qE '^NoNewPrivs:\s+1$' "/proc/$process/status" || fail "it could gain privileges"
awk '$5 == "/" { split($6, options, ","); exit options[1] != "ro" }' "/proc/$process/mountinfo" || fail "its root can be written to"
pass "no capabilities, and a root that is read-only"

curl -sf "http://127.0.0.1:$admin/certificate" > "$work/authority.pem"
review='{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"image-test",
  "kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
  "operation":"CREATE","namespace":"shop","name":"api","object":{"apiVersion":"v1","kind":"Pod",
  "metadata":{"name":"api"},"spec":{"containers":[{"name":"api","image":"api","env":[{"name":"DB_PASSWORD",
  "valueFrom":{"secretKeyRef":{"name":"database","key":"password"}}}]}]}}}}'
curl -sS --cacert "$work/authority.pem" --resolve "secretfence.secretfence.svc:$reviews:127.0.0.1" \
    -H 'content-type: application/json' --data "$review" \
    "https://secretfence.secretfence.svc:$reviews/validate" > "$work/answer"
python3 - "$work/answer" <<'PYTHON' || fail "a wrong answer: $(cat "$work/answer")"
import json, sys
response = json.load(open(sys.argv[1]))["response"]
assert response["uid"] == "image-test" and response["allowed"] is False and response["status"]["code"] == 403
PYTHON
pass "it denies a pod that takes a Secret as a variable"

runc --root "$work/runc" kill "$container" TERM
code=0
wait "$supervisor" || code=$?
supervisor=
[ "$code" = 0 ] || fail "it ended with $code after SIGTERM: $(tail -3 "$work/log")"
pass "it ends in order"
