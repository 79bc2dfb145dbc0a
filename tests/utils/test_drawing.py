"""Boxes, landmarks, and sheets of images."""

import numpy as np

from utils.drawing import BOX_COLOR, IGNORED_COLOR, SHEET_COLOR, draw_boxes, tile


def test_boxes_are_drawn_on_a_copy():
    image = np.full((100, 100, 3), 90, np.uint8)
    boxes = np.array([[10, 10, 50, 60], [60.2, 20, 130, 40]], np.float32)  # the second leaves the image
    landmarks = np.array([[[20, 25], [40, 25], [30, 35], [22, 50], [38, 50]], [[-1, -1]] * 5], np.float32)
    drawn = draw_boxes(image, boxes, landmarks, np.array([True, False]))
    assert (image == 90).all()
    for x in (10, 60):
        np.testing.assert_allclose(drawn[30, x], BOX_COLOR, atol=16)  # smoothed edges
    dots = [tuple(drawn[int(y), int(x)].tolist()) for x, y in landmarks[0]]
    assert len(set(dots)) == 5
    assert (90, 90, 90) not in dots
    assert (drawn[0, 0] == 90).all()  # no dot for the face without landmarks
    assert (draw_boxes(image, boxes[:0], landmarks[:0]) == image).all()


def test_each_box_can_have_its_color():
    boxes = np.array([[10, 10, 50, 60], [60, 20, 90, 40]], np.float32)
    drawn = draw_boxes(np.full((100, 100, 3), 90, np.uint8), boxes, colors=[BOX_COLOR, IGNORED_COLOR])
    for (x, y), color in (((10, 30), BOX_COLOR), ((60, 30), IGNORED_COLOR)):
        np.testing.assert_allclose(drawn[y, x], color, atol=16)


def test_tile_scales_each_image_into_its_cell():
    wide, tall = np.full((20, 80, 3), 10, np.uint8), np.full((300, 100, 3), 20, np.uint8)
    sheet = tile([wide, tall, wide], 2, 40)
    assert sheet.shape == (80, 80, 3)
    for top, left, value, size in ((0, 0, 10, 40 * 10), (0, 40, 20, 40 * 13), (40, 0, 10, 40 * 10)):
        assert (sheet[top : top + 40, left : left + 40] == value).all(axis=2).sum() == size
    assert (sheet[40:, 40:] == SHEET_COLOR).all()
