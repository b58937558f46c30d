"""Starts a Jupyter server as an app of a session: serve.py lab|notebook --port=N --base=/PREFIX/ --root=DIRECTORY.

Who may reach it is decided before it, by the proxy: it listens on the loopback of its sandbox only and asks for no token.
"""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def settings(asked):
    shell = ["/bin/sh", os.path.join(HERE, "shell.sh")]
    settings = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": asked.port,
        "ServerApp.port_retries": 0,
        "ServerApp.base_url": asked.base,
        "ServerApp.root_dir": asked.root,
        "ServerApp.open_browser": False,
        "ServerApp.quit_button": False,
        "ServerApp.allow_remote_access": True,
        # In a sandbox with one id it is root, and as weak as any guest.
        "ServerApp.allow_root": True,
        "ServerApp.terminado_settings": {"shell_command": shell},
        "IdentityProvider.token": "",
        "FileContentsManager.delete_to_trash": False,
        "KernelSpecManager.ensure_native_kernel": False,
        "LabApp.extension_manager": "readonly",
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def forge_kernels():
    """Kernels of ours come from the forge; others, and ours when it fails, from a program of their own."""
    sys.path.insert(0, HERE)
    from jupyter_client.provisioning import local_provisioner

    from forge import Forge

    forge, start = Forge(), local_provisioner.launch_kernel

    def launch(cmd, env=None, cwd=None, **rest):
        if os.path.join(HERE, "kernel.py") in cmd:
            argv = cmd[cmd.index(os.path.join(HERE, "kernel.py")) + 1 :]
            try:
                return forge.make(argv, os.environ if env is None else env, cwd)
            except (OSError, ValueError):
                pass
        return start(cmd, env=env, cwd=cwd, **rest)

    local_provisioner.launch_kernel = launch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("app", choices=["lab", "notebook"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--root", required=True)
    asked, rest = parser.parse_known_args()
    # What it writes for itself is nobody's work.
    os.environ.setdefault("JUPYTER_RUNTIME_DIR", "/tmp/.jupyter/runtime")
    os.environ["JUPYTER_PATH"] = HERE
    # What pages ask of people before they have done anything (labconfig) they do not ask here.
    os.environ["JUPYTER_CONFIG_PATH"] = os.path.join(HERE, "config")

    if asked.app == "lab":
        from jupyterlab.labapp import LabApp as App
    else:
        from notebook.app import JupyterNotebookApp as App
    forge_kernels()
    App.launch_instance(argv=settings(asked) + rest)


if __name__ == "__main__":
    sys.exit(main())
