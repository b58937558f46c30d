# The shell of a terminal: with the environment of the session, which came after the server was started.
if [ -r /run/madang/seen/environment ]; then
    exec xargs -0 -a /run/madang/seen/environment sh -c 'exec env "$@" /bin/bash -l </dev/tty' madang-shell
fi
exec /bin/bash -l
