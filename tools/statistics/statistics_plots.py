"""Plots of the distributions of a dataset's images and faces."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tools.statistics.measures import count_line
from utils.files import atomic_path
from utils.wording import printable

SUFFIXES = (".png", ".jpg", ".jpeg", ".pdf", ".svg")
MOST_SIZES = 8  # image sizes that are drawn as bars; more are drawn as circles
MOST_FACES = 20  # the last bar counts the images with as many faces or more
ASPECTS = (0.25, 4.0)  # the outermost bars include all aspect ratios beyond
LONGEST_TITLE = 4096
BLUE, GRAY, RED = "#3b6ea8", "#666666", "#c2542d"
STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 16,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "grid.color": "#e3e3e3",
    "xtick.color": "#888888",
    "xtick.labelcolor": "black",
    "xtick.labelsize": 9,
    "ytick.color": "#888888",
    "ytick.labelcolor": "black",
    "ytick.labelsize": 9,
}


def draw_statistics(path: Path, title: str, values: Mapping[str, np.ndarray], cfg: Mapping) -> None:
    """Write six plots as one image, in the format of the suffix.

    Args:
        path: the image, with one of SUFFIXES.
        title: the name of the dataset.
        values: of `measures.distributions`, with at least one face in an image of known size.
        cfg: of the network; its prior box sizes are marked.

    Raises:
        UserError: the file cannot be written.
    """
    # Imported here since it takes half a second, which --help and errors need not wait for.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE), atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks; a box stands for them
        figure = Figure(figsize=(15.9, 9.3), dpi=100)
        ((sizes, counts, places), (face_sizes, relative_sizes, aspects)) = figure.subplots(2, 3)
        # Fixed margins: matplotlib's automatic layout takes longer than all drawing.
        figure.subplots_adjust(left=0.06, right=0.953, bottom=0.07, top=0.86, wspace=0.232, hspace=0.371)
        _draw_image_sizes(sizes, values)
        _draw_face_counts(counts, values["faces"])
        _draw_places(places, values)
        _draw_face_sizes(face_sizes, values["size"], [size for pair in cfg["min_sizes"] for size in pair])
        _draw_relative_sizes(relative_sizes, values["relative_size"])
        _draw_aspects(aspects, values["aspect"])
        words = printable(title, LONGEST_TITLE)
        figure.text(0.06, 0.976, words, va="top", fontsize=14, fontweight="bold", parse_math=False)
        figure.text(0.06, 0.942, count_line(values), va="top", fontsize=11, color=GRAY)
        figure.savefig(temporary)


def _draw_image_sizes(axes, values: Mapping[str, np.ndarray]) -> None:
    """Draw a bar for each image size, or, if there are many, a circle with an area that grows with the count."""
    known = np.isfinite(values["width"])
    pairs = np.stack([values["width"][known], values["height"][known]], axis=1)
    sizes, counts = np.unique(pairs, axis=0, return_counts=True)
    if len(sizes) <= MOST_SIZES:
        order = np.argsort(counts, kind="stable")
        axes.barh([f"{width:.0f} x {height:.0f}" for width, height in sizes[order]], counts[order], 0.6, color=BLUE)
        space = 0.7 + max(0, 4 - len(sizes)) / 2  # keeps few bars as thin as many
        axes.set_ylim(-space, len(sizes) - 1 + space)
        axes.grid(visible=False, axis="y")
        axes.set(title="Image size in pixels", xlabel="images")
    else:
        axes.scatter(*sizes.T, 12 + 300 * counts / counts.max(), color=BLUE, alpha=0.45, linewidths=0)
        width, height = sizes[counts.argmax()]
        axes.set(title=f"Image size (most frequent: {width:.0f} x {height:.0f})", xlabel="width, px",
                 ylabel="height, px", xlim=(0, 1.1 * sizes[:, 0].max()), ylim=(0, 1.1 * sizes[:, 1].max()))  # fmt: skip


def _draw_face_counts(axes, faces: np.ndarray) -> None:
    highest = min(int(faces.max()), MOST_FACES)
    axes.bar(range(highest + 1), np.bincount(np.minimum(faces, highest), minlength=highest + 1), color=BLUE)
    ticks = range(0, highest + 1, 5 if highest > 10 else 1)
    axes.set_xticks(ticks, [f"{tick}+" if tick == highest < faces.max() else str(tick) for tick in ticks])
    axes.grid(visible=False, axis="x")
    title = f"Faces per image (mean {faces.mean():.1f}, max {faces.max():,})"
    axes.set(title=title, xlabel="faces per image", ylabel="images")


def _draw_places(axes, values: Mapping[str, np.ndarray]) -> None:
    known = np.isfinite(values["x"])
    counts, _, _ = np.histogram2d(values["y"][known], values["x"][known], bins=(18, 32), range=((0, 1), (0, 1)))
    axes.grid(visible=False)
    image = axes.imshow(counts, extent=(0, 100, 100, 0), aspect="auto", cmap="YlGnBu", vmin=0)
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.02, 0, 0.03, 1)))
    bar.outline.set_visible(False)
    bar.ax.text(0, 1.03, "faces", transform=bar.ax.transAxes, fontsize=8, color=GRAY)
    axes.set(title="Face centers", xlabel="x, % of the width", ylabel="y, % of the height")


def _draw_face_sizes(axes, sizes: np.ndarray, prior_sizes: Sequence[float]) -> None:
    _draw_log_histogram(axes, sizes, min(sizes.min(), *prior_sizes) / 1.1, 1.1 * max(sizes.max(), *prior_sizes))
    for size in prior_sizes:
        axes.axvline(size, color=RED, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(size, 1, f"{size:g}", transform=axes.get_xaxis_transform(), color=RED, fontsize=8, ha="center",
                  va="bottom")  # fmt: skip
    title = f"Face size (median {np.median(sizes):.3g} px)"
    axes.set(title=title, xlabel="square root of the area, px; dashed: prior boxes", ylabel="faces")


def _draw_relative_sizes(axes, relative_sizes: np.ndarray) -> None:
    sizes = 100 * relative_sizes[np.isfinite(relative_sizes)]
    _draw_log_histogram(axes, sizes, sizes.min() / 1.1, 1.1 * sizes.max())
    title = f"Relative face size (median {np.median(sizes):.3g} %)"
    axes.set(title=title, xlabel="size, % of the image's short side", ylabel="faces")


def _draw_aspects(axes, aspects: np.ndarray) -> None:
    _draw_log_histogram(axes, aspects.clip(*ASPECTS), *ASPECTS)
    axes.set_xticks((0.25, 0.5, 0.75, 1, 1.5, 2, 4), ["≤ ¼", "½", "¾", "1", "1½", "2", "≥ 4"])
    axes.set(title=f"Face shape (median {np.median(aspects):.2f})", xlabel="width / height", ylabel="faces")


def _draw_log_histogram(axes, values: np.ndarray, low: float, high: float) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.hist(values, np.geomspace(low, high, 41), color=BLUE, rwidth=0.9)
    axes.set(xscale="log", xlim=(low, high))
    axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5) if high / low < 500 else (1,)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(visible=False, axis="x")
