# Bash's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
# Names of the driver begin with __madang. A query is sourced, so that `declare` at its top makes global variables and an
# interrupt can return from it; the status of its last command is the query's, as `$?` is the next one's.

__madang_send() { # verb payload argument…
    local LC_ALL=C verb=$1 payload=$2
    shift 2
    builtin printf '%s %d%s\n%s' "$verb" "${#payload}" "${*:+ $*}" "$payload" >&4
}

# Takes exactly $1 bytes: what stood between NULs, which bash cannot keep, into __madang_parts.
__madang_take() {
    local LC_ALL=C left=$1 part
    __madang_parts=()
    while ((left > 0)); do
        part=
        IFS= builtin read -r -d '' -n "$left" -u 3 part || ((${#part} == left)) || exit 0
        __madang_parts+=("$part")
        # One that ended early met a NUL and swallowed it.
        ((left -= ${#part} < left ? ${#part} + 1 : ${#part})) || true
    done
}

__madang_environment() {
    local entry
    for entry in "${__madang_parts[@]}"; do
        [[ $entry =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] && export "$entry"
    done
}

# `read`, saying before it blocks on the session's input that it does.
read() {
    local __madang_prompt='' __madang_echo=echo __madang_silent=0 __madang_word
    local -i __madang_at=0
    for __madang_word in "$@"; do
        __madang_at+=1
        case $__madang_word in
            -u*) __madang_silent=1 ;;
            -[!-]*p) __madang_prompt=${@:__madang_at+1:1} ;;&
            -p) __madang_prompt=${@:__madang_at+1:1} ;;
            -*s*) __madang_echo=noecho ;;
            [!-]*) [[ ${@:__madang_at-1:1} == -* ]] || break ;;
        esac
    done
    if ((!__madang_silent)) && [[ /dev/fd/0 -ef /dev/fd/9 ]]; then
        __madang_send input "$__madang_prompt" "$__madang_echo"
    fi
    builtin read "$@"
}

# Ends what runs: with extdebug a DEBUG trap that answers 2 returns from the function or sourced file it interrupts.
__madang_interrupt() {
    __madang_interrupted=1
    shopt -s extdebug
    trap __madang_return DEBUG
}
__madang_return() {
    ((${#BASH_SOURCE[@]} > 2)) && return 2
    trap - DEBUG
    shopt -u extdebug
    return 0
}
__madang_status() { return "$1"; }

__madang_last=0
exec 9<&0
trap : INT
__madang_send ready ''
while IFS=' ' builtin read -r -u 3 __madang_verb __madang_length __madang_rest; do
    __madang_take "$__madang_length"
    case $__madang_verb in
        env) __madang_environment ;;
        exec)
            __madang_interrupted=0
            trap __madang_interrupt INT
            __madang_status "$__madang_last"
            source <(builtin printf '%s\n' "${__madang_parts[0]-}") 3<&- 9<&0
            __madang_last=$?
            trap : INT
            if ((__madang_interrupted)); then
                __madang_last=130
                __madang_send done '' interrupted
            elif ((__madang_last)); then
                __madang_send done '' error
            else
                __madang_send done '' ok
            fi
            ;;
    esac
done
