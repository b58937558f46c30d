# Compiles the sketch $MAIN for an Arduino Uno into a .hex beside it, with the core and tools of Debian.
#
# One .ino is one sketch; .h, .cpp and .c files beside it belong to it. The compiled core is kept in /tmp for the next time.
avr=/usr/share/arduino/hardware/arduino/avr
ours=${0%/*}
core="$avr/cores/arduino"
flash_bytes=32256
memory_bytes=2048
too_large='It is too large for an Arduino Uno.'
kept="${TMPDIR:-/tmp}/.arduino-core"
flags="-c -Os -ffunction-sections -fdata-sections -mmcu=atmega328p -DF_CPU=16000000L -DARDUINO=10819 -DARDUINO_AVR_UNO -DARDUINO_ARCH_AVR"
# DECIMAL_DIG: this core wants that of a newer compiler.
flags_cpp="-std=gnu++11 -fpermissive -fno-exceptions -fno-threadsafe-statics -DDECIMAL_DIG=__DECIMAL_DIG__"

# compile SOURCE OBJECT WARNINGS [FLAG…]
compile() {
    source=$1 object=$2
    shift 2
    case $source in
        *.c) avr-gcc -std=gnu11 $flags "$@" -I"$core" -I"$avr/variants/standard" -o "$object" "$source" ;;
        *.S) avr-gcc -x assembler-with-cpp $flags "$@" -I"$core" -I"$avr/variants/standard" -o "$object" "$source" ;;
        *) avr-g++ $flags_cpp $flags "$@" -I"$core" -I"$avr/variants/standard" -o "$object" "$source" ;;
    esac
}

# What `exit` leads to is the board's last sleep, which a simulated board notices: the usual endless loop looks like work.
make_core() {
    draft=$(mktemp -d "$kept.XXXXXX") || return
    printf '#include <avr/interrupt.h>\n#include <avr/sleep.h>\nvoid exit(int code) { (void)code; cli(); for (;;) sleep_mode(); }\n' >"$draft/exit.c"
    compile "$draft/exit.c" "$draft/exit" -w || return
    for source in "$core"/*.c "$core"/*.cpp "$core"/*.S; do
        [ -f "$source" ] || continue
        compile "$source" "$draft/${source##*/}.o" -w || return
    done
    avr-ar rcs "$draft/core.a" "$draft"/*.o && rm -f "$draft"/*.o || return
    # Where two builds make it at once, either is as good.
    mv -T "$draft" "$kept" 2>/dev/null || rm -rf "$draft"
}

# The prototypes that a sketch may do without, and the line before which they stand: that of its first function.
prototypes() {
    arduino-ctags -u --language-force=c++ -f - --c++-kinds=f --fields=KSTtzns "$1" | awk -F '\t' '
        { line = signature = type = ""; inside = 0
          for (at = 4; at <= NF; at++) {
              if ($at ~ /^line:/) line = substr($at, 6)
              else if ($at ~ /^signature:/) signature = substr($at, 11)
              else if ($at ~ /^returntype:/) type = substr($at, 12)
              else if ($at ~ /^(class|struct|union|namespace):/) inside = 1
          } }
        inside || line == "" { next }
        !first { first = line; print line }
        # What has no type is a macro; templates and usual values are said once only.
        type == "" || type ~ /^template/ || signature ~ /=/ || $1 ~ /::/ { next }
        { before = substr($3, 1, index($3, $1) - 1) }
        { print (before ~ /static / ? "static " : "") type " " $1 signature ";" }'
}

# As the compiler gets it: lines are counted as in the sketch.
preprocess() {
    name=$(printf %s "$1" | sed 's/[\\"]/\\&/g')
    found=$(prototypes "$1")
    first=$(printf '%s\n' "$found" | head -n 1)
    printf '#include <Arduino.h>\n#line 1 "%s"\n' "$name"
    [ "${first:-1}" -gt 1 ] && head -n $((first - 1)) "$1"
    printf '\n'
    printf '%s\n' "$found" | tail -n +2
    printf '#line %s "%s"\n' "${first:-1}" "$name"
    tail -n +"${first:-1}" "$1"
}

# Where the libraries that these files include lie.
libraries() {
    for library in "$avr"/libraries/*/src "$ours"/libraries/*; do
        for header in "$library"/*.h; do
            grep -qsE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]${header##*/}[>\"]" "$@" && echo "$library" && break
        done
    done
}

[ -f "$MAIN" ] || { echo "no file $MAIN" >&2; exit 1; }
[ -f "$kept/core.a" ] || { rm -rf "$kept" && make_core; } || exit 1
made=$(mktemp -d) || exit 1
trap 'rm -rf "$made"' EXIT
home=$(dirname "./$MAIN")
used=$(libraries "$MAIN" "$home"/*.h "$home"/*.cpp)
set -- -I"$home"
for library in $used; do set -- "$@" -I"$library"; done
preprocess "$MAIN" >"$made/sketch.cpp"
compile "$made/sketch.cpp" "$made/sketch.o" -Wall -Wno-unused-variable -fdiagnostics-color=never "$@" || exit 1
count=0
for source in "$home"/*.cpp "$home"/*.c; do
    [ -f "$source" ] || continue
    compile "$source" "$made/own$((count += 1)).o" -Wall -Wno-unused-variable -fdiagnostics-color=never "$@" || exit 1
done
for library in $used; do
    for source in "$library"/*.cpp "$library"/*.c "$library"/utility/*.c; do
        [ -f "$source" ] || continue
        compile "$source" "$made/lib$((count += 1)).o" -w "$@" || exit 1
    done
done
avr-gcc -mmcu=atmega328p -Os -Wl,--gc-sections -o "$made/sketch.elf" "$made"/*.o "$kept/exit" "$kept/core.a" -lm 2>"$made/said" || {
    grep -q 'not within region' "$made/said" && echo "$too_large" >"$made/said"
    cat "$made/said" >&2
    exit 1
}
avr-size "$made/sketch.elf" | awk -v name="$MAIN" -v too_large="$too_large" -v flash=$flash_bytes -v memory=$memory_bytes 'NR == 2 {
    printf "%s: %d of %d bytes of program, %d of %d bytes of memory\n", name, $1 + $2, flash, $2 + $3, memory
    if ($1 + $2 > flash || $2 + $3 > memory) { print too_large > "/dev/stderr"; exit 1 }
}' || exit 1
avr-objcopy -O ihex -R .eeprom "$made/sketch.elf" "${MAIN%.*}.hex"
