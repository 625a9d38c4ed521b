"""A host whose clock is an hour ahead: Python imports this module at its start from a folder on PYTHONPATH."""

import time

_now = time.time
time.time = lambda: _now() + 3600
