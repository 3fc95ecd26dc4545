"""Gunicorn for Django: https://docs.djangoproject.com/en/5.2/howto/deployment/wsgi/gunicorn/

Static files are collected before, as for every deployment:
https://docs.djangoproject.com/en/5.2/howto/static-files/deployment/

Workers of threads, not the usual `sync`: nothing buffers in front of this server, and gunicorn
says of `sync` "no keep-alive support" and "requires a buffering proxy"
(https://gunicorn.org/design/). WSGI, not ASGI, since Django REST Framework has no asynchronous
views.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent))
from shared import settings  # noqa: E402

chdir = str(FOLDER)
wsgi_app = "config.wsgi:application"
bind = f"127.0.0.1:{settings.port(8003)}"
workers = settings.WORKERS
# With more than one, gunicorn's worker is `gthread`; with one it is `sync`.
threads = settings.THREADS
# Its socket would be in the home folder, the same one for all servers.
control_socket_disable = True


def on_starting(server):
    command = [sys.executable, "manage.py", "collectstatic", "--noinput"]
    subprocess.run(command, cwd=FOLDER, check=True)
