"""The format of a lock record, shared by those who write it and those who read it."""

import struct

RECORD = struct.Struct("<qQIIII")
"""Monotonic time in ns, key of the lock, operation, thread id, site, unused."""

CAPACITY = 16384
"""Records in one process's trace; later ones are lost, and the reader sees that it is full."""

TAKEN, TAKEN_AFTER_WAIT, RELEASED, NOT_TAKEN, RUNS, ENDS = range(1, 7)
