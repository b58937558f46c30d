# madang-escape: ends=time-limit wall=1500
"""Stops itself: the run must still end at its limit."""
import os, signal

os.kill(os.getpid(), signal.SIGSTOP)
print("ESCAPED: went on")
