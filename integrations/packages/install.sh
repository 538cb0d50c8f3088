#!/bin/sh
# Install the Kubekeep binary of a release for this user. It is unpacked only after its signature is verified.
#
#   sh install.sh                        newest release, into ~/.local
#   sh install.sh --version 0.1.0        this release, also if a newer one is installed
#   sh install.sh --prefix FOLDER        into FOLDER/bin, FOLDER/lib/kubekeep and FOLDER/share; PREFIX does the same
#   sh install.sh --uninstall            remove everything that this script installed
#
#   --url URL        download from a mirror of https://github.com/kubekeep/kubekeep
#   --signers FILE   verify with these public keys, in the format of ssh-keygen's allowed signers
#
# Needs curl, ssh-keygen (OpenSSH 8.1 or newer), tar and xz. Changes only files below the prefix, and asks for no rights.
set -eu
umask 022

url=https://github.com/kubekeep/kubekeep
signer=release@kubekeep.io
namespace=kubekeep-release
signers='@SIGNERS@'
signers_file=
prefix=${PREFIX:-${HOME:-}/.local}
version=
action=install
work=

say() { printf 'kubekeep install: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            --uninstall) action=uninstall; shift; continue ;;
            -h | --help) sed -n '2,/^set -eu/{s/^# \{0,1\}//;/^set -eu/!p;}' "$0"; exit 0 ;;
            --version | --prefix | --url | --signers) ;;
            *) say "unknown argument $1; see --help"; exit 2 ;;
        esac
        if [ $# -lt 2 ] || [ -z "$2" ]; then
            say "$1 requires a value"
            exit 2
        fi
        case $1 in
            --version) version=${2#v} ;;
            --prefix) prefix=$2 ;;
            --url) url=${2%/} ;;
            --signers) signers_file=$2 ;;
        esac
        shift 2
    done
    [ -n "${HOME:-}" ] || [ "$prefix" != /.local ] || fail "HOME is not set; use --prefix"
    case $prefix in
        /*) ;;
        *) prefix=$PWD/$prefix ;;
    esac
    library=$prefix/lib/kubekeep
    marker=$library/.installed-by-install.sh
}

check_version() {
    case $version in
        '' | [!0-9]* | *[!0-9A-Za-z.+]*) fail "'$version' is not a version" ;;
    esac
}

# is_older A B: succeed if version A is older than B. Compares the three numbers only.
is_older() {
    awk -v a="$1" -v b="$2" 'BEGIN {
        split(a, x, "."); split(b, y, ".")
        for (i = 1; i <= 3; i++) if (x[i] + 0 != y[i] + 0) exit !(x[i] + 0 < y[i] + 0)
        exit 1
    }'
}

find_platform() {
    case $(uname -s) in
        Linux) system=linux ;;
        Darwin) system=macos ;;
        *) fail "no binary for $(uname -s); run: uv tool install kubekeep" ;;
    esac
    case $(uname -m) in
        x86_64 | amd64) architecture=x86_64 ;;
        aarch64 | arm64) architecture=aarch64 ;;
        *) fail "no binary for the architecture $(uname -m); run: uv tool install kubekeep" ;;
    esac
    for file in /lib/ld-musl-*; do
        [ ! -e "$file" ] || [ -e /lib64/ld-linux-x86-64.so.2 ] || [ -e /lib/ld-linux-aarch64.so.1 ] ||
            fail "no binary for musl, the C library of this system; run: uv tool install kubekeep"
    done
}

check_programs() {
    for program in curl ssh-keygen tar xz awk; do
        command -v "$program" >/dev/null 2>&1 || fail "$program is required and is not on the PATH"
    done
    [ -n "$signers_file" ] || case $signers in
        @*) fail "this copy contains no public key; use install.sh of a release, or --signers FILE" ;;
    esac
    [ -z "$signers_file" ] || [ -r "$signers_file" ] || fail "$signers_file cannot be read"
}

# A mirror without TLS is accepted because the signature protects the content.
download() {
    case $url in
        http://*) protocols='=http,https' ;;
        *) protocols='=https' ;;
    esac
    curl --proto "$protocols" --proto-redir "$protocols" --tlsv1.2 --fail --silent --show-error --location \
        --connect-timeout 20 --max-time 900 --max-filesize 500000000 "$@"
}

find_newest() {
    address=$(download --head --output /dev/null --write-out '%{url_effective}' "$url/releases/latest") ||
        fail "cannot find the newest release at $url; use --version"
    case $address in
        */releases/tag/v*) version=${address##*/releases/tag/v} ;;
        *) fail "cannot find the newest release: $url/releases/latest leads to $address; use --version" ;;
    esac
}

read_installed_version() {
    target=$(readlink "$prefix/bin/kubekeep" 2>/dev/null || true)
    case $target in
        "$library"/*/kubekeep)
            target=${target#"$library"/}
            echo "${target%/kubekeep}"
            ;;
    esac
}

# is_ours PATH: succeed if the path is free, or a link that this script made.
is_ours() {
    [ -e "$1" ] || [ -L "$1" ] || return 0
    case $(readlink "$1" 2>/dev/null || true) in
        "$library"/*) return 0 ;;
        *) return 1 ;;
    esac
}

# list_links FOLDER: print the names below the prefix that link into the folder of a version.
list_links() {
    for name in kubectl-kubekeep kubectl_complete-kubekeep; do
        echo "bin/$name"
    done
    for name in man bash-completion zsh fish; do
        [ ! -d "$1/share/$name" ] || (cd "$1" && find "share/$name" -type f)
    done
    # Last: the new version is complete when this link changes.
    echo bin/kubekeep
}

clean() {
    [ -z "$work" ] || rm -rf "$work"
    # After a first installation that failed, nothing remains.
    if [ "$(ls -A "$library")" = "${marker##*/}" ]; then rm -rf "$library"; fi
}

verify() {
    if [ -z "$signers_file" ]; then
        signers_file=$work/signers
        printf '%s\n' "$signers" > "$signers_file"
    fi
    ssh-keygen -Y verify -f "$signers_file" -I "$signer" -n "$namespace" -s "$2" < "$1" > "$work/verification" 2>&1 || {
        sed 's/^/  /' "$work/verification" >&2
        fail "the signature of $name.tar.xz is not valid; nothing was installed"
    }
}

unpack() {
    mkdir "$work/unpacked"
    tar -xJof "$work/archive" -C "$work/unpacked" || fail "$name.tar.xz cannot be unpacked"
    # The signature covers the content and not the name of the file: the content must be of this version and platform.
    [ "$(ls -A "$work/unpacked")" = "$name" ] || fail "the archive is not $name; nothing was installed"
    printed=$("$work/unpacked/$name/kubekeep" --version 2>"$work/errors") || {
        sed 's/^/  /' "$work/errors" >&2
        fail "the binary does not run on this system; run: uv tool install kubekeep"
    }
    [ "$printed" = "kubekeep $version" ] || fail "the binary is '$printed' instead of $version; nothing was installed"
}

# Links change by rename, so each program is either the old or the new one at any time.
switch() {
    list_links "$library/$version" > "$work/links"
    while read -r path; do
        is_ours "$prefix/$path" || fail "$prefix/$path was not installed by this script: remove it or use --prefix"
    done < "$work/links"
    while read -r path; do
        mkdir -p "$(dirname "$prefix/$path")"
        case $path in
            bin/*) target=$library/$version/${path#bin/} ;;
            *) target=$library/$version/$path ;;
        esac
        ln -s "$target" "$prefix/$path.new$$"
        mv -f "$prefix/$path.new$$" "$prefix/$path"
    done < "$work/links"
}

# Keeps the previous version: a scan that still runs loads files from its folder.
remove_old_versions() {
    for folder in "$library"/*; do
        case ${folder##*/} in
            "$version" | "$installed") ;;
            *) rm -rf "$folder" ;;
        esac
    done
}

install() {
    find_platform
    check_programs
    [ ! -e "$library" ] || [ -e "$marker" ] || fail "$library was not made by this script: remove it or use --prefix"
    installed=$(read_installed_version)
    requested=$version
    [ -n "$version" ] || find_newest
    check_version
    if [ "$installed" = "$version" ]; then
        say "$version is installed"
        return
    fi
    if [ -n "$installed" ] && [ -z "$requested" ] && is_older "$version" "$installed"; then
        say "$installed is installed and newer than $version; use --version $version to install that"
        return
    fi
    name=kubekeep-$version-$system-$architecture
    is_ours "$prefix/bin/kubekeep" || fail "$prefix/bin/kubekeep was not installed by this script: remove it or use --prefix"

    mkdir -p "$library"
    : > "$marker"
    trap clean EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    work=$(mktemp -d "$library/.new.XXXXXX")
    say "downloading $name.tar.xz"
    download --output "$work/signature" "$url/releases/download/v$version/$name.tar.xz.sig" ||
        fail "the signature of $name.tar.xz cannot be downloaded; nothing was installed"
    download --output "$work/archive" "$url/releases/download/v$version/$name.tar.xz" ||
        fail "$name.tar.xz cannot be downloaded; nothing was installed"
    verify "$work/archive" "$work/signature"
    unpack
    rm -rf "${library:?}/$version"
    mv "$work/unpacked/$name" "$library/$version"
    switch
    remove_old_versions
    say "installed $version as $prefix/bin/kubekeep"
    case :$PATH: in
        *:"$prefix/bin":*) ;;
        *) say "$prefix/bin is not on the PATH; add it" ;;
    esac
}

uninstall() {
    [ -e "$marker" ] || fail "$library was not made by this script; nothing was removed"
    for folder in "$library"/*; do
        [ -d "$folder" ] || continue
        list_links "$folder" | while read -r path; do
            [ ! -L "$prefix/$path" ] || ! is_ours "$prefix/$path" || rm -f "$prefix/$path"
        done
    done
    rm -rf "$library"
    say "removed Kubekeep from $prefix"
}

# Everything above is definitions: an incomplete copy of this script does nothing.
parse "$@"
"$action"
