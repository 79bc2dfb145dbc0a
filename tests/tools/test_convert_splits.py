"""Assignment of images to splits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.convert.splitting import find_prefixes, split_by_lists, split_by_ratio
from utils.errors import UserError

RATIOS = {"train": 0.7, "val": 0.1, "test": 0.2}
names = st.sets(
    st.builds("{}{:03d}.jpg".format, st.sampled_from(["a/p1_", "a/p2_", "news", "ニュース"]), st.integers(0, 200)),
    min_size=12,
    max_size=80,
)


@given(names, st.integers(0, 5), st.randoms())
def test_ratios_are_met_in_any_order_of_the_names(names, seed, random):
    splits = split_by_ratio(names, RATIOS, seed)
    assert splits.keys() == names
    shuffled = sorted(names)
    random.shuffle(shuffled)
    assert split_by_ratio(shuffled, RATIOS, seed) == splits
    for split, ratio in RATIOS.items():
        assert abs(list(splits.values()).count(split) - ratio * len(names)) <= 1


@settings(max_examples=50)
@given(st.lists(st.integers(3, 9), min_size=9, max_size=26), st.integers(0, 5))
def test_groups_stay_together_and_shares_are_nearly_met(sizes, seed):
    names = [f"programme{group:c}_{frame}.jpg" for group, size in enumerate(sizes, 97) for frame in range(size)]
    ratios = {"train": 0.5, "val": 0.25, "test": 0.25}
    splits = split_by_ratio(names, ratios, seed, find_prefixes(names, None))
    of_groups = {}
    for name, split in splits.items():
        of_groups.setdefault(name.split("_")[0], set()).add(split)
    assert len(of_groups) == len(sizes)
    assert all(len(found) == 1 for found in of_groups.values())
    for split, ratio in ratios.items():
        assert abs(list(splits.values()).count(split) - ratio * len(names)) <= max(sizes)


def test_another_seed_gives_another_split():
    names = [f"{i}.jpg" for i in range(40)]
    assert split_by_ratio(names, RATIOS, 0) != split_by_ratio(names, RATIOS, 1)


def test_a_seed_gives_the_same_split_on_every_machine():
    splits = split_by_ratio([f"{i}.jpg" for i in range(10)], {"train": 0.8, "val": 0.2}, seed=0)
    assert [name for name, split in splits.items() if split == "val"] == ["1.jpg", "6.jpg"]


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("news_000123.jpg", "news_"),
        ("ch4/news12_000123.png", "ch4/news12_"),
        ("ch4/intro.jpg", "ch4/intro"),
        ("show3/000001.jpg", "show3/"),
        ("show3-0001-left.jpg", "show3-"),
        ("プログラム_0001", "プログラム_"),
        ("news_00-01-23.jpg", "news_"),
        ("news_00:01:23.jpg", "news_"),
        ("news 00h01m23s.jpg", "news "),
        ("news-12m34s567ms.png", "news-"),
        ("news_0001_1920x1080.jpg", "news_"),
        ("news_1920x1080_0001.jpg", "news_1920x1080_"),
        ("news_0001 - コピー.jpg", "news_"),
        ("news_2024-01-02_000123.jpg", "news_2024-01-02_"),
        ("news_00_01_23.jpg", "news_"),
        ("news_00-01-23.456-left.jpg", "news_"),
        ("news_1-05.jpg", "news_"),
        ("1920x1080.jpg", "1920x"),
        ("news_0001 (1).jpg", "news_"),
        ("news_0001 copy.jpg", "news_"),
        ("news_0001 - Copy (2).jpg", "news_"),
        ("news_00-01-23_640x360 (1).jpg", "news_"),
        ("frame_1.5s.jpg", "frame_"),
        ("vlcsnap-2024-01-02-12h34m56s789.png", "vlcsnap-"),
        ("0001.jpg", ""),
        ("00-01-23.jpg", ""),
        ("news/0001.jpg", "news/"),
        ("news/00-01-23 (1).jpg", "news/"),
        ("s01e02/0001.jpg", "s01e02/"),
        ("s01e02_0001.jpg", "s01e02_"),
        ("s01e02_00-01-23.jpg", "s01e02_"),
        ("news2_0001.jpg", "news2_"),
        ("news-7-0001.jpg", "news-7-"),
        ("news_7_0001.jpg", "news_7_"),
        ("1080p_0001.jpg", "1080p_"),
        ("copy.jpg", "copy"),
        ("mms_0001.jpg", "mms_"),
    ],
)
def test_the_prefix_ends_before_number_time_size_and_copy(name, prefix):
    assert find_prefixes([name], None) == {name: prefix}


@given(
    st.sampled_from(["news_", "ch4/s01e02_", "番組-", "a b ", ""]),
    st.sampled_from(
        ["{:02}-{:02}", "00-{:02}-{:02}", "{:02}h{:02}m", "0:{:02}:{:02}.5", "{:02}m{:02}s250ms", "{}.{:02}s"]
    ),
    st.sampled_from(["", "_1920x1080", " (1)", " copy", " - Copy (2)", "_640x360 (3)"]),
)
def test_frames_at_all_times_have_one_prefix(programme, stamp, ending):
    names = [f"{programme}{stamp.format(minute, second)}{ending}.jpg" for minute in (0, 7, 59) for second in (0, 9, 58)]
    assert set(find_prefixes(names, None).values()) == {programme}


PROGRAMMES = ["news-11", "news-12", "cam_01_05", "cam_02_05", "S01E02", "S01E03", "2024-01-02", "ch4/7", "番組2"]
NUMBERINGS = {
    "unpadded": ["-{}", range(5, 104)],
    "unpadded, behind another sign": ["_{}", range(5, 104)],
    "padded to two digits": ["_{:02}", range(5, 104)],
    "padded": ["_{:06}", range(5, 104)],
    "with their size": ["_{:04}_1920x1080", range(5, 104)],
    "copied": ["-{} (1)", range(5, 104)],
    "minutes and seconds": ["_{0[1]:02}-{0[2]:02}", range(0, 600)],
    "more minutes than 99": ["_{0[3]:02}-{0[2]:02}", range(5900, 6100)],
    "hours, minutes and seconds": ["-{0[0]:02}-{0[1]:02}-{0[2]:02}", range(3400, 4000)],
    "the same with a fraction": ["_{0[0]:02}-{0[1]:02}-{0[2]:02}.5", range(3400, 4000)],
    "the same with milliseconds": ["-{0[0]:02}-{0[1]:02}-{0[2]:02}-789", range(3400, 4000)],
    "the same with colons": ["_{0[0]}:{0[1]:02}:{0[2]:02}", range(35_900, 36_100)],
    "date and time": ["-2024-01-02-{0[0]:02}-{0[1]:02}-{0[2]:02}", range(3400, 4000)],
    "as VLC does": ["-2024-01-02-{0[0]}h{0[1]:02}m{0[2]:02}s789", range(35_900, 36_100)],
    "seconds": ["_{}.5s", range(5, 104)],
    "minutes and seconds with units": ["-{0[1]}m{0[2]}s", range(500, 700)],
}


def numbered(programme: str, numbering: str) -> list[str]:
    """The names of a programme's frames."""
    pattern, frames = NUMBERINGS[numbering]
    as_times = "{0[" in pattern
    times = [(i // 3600, i // 60 % 60, i % 60, i // 60) for i in frames]
    return [f"{programme}{pattern.format(frame)}.jpg" for frame in (times if as_times else frames)]


@pytest.mark.parametrize("numbering", NUMBERINGS)
@settings(max_examples=25, deadline=None)
@given(st.sets(st.sampled_from(PROGRAMMES) | st.text("abS12790-_:. ", min_size=1, max_size=8), min_size=1, max_size=4))
def test_all_frames_of_a_programme_are_in_one_group(numbering, programmes):
    frames = {programme: numbered(programme, numbering) for programme in programmes}
    prefixes = find_prefixes([name for names in frames.values() for name in names], None)
    for names in frames.values():
        assert len({prefixes[name] for name in names}) == 1


@pytest.mark.parametrize(
    ("programmes", "numbering", "expected"),
    [
        ([f"news-{i}" for i in (11, 12, 13, 14)], "unpadded", ["news-11-", "news-12-", "news-13-", "news-14-"]),
        (["cam_01_05", "cam_02_05"], "unpadded, behind another sign", ["cam_01_05_", "cam_02_05_"]),
        (["cam_01_05", "cam_02_05"], "padded to two digits", ["cam_01_05_", "cam_02_05_"]),
        (["S01E02", "S01E03"], "padded", ["S01E02_", "S01E03_"]),
        (["news", "quiz"], "minutes and seconds", ["news_", "quiz_"]),
        (["a7-77"], "hours, minutes and seconds", ["a7-"]),  # which may be 77 hours
    ],
)
def test_programmes_have_their_own_prefixes(programmes, numbering, expected):
    names = [name for programme in programmes for name in numbered(programme, numbering)]
    assert sorted(set(find_prefixes(names, None).values())) == expected


def test_a_regular_expression_chooses_the_prefix():
    assert find_prefixes(["nhk_news_01.jpg"], r"[^_]+") == {"nhk_news_01.jpg": "nhk"}
    assert find_prefixes(["nhk_news_01.jpg"], r"[^_]+_([^_]+)") == {"nhk_news_01.jpg": "news"}
    with pytest.raises(UserError, match=r"--by_prefix \(: invalid regular expression"):
        find_prefixes([], "(")
    with pytest.raises(UserError, match=r"--by_prefix \\d\+: does not match 'a\.jpg'"):
        find_prefixes(["a.jpg"], r"\d+")


@pytest.mark.parametrize(
    ("ratios", "count", "problem"),
    [
        ({"train": 0.8, "val": 0.1}, 10, "add up to 1"),
        ({"train": 1.5, "val": -0.5}, 10, "add up to 1"),
        ({"train": float("nan"), "val": 0.5}, 10, "add up to 1"),
        ({"train": 0.98, "val": 0.02}, 3, "--split val=0.02: gets none of the 3 images; give it a larger share"),
    ],
)
def test_invalid_ratios_are_refused(ratios, count, problem):
    with pytest.raises(UserError, match=problem):
        split_by_ratio([f"{i}.jpg" for i in range(count)], ratios, 0)


def test_one_programme_cannot_be_split():
    names = [f"{i}.jpg" for i in range(9)]
    with pytest.raises(
        UserError,
        match=r"none of the 9 images; --by_prefix finds 1 group, for example ''; omit it",
    ):
        split_by_ratio(names, RATIOS, 0, find_prefixes(names, None))


@given(st.data(), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]), st.booleans())
def test_lists_name_images_with_or_without_their_suffix(tmp_path_factory, data, end, mark, unfinished):
    names = [f"番組/{i}.jpg" for i in range(6)]
    where = [data.draw(st.sampled_from(["train", "val", "test"])) for _ in names]
    folder = tmp_path_factory.mktemp("lists")
    lists = {}
    for split in ("val", "test"):
        chosen = [name.removesuffix(".jpg" * bool(i % 2)) for i, name in enumerate(names) if where[i] == split]
        text = mark + end.join(chosen) + end * (not unfinished)
        lists[split] = folder / f"{split}.txt"
        lists[split].write_bytes(text.encode())
    assert list(split_by_lists(names, lists, "train").values()) == where


def test_bad_lists_are_reported_with_their_line(tmp_path):
    val, test = tmp_path / "val.txt", tmp_path / "test.txt"
    val.write_text("a.jpg\n\nb.jpg\n")
    test.write_text("c.jpg\nb\n")
    with pytest.raises(UserError, match=r"test\.txt:2: found 'b', which is already listed at .*val\.txt:3;"):
        split_by_lists(["a.jpg", "b.jpg", "c.jpg"], {"val": val, "test": test}, "train")
    with pytest.raises(UserError, match=r"val\.txt:3: found 'b\.jpg'; expected the name of an image of the source"):
        split_by_lists(["a.jpg"], {"val": val}, "train")


def test_sizes_do_not_depend_on_the_seed():
    names = [f"{i}.jpg" for i in range(22_811)]
    counts = {
        tuple(np.unique(list(split_by_ratio(names, RATIOS, seed).values()), return_counts=True)[1]) for seed in range(2)
    }
    assert counts == {(4562, 15968, 2281)}
