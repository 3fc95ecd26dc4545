"""Gunicorn for Flask: https://flask.palletsprojects.com/en/stable/deploying/gunicorn/

Workers of threads. Flask's page has "the default sync worker is appropriate for most use cases",
but nothing buffers in front of this server, and gunicorn says of `sync` "no keep-alive support" and
"requires a buffering proxy" (https://gunicorn.org/design/).
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent))
from shared import settings  # noqa: E402

chdir = str(FOLDER)
wsgi_app = "app:app"
bind = f"127.0.0.1:{settings.port(8002)}"
workers = settings.WORKERS
# With more than one, gunicorn's worker is `gthread`; with one it is `sync`.
threads = settings.THREADS
# Its socket would be in the home folder, the same one for all servers.
control_socket_disable = True
