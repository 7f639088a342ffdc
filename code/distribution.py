"""One training spread over several devices or machines by tf.distribute: replicas, their parts of a batch, the chief.

The batch of a step is the same whatever the number of replicas, and every replica gets its part of it; losses and
gradients of the parts are added up, so that any number of replicas trains the same network, but for rounding. On one
device there is no strategy (None), and nothing here does anything.
"""
import contextlib
import functools
import json
import os

import numpy as np
import tensorflow as tf

from config import InputError, say

LONGEST = 2 ** 14  # bytes of text between workers


class WorkerLost(ConnectionError):
    """Another worker no longer takes part. What was being computed together is lost, nothing else."""


@contextlib.contextmanager
def _together(strategy):
    """A worker that is lost while all compute something together becomes a WorkerLost."""
    try:
        yield
    except tf.errors.OpError as error:
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        raise WorkerLost(error.message.splitlines()[0]) from None


def strategy_of(name, devices):
    """-> the strategy called none (None), mirrored or multi_worker. Call it before TensorFlow does anything else.

    mirrored: all GPUs of this machine, or, as a try-out, as many logical CPU devices as `devices` says. multi_worker:
    the processes that TF_CONFIG lists, all GPUs of each. InputError if they cannot be had.
    """
    if name == "none":
        return None
    if name == "multi_worker":
        workers = _check_tf_config()
        say(f"waiting until all of the {workers} workers of TF_CONFIG are there")
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except tf.errors.OpError as error:
            raise InputError(f"TF_CONFIG: the workers did not come together ({error.message.splitlines()[0]}); start "
                             "all of them, each with its own index and an address that is free") from None
    if devices:
        tf.config.set_visible_devices([], "GPU")  # `auto` is to choose what is fast on a CPU
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
        return tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(devices)])
    if not tf.config.get_visible_devices("GPU"):
        raise InputError("--strategy mirrored: expected GPUs, received a machine without; --devices 2 tries it out on "
                         "the CPU")
    return tf.distribute.MirroredStrategy()


def _check_tf_config():
    """-> the number of workers."""
    example = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        good = (cluster.keys() <= {"chief", "worker"} and task["index"] in range(len(cluster[task["type"]]))
                and all(isinstance(job, list) and all(isinstance(address, str) for address in job)
                        for job in cluster.values()))
    except (ValueError, TypeError, KeyError, AttributeError):
        good = False
    if not good:
        raise InputError(f"TF_CONFIG: expected the workers and which one this is, like {example}, received "
                         f"{' '.join(text.split()) or 'nothing'}")
    return sum(len(job) for job in cluster.values())


@contextlib.contextmanager
def scope(strategy):
    """Where variables are made, for all replicas."""
    with _together(strategy), strategy.scope() if strategy else contextlib.nullcontext():
        yield


def is_chief(strategy):
    """Whether this process is the one that writes: the chief of TF_CONFIG, or its first worker if it names none."""
    resolver = strategy.cluster_resolver if strategy else None
    if not resolver or not resolver.cluster_spec().jobs:
        return True
    chiefs = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (not chiefs and resolver.task_id == 0)


def replicas(strategy):
    return strategy.num_replicas_in_sync if strategy else 1


def summed(function, strategy):
    """-> a function of arrays, of as many examples as there are replicas or more, with the results of `function`, run
    by every replica on its part of them, added up. It raises WorkerLost.
    """
    if not strategy:
        return function

    def replica(*parts):
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, function(*parts))

    run = tf.function(lambda *parts: strategy.run(replica, args=parts))

    def of_parts(*arrays):
        parts = [np.array_split(array, replicas(strategy)) for array in arrays]
        with _together(strategy):
            return run(*(strategy.experimental_distribute_values_from_function(
                lambda context, mine=mine: tf.constant(mine[context.replica_id_in_sync_group])) for mine in parts))

    return of_parts


def update(optimizer, variables, strategy):
    """-> a function of gradients, already added up, that updates each replica's variables as the optimizer says.

    Keras' apply_gradients would add them up once more.
    """

    def step(variable, gradient, learning_rate):
        optimizer.update_step(gradient, variable, learning_rate)

    @tf.function
    def of_replicas(gradients):
        with strategy.scope():
            for variable, gradient in zip(variables, gradients, strict=True):
                strategy.extended.update(variable.value, step, (gradient, optimizer.learning_rate), group=False)
            optimizer.iterations.assign_add(1)

    return of_replicas


def local(values, strategy):
    """-> what one replica of this process has of such results, where all have the same."""
    if not strategy:
        return values
    return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], values)


@functools.cache
def _broadcast(strategy, dtype):
    """-> a function that gives all replicas the first one's values [n]."""

    def replica(values):
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group, 0)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, values, tf.zeros_like(values)))

    return tf.function(lambda values: strategy.run(replica, (values,)), input_signature=[tf.TensorSpec([None], dtype)])


def from_chief(value, strategy):
    """-> the chief's tensor in place of `value`, which is of the same shape on all workers."""
    with _together(strategy):
        values = local(_broadcast(strategy, value.dtype)(tf.reshape(value, [-1])), strategy)
    return tf.reshape(values, value.shape)


def share(variables, strategy):
    """Every worker's variables become the chief's, which alone needs to have read them from a checkpoint."""
    for variable in variables if strategy else []:
        variable.assign(from_chief(tf.convert_to_tensor(variable), strategy))


def value_of_chief(value, strategy):
    """-> the chief's `value`, whatever JSON can hold, on every worker."""
    if not strategy:
        return value
    text = np.frombuffer(json.dumps(value).encode().ljust(LONGEST), np.uint8).astype(np.int32)
    return json.loads(from_chief(tf.constant(text), strategy).numpy().astype(np.uint8).tobytes())


def check_alike(settings, strategy):
    """InputError, with both values, on each worker whose settings, of what JSON can hold, are not the chief's."""
    chiefs = value_of_chief(settings, strategy)
    for name, value in settings.items():
        if chiefs[name] != value:
            raise InputError(f"{name}: the chief has {chiefs[name]}, this worker {value}; start all workers with the "
                             "same flags and the same data")
