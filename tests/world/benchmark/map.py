#!/usr/bin/env python3
"""Prints the [map] of a filmed scene: map.py DIR/ground_truth/calibration.json >> SCENE.config.toml

The world's calibration maps the ground (metres) to pixels; a configuration wants shares of the picture to metres.
"""
import json
import sys


def inverse(m):
    (a, b, c), (d, e, f), (g, h, i) = m
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    cofactors = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    return [[value / det for value in row] for row in cofactors]


for camera in json.load(open(sys.argv[1])):
    width, height = camera["width"], camera["height"]
    x, y, w = camera["homography_matrix"]
    ground = inverse([[v / width for v in x], [v / height for v in y], w])
    largest = max(abs(value) for row in ground for value in row)
    rows = ", ".join("[" + ", ".join(f"{v / largest:.9f}" for v in row) + "]" for row in ground)
    print(f"\n[map.cameras.{camera['id']}]\nhomography = [{rows}]")
