"""SIGINT and SIGTERM during training: the step is finished and saved first."""
import signal


class StopSignals:
    """Remembers SIGINT or SIGTERM in `received` while entered. A second SIGINT stops at once.

    A SIGTERM after a SIGINT changes nothing: train.sh sends one when Ctrl-C has reached it, too.
    """
    received: int | None = None
    interrupted = False

    def __enter__(self):
        self.before = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            self.before[number] = signal.signal(number, self._receive)
        return self

    def _receive(self, number, frame):
        if number == signal.SIGINT and self.interrupted:
            raise KeyboardInterrupt
        self.received = self.received or number
        self.interrupted = self.interrupted or number == signal.SIGINT

    def __exit__(self, *exception):
        for number, handler in self.before.items():
            signal.signal(number, handler)
