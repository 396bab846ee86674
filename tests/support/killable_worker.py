"""`python -m tests.support.killable_worker`: a worker that obeys a test (`orders`)."""

from gevent import monkey

monkey.patch_all()

# Everything below must see the patched modules.
import sys  # noqa: E402

import gevent  # noqa: E402

from tests.support.orders import obey  # noqa: E402
from workers import __main__ as program  # noqa: E402
from workers.run.worker import Worker  # noqa: E402

STUCK_SECONDS = 1.0


class ObedientWorker(Worker):
    def start(self) -> None:
        self.loops.stuck_seconds = STUCK_SECONDS
        super().start()
        gevent.spawn(obey, self.loops)


if __name__ == "__main__":
    vars(program)["Worker"] = ObedientWorker
    sys.exit(program.main())
