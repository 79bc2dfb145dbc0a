"""Time eval.py by stage, and how the time grows with the number of detections.

    python benchmarks/evaluation.py                                    a drawn set of the size of WIDER FACE's
    python benchmarks/evaluation.py --pred FOLDER --gt FOLDER          a real one

Times are in seconds, the minimum of --repeat runs, each in a new process and with the files in the page cache. "start"
is the interpreter and the imports. "command" is the whole of eval.py. "bare read" opens and reads the same files
without parsing them: the lower bound of "predictions".
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
IMAGES, DETECTIONS, FACES = 3226, 300_000, 39_000
STAGES = ("start", "ground truth", "predictions", "score", "report")
TOTALS = ("command", "peak MB", "bare read", "rows/s read", "rows/s score")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pred", type=Path, help="predictions, a folder of text files (default: drawn)")
    parser.add_argument("--gt", type=Path, help="their ground truth (default: drawn)")
    parser.add_argument("--repeat", type=int, default=5, help="number of runs; the fastest is reported (default: 5)")
    parser.add_argument("--stages", nargs=4, help=argparse.SUPPRESS)  # passed to the child processes
    args = parser.parse_args()
    if (args.pred is None) != (args.gt is None):
        parser.error("--pred and --gt belong together")
    if args.stages:
        print(json.dumps(time_stages(*args.stages)))
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if args.pred is None:
            args.pred, args.gt = draw_set(work / "drawn")
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        )
        print(f"{'detections':>10}", *(f"{title:>12}" for title in (*STAGES, *TOTALS)))
        for times in (1, 2, 4):
            predictions = args.pred if times == 1 else multiply(args.pred, times, work / f"times{times}")
            print_row(predictions, args.gt, work / "result", args.repeat)


def print_row(predictions: Path, ground_truth: Path, result: Path, repeat: int) -> None:
    runs = [run_stages(predictions, ground_truth, result) for _ in range(repeat)]
    seconds = {stage: min(run[stage] for run in runs) for stage in STAGES}
    command = [sys.executable, ROOT / "val_dataset_evaluate" / "eval.py", "-p", predictions, "-g", ground_truth]
    whole = [run_command([*command, "--result", result]) for _ in range(repeat)]
    detections = runs[0]["detections"]
    print(
        f"{detections:>10,}",
        *(f"{seconds[stage]:12.3f}" for stage in STAGES),
        f"{min(wall for wall, _ in whole):12.3f}",
        f"{max(peak for _, peak in whole):12.0f}",
        f"{min(bare_read(predictions) for _ in range(repeat)):12.3f}",
        *(f"{detections / seconds[stage]:12,.0f}" for stage in ("predictions", "score")),
        flush=True,
    )


def run_stages(predictions: Path, ground_truth: Path, result: Path) -> dict[str, float]:
    arguments = [predictions, ground_truth, result, repr(time.time())]
    done = subprocess.run([sys.executable, __file__, "--stages", *arguments], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def time_stages(predictions: str, ground_truth: str, result: str, started: str) -> dict[str, float]:
    """Do what eval.py does, and return the seconds of each stage."""
    from data.splits import DEV
    from evaluation import eval_cli as command

    times = [float(started), time.time()]
    path, annotations = command.read_ground_truth(Path(ground_truth), DEV)
    images = command.find_split_images(None, path, path, DEV)
    annotations = command.add_image_sizes(annotations, images)
    times.append(time.time())
    loaded = command.load_predictions(predictions, annotations)
    times.append(time.time())
    score = command.evaluate(loaded.detections, annotations)
    times.append(time.time())
    model = command.ScoredModel("model", Path(predictions), loaded.missing, loaded.unknown, score)
    command.write_result(Path(result), [model], Path(ground_truth), images)
    times.append(time.time())
    return dict(zip(STAGES, np.diff(times).tolist(), strict=True)) | {"detections": len(score.matches.detections)}


def run_command(command: list) -> tuple[float, float]:
    """Return the seconds of a command and the MB that it held at most."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    if status:
        sys.exit(f"eval.py failed with status {os.waitstatus_to_exitcode(status)}")
    return wall, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def bare_read(folder: Path) -> float:
    begin = time.perf_counter()
    for path in folder.rglob("*.txt"):
        with open(path, "rb") as file:
            file.read()
    return time.perf_counter() - begin


def draw_set(folder: Path) -> tuple[Path, Path]:
    """Draw faces as dense as WIDER FACE's and detections near them and elsewhere: the folders of both."""
    rng = np.random.default_rng(0)
    of_images = rng.lognormal(0, 1.4, IMAGES)
    face_counts = rng.multinomial(FACES, of_images / of_images.sum())
    detection_counts = rng.multinomial(DETECTIONS, (of_images + 0.3) / (of_images + 0.3).sum())
    (folder / "gt").mkdir(parents=True)
    (folder / "pred").mkdir()
    lines = []
    for i, (faces, detections) in enumerate(zip(face_counts, detection_counts, strict=True)):
        boxes = np.hstack([rng.integers(0, 900, (faces, 2)), rng.lognormal(3.3, 0.8, (faces, 2)).astype(int) + 6])
        lines += [f"# {i}.jpg", *(" ".join(map(str, box)) for box in boxes)]
        found = boxes[rng.integers(0, max(faces, 1), detections)] if faces else np.full((detections, 4), 20)
        jitter = rng.normal(0, found[:, 2:].mean(axis=1, keepdims=True) * 0.2, (detections, 4))
        write_rows(folder / "pred" / f"{i}.txt", (found + jitter).clip(1).round(), rng.beta(0.4, 2, detections))
    (folder / "gt" / "label.txt").write_text("\n".join(lines) + "\n")
    return folder / "pred", folder / "gt"


def multiply(folder: Path, times: int, target: Path) -> Path:
    """Copy predictions with every detection `times` times, each copy moved a little and scored a little lower."""
    rng = np.random.default_rng(0)
    for path in folder.rglob("*.txt"):
        values = np.loadtxt(path, skiprows=2, ndmin=2, usecols=range(5)).reshape(-1, 5).repeat(times, axis=0)
        boxes = (values[:, :4] + rng.normal(0, 3, (len(values), 4))).clip(0).round()
        to = target / path.relative_to(folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        write_rows(to, boxes, values[:, 4] * rng.uniform(0.5, 1, len(values)))
    return target


def write_rows(path: Path, boxes: np.ndarray, scores: np.ndarray) -> None:
    rows = [f"{x:.0f} {y:.0f} {w:.0f} {h:.0f} {s:.7f}" for (x, y, w, h), s in zip(boxes, scores, strict=True)]
    path.write_text("\n".join([path.stem, str(len(rows)), *rows]) + "\n")


if __name__ == "__main__":
    main()
