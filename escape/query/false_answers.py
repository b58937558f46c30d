# Answers for the driver: ready, done, completions, done again, with more behind.
import os
for _ in range(500):
    os.write(4, b"ready 0\ndone 0 ok\ncompletions 3 0\nabcdone 0 error\nout 3\nabc")
