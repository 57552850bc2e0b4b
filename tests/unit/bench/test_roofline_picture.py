"""The roofline as a picture: valid, inert, every network in its place."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree as ET

from nas.bench.picture import HEIGHT, WIDTH, picture
from nas.bench.result import Bench
from nas.drawing import led_labels

SVG = "{http://www.w3.org/2000/svg}"


def circles(bench: Bench) -> dict[str, tuple[float, float, str]]:
    """Title -> place and filling of each network's points."""
    found = {}
    for circle in ET.fromstring(picture(bench)).iter(f"{SVG}circle"):
        if title := circle.findtext(f"{SVG}title"):
            found[title.split(":")[0]] = (float(circle.get("cx", "nan")), float(circle.get("cy", "nan")), circle.get("fill", ""))
    return found


def words(bench: Bench) -> str:
    return " ".join(ET.fromstring(picture(bench)).itertext())


def test_each_network_is_hollow_at_the_first_batch_and_filled_at_its_best(bench: Bench) -> None:
    found = circles(bench)
    assert set(found) == {"small, batch 1", "small, batch 4", "large, batch 1"}  # large is best at batch 1: one point
    assert found["small, batch 1"][2] == "#ffffff"
    assert found["small, batch 4"][2] == found["large, batch 1"][2] != "#ffffff"


def test_more_operations_a_byte_lie_to_the_right_and_more_a_second_further_up(bench: Bench) -> None:
    found = circles(bench)
    assert found["small, batch 1"][0] < found["large, batch 1"][0] < found["small, batch 4"][0]  # 31, 37, 50
    assert found["small, batch 1"][1] > found["small, batch 4"][1]  # 50 against 100 GFLOP/s
    for across, up, _ in found.values():
        assert 0 < across < WIDTH
        assert 0 < up < HEIGHT


def test_roofs_axes_and_device_are_named_with_their_figures(bench: Bench) -> None:
    told = words(bench)
    assert "a CPU, eager, float32, 2 threads" in told
    assert "matrix product: 200 GFLOP/s" in told
    assert "copy: 10 GB/s" in told
    assert "intensity: FLOP a byte" in told
    assert "FLOP a second" in told


def test_a_point_tells_its_network_batch_time_and_figures(bench: Bench) -> None:
    assert "small, batch 4: 10 ms, 49.88 FLOP/B, 100 GFLOP/s" in words(bench)


def test_a_network_s_name_stays_text(bench: Bench) -> None:
    bench.rows[0] = dataclasses.replace(bench.rows[0], network='<script>"&\x1b')
    assert '<script>"&' in words(bench)


def test_without_roofs_or_networks_that_is_said(bench: Bench) -> None:
    assert "no roofs were measured" in words(dataclasses.replace(bench, roofs=None))
    assert "no network was measured" in words(dataclasses.replace(bench, rows=bench.rows[2:]))


def test_labels_cover_neither_points_nor_each_other_nor_the_edge() -> None:
    points = [(100.0 + 3 * step, 100.0 + 2 * step) for step in range(8)]
    labels = [label for label in led_labels(["some_network"] * 8, points, (0, 0, 400, 300)) if label]
    assert len(labels) == 8
    assert any(label.leader for label in labels)
    boxes = []
    for label in labels:
        width = 0.5 * 10 * len(label.text)
        left = label.x - width * {"start": 0, "middle": 0.5, "end": 1}[label.anchor]
        boxes.append((left, label.base - 8, left + width, label.base))
    for place, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert top >= 0
        assert not any(left <= x <= right and top <= y <= bottom for x, y in points)
        for other in boxes[place + 1:]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_a_label_without_a_place_is_left_out() -> None:
    assert list(led_labels(["much_too_long_a_name"], [(5.0, 5.0)], (0, 0, 10, 10))) == [None]
