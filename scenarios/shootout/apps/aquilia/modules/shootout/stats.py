"""The figures of this worker, which the controller and the socket share."""

from stats import Stats

stats = Stats()
