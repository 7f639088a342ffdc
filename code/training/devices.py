"""The devices that train one network together: one, all GPUs of a machine, or those of several.

Every replica gets its part of a step's batch, and the losses and gradients of the parts are added
up. Any number of replicas thus trains the same network, up to rounding. A batch normalisation is
the exception: each replica takes the mean and the variance of its own part.
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
    """One device, where most methods do little. Their docstrings hold for the subclasses, too."""
    replicas = 1
    is_chief = True  # whether this process is the one that writes

    def scope(self) -> contextlib.AbstractContextManager:
        """Returns the context in which variables are made for all replicas."""
        return contextlib.nullcontext()

    def sum(self, function: Callable) -> Callable:
        """Returns `function`, run by every replica on its part of the arrays, the results added up.

        It takes one structure of arrays [B, ...], B >= replicas, and constants by name. `local`
        reads its results. WorkerLost if another worker is gone.
        """
        return function

    def update(self, optimizer, variables: list, cfg) -> Callable:
        """Returns a function of gradients, already added up: one step of the optimizer."""
        def update(gradients):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

        return compiled(update, cfg)

    def local(self, values: Any) -> Any:
        """Returns the tensors of this process's first replica; all replicas have the same."""
        return values

    def broadcast(self, variables: list):
        """Copies the chief's values to all workers: the chief alone reads checkpoints."""

    def of_chief(self, value: Any) -> Any:
        """Returns the chief's `value`, which JSON can hold, on every worker."""
        return value

    def check_alike(self, settings: dict):
        """InputError, with both values, if a worker's settings are not the chief's."""
        chiefs = self.of_chief(settings)
        for name in chiefs | settings:  # another version of the code may lack some
            of_chief, own = chiefs.get(name), settings.get(name)
            if of_chief != own:
                raise InputError(f"{name}: the chief has {of_chief}, this worker {own}; start all "
                                 "workers with the same code, flags and data")


class Replicas(Devices):
    """Several devices of one process, by tf.distribute."""

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy, self.replicas = strategy, strategy.num_replicas_in_sync

        def first_alone(values):
            """Adds up the first replica's values [n] and the zeros of the others."""
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group, 0)
            own = tf.where(first, values, tf.zeros_like(values))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

        self._from_first = tf.function(lambda values: strategy.run(first_alone, (values,)),
                                       reduce_retracing=True)

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
        """Cuts the array [B, ...], which every worker has, into a part for each replica."""
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
            variable.assign(self._of_first(tf.convert_to_tensor(variable)))

    def of_chief(self, value):
        text = np.frombuffer(json.dumps(value).encode().ljust(LONGEST), np.uint8)
        chiefs = self._of_first(tf.constant(text.astype(np.int32)))
        return json.loads(chiefs.numpy().astype(np.uint8).tobytes())

    def _of_first(self, value: tf.Tensor) -> tf.Tensor:
        """Returns the first replica's tensor; `value` has the same shape on all workers."""
        with self.together():
            values = self.local(self._from_first(tf.reshape(value, [-1])))
        return tf.reshape(values, value.shape)


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
            # "aborted": by another worker, with its reason
            if isinstance(error, OWN) and "aborted" not in reason:
                raise
            raise WorkerLost(reason) from None


def devices_of(strategy: str, count: int = 0) -> Devices:
    """Returns the devices of --strategy and --devices. InputError if they are not there.

    Call it before anything else of TensorFlow.
    """
    if strategy == "none":
        return Devices()
    if strategy == "multi_worker":
        return Workers()
    names = None  # all GPUs
    if count:
        tf.config.set_visible_devices([], "GPU")  # `auto` is to choose what is fast on a CPU
        cpu = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(cpu, logical)
        names = [f"CPU:{number}" for number in range(count)]
    elif not tf.config.get_visible_devices("GPU"):
        raise InputError("--strategy mirrored: expected GPUs, received a machine without; "
                         "--devices 2 tries it out on the CPU")
    return Replicas(tf.distribute.MirroredStrategy(names))
