# Bash's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
# Names of the driver begin with __madang. It starts no program to serve a request.

__madang_send() { # verb payload argument…
    local LC_ALL=C verb=$1 payload=$2
    shift 2
    printf '%s %d%s\n%s' "$verb" "${#payload}" "${*:+ $*}" "$payload" >&4
}

# Reads exactly $1 bytes into __madang_payload; bash keeps no NUL, so __madang_parts has what stood between NULs.
__madang_read() {
    local LC_ALL=C left=$1 part
    __madang_payload= __madang_parts=()
    while ((left > 0)); do
        part=
        if IFS= read -r -d '' -n "$left" -u 3 part; then
            # A read that ends early met a NUL, which it swallowed.
            ((left -= ${#part}))
            if ((left > 0)); then ((left -= 1)); fi
        else
            exit 0
        fi
        __madang_parts+=("$part")
        __madang_payload+=$part
    done
}

__madang_environment() {
    local __madang_entry
    for __madang_entry in "${__madang_parts[@]}"; do
        [[ $__madang_entry == [A-Za-z_]*=* ]] && export "${__madang_entry?}" 2>/dev/null
    done
}

# Asks for input where `read` is about to take it from the session's own standard input.
read() {
    local __madang_word __madang_prompt= __madang_echo=echo __madang_ask=1
    local -a __madang_words=("$@")
    local -i __madang_at
    for ((__madang_at = 0; __madang_at < $#; __madang_at++)); do
        __madang_word=${__madang_words[__madang_at]}
        case $__madang_word in
            -*u*) __madang_ask=0 ;;
            -*s*p | -*p*s) __madang_echo=noecho __madang_prompt=${__madang_words[__madang_at + 1]-} ;;
            -*p) __madang_prompt=${__madang_words[__madang_at + 1]-} ;;
            -*s*) __madang_echo=noecho ;;
        esac
    done
    if ((__madang_ask)) && [[ /dev/fd/0 -ef /dev/fd/9 ]]; then
        __madang_send input "$__madang_prompt" "$__madang_echo"
    fi
    builtin read "$@"
}

__madang_exec() {
    local __madang_before
    trap '__madang_interrupted=1; trap - INT; kill -INT $BASHPID' INT
    :
}

exec 9<&0
__madang_interrupted=
__madang_status=0
trap ':' INT
__madang_send ready ''
while IFS=' ' builtin read -r -u 3 __madang_verb __madang_length __madang_rest; do
    __madang_read "$__madang_length"
    case $__madang_verb in
        env) __madang_environment ;;
        exec) __madang_query ;;
    esac
done
