# madang-escape: ends=time-limit
# Ignores the interrupt that ends a query.
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    pass
