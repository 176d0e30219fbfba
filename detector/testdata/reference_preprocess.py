"""Reference input tensors for `src/preprocess.rs`, by Pillow and numpy: no code is shared with the crate.

Pictures are drawn by a formula that the test repeats, so no pixels are committed.

    pip install numpy pillow
    python detector/testdata/reference_preprocess.py > detector/tests/golden/preprocess.json
"""

import json

import numpy as np
from PIL import Image


def plane(width, height, seed):
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    wave = (x * 3 + y * 2 + seed * 31) % 256
    detail = (x * y + seed) % 29 * 3
    squares = ((x // 8) ^ (y // 8)) * 11
    return ((wave + detail + squares) % 256).astype(np.uint8)


def resize(channel, box, size):
    """Antialiased triangle filter on floating-point pixels, so that nothing is rounded on the way."""
    picture = Image.fromarray(channel.astype(np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box)).astype(np.float64)


def to_rgb(y, u, v, matrix, is_full_range):
    kr, kb = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}[matrix]
    if is_full_range:
        y, u, v = y / 255, (u - 128) / 255, (v - 128) / 255
    else:
        y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue]) * 255, 0, 255)


def content_of(width, height, side, mode):
    if mode == "stretch":
        return 0, 0, side, side
    ratio = min(side / width, side / height)
    w, h = max(1, int(width * ratio + 1e-6)), max(1, int(height * ratio + 1e-6))
    return (0, 0, w, h) if mode == "letterbox-top-left" else ((side - w) // 2, (side - h) // 2, w, h)


def case(name, form, width, height, matrix, is_full_range, region, side, mode, colors):
    x, y, w, h = region
    left, top, cw, ch = content_of(w, h, side, mode)
    full, half = (x, y, x + w, y + h), (x / 2, y / 2, (x + w) / 2, (y + h) / 2)
    if form == "rgb":
        rgb = np.stack([resize(plane(width, height, s), full, (cw, ch)) for s in (1, 2, 3)])
    else:
        luma = resize(plane(width, height, 1), full, (cw, ch))
        blue, red = (resize(plane((width + 1) // 2, (height + 1) // 2, s), half, (cw, ch)) for s in (2, 3))
        rgb = to_rgb(luma, blue, red, matrix, is_full_range)
    tensor = np.full((3, side, side), 114.0)
    tensor[:, top : top + ch, left : left + cw] = rgb
    if colors == "bgr":
        tensor = tensor[::-1]
    return {
        "name": name, "form": form, "width": width, "height": height, "matrix": matrix,
        "is_full_range": is_full_range, "region": region, "side": side, "resize": mode, "colors": colors,
        # Codes, before normalisation, to a tenth.
        "codes": [round(float(v), 1) for v in tensor.ravel()],
    }


def main():
    whole = lambda w, h: [0, 0, w, h]
    print(json.dumps([
        case("odd size", "i420", 61, 47, "bt601", False, whole(61, 47), 20, "stretch", "bgr"),
        case("portrait", "nv12", 54, 96, "bt709", False, whole(54, 96), 24, "letterbox-center", "rgb"),
        case("landscape, full range", "i420", 128, 72, "bt709", True, whole(128, 72), 24, "letterbox-top-left", "bgr"),
        case("odd tile", "nv12", 131, 77, "bt601", True, [33, 21, 60, 41], 20, "stretch", "rgb"),
        case("rgb", "rgb", 67, 33, "bt601", True, whole(67, 33), 20, "letterbox-center", "bgr"),
        case("smaller than the input", "i420", 9, 7, "bt601", False, whole(9, 7), 20, "letterbox-top-left", "rgb"),
        case("4k", "nv12", 3840, 2160, "bt709", False, whole(3840, 2160), 16, "letterbox-top-left", "rgb"),
    ], separators=(",", ":")))


main()
