"""eval.py by its main(): every mode on a toy network, what it writes, and what it refuses in one line."""
import io
import json
import sys

import numpy as np
import pytest
from matplotlib.image import imread

import checkpoints
import config
import data
import eval as evaluation
import probes
import runconfig
import toy
import trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with bars.npz and a network that has learnt to tell them apart."""
    folder = tmp_path_factory.mktemp("eval")
    arrays = dict(np.load(toy.npz(folder / "bars.npz")))
    arrays["y_test"][::7] = (arrays["y_test"][::7] + 1) % toy.CLASSES  # labels that the network will get wrong
    np.savez(folder / "bars.npz", **arrays)
    dataset = data.load(str(folder / "bars.npz"), "", 0)
    cfg, model = toy.settings(DATASET=str(folder / "bars.npz"), LR=0.01), toy.network()
    step = trainer.make_train_step(model, trainer.make_optimizer(cfg), cfg)
    for number in range(40):
        step(*data.batch(dataset.train, 0, number, cfg.BATCH_SIZE, 0))
    (folder / "run").mkdir()
    saved = runconfig.RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest)
    runconfig.save_config(folder / "run", saved)
    checkpoints.write(folder / "run", "ckpt", 40, saved.identity(), model=model)
    return folder, model, dataset


@pytest.fixture
def evaluate(run, monkeypatch, tmp_path, capsys):
    """evaluate(flags) -> exit status, output, error lines; figures go to tmp_path."""
    folder, _, _ = run

    def call(*flags):
        known = {"--ckpt": folder / "run", "--dataset": folder / "bars.npz", "--fig_dir": tmp_path,
                 "--batch_size": 16}
        for name, value in known.items():
            if name not in flags:
                flags += (name, value)
        monkeypatch.setattr(sys, "argv", ["eval.py", *map(str, flags)])
        with pytest.raises(SystemExit) as exit:
            config.run(evaluation.main)
        out, err = capsys.readouterr()
        return exit.value.code, out, [line for line in err.replace("\r", "\n").splitlines() if "error: " in line]

    return call


def results(folder):
    """results.json, after a look at all the figures that it names and for anything that should not be there."""
    found = json.loads((folder / "results.json").read_text(), parse_constant=pytest.fail)  # no NaN, no Infinity
    assert sorted(path.name for path in folder.iterdir()) == sorted([*found["figures"], "results.json"])
    for name in found["figures"]:
        assert imread(io.BytesIO((folder / name).read_bytes())).std() > 0.02, name
    return found


def test_test(evaluate, run, tmp_path):
    _, model, dataset = run
    status, out, _ = evaluate("--mode", "test")
    found = results(tmp_path / "test")
    labels = np.argmax(model(data.scale(dataset.test.images)).lengths, axis=1)
    accuracy = (labels == dataset.test.labels).mean()
    assert status == 0 and 0.75 < accuracy < 0.9
    assert found["accuracy"] == pytest.approx(accuracy) and found["images"] == len(dataset.test.labels) == 50
    assert f"{accuracy:.2%}" in out and str(tmp_path / "test") in out
    assert found["checkpoint"].endswith("ckpt-40") and found["settings"]["SEED"] == 0
    assert "run/ckpt-40, trained on bars, evaluated on bars" in out


def test_test_draws_the_course_of_the_training(evaluate, run, tmp_path):
    lines = [{"step": step, "split": split, "loss": 1 / step, "accuracy": 0.9}
             for step in range(1, 41) for split in (["train", "val"] if step % 10 == 0 else ["train"])]
    metrics = run[0] / "run" / "metrics.jsonl"
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    evaluate("--mode", "test")
    assert results(tmp_path / "test")["figures"] == ["curves.png"] and (tmp_path / "test" / "curves.png").exists()
    metrics.write_text('{"step": 1}\n')
    status, _, lines = evaluate("--mode", "test")
    assert status == 2 and "metrics.jsonl is not" in lines[0]
    metrics.unlink()


def test_the_data_are_the_runs_own(run, monkeypatch, tmp_path, capsys):
    """Without --dataset: not MNIST, which the network never saw."""
    folder, _, _ = run
    monkeypatch.setattr(sys, "argv", ["eval.py", "--ckpt", str(folder / "run"), "--fig_dir", str(tmp_path)])
    assert evaluation.main() == 0
    assert results(tmp_path / "test")["settings"]["DATASET"] == str(folder / "bars.npz")


@pytest.mark.parametrize("show", ["errors", "all"])
def test_reconstruct_covers_every_image(evaluate, run, tmp_path, show):
    _, model, dataset = run
    images, labels = data.scale(dataset.test.images), dataset.test.labels
    status, out, _ = evaluate("--mode", "reconstruct", "--show", show)
    found = results(tmp_path / "reconstruct")
    output = model(images)
    right = np.argmax(output.lengths, axis=1) == labels
    assert status == 0 and found["errors"] == (~right).sum() == len(found["wrong"]) >= 8
    error = np.square(images - output.reconstruction)[right].mean()
    assert found["squared_error_per_pixel_right"] == pytest.approx(error, rel=1e-4)
    assert np.sum(found["confusion"]) == 50 == sum(found["reliability"]["count"])
    drawn = 50 if show == "all" else (~right).sum()
    assert found["images_drawn"] == drawn and len(found["figures"]) == 2 + -(-drawn // 16)
    if show == "all":
        evaluate("--mode", "reconstruct", "--show", show, "--max_iters", "1", "--fig_dir", tmp_path / "less")
        assert results(tmp_path / "less" / "reconstruct")["images_drawn"] == 16


def test_cap_tweak(evaluate, run, tmp_path):
    _, model, dataset = run
    status, out, _ = evaluate("--mode", "cap_tweak", "--num_images", "30")
    found = results(tmp_path / "cap_tweak")
    assert status == 0 and found["figures"] == ["class-0.png", "class-1.png", "class-2.png", "effects.png"]
    assert found["images"] == 30 and found["per"] == pytest.approx(0.25)
    one = found["effects"]["class 1"]["dimensions"][3]
    assert one["dimension"] == 3 and one["width"]["low"] <= one["width"]["slope"] <= one["width"]["high"]
    assert one["slant"]["unit"] == "°"

    evaluate("--mode", "cap_tweak", "--tweak_target", "2", "--num_images", "6", "--fig_dir", tmp_path / "two")
    found = results(tmp_path / "two" / "cap_tweak")
    assert found["figures"] == ["class-2.png", "effects.png"] and list(found["effects"]) == ["class 2"]


@pytest.mark.parametrize("attack, targeted, pairs", [("original", True, 6), ("pgd", False, 3)])
def test_adversarial_and_again_with_the_same_numbers(evaluate, tmp_path, attack, targeted, pairs):
    flags = ["--mode", "adversarial", "--attack", attack, "--num_images", "20", "--max_iters", "12", "--targeted"]
    flags[-1] = "--targeted" if targeted else "--no-targeted"
    status, out, _ = evaluate(*flags)
    folder = tmp_path / "adversarial" / f"{attack}-{'targeted' if targeted else 'untargeted'}"
    found = results(folder)
    assert status == 0 and len(found["examples"]) == pairs
    others = {"examples.png", "success.png", "detection.png", "l2_by_class.png",
              "success_by_class.png" if targeted else "share_by_class.png"}
    assert len(found["figures"]) == pairs + len(others) and others <= set(found["figures"])
    assert found["success_rate"] > 0, "else this test says little"
    undetected = found["success_rate"] * (1 - found["detection_rate"])
    assert found["undetected_success_rate"] == pytest.approx(undetected)
    assert found["curve"]["success_rates"][-1] == pytest.approx(found["success_rate"])
    for example in found["examples"]:
        goal = example["predicted"] == example["target"] if targeted else example["predicted"] != example["label"]
        assert example["success"] == goal

    figures = {name: (folder / name).read_bytes() for name in found["figures"]}
    evaluate(*flags)
    assert results(folder) == found
    assert figures == {name: (folder / name).read_bytes() for name in found["figures"]}


def test_a_network_that_gets_nothing_right_cannot_be_attacked(evaluate, run, monkeypatch):
    look = probes.Network.look
    monkeypatch.setattr(probes.Network, "look", lambda *arrays: look(*arrays)._replace(
        lengths=np.eye(3)[(arrays[2] + 1) % 3]))
    status, out, lines = evaluate("--mode", "adversarial", "--num_images", "5")
    assert status == 2 and "received none of 5" in lines[0] and out == ""


def test_a_class_without_test_images_cannot_be_tweaked(evaluate, run, tmp_path):
    arrays = dict(np.load(run[0] / "bars.npz"))
    some = arrays["y_test"] != 2
    np.savez(tmp_path / "no-2.npz", **{**arrays, "x_test": arrays["x_test"][some], "y_test": arrays["y_test"][some]})
    status, out, lines = evaluate("--mode", "cap_tweak", "--tweak_target", "2", "--dataset", tmp_path / "no-2.npz")
    assert status == 2 and "--tweak_target 2: expected a class of the test split" in lines[0] and out == ""


@pytest.mark.parametrize("flags, words", [
    (("--mode", "train"), "--mode: expected one of test, reconstruct, cap_tweak, adversarial"),
    (("--attack", "deepfool"), "--attack: expected one of original, fgsm, bim, pgd"),
    (("--epsilon", "-0.1"), "--epsilon: expected a number above 0, at most 1"),
    (("--epsilon", "nan"), "--epsilon: expected a number above 0, at most 1"),
    (("--num_images", "0"), "--num_images: expected a whole number from 1 to"),
    (("--lr", "0"), "--lr: expected a finite number above 0"),
    (("--tweak_target", "3"), "--tweak_target: expected a class from 0 to 2"),
    (("--tweak_target", "-2"), "--tweak_target: expected a whole number from -1 to"),
    (("--tweak_range", "0.12"), "--tweak_stride: expected a range of 1 to 50 whole strides"),
    (("--tweak_stride", "0.001"), "--tweak_stride: expected a range of 1 to 50 whole strides"),
    (("--num_image", "5"), "did you mean --num_images?"),
    (("--conv1_channels", "4"), "unknown argument --conv1_channels"),
    (("--ckpt", "/nowhere"), "no checkpoint at /nowhere"),
    (("--seed", "-1"), "--seed: expected a whole number from 0 to"),
])
def test_bad_flags_are_refused_in_one_line(evaluate, flags, words):
    status, out, lines = evaluate(*flags)
    assert status == 2 and out == "" and len(lines) == 1
    assert lines[0].startswith("eval.py: error: ") and words in lines[0]


def test_other_images_than_the_networks_are_refused(evaluate, tmp_path):
    images, labels = toy.images(40, image_shape=(20, 20, 1))
    np.savez(tmp_path / "other.npz", x_train=images, y_train=labels)
    status, _, lines = evaluate("--dataset", tmp_path / "other.npz")
    assert status == 2 and "(20, 20, 1) and 3 classes, as other has, received one for (18, 17, 1) and 3" in lines[0]


def test_a_folder_that_cannot_be_written_is_refused(evaluate, tmp_path):
    (tmp_path / "file").write_text("")
    status, out, lines = evaluate("--fig_dir", tmp_path / "file")
    assert status == 2 and "--fig_dir: expected a folder to write in" in lines[0] and out == ""


def test_figures_of_the_evaluation_before_do_not_stay(evaluate, tmp_path):
    evaluate("--mode", "reconstruct", "--show", "all", "--batch_size", 7)
    before = {path.name for path in (tmp_path / "reconstruct").glob("*.png")}
    (tmp_path / "reconstruct" / "mine.png").write_text("not by eval.py")
    evaluate("--mode", "reconstruct", "--show", "all", "--batch_size", 50)
    after = {path.name for path in (tmp_path / "reconstruct").glob("*.png")}
    assert len(before) > len(after) - 1 and "mine.png" in after
    assert after - {"mine.png"} == set(json.loads((tmp_path / "reconstruct" / "results.json").read_text())["figures"])


def test_nothing_half_written_stays(evaluate, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    status, _, lines = evaluate("--mode", "reconstruct")
    assert status == 2 and "No space left on device" in lines[0]
    assert list((tmp_path / "reconstruct").iterdir()) == []
