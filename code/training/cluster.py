"""The workers of TF_CONFIG: processes, perhaps on several machines, that train one network."""
import os
import signal

import tensorflow as tf

from data.readers.files import from_json
from output import first_line, say
from settings import InputError

EXAMPLE = ('{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
           '"task": {"type": "worker", "index": 0}}')


def join() -> tf.distribute.MultiWorkerMirroredStrategy:
    """Waits for all workers. InputError if TF_CONFIG is wrong, or if they do not come."""
    workers = count_workers(os.environ.get("TF_CONFIG", ""))
    say(f"waiting until all of the {workers} workers of TF_CONFIG are there; "
        "Ctrl-C ends the wait")
    # TensorFlow's wait lets no Python run, so SIGINT ends the process as the system does it,
    # unless whoever started the process made it ignore SIGINT.
    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise InputError(
            f"TF_CONFIG: the workers did not come together ({first_line(error)}); "
            "start all of them, each with its own index and an address that is free") from None
    finally:
        signal.signal(signal.SIGINT, before)


def count_workers(text: str) -> int:
    """Returns the number of workers that TF_CONFIG lists. InputError if it is no such list."""
    try:
        config = from_json(text)
        jobs, task = config["cluster"], config["task"]
        addresses = sum(jobs.values(), start=[])  # TypeError unless all are lists
        own = jobs[task["type"]][task["index"]]
        good = jobs.keys() <= {"chief", "worker"} and isinstance(own, str)
    except (ValueError, TypeError, LookupError, AttributeError):
        good = False
    if not good:
        raise InputError(f"TF_CONFIG: expected the workers and which one this is, like {EXAMPLE}, "
                         f"received {' '.join(text.split()) or 'nothing'}")
    return len(addresses)


def is_chief(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> bool:
    """Returns whether this is the chief of TF_CONFIG, or its first worker if it names none."""
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)
