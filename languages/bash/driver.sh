# Bash's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
# Names of the driver begin with __madang; it starts no program to serve a request.

__madang_send() { # verb payload argument…
    local LC_ALL=C verb=$1 payload=$2
    shift 2
    builtin printf '%s %d%s\n%s' "$verb" "${#payload}" "${*:+ $*}" "$payload" >&4
}

# Reads exactly $1 bytes: what stood between NULs, which bash cannot keep, into __madang_parts.
__madang_take() {
    local LC_ALL=C left=$1 part
    __madang_parts=()
    while ((left > 0)); do
        part=
        IFS= builtin read -r -d '' -N "$left" -u 3 part || exit 0
        ((left -= ${#part}))
        __madang_parts+=("$part")
    done
}

__madang_take_parts() {
    local LC_ALL=C left=$1 part
    __madang_parts=()
    while ((left > 0)); do
        part=
        IFS= builtin read -r -d '' -u 3 part || exit 0
        ((left -= ${#part} + 1))
        __madang_parts+=("$part")
    done
}
