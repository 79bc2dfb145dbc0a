"""Frames of videos as images, with the detections of detect.py as their labels."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from data.annotations import Annotation, fit_annotations, write_annotations
from data.annotations.formats.prediction_lines import parse_lines, to_annotations
from data.annotations.record import SCORE
from data.annotations.scores import DROPPED, draft_notes
from data.image_files import DETECTIONS_SUFFIX, files_below
from engine.detect.square_pixels import StoredFrame, square_size
from engine.detect.video import Video
from tools.convert.dataset_folder import annotation_name
from utils.console import progress_bar
from utils.errors import UserError
from utils.files import new_folder, write_image
from utils.wording import counted

TIME_TOLERANCE = 0.02  # seconds; half a frame of 25 in a second


@dataclass(frozen=True)
class VideoLabels:
    """The frames of a video that become images.

    Attributes:
        video: the file.
        lines: the JSON lines of detect.py.
        frames: number of a frame -> its faces.
        times: number of a frame -> its recorded time in seconds; None: not recorded.
        remarks: sentences on what was read.
    """

    video: Path
    lines: Path
    frames: Mapping[int, Annotation]
    times: Mapping[int, float | None]
    remarks: Sequence[str]


@dataclass
class WrittenFrames:
    """What was found while frames were written.

    Attributes:
        annotations: of the written frames.
        remarks: sentences, with counts.
    """

    annotations: list[Annotation] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def find_lines(source: Path, videos: Sequence[Path]) -> dict[Path, Path]:
    """Return video -> file with the JSON lines of its frames.

    Args:
        source: the file of the one video, or a folder with files that are called like the videos.

    Raises:
        UserError: a video that does not exist, has no lines or more than one file of them, is called like another, or
            lies where detect.py writes the video with its drawn boxes.
    """
    for video in videos:
        if not video.is_file():
            raise UserError(f"{video}: no such video; name the one that detect.py was given with --video")
    if source.is_dir():
        names = files_below(source, {DETECTIONS_SUFFIX})
        found = {video: [source / name for name in names if Path(name).stem == video.stem] for video in videos}
    elif len(videos) == 1:
        found = {videos[0]: [source]}
    else:
        raise UserError(f"{source}: holds the detections of one video, but --video names {len(videos)}; name one")
    for video, files in found.items():
        if len(files) != 1:
            names = " and ".join(map(str, files)) or "none"
            raise UserError(f"{source}: found {names} for {video}; expected one file {video.stem}.jsonl")
        if video.resolve() == files[0].resolve().with_suffix(".mp4"):
            raise UserError(
                f"{video}: lies beside {files[0].name}, where detect.py writes the video with its drawn boxes; name the"
                " original with --video, or move the JSON lines to another folder"
            )
    stems = {file.stem: video for video, file in ((video, files[0]) for video, files in found.items())}
    if len(stems) < len(videos):
        raise UserError(f"--video: two of {', '.join(map(str, videos))} have the same name; convert them one by one")
    return {video: files[0] for video, files in found.items()}


def read_video_labels(video: Path, lines: Path, every: int, min_score: float, faces_only: bool) -> VideoLabels:
    """Read the detections in every Nth frame of a video, of those frames that were detected.

    Raises:
        UserError: malformed lines, or none of every Nth frame.
    """
    parsed = parse_lines(lines)
    if not any(isinstance(source, int) for source in parsed.sources):
        raise UserError(f"{lines}: has images and no frames of a video; omit --frames and --video")
    remarks = [f"{lines}: the last line is incomplete, as of a run that was stopped"] * parsed.is_cut
    annotations = to_annotations(lines, parsed)
    chosen = [
        (source, annotations[index])
        for index, source in enumerate(parsed.sources)
        if isinstance(source, int) and source % every == 0
    ]
    if not chosen:
        raise UserError(f"{lines}: has none of every {every} frames; was detect.py run with another --every?")
    step = math.gcd(*(source for source in parsed.sources if isinstance(source, int)))
    if step > 1 and every % step:
        apart = math.lcm(step, every)
        remarks.append(f"{lines}: detected {step} frames apart, so the images are {apart} frames apart, not {every}")
    frames = {number: each.select(each.attributes[SCORE] >= min_score) for number, each in chosen}
    found = sum(len(each.boxes) for _, each in chosen)
    dropped = found - sum(len(each.boxes) for each in frames.values())
    if dropped:
        remarks.append(DROPPED.format(f"{dropped:,}", counted(found, "face"), f"{min_score:g}"))
    if faces_only:
        frames = {number: annotation for number, annotation in frames.items() if len(annotation.boxes)}
        if not frames:
            raise UserError(f"{lines}: has no faces in every {every} frames")
    return VideoLabels(video, lines, frames, dict(zip(parsed.sources, parsed.times, strict=True)), remarks)


def write_frames_dataset(out: Path, labels: Sequence[VideoLabels], every: int, format_name: str) -> WrittenFrames:
    """Write images/ and, beside it, the annotation of the frames; the folder appears when it is complete.

    Args:
        every: as for `read_video_labels`.
        format_name: format of the annotation.

    Raises:
        UserError: `out` exists or cannot be written, a video cannot be read, or as `fit_annotations`.
    """
    written = WrittenFrames(remarks=[remark for each in labels for remark in each.remarks])
    with new_folder(out) as folder:
        images = folder / "images"
        images.mkdir()
        for each in labels:
            _write_frames(images, each, every, written)
        kept, sentences = fit_annotations(written.annotations, format_name)
        for name in {each.name for each in written.annotations} - {each.name for each in kept}:
            (images / name).unlink()
        written.remarks += [*sentences, *draft_notes(len(each.boxes) for each in kept)]
        written.annotations = kept
        write_annotations(kept, folder / annotation_name("train", format_name), format_name)
    return written


def _write_frames(images: Path, labels: VideoLabels, every: int, written: WrittenFrames) -> None:
    """Write the frames of one video one by one, and append their annotations."""
    video = Video(labels.video, every)
    last, seen, outside, moved = max(labels.frames), set(), 0, []
    with progress_bar(total=len(labels.frames), desc=labels.video.name, unit="frame", disable=None) as progress:
        for frame, image in _frames_until(video, last):
            if frame.index not in labels.frames:
                continue
            stored = StoredFrame(frame, image)
            annotation = _with_square_pixels(labels.frames[frame.index], stored)
            write_image(images / annotation.name, stored.square())
            written.annotations.append(annotation)
            seen.add(frame.index)
            outside += int(_is_outside(annotation).sum())
            recorded = labels.times[frame.index]
            if recorded is not None and abs(recorded - frame.time) > TIME_TOLERANCE:
                moved.append(f"frame {frame.index}: {frame.time:.2f} s, recorded {recorded:.2f} s")
            progress.update()
    if square_size(video.height, video.width, video.pixel_aspect) != (video.height, video.width):
        written.remarks.append(f"{labels.video}: its pixels are not square; images and faces are as players show them")
    written.remarks += [*video.notes, *_warnings(labels, len(seen), outside, moved, video.problem)]


def _with_square_pixels(annotation: Annotation, stored: StoredFrame) -> Annotation:
    """Return the faces in stored pixels as faces in the image stretched to square pixels, with its size."""
    height, width = stored.image.shape[:2]
    size = square_size(height, width, stored.info.pixel_aspect)
    scale = np.array([size[1] / width, size[0] / height])
    points = np.where(annotation.landmarks == -1, -1.0, annotation.landmarks * scale)
    return replace(annotation, boxes=annotation.boxes * np.tile(scale, 2), landmarks=points, size=size, identity=None)


def _frames_until(video: Video, last: int) -> Iterator[tuple]:
    for frame, image in video.frames():
        yield frame, image
        if frame.index >= last:
            return


def _is_outside(annotation: Annotation) -> np.ndarray:
    """Return (N,) bool: the boxes without a pixel in the image."""
    height, width = annotation.size
    low, high = annotation.boxes[:, :2], annotation.boxes[:, 2:]
    return (high <= 0).any(axis=1) | (low >= (width, height)).any(axis=1)


def _warnings(labels: VideoLabels, seen: int, outside: int, moved: Sequence[str], problem: str | None) -> list[str]:
    """Return what shows that the lines are of another video, or that the video is damaged."""
    missing = len(labels.frames) - seen
    signs = [
        f"it ends before {counted(missing, 'detected frame')}" if missing else "",
        f"{counted(outside, 'face')} lie outside of its frames" if outside else "",
        f"{counted(len(moved), 'frame')} have other times than recorded ({moved[0]})" if moved else "",
    ]
    signs = "; ".join(filter(None, signs))
    sentences = [f"warning: {problem}"] if problem else []
    if signs:
        sentences.append(f"warning: {labels.video}: {signs}; is {labels.lines} of another version of the video?")
    return sentences
