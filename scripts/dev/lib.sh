# What the scripts beside this one share: saying, installing, building. Sourced, with the repository as working folder.
set -euo pipefail
export CMAKE_COLOR_DIAGNOSTICS=ON
# ccache must look into precompiled headers, and may take them as the same when their text is.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
# The system's python, never one from elsewhere on PATH: Debian's modules belong to it.
python=/usr/bin/python3

say() { printf '\n==> %s\n' "$*"; }
die() { printf '\n./dev: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        die "these packages are missing and I am neither root nor is there sudo; as root: $*"
    fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"; }

# packages LIST...: installs what scripts/packages/LIST.txt names and the machine does not have yet.
packages() {
    local lists=("${@/%/.txt}") missing=() name
    lists=("${lists[@]/#/scripts/packages/}")
    for name in $(sed 's/#.*//' "${lists[@]}" | sort -u); do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${#missing[@]} Debian packages (from scripts/packages/: $*)"
    for name in "${missing[@]}"; do
        printf '    %-26s %s\n' "$name" "$(sed -n "s/^$name *# *//p" "${lists[@]}" | head -n 1)"
    done
    apt update || die "apt-get update failed; is the network up?"
    apt install -y --no-install-recommends "${missing[@]}" || die "apt-get could not install: ${missing[*]}"
}

# node_js: the browser tests run on Node 18 or newer, wherever it came from.
node_js() {
    if command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null; then
        return 0
    fi
    say "installing Node and npm (they drive the browser in the tests)"
    apt update && apt install -y --no-install-recommends nodejs npm || die "apt-get could not install nodejs and npm"
}

# One compiler a core, and about 1 GB of memory for each.
jobs() {
    local cores memory_gb
    cores=$(nproc)
    memory_gb=$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)
    [ "$memory_gb" -ge 1 ] || memory_gb=1
    echo $((cores < memory_gb ? cores : memory_gb))
}

# configure PRESET: makes build/PRESET; ninja itself repeats it when a CMake file changed.
configure() {
    [ -f "build/$1/build.ninja" ] && return 0
    say "configuring build/$1"
    cmake --preset "$1" -Wno-dev || die "cmake could not configure; its last lines say why"
}

# build PRESET [TARGET...]: configures if need be, builds, keeps build/s4 pointing at the release program.
build() {
    local preset=$1
    shift
    configure "$preset"
    say "building build/$preset ($(jobs) at once): ${*:-everything}"
    NINJA_STATUS='[%f/%t %es] ' ninja -C "build/$preset" -j "$(jobs)" "$@" || die "the build failed; see above"
}

# has_target PRESET TARGET
has_target() { ninja -C "build/$1" -t query "$2" >/dev/null 2>&1; }

# build_program: the release s4, at build/s4.
build_program() {
    configure release
    has_target release s4 || { build release; say "src/app does not make a program s4 yet"; return 0; }
    build release s4 "$@"
    ln -sfn release/src/app/s4 build/s4
}
