# A header that never ends.
import os
for _ in range(1000):
    os.write(4, b"a" * 4096)
