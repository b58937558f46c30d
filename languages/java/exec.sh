# Runs the class of the main file, or Main, or else the first class that has a main method.
# The heap follows the sandbox, whose memory the machine does not see by itself.
class=
for stem in "${MAIN%.java}" Main; do
    [ -z "$class" ] && [ -f "$stem.class" ] && class=$stem
done
if [ -z "$class" ]; then
    file=$(find . -name '*.class' -exec grep -l -a -F '([Ljava/lang/String;)V' {} + | xargs -r -d '\n' grep -l -a -w main | sort | head -n 1)
    class=${file#./}
    class=${class%.class}
fi
if [ -z "$class" ]; then
    echo 'no class with a main method: was it built?' >&2
    exit 1
fi
exec /usr/bin/java -XX:+UseSerialGC -XX:-UsePerfData -Xshare:auto \
    -XX:MaxRAM="${MADANG_MEMORY_BYTES:-1073741824}" -XX:MaxRAMPercentage=60 \
    -Dfile.encoding=UTF-8 -cp . "$(printf %s "${class#./}" | tr / .)" "$@"
