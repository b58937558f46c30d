# Compiles every .java file below the working directory.
#
# A single file may hold a public class of another name, as pasted code often does: the compiler insists on the file
# being called after it, so it gets such a copy.
javac() {
    exec /usr/bin/javac -J-XX:+UseSerialGC -J-XX:TieredStopAtLevel=1 -J-XX:-UsePerfData -J-Xshare:auto \
        -J-XX:MaxRAM="${MADANG_MEMORY_BYTES:-1073741824}" -encoding UTF-8 -d . "$@"
}
IFS='
'
set -f
set -- $(find . -name '*.java')
if [ $# -eq 1 ]; then
    name=$(sed -nE 's/^[[:space:]]*public[[:space:]]+([a-z]+[[:space:]]+)*(class|enum|record|interface)[[:space:]]+([[:alnum:]_$]+).*/\3/p' "$1" | head -n 1)
    if [ -n "$name" ] && [ "$name.java" != "${1##*/}" ]; then
        copies=$(mktemp -d) && cp "$1" "$copies/$name.java" || exit 1
        set -- "$copies/$name.java"
    fi
fi
javac "$@"
