#!/bin/sh
# Makes a Docker engine reachable: uses the one that answers (DOCKER_HOST included), else on Debian or
# Ubuntu as root installs docker.io and starts it, else says in one line what to do and exits 3.
# Safe to run again and again; when an engine answers it returns at once.
set -u

LOG=${SALE_ENGINE_LOG:-/var/log/sale-dockerd.log}

say() { printf 'engine: %s\n' "$*" >&2; }

fail() { say "$*"; exit 3; }

# True when an engine answers for this user. The docker client knows contexts, TLS and ssh; where it is
# not installed (Podman's socket, a forwarded socket) Python asks the socket itself.
reachable() {
    if command -v docker >/dev/null 2>&1; then
        timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
    else
        timeout 20 python3 - <<'PING' >/dev/null 2>&1
import http.client, os, socket, sys
where = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
kind, _, address = where.partition("://")
if kind == "unix":
    link = http.client.HTTPConnection("engine")
    link.sock = socket.socket(socket.AF_UNIX)
    link.sock.connect(address)
elif kind == "tcp":
    link = http.client.HTTPConnection(address.rstrip("/"), timeout=10)
else:
    sys.exit(1)
link.request("GET", "/_ping")
sys.exit(link.getresponse().status != 200)
PING
    fi
}

# Waits up to $1 seconds for the engine; with a second argument, only as long as that process lives.
wait_for_engine() {
    tries=$(( $1 * 4 ))
    while [ "$tries" -gt 0 ]; do
        reachable && return 0
        if [ -n "${2:-}" ] && ! kill -0 "$2" 2>/dev/null; then return 1; fi
        sleep 0.25
        tries=$((tries - 1))
    done
    return 1
}

install_engine() {
    command -v apt-get >/dev/null 2>&1 ||
        fail "no Docker engine here, and this is not Debian: install Docker, start it, then run this again"
    say "installing docker.io"
    log=$(mktemp)
    quiet_apt() { DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null >>"$log" 2>&1; }
    quiet_apt install -y --no-install-recommends docker.io iptables ||
        { quiet_apt update; quiet_apt install -y --no-install-recommends docker.io iptables; } ||
        { tail -n 5 "$log" >&2; rm -f "$log"; fail "apt-get could not install docker.io; see the lines above"; }
    rm -f "$log"
}

# Starts dockerd in a session of its own, so that it outlives this script and its terminal.
start_detached() {
    setsid dockerd "$@" >>"$LOG" 2>&1 </dev/null &
    wait_for_engine 60 $!
}

start_engine() {
    if [ -d /run/systemd/system ] && systemctl start docker >/dev/null 2>&1; then
        wait_for_engine 60 && return 0
    fi
    if [ "$(cat /proc/1/comm 2>/dev/null)" = init ] && service docker start >/dev/null 2>&1; then
        wait_for_engine 20 && return 0
    fi
    : >"$LOG" 2>/dev/null || LOG=/tmp/sale-dockerd.log
    say "starting dockerd (log: $LOG)"
    start_detached && return 0
    # A machine without netfilter: sandboxes have no network anyway.
    grep -qi 'iptables\|bridge' "$LOG" && start_detached --iptables=false --bridge=none
}

reachable && exit 0

if [ -n "${DOCKER_HOST:-}" ]; then
    fail "DOCKER_HOST=$DOCKER_HOST does not answer: start that engine, or unset DOCKER_HOST"
fi
if [ "$(id -u)" -ne 0 ]; then
    if [ -S /var/run/docker.sock ]; then
        fail "no permission for /var/run/docker.sock: sudo usermod -aG docker $(id -un), log in again"
    fi
    fail "no Docker engine: sudo apt-get install docker.io && sudo usermod -aG docker $(id -un), log in again"
fi
command -v dockerd >/dev/null 2>&1 || install_engine
# Installing may have started it already.
wait_for_engine 1 && exit 0
start_engine || { tail -n 3 "$LOG" >&2; fail "dockerd did not start: see $LOG"; }
say "running"
