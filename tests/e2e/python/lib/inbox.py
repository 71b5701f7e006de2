"""Every wait is bounded: what never comes fails the test with a name instead of hanging the run."""

from threading import Condition

TIMEOUT = 5


class Inbox:
    """Everything received, in order of arrival.

    Absence is proved with it: wait for a later marker, then compare the whole list.
    """

    def __init__(self):
        self._items = []
        self._arrived = Condition()

    def push(self, item):
        with self._arrived:
            self._items.append(item)
            self._arrived.notify_all()

    def matching(self, accept=lambda _: True):
        with self._arrived:
            return [item for item in self._items if accept(item)]

    def reaches(self, count, what, accept=lambda _: True, timeout=TIMEOUT):
        """Waits until `count` items satisfy `accept` and returns those that do."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.matching(accept)) >= count, timeout):
                raise AssertionError(f'no {what} within {timeout} s; there is: {self._items}')
            return self.matching(accept)

    def until(self, accept, what, timeout=TIMEOUT):
        """Waits for the first item that satisfies `accept`, past or future."""
        return self.reaches(1, what, accept, timeout)[0]
