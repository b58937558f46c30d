# madang-escape: ends=output-limit,time-limit,internal-error
# Output of nothing, which costs no budget.
import os
while True:
    os.write(4, b"out 0\nerr 0\n" * 5_000)
