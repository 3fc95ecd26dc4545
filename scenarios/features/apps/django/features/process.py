"""The state of this worker process."""

from django.conf import settings

from shared.settings import TASK_THREADS
from shared.state import Counts, State
from shared.tasks import Queue

state = State(settings.DATA)
store, account = state.store, state.account
counts = Counts()
# Django 5.2 has no task system, and those for it need a broker or a process of their own.
queue = Queue(account, TASK_THREADS)
