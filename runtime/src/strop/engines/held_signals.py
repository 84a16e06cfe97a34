"""Signal handlers that wait for the end of a fork.

Python drops what a handler raises in a fork's hooks, and goes on with the fork. Blocking the
signals does not help: another thread receives them, and unblocking runs the handler in a hook.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal takes a millisecond to import
import time
from _thread import get_ident, start_new_thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an app waits for every import
    from typing import Any

_PAUSE_S = 0.001  # for the hooks to end


class HeldSignals:
    """The handlers of this process, of which none runs from `hold` to `let_go`.

    Python runs handlers in the main thread. So in other threads there is nothing to hold.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {}
        self._arrived: list[int] = []

    def hold(self) -> None:
        """Note the signals that arrive from now on, instead of calling their handlers."""
        for number in range(1, _signal.NSIG):
            handler = _signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                try:
                    _signal.signal(number, self._note)
                except ValueError:  # another thread
                    self._handlers.clear()
                    return

    def let_go(self) -> None:
        """Put the handlers back."""
        raised: BaseException | None = None
        while True:
            try:
                for number, handler in self._handlers.items():
                    _signal.signal(number, handler)
                break
            except BaseException as error:  # noqa: BLE001  one that is back already has run
                raised = error
        if raised:
            raise raised

    def deliver(self) -> None:
        """Call the handlers of the signals that arrived, soon: not in the hook that calls this."""
        if self._arrived:
            start_new_thread(_deliver, (get_ident(), self._arrived))

    def _note(self, number: int, _: object) -> None:
        self._arrived.append(number)


def _deliver(thread: int, numbers: list[int]) -> None:
    time.sleep(_PAUSE_S)
    for number in numbers:
        _signal.pthread_kill(thread, number)
