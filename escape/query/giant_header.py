# Announces more than there is memory for.
import os
os.write(4, b"media 18446744073709551615 image/png\n" + b"x" * 1000)
