# Which C++ files changed. Sourced after lib.sh by lint and format.

# changed_sources [--all | FILE...]: sources that differ from the main branch (committed or not), all of them, or those
# given. On the main branch itself, and in a clone that has none, what the last commit changed.
changed_sources() {
    if [ "${1:-}" = --all ]; then
        git ls-files -- '*.cc' '*.h'
        return
    elif [ $# -gt 0 ]; then
        printf '%s\n' "$@"
        return
    fi
    local base
    base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || true)
    if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then base=$(git rev-parse -q --verify HEAD~1 || git rev-parse HEAD); fi
    { git diff --name-only --diff-filter=d "$base" -- '*.cc' '*.h'; git ls-files --others --exclude-standard -- '*.cc' '*.h'; } | sort -u
}
