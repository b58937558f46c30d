# Checks the types and emits JavaScript beside the sources; a tsconfig.json decides for itself.
if [ -f tsconfig.json ]; then
    exec /usr/bin/tsc -p .
fi
set -- --target es2022 --lib es2022,dom --module commonjs --moduleResolution node --esModuleInterop --strict \
    --skipLibCheck --pretty false
if [ -d /usr/share/nodejs/@types/node ]; then
    set -- "$@" --typeRoots /usr/share/nodejs/@types --types node
fi
exec /usr/bin/tsc "$@" "$MAIN"
