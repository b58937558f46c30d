# Announces something and never sends it.
import os, time
os.write(4, b"out 60000\nonly this")
time.sleep(1000)
