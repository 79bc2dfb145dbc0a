"""Plots of what the images and faces of a label file are like."""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from utils.files import atomic_path

BLUE, GREY, MARK = "#3b6ea8", "#666666", "#c2542d"
MOST_SIZES = 8  # of images, which bars can show
MOST_FACES = 20  # in an image; the last bar has those with as many or more
ASPECTS = (0.25, 4.0)  # aspect ratios beyond are in the outermost bars
COLUMNS, ROWS = 3, 2


def draw_statistics(path: Path, name: str, values: Mapping[str, np.ndarray], prior_sizes: Sequence[float]) -> None:
    """Write six plots as an image, of the kind that the suffix tells.

    Args:
        path: the image.
        name: of the label file.
        values: what `tools.statistics.distributions` gives, with at least one face and one image's size.
        prior_sizes: sides of the prior boxes in pixels, marked beside the faces'.

    Raises:
        UserError: the file cannot be written.
    """
    # Here, since it takes half a second that --help and errors need not wait for; Figure has no global state.
    from matplotlib.figure import Figure

    # Places by hand, in inches: matplotlib's own layout takes longer than the rest of the drawing.
    panel_width, panel_height, left, gap_x, gap_y, bottom, header, right = 4.1, 3.1, 0.95, 0.95, 1.15, 0.65, 1.3, 0.75
    width = left + COLUMNS * panel_width + (COLUMNS - 1) * gap_x + right
    height = header + ROWS * panel_height + (ROWS - 1) * gap_y + bottom
    figure = Figure(figsize=(width, height), dpi=100)
    face_sizes = partial(_draw_face_sizes, prior_sizes=prior_sizes)
    panels = (_draw_sizes, _draw_counts, _draw_places, face_sizes, _draw_relative_sizes, _draw_aspects)
    for index, draw in enumerate(panels):
        row, column = divmod(index, COLUMNS)
        x = left + column * (panel_width + gap_x)
        y = height - header - panel_height - row * (panel_height + gap_y)
        axes = figure.add_axes((x / width, y / height, panel_width / width, panel_height / height))
        axes.set_axisbelow(True)
        axes.grid(color="#e3e3e3", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#888888")
        axes.tick_params(color="#888888", labelsize=9)
        title = draw(axes, values)
        axes.set_title(title, loc="left", pad=16, fontsize=11, fontweight="bold")
    counts, ignored = values["faces"], int(values["ignored"].sum())
    empty = int((counts + values["ignored"] == 0).sum())
    summary = f"{len(counts):,} images, {int(counts.sum()):,} faces"
    summary += f" and {ignored:,} that are ignored" if ignored else ""
    summary += f", {empty:,} images without faces"
    figure.text(left / width, 1 - 0.22 / height, name, va="top", fontsize=14, fontweight="bold", parse_math=False)
    figure.text(left / width, 1 - 0.54 / height, summary, va="top", color=GREY, fontsize=11)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks: a box stands for them
        figure.savefig(temporary)


def _draw_sizes(axes, values: Mapping[str, np.ndarray]) -> str:
    """Bars where the images have few sizes, else a circle for each size, as large as there are many of it."""
    known = ~np.isnan(values["width"])
    pairs = np.stack([values["width"][known], values["height"][known]], axis=1)
    sizes, counts = np.unique(pairs, axis=0, return_counts=True)
    if len(sizes) <= MOST_SIZES:
        order = np.argsort(counts, kind="stable")
        labels = [f"{w:.0f} x {h:.0f}" for w, h in sizes[order]]
        axes.barh(range(len(sizes)), counts[order], color=BLUE, height=0.6)
        axes.set_yticks(range(len(sizes)), labels)
        space = 0.7 + max(0, 4 - len(sizes)) / 2  # so that a few bars are no thicker than many
        axes.set_ylim(-space, len(sizes) - 1 + space)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("images")
        return "Image size in pixels"
    areas = 12 + 300 * counts / counts.max()
    axes.scatter(*sizes.T, s=areas, color=BLUE, alpha=0.45, linewidths=0)
    most = counts.argmax()
    axes.set(xlabel="width, px", ylabel="height, px")
    axes.set_xlim(0, 1.1 * sizes[:, 0].max())
    axes.set_ylim(0, 1.1 * sizes[:, 1].max())
    return f"Image size (most often {sizes[most, 0]:.0f} x {sizes[most, 1]:.0f})"


def _draw_counts(axes, values: Mapping[str, np.ndarray]) -> str:
    faces = values["faces"]
    highest = min(int(faces.max()), MOST_FACES)
    counts = np.bincount(np.minimum(faces, highest), minlength=highest + 1)
    axes.bar(range(highest + 1), counts, color=BLUE, width=0.8)
    ticks = list(range(0, highest + 1, 5 if highest > 10 else 1))
    labels = [f"{tick}+" if tick == highest < faces.max() else str(tick) for tick in ticks]
    axes.set_xticks(ticks, labels)
    axes.grid(visible=False, axis="x")
    axes.set(xlabel="faces in an image", ylabel="images")
    return f"Faces in an image (mean {faces.mean():.1f}, most {faces.max():,})"


def _draw_places(axes, values: Mapping[str, np.ndarray]) -> str:
    known = ~np.isnan(values["x"])
    counts, _, _ = np.histogram2d(values["y"][known], values["x"][known], bins=(18, 32), range=((0, 1), (0, 1)))
    axes.grid(visible=False)
    image = axes.imshow(counts, extent=(0, 100, 100, 0), aspect="auto", cmap="YlGnBu", vmin=0)
    bar = axes.inset_axes((1.02, 0, 0.03, 1))
    axes.figure.colorbar(image, cax=bar)
    bar.tick_params(labelsize=8, color="#888888")
    bar.spines[:].set_visible(False)
    bar.set_title("faces", fontsize=8, color=GREY)
    axes.set(xlabel="centre, % of the width", ylabel="centre, % of the height")
    return "Where faces are"


def _draw_face_sizes(axes, values: Mapping[str, np.ndarray], prior_sizes: Sequence[float]) -> str:
    sizes = values["size"]
    _draw_log_histogram(axes, sizes, sorted([*prior_sizes, sizes.min(), sizes.max()]))
    axes.set(xlabel="square root of the area, px in the image as it is; dashed: prior boxes", ylabel="faces")
    place = axes.get_xaxis_transform()
    for size in prior_sizes:
        axes.axvline(size, color=MARK, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(size, 1, f"{size:g}", transform=place, color=MARK, fontsize=8, ha="center", va="bottom")
    return f"Face size (median {np.median(sizes):.3g} px)"


def _draw_relative_sizes(axes, values: Mapping[str, np.ndarray]) -> str:
    sizes = 100 * values["relative_size"][~np.isnan(values["relative_size"])]
    _draw_log_histogram(axes, sizes, [sizes.min(), sizes.max()])
    axes.set(xlabel="size, % of the image's short side", ylabel="faces")
    return f"Face size in the image (median {np.median(sizes):.3g} %)"


def _draw_log_histogram(axes, values: np.ndarray, extent: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = extent[0] / 1.1, extent[-1] * 1.1
    axes.set_xscale("log")
    axes.hist(values, np.geomspace(low, high, 41), color=BLUE, rwidth=0.9)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5) if high / low < 500 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(visible=False, axis="x")


def _draw_aspects(axes, values: Mapping[str, np.ndarray]) -> str:
    from matplotlib.ticker import NullLocator

    aspects = values["aspect"]
    axes.set_xscale("log")
    axes.hist(aspects.clip(*ASPECTS), np.geomspace(*ASPECTS, 41), color=BLUE, rwidth=0.9)
    ticks = (0.25, 0.5, 0.75, 1, 1.5, 2, 4)
    axes.set_xticks(ticks, ["≤ ¼", "½", "¾", "1", "1½", "2", "≥ 4"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(visible=False, axis="x")
    axes.set(xlabel="width / height", ylabel="faces")
    return f"Shape of a face (median {np.median(aspects):.2f})"
