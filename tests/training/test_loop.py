"""What the loop does after each step, and when."""
import signal
from unittest.mock import Mock

import pytest

import data
import toy
import toy_runs
from settings import InputError
from training.devices import Devices
from training.loop import fit
from training.optimizer import make_optimizer, step_of
from training.step import make_test_step


@pytest.fixture
def dataset(tmp_path):
    return data.load(toy.settings(DATASET=str(toy.npz(tmp_path / "bars.npz"))))


def trained(dataset, run, network=None, optimizer=None, **changes):
    """-> what `fit` returns, and the optimizer."""
    cfg = toy.settings(**changes)
    network, optimizer = network or toy.network(), optimizer or make_optimizer(cfg)
    test_step = make_test_step(network, cfg, Devices())
    return fit(network, optimizer, dataset, cfg, run, Devices(), test_step), optimizer


def steps_of(method):
    """-> the steps that a mocked method of the run was called with."""
    return [call.args[0] for call in method.call_args_list]


def test_every_step_is_trained_and_what_is_due_is_done(dataset):
    """Also after the last step, whether or not it is due then."""
    run = Mock()
    stopped, optimizer = trained(dataset, run, MAX_ITERS=7, PRINT_EVERY=2, VAL_EVERY=3, SAVE_EVERY=5, LR=0.5,
                                 STEP_SIZE=4, DECAY_RATIO=0.5)
    records = [call for call in run.record.call_args_list if call.args[1] == "train"]
    assert stopped is None and step_of(optimizer) == 7
    assert [call.args[0] for call in records] == [2, 4, 6, 7]
    assert [call.kwargs["learning_rate"] for call in records] == [0.5, 0.5, 0.25, 0.25], "that of the step itself"
    assert steps_of(run.save_if_best) == steps_of(run.images) == [3, 6, 7]
    assert steps_of(run.save) == [5, 7, 7]
    images, reconstructions = run.images.call_args.args[1:]
    assert images.shape == (8, *toy.IMAGE_SHAPE) and reconstructions.shape == (8, 1, *toy.IMAGE_SHAPE)
    accuracies = [call.kwargs["accuracy"] for call in run.record.call_args_list if call.args[1] == "val"]
    assert [call.args[1] for call in run.save_if_best.call_args_list] == accuracies


def test_a_signal_ends_it_after_the_step_which_is_saved(dataset):
    run = Mock()
    with toy_runs.in_step(3, toy_runs.send(signal.SIGTERM)):
        stopped, optimizer = trained(dataset, run, MAX_ITERS=7, SAVE_EVERY=100)
    assert stopped == signal.SIGTERM and step_of(optimizer) == 3 and steps_of(run.save) == [3]


def test_a_signal_in_the_last_step_ends_it_too(dataset):
    """Who sends it does not want to wait for the test."""
    run = Mock()
    with toy_runs.in_step(2, toy_runs.send(signal.SIGTERM)):
        stopped, _ = trained(dataset, run, MAX_ITERS=2)
    assert stopped == signal.SIGTERM and steps_of(run.save)[-1] == 2


def test_the_screen_comes_last(dataset):
    """Where it takes no more, all of the step is kept and saved."""
    run = Mock()
    run.show.side_effect = InputError("no screen")
    with pytest.raises(InputError, match="no screen"):
        trained(dataset, run, MAX_ITERS=9, VAL_EVERY=2, SAVE_EVERY=100)
    names = [call[0] for call in run.method_calls]
    assert set(names[-5:-2]) == {"record", "images", "save_if_best"}
    assert names[-2:] == ["show", "save"] and steps_of(run.save) == [2]
