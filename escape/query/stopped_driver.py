# madang-escape: ends=time-limit
# Stops the driver.
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)
