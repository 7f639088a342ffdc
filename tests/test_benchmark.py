"""The benchmark's bookkeeping. No test asserts a time."""
import json
import signal
import sys

import numpy as np
import pytest
import tensorflow as tf

import benchmark
import fourier
import stopwatch
import toy


def test_the_newcomers_capsule_layer_is_the_same_function():
    model = toy.network()
    u = tf.constant(np.random.default_rng(0).normal(size=(5, *model.digit_caps.W.shape[:2])), tf.float32)
    np.testing.assert_allclose(stopwatch.newcomers_digit_caps(model.digit_caps, u), model.digit_caps(u), rtol=1e-4,
                               atol=1e-7)


def test_the_direct_bound_counts_the_products_of_a_step():
    convolution = fourier.products((20, 20, 256), (9, 9, 256, 256), 2)[1]
    assert benchmark.direct_gflop(100) == 100 * benchmark.direct_gflop(1)
    rest = benchmark.direct_gflop(1) - 2e-9 * 3 * convolution
    by_hand = 2e-9 * (2 * 400 * 81 * 256 + 3 * 1152 * 8 * 160 + 3 * (160 * 512 + 512 * 1024 + 1024 * 784))
    np.testing.assert_allclose(rest, by_hand, rtol=1e-6)


@pytest.mark.parametrize("newcomer", [False, True])
def test_a_worker_answers(newcomer):
    settings = {name: value for name, value in toy.SETTINGS.items() if name != "BATCH_SIZE"}
    worker = benchmark.Worker({"batch_size": 4, "settings": settings, "newcomer": newcomer})
    assert worker.ask("train") > 0 and worker.ask("infer") > 0
    assert 100 < worker.ask("memory")["peak_mb"] < 10_000
    if not newcomer:
        parts = worker.ask("parts")
        assert {"conv1", "PrimaryCaps", "votes and routing", "decoder", "Adam"} < parts.keys()
        assert all(0 < low <= median <= high for median, low, high in parts.values())
    worker.close()
    assert worker.process.returncode == -signal.SIGKILL


def test_a_worker_that_fails_is_an_error(capfd):
    with pytest.raises(RuntimeError, match="the process asked for 'compile' ended: 1"):
        benchmark.Worker({"batch_size": 4, "settings": {"ROUTING_ITER": 3}})
    assert "did you mean ROUTING_ITERS" in capfd.readouterr().err


def test_the_table_and_the_json(monkeypatch, tmp_path, capsys):
    """The whole of main(), with workers that answer at once."""

    class Quick:
        compile_s = 1.0

        def __init__(self, row):
            self.ms = 10.0 if row["settings"] else 2.0  # the default row and the reference are the default

        def ask(self, question):
            return {"train": self.ms, "infer": 1.0, "memory": {"peak_mb": 500.0}, "parts": {"conv1": [1.0, 0.5, 2.0]},
                    "machine": {"matmul_peak_gflops": 100.0, "memory_gb_per_s": 10.0, "tensorflow": "2"}}[question]

        def close(self):
            pass

    monkeypatch.setattr(benchmark, "Worker", Quick)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--json", str(tmp_path / "all.json"), "--batch_size", "50"])
    assert benchmark.main() == 0
    found = json.loads((tmp_path / "all.json").read_text())
    assert (found["default_step_ms"], found["newcomer_step_ms"], found["infer_images_per_s"]) == (2.0, 10.0, 50_000.0)
    assert found["direct_bound_ms"] == pytest.approx(benchmark.direct_gflop(50) / 100 * 1000)
    assert found["rows"].keys() == {**benchmark.HEADLINE, **benchmark.WAYS, **benchmark.GROWTH}.keys()
    out = capsys.readouterr().out
    assert "newcomer's step / default step: 5.00" in out
    assert all(name in out for name in found["rows"])


@pytest.mark.parametrize("flags", [["--batch_size", "0"], ["--json", "/nowhere/at/all.json"], ["--quik"]])
def test_bad_flags_are_refused_in_one_line(monkeypatch, capsys, flags):
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *flags])
    with pytest.raises(SystemExit) as stop:
        benchmark.main()
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1
