# madang-escape: ends=output-limit,time-limit,internal-error
# A million notes that count as no output.
import os
note = b"log 1000\n" + b"n" * 1000
while True:
    os.write(4, note * 60)
