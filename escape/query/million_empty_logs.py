# madang-escape: ends=output-limit,time-limit,internal-error
# Notes of nothing: each still has to be passed on.
import os
while True:
    os.write(4, b"log 0\n" * 10_000)
