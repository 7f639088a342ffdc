"""The scripts as a user starts them, each in a process of its own: few, because importing TensorFlow takes seconds."""
import json
import os
import shutil
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
    assert run(sys.executable, "-c", program, cwd=ROOT / "code") == (0, "", "")
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
        logged = log.read_bytes().decode()
        assert "continue with:" in logged and "run in" in logged
        assert "images/s" not in logged and "\r" not in logged, "progress bars do not fill the log"
        assert "images/s" in out, "they are for the screen"
    finally:
        log.unlink()

    last = int(json.loads(metrics.read_text().splitlines()[-1])["step"])
    status, out, err = run(sys.executable, "code/train.py", "--ckpt", tmp_path / "run", "--max_iters", last + 3)
    assert status == 0, err
    assert f"continued from step {last}" in out
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines() if '"train"' in line]
    assert steps == list(range(1, last + 4))


def stub(tree, program):
    """-> a copy of train.sh whose training is this program."""
    (tree / "code").mkdir(parents=True)
    for name in ("train.sh", "code/environment.sh"):
        shutil.copy(ROOT / name, tree / name)
    (tree / "requirements.txt").touch()
    (tree / "code" / "train.py").write_text(program)
    return tree / "train.sh"


def test_train_sh_in_any_folder_twice_in_a_second_and_whatever_cdpath_is(tmp_path, monkeypatch):
    """A line of the log is what the terminal shows of it in the end; so a bar leaves nothing."""
    monkeypatch.setitem(ENVIRONMENT, "CDPATH", f".:{tmp_path}")
    program = "import sys; print('\\rbar 1\\rbar 2\\r     \\rline'); sys.stderr.write('\\rbar\\rend'); sys.exit(3)"
    script = stub(tmp_path / "two\nlines", program)
    both = [start("bash", "train.sh", cwd=script.parent) for _ in range(2)]
    for status, out, err in map(finish, both):
        assert status == 3 and "bar 1" in out and "line" in out and err == ""
    logs = sorted(script.with_name("output").iterdir())
    assert len(logs) == 2
    for log in logs:
        text = log.read_bytes().decode()
        assert text.splitlines()[0] == "line" and "bar" not in text and "\r" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["two\nlines"]


def test_train_sh_outlives_its_reader(tmp_path):
    """As train.sh | head -n 1: the log is whole, and the exit status the training's."""
    program = "import sys, time\nfor n in range(300): print('line', n, flush=True); time.sleep(0.003)\nsys.exit(3)"
    script = stub(tmp_path / "tree", program)
    status, out, err = run("bash", "-c", f"bash {script} 2>&1 | head -n 1; exit ${{PIPESTATUS[0]}}")
    assert (status, out, err) == (3, "line 0\n", "")
    log, = script.with_name("output").iterdir()
    assert log.read_text().splitlines()[:-1] == [f"line {n}" for n in range(300)]


def test_a_folder_of_data_that_is_no_text_is_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "CAPSNET_DATA_DIR", "data\udcff")
    status, out, err = run(sys.executable, "code/train.py", "--max_iters", 1)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert "train.py: error: --data_dir: expected a path in UTF-8, received" in err
