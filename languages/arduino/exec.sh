# Runs the sketch's .hex on a simulated board: what it writes to Serial is the output, its input is what Serial reads.
#
# $1: seconds of the board's own time, after which it is switched off; it takes fewer of ours.
board="${TMPDIR:-/tmp}/.arduino-board"
if [ ! -x "$board" ]; then
    draft=$(mktemp "$board.XXXXXX") || exit 1
    /usr/bin/gcc -O2 -o "$draft" "${0%/*}/board.c" -lsimavr && mv "$draft" "$board" || exit 1
fi
exec "$board" "${MAIN%.*}.hex" "${1:-10}"
