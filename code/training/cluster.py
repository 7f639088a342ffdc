"""The workers of TF_CONFIG: processes, perhaps on several machines, that train one network."""
import contextlib
import os
import signal

import tensorflow as tf

from data.readers.files import from_json
from output import first_line, say
from settings import InputError

EXAMPLE = ('{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
           '"task": {"type": "worker", "index": 0}}')


def join() -> tf.distribute.MultiWorkerMirroredStrategy:
    """Waits until all workers are there. Ctrl-C ends the process at once.

    InputError if TF_CONFIG is not what it should be, or if the workers do not come together.
    """
    workers = count_workers(os.environ.get("TF_CONFIG", ""))
    say(f"waiting until all of the {workers} workers of TF_CONFIG are there; "
        "Ctrl-C ends the wait")
    try:
        with ended_by_ctrl_c():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise InputError(
            f"TF_CONFIG: the workers did not come together ({first_line(error)}); "
            "start all of them, each with its own index and an address that is free") from None


@contextlib.contextmanager
def ended_by_ctrl_c():
    """SIGINT ends the process as the system does it: TensorFlow's wait lets no Python run."""
    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def count_workers(text: str) -> int:
    """-> the number of workers that TF_CONFIG lists. InputError if it is not such a list."""
    try:
        config = from_json(text)
        jobs, task = config["cluster"], config["task"]
        known = jobs.keys() <= {"chief", "worker"}
        addresses = sum(jobs.values(), start=[])  # TypeError unless all are lists
        texts = all(isinstance(address, str) for address in addresses)
        filled = all(jobs.values()) and len(jobs.get("chief", [])) <= 1
        mine = task["index"] in range(len(jobs[task["type"]]))
        good = known and texts and filled and mine
    except (ValueError, TypeError, KeyError, AttributeError):
        good = False
    if not good:
        raise InputError(f"TF_CONFIG: expected the workers and which one this is, like {EXAMPLE}, "
                         f"received {' '.join(text.split()) or 'nothing'}")
    return len(addresses)


def is_chief(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> bool:
    """Whether this process is the chief of TF_CONFIG, or its first worker if it names none."""
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)
