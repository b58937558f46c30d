# A desktop in a page: an X server that speaks VNC on a socket of this sandbox's own, a window manager, and noVNC before it.
# Programs that are started elsewhere in the session show themselves here with DISPLAY=:1.
set -eu
port=$1
place=/tmp/.desktop
here=$(dirname "$0")

mkdir -p -m 700 "$place" "$place/web"
mkdir -p -m 1777 /tmp/.X11-unix
# Whatever an earlier one left behind.
rm -f "$place/vnc" /tmp/.X1-lock /tmp/.X11-unix/X1
for file in /usr/share/novnc/*; do
    ln -sf "$file" "$place/web/"
done
rm -f "$place/web/index.html"
cp "$here/index.html" "$place/web/index.html"

Xtigervnc :1 -rfbport -1 -rfbunixpath "$place/vnc" -rfbunixmode 0600 -SecurityTypes None -nolisten tcp \
    -geometry 1280x800 -depth 24 -desktop Madang -AlwaysShared &
server=$!
tries=0
until [ -S "$place/vnc" ]; do
    kill -0 "$server" || { echo "the X server did not start" >&2; exit 1; }
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "the X server does not answer" >&2; exit 1; }
    sleep 0.1
done
export DISPLAY=:1
openbox &
if command -v xterm >/dev/null; then
    xterm -fa Monospace -fs 11 -geometry 90x28+40+40 &
fi
exec websockify --web "$place/web" --unix-target="$place/vnc" "127.0.0.1:$port"
