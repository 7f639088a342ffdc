"""The devices that train one network together: one, all GPUs of a machine, or those of several.

Every replica gets its part of a step's batch, and the losses and gradients of the parts are added
up. Any number of replicas thus trains the same network, up to rounding.
"""
import contextlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from model.compile import compiled
from output import first_line
from settings import InputError
from training import cluster

LONGEST = 2 ** 14  # bytes of text that workers tell each other at once
# Errors of a worker itself, not of the connection: its memory, or what it computes.
OWN = (tf.errors.ResourceExhaustedError, tf.errors.InvalidArgumentError,
       tf.errors.UnimplementedError)


class WorkerLost(ConnectionError):
    """Another worker is gone. The weights of this one are as before the step."""


class Devices:
    """One device, where most methods do nothing. Their docstrings are those of the subclasses, too.
    """
    replicas = 1
    is_chief = True  # whether this process is the one that writes

    def scope(self) -> contextlib.AbstractContextManager:
        """Variables are made inside it, for all replicas."""
        return contextlib.nullcontext()

    def sum(self, function: Callable) -> Callable:
        """-> `function`, run by every replica on its part of the arrays, with its results added up.

        The new function takes one structure of arrays [B, ...], with B >= replicas, and constants
        by name. `local` reads its results. With several workers, it raises WorkerLost if one is
        gone.
        """
        return function

    def update(self, optimizer, variables: list, cfg) -> Callable:
        """-> a function of gradients, already added up, that does one step of the optimizer."""

        def update(gradients):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

        return compiled(update, cfg)

    def local(self, values: Any) -> Any:
        """Values that are equal on all replicas -> the tensors of one replica of this process"""
        return values

    def broadcast(self, variables: list):
        """Copies the chief's values to all workers: the chief alone reads checkpoints."""

    def of_chief(self, value: Any) -> Any:
        """-> the chief's `value`, which JSON can hold, on every worker."""
        return value

    def check_alike(self, settings: dict):
        """InputError, with both values, where a worker's settings are not the chief's."""


class Replicas(Devices):
    """Several devices of one process, by tf.distribute."""

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync
        self._from_first = {}  # the compiled function for each type of tensor

    def together(self) -> contextlib.AbstractContextManager:
        """Surrounds all that the replicas compute together; Workers finds lost workers there."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def scope(self):
        with self.together(), self.strategy.scope():
            yield

    def sum(self, function):
        def replica(part, constants):
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, function(part, **constants))

        @tf.function
        def run(parts, **constants):
            return self.strategy.run(replica, args=(parts, constants))

        def of_parts(arrays, **constants):
            with self.together():
                return run(tf.nest.map_structure(self._parts, arrays), **constants)

        return of_parts

    def _parts(self, array: np.ndarray | None):
        """-> the array [B, ...] cut into a part for each replica

        Every worker has the whole batch, and keeps the parts of its own replicas.
        """
        if array is None:
            return None
        parts = np.array_split(array, self.replicas)
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group]))

    def update(self, optimizer, variables, cfg):
        # Keras' apply_gradients would add the gradients up once more.
        def step(variable, gradient, learning_rate):
            optimizer.update_step(gradient, variable, learning_rate)

        @tf.function
        def update(gradients):
            with self.strategy.scope():
                for variable, gradient in zip(variables, gradients, strict=True):
                    self.strategy.extended.update(
                        variable.value, step, (gradient, optimizer.learning_rate), group=False)
                # Keras has no public name for this part of apply_gradients.
                optimizer._update_model_variables_moving_average(variables)
                optimizer.iterations.assign_add(1)

        return update

    def local(self, values):
        return tf.nest.map_structure(
            lambda value: self.strategy.experimental_local_results(value)[0], values)

    def broadcast(self, variables):
        for variable in variables:
            variable.assign(self._tensor_of_chief(tf.convert_to_tensor(variable)))

    def of_chief(self, value):
        text = np.frombuffer(json.dumps(value).encode().ljust(LONGEST), np.uint8)
        chiefs = self._tensor_of_chief(tf.constant(text.astype(np.int32)))
        return json.loads(chiefs.numpy().astype(np.uint8).tobytes())

    def check_alike(self, settings):
        chiefs = self.of_chief(settings)
        for name in sorted(chiefs.keys() | settings.keys()):  # another version may lack some
            of_chief, own = chiefs.get(name), settings.get(name)
            if of_chief != own:
                raise InputError(f"{name}: the chief has {of_chief}, this worker {own}; start all "
                                 "workers with the same code, flags and data")

    def _tensor_of_chief(self, value: tf.Tensor) -> tf.Tensor:
        """-> the first replica's tensor; `value` has the same shape on all workers."""
        if value.dtype not in self._from_first:
            self._from_first[value.dtype] = self._make_from_first(value.dtype)
        with self.together():
            values = self.local(self._from_first[value.dtype](tf.reshape(value, [-1])))
        return tf.reshape(values, value.shape)

    def _make_from_first(self, dtype: tf.DType) -> Callable:
        """-> a function that gives all replicas the first one's values [n]."""

        # A sum, to which the others add zeros.
        def replica(values):
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group, 0)
            mine = tf.where(first, values, tf.zeros_like(values))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        return tf.function(lambda values: self.strategy.run(replica, (values,)),
                           input_signature=[tf.TensorSpec([None], dtype)])


class Workers(Replicas):
    """All devices of several processes, which TF_CONFIG lists."""

    def __init__(self):
        super().__init__(cluster.join())
        self.is_chief = cluster.is_chief(self.strategy.cluster_resolver)

    @contextlib.contextmanager
    def together(self):
        try:
            yield
        except tf.errors.OpError as error:
            reason = first_line(error)
            aborted = "aborted" in reason  # by another worker, with its reason
            if isinstance(error, OWN) and not aborted:
                raise
            raise WorkerLost(reason) from None


def devices_of(strategy: str, count: int = 0) -> Devices:
    """-> the devices of --strategy. Call it before TensorFlow does anything else.

    none: one device. mirrored: all GPUs of this machine, or `count` logical CPU devices to try it
    out. multi_worker: those of the processes in TF_CONFIG. InputError if they cannot be had.
    """
    if strategy == "none":
        return Devices()
    if strategy == "multi_worker":
        return Workers()
    if count:
        tf.config.set_visible_devices([], "GPU")  # `auto` is to choose what is fast on a CPU
        cpu = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(cpu, logical)
        names = [f"CPU:{number}" for number in range(count)]
        return Replicas(tf.distribute.MirroredStrategy(names))
    if not tf.config.get_visible_devices("GPU"):
        raise InputError("--strategy mirrored: expected GPUs, received a machine without; "
                         "--devices 2 tries it out on the CPU")
    return Replicas(tf.distribute.MirroredStrategy())
