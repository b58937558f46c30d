"""A Python kernel: kernel.py -f CONNECTION_FILE, or forked from one that has imported everything (forge.py).

It takes over the environment of the session, which may have come after the server that starts it, and shows the packages of the machine
and those that the user installs beside its own.
"""

import os
import sys

ENVIRONMENT = "/run/madang/seen/environment"
MACHINE_PACKAGES = "/usr/lib/python3/dist-packages"
OWN_PACKAGES = "/home/work/.local/lib/python%d.%d/site-packages" % sys.version_info[:2]


def take_over_environment():
    try:
        with open(ENVIRONMENT, "rb") as file:
            entries = file.read().split(b"\0")
    except FileNotFoundError:
        return
    for entry in entries:
        key, found, value = entry.partition(b"=")
        if found:
            os.environb[key] = value


def run(argv):
    take_over_environment()
    # The interpreter's own directory is read-only: what is installed goes where the user may write.
    os.environ.setdefault("PIP_TARGET", OWN_PACKAGES)
    if os.environ.get("MPLBACKEND", "agg") == "agg":
        # What scripts draw goes into files; here there is a page to show it.
        os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for path in (OWN_PACKAGES, MACHINE_PACKAGES):
        if path not in sys.path:
            sys.path.append(path)
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(argv)
    show_figures(app.shell)
    app.start()


def show_figures(shell):
    """Figures are pictures from the first cell on. Some versions of matplotlib have this done only once the cell is over that imports them."""
    from IPython.core.pylabtools import print_figure

    formatter = shell.display_formatter.formatters["image/png"]
    formatter.for_type_by_name("matplotlib.figure", "Figure", lambda figure: print_figure(figure, "png"))


if __name__ == "__main__":
    run(sys.argv[1:])
