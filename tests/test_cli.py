"""The scripts as a user starts them, each in a process of its own: few, because importing TensorFlow takes seconds."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import toy

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def start(*command, cwd=ROOT):
    return subprocess.Popen([str(word) for word in command], cwd=cwd, env=ENVIRONMENT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def run(*command, cwd=ROOT):
    return finish(start(*command, cwd=cwd))


def test_the_standard_library_module_code_is_still_its_own():
    """A package called `code` would break pdb."""
    program = "import code, pdb; assert code.InteractiveConsole"
    for cwd in (ROOT, ROOT / "code"):
        assert run(sys.executable, "-c", program, cwd=cwd) == (0, "", "")
    assert not (ROOT / "code" / "__init__.py").exists()


def test_both_scripts_from_code_and_from_the_root(tmp_path):
    """Paths that the user types are relative to where they stand."""
    toy.npz(tmp_path / "bars.npz")
    relative = os.path.relpath(tmp_path, ROOT / "code")
    status, out, err = run(sys.executable, "train.py", "--dataset", f"{relative}/bars.npz", "--train_dir",
                           f"{relative}/run", *toy.FLAGS, cwd=ROOT / "code")
    assert status == 0, err
    assert "test, last checkpoint (step 6): accuracy" in out
    results = json.loads((tmp_path / "run" / "results.json").read_text())

    status, out, err = run(sys.executable, ROOT / "code" / "eval.py", "--dataset", "bars.npz", "--ckpt", "run",
                           "--mode", "test", "--fig_dir", "figures", cwd=tmp_path)
    assert status == 0, err
    assert f"{results['last']['accuracy']:.2%}" in out


def test_train_sh_logs_a_run_that_is_stopped_and_continues_it(tmp_path):
    """SIGTERM to the shell script: the step is finished, a checkpoint saved, the way to continue named and logged."""
    toy.npz(tmp_path / "bars.npz")
    process = start("bash", ROOT / "train.sh", "--dataset", "bars.npz", "--train_dir", "run", *toy.FLAGS,
                    "--max_iters", 10**9, cwd=tmp_path)
    metrics, deadline = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 90
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    status, out, err = finish(process)
    assert status == 128 + signal.SIGTERM, out
    assert f"{ROOT / 'code' / 'train.py'} --ckpt {tmp_path / 'run'}" in out
    log = Path(out.strip().splitlines()[-1].removeprefix("log: "))
    try:
        logged = log.read_text()
        assert "continue with:" in logged and "images/s" in logged, "the progress bar is logged as well"
    finally:
        log.unlink()

    last = int(json.loads(metrics.read_text().splitlines()[-1])["step"])
    status, out, err = run(sys.executable, "code/train.py", "--ckpt", tmp_path / "run", "--max_iters", last + 3)
    assert status == 0, err
    assert f"continued from step {last}" in out
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines() if '"train"' in line]
    assert steps == list(range(1, last + 4))


def test_bad_input_is_one_line_and_status_2(tmp_path):
    (tmp_path / "bad.npz").write_text("not an archive")
    for flags, words in [(("--routing_iter", "3"), "did you mean --routing_iters?"),
                         (("--dataset", tmp_path / "bad.npz"), "bad.npz: expected"),
                         (("--ckpt", tmp_path / "nowhere"), "nowhere/config.json is missing")]:
        status, out, err = run(sys.executable, "code/train.py", *flags)
        assert status == 2 and out == ""
        assert err.splitlines()[-1].startswith("train.py: error: ") and words in err.splitlines()[-1]
        assert "Traceback" not in err
