# Checks the types and emits JavaScript beside the sources; a tsconfig.json decides for itself.
if [ -f tsconfig.json ]; then
    exec /usr/bin/tsc -p .
fi
set -- --target es2022 --module commonjs --moduleResolution node --moduleDetection force --esModuleInterop --strict \
    --skipLibCheck --pretty false
for types in /usr/local/lib/node_modules/@types /usr/share/nodejs/@types; do
    [ -d $types/node ] && exec /usr/bin/tsc "$@" --lib es2022 --typeRoots $types --types node "$MAIN"
done
exec /usr/bin/tsc "$@" --lib es2022,dom "$MAIN"
