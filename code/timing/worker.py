"""A process of its own for each row, so that its memory and its settings are its own."""
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

from registry import CODE
from settings import InputError
from timing.rows import Row

# stopwatch.py imports TensorFlow, whose start is to be quiet.
START = "import cli; cli.start_tensorflow(); from timing import stopwatch; stopwatch.main()"


class Worker:
    """A process that has built and compiled one row, and answers each question in one line of JSON.

    settings: those of every row; the row's own override them. InputError if the process ends by
    itself.
    """

    def __init__(self, row: Row, settings: dict):
        row = dataclasses.replace(row, settings={**settings, **row.settings})
        path = os.pathsep.join([str(CODE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps(dataclasses.asdict(row))],
            cwd=CODE,  # from any other folder, `-c` would prefer that folder's own modules
            env={**os.environ, **row.environment, "PYTHONPATH": path},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            self.compile_s = self.ask("compile")
        except BaseException:  # Ctrl-C too: nobody else would end it
            self.close()
            raise

    def ask(self, question: str) -> Any:
        with contextlib.suppress(BrokenPipeError):  # it has ended, which the next lines find out
            self.process.stdin.write(question + "\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise InputError(f"the process that was to measure '{question}' ended by itself with "
                             f"status {self.process.wait()}; if it said why, that is above")
        return json.loads(answer)

    def close(self):
        """Ends the process. It has nothing to lose, and Ctrl-C does not reach its session."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
