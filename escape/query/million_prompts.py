# madang-escape: ends=output-limit,time-limit,internal-error
# Asks for input without end.
import os
while True:
    os.write(4, b"input 4 echo\nname" * 3_000)
