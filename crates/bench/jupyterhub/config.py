# JupyterHub for `madang bench app`: whoever has the token, servers as processes of this machine, nothing else. The benchmark fills the
# environment.
import os

home = os.environ["MADANG_BENCH_HUB_HOME"]
c = get_config()  # noqa: F821

c.JupyterHub.bind_url = "http://127.0.0.1:" + os.environ["MADANG_BENCH_HUB_PORT"]
c.JupyterHub.hub_bind_url = "http://127.0.0.1:" + os.environ["MADANG_BENCH_HUB_HUB_PORT"]
c.JupyterHub.db_url = "sqlite:///" + home + "/hub.sqlite"
c.JupyterHub.cookie_secret_file = home + "/cookie_secret"
c.JupyterHub.cleanup_servers = True
c.ConfigurableHTTPProxy.command = ["node", "/opt/jupyterhub/node_modules/configurable-http-proxy/bin/configurable-http-proxy"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:" + os.environ["MADANG_BENCH_HUB_API_PORT"]
c.ConfigurableHTTPProxy.pid_file = home + "/proxy.pid"

c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = home + "/home/{username}"
c.Spawner.cmd = ["/opt/jupyterhub/bin/jupyterhub-singleuser"]
c.Spawner.args = ["--allow-root", "--ServerApp.ip=127.0.0.1", "--LabApp.news_url=None"]
c.Spawner.default_url = "/lab"
c.Spawner.http_timeout = 120
c.Spawner.start_timeout = 120

c.JupyterHub.services = [{"name": "bench", "api_token": os.environ["MADANG_BENCH_HUB_TOKEN"]}]
c.JupyterHub.load_roles = [
    {"name": "bench", "services": ["bench"], "scopes": ["admin:users", "admin:servers", "access:servers"]}
]
