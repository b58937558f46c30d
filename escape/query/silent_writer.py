# Leaves a child that writes events for ever behind, and answers as if all were well.
import os
if os.fork() == 0:
    os.setsid()
    while True:
        try:
            os.write(4, b"log 4\nnote" * 1000)
        except OSError:
            os._exit(0)
