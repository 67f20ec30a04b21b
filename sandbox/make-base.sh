#!/bin/sh
# Writes a root file system with Python and pytest to stdout as a tar, made from this machine's own
# package mirror: the base of the sandbox image where no registry answers.
# Needs Debian or Ubuntu and root; everything it says goes to stderr. About a minute.
set -eu

fail() { printf 'base: %s\n' "$*" >&2; exit 3; }

[ "$(id -u)" -eq 0 ] || fail "making a base without a registry needs root: sudo sale sandbox build"
command -v apt-get >/dev/null || fail "making a base without a registry needs Debian or Ubuntu; name one: sale sandbox build --base IMAGE"

. /etc/os-release
suite=${VERSION_CODENAME:?no code name in /etc/os-release}

# apt's proxy counts for debootstrap too.
eval "$(apt-config shell proxy Acquire::http::Proxy)"
if [ -n "${proxy:-}" ] && [ "$proxy" != DIRECT ]; then export http_proxy="$proxy"; fi

if ! command -v debootstrap >/dev/null; then
    printf 'base: installing debootstrap\n' >&2
    install="apt-get -qq install -y --no-install-recommends debootstrap ca-certificates"
    DEBIAN_FRONTEND=noninteractive $install >&2 </dev/null || { apt-get -qq update >&2; DEBIAN_FRONTEND=noninteractive $install >&2 </dev/null; }
fi

# The mirror and components that apt itself uses for this suite.
targets() { apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | awk -v s="$suite" '$2 == s'; }
mirror=${SALE_MIRROR:-$(targets | awk 'NR == 1 { print $1 }')}
[ -n "$mirror" ] || fail "no package mirror for $suite in /etc/apt: set SALE_MIRROR=URL"
components=$(targets | awk '$3 == "main" || $3 == "universe" { print $3 }' | sort -u | paste -sd,)

work=$(mktemp -d "${TMPDIR:-/var/tmp}/sale-base.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

printf 'base: debootstrap %s\n' "$suite" >&2
debootstrap --variant=minbase --components="${components:-main}" \
    --include=python3,python3-pytest,ca-certificates "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 </dev/null ||
    { tail -n 5 "$work/log" >&2; fail "debootstrap failed; see the lines above"; }

cd "$work/root"
rm -rf var/cache/apt/*.bin var/cache/apt/archives/*.deb var/lib/apt/lists/* var/log/* \
    usr/share/doc/* usr/share/man/* usr/share/locale/* usr/share/info/* dev/* tmp/*
# Nothing of this machine goes into the image.
: >etc/resolv.conf
printf 'sandbox\n' >etc/hostname
tar --numeric-owner -cf - .
