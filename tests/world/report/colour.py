"""Is what is called red red? The median colour of tops and bottoms of one colour, by the part map, against the word that the captions use.
Usage: colour.py FOLDER   (made with `world crops --parts`)"""
import collections, json, pathlib, sys
import cv2, numpy as np

# Basic words with cloth colours of their own, chosen here and not taken from the generator: CSS-like anchors.
ANCHORS = {
    "black": [(25, 25, 28)], "white": [(232, 232, 228)], "grey": [(75, 76, 78), (125, 126, 128), (175, 176, 178)],
    "blue": [(28, 38, 84), (40, 80, 165), (128, 170, 214), (66, 88, 124), (122, 146, 178)], "teal": [(20, 120, 126)],
    "red": [(172, 32, 36), (98, 24, 34)], "pink": [(228, 128, 164)], "orange": [(226, 116, 30)], "yellow": [(222, 186, 52)],
    "green": [(46, 112, 58), (34, 60, 42), (92, 92, 54)], "purple": [(112, 48, 130)], "brown": [(92, 62, 42)], "beige": [(190, 168, 132), (142, 124, 88)],
}
BASIC = {"dark-grey": "grey", "light-grey": "grey", "navy": "blue", "light-blue": "blue", "denim": "blue", "light-denim": "blue", "dark-red": "red",
         "dark-green": "green", "olive": "green", "khaki": "beige"}
PART = {"top": 3, "bottom": 5}  # grey levels of the part map


def lab(rgb):
    return cv2.cvtColor(np.float32([[rgb]]) / 255, cv2.COLOR_RGB2LAB)[0, 0]


def main(folder):
    folder = pathlib.Path(folder)
    names = [(w, lab(c)) for w, cs in ANCHORS.items() for c in cs]
    told, kept, miss = collections.defaultdict(list), [], collections.Counter()
    for e in json.loads((folder / "captions.json").read_text()):
        rgb = cv2.imread(str(folder / e["file_path"]))[:, :, ::-1]
        parts = cv2.imread(str(folder / e["file_path"].replace(".jpg", "_parts.png")), 0)
        for c in e["clauses"]:
            if c["part"] not in PART or c.get("second") or c["sight"] != "clear":
                continue
            m = parts == PART[c["part"]]
            if m.sum() < 60:
                continue
            seen = lab(np.median(rgb[m], 0))
            word = min(names, key=lambda n: (((seen - n[1]) * [0.5, 1, 1]) ** 2).sum())[0]
            own = BASIC.get(c["colour"], c["colour"])
            told[e["weather"]].append(word == own)
            if c["is_colour_true"]:
                kept.append(word == own)
            if word != own:
                miss[(own, word)] += 1
    print({k: (round(float(np.mean(v)), 3), len(v)) for k, v in told.items()})
    everything = [x for v in told.values() for x in v]
    print("all", round(float(np.mean(everything)), 3), len(everything), "those that captions may name", round(float(np.mean(kept)), 3), len(kept))
    print("misses", miss.most_common(10))


if __name__ == "__main__":
    main(sys.argv[1])
