# madang-escape: ends=output-limit,ok wall=60000
"""Writes to every pipe it was given as fast as it can, from several processes; the machine must go on reading, up to the limit."""
import os

for _ in range(6):
    if os.fork() == 0:
        while True:
            for number in (1, 2):
                os.write(number, b"x" * 65536)
while True:
    os.write(1, b"y" * 65536)
