"""Sentences about the people of a scene, and about people of other scenes who are not there.

    python sentences.py DESCRIPTIONS OTHER_DESCRIPTIONS... > sentences.json

Files are `ground_truth/descriptions.json` of `world scene`. Of everybody the two fullest captions ask; whoever is of the same
group and wears the same (but for shoes, glasses, scarf and what a jacket hides) is right too. Somebody is not there when nobody
of the group wears the same above and below.
"""

import json
import sys

TELLING = {"top", "bottom", "backpack", "suitcase", "shoulder-bag", "hand-bag", "umbrella", "hat"}
CAPTIONS = 2


def worn(person, parts):
    items = {(item["part"], item["kind"], item["colour"]) for item in person["items"] if item["part"] in parts}
    return person["group"], frozenset(items)


def fullest(person):
    return sorted(person["captions"], key=lambda caption: (-len(caption), caption))[:CAPTIONS]


def main():
    here, *others = [json.load(open(path)) for path in sys.argv[1:]]
    sentences = [
        {"text": caption, "identities": [other["id"] for other in here if worn(other, TELLING) == worn(person, TELLING)]}
        for person in here
        for caption in fullest(person)
    ]
    seen = {worn(person, {"top", "bottom"}) for person in here}
    absent = [person for people in others for person in people if worn(person, {"top", "bottom"}) not in seen]
    sentences += [{"text": fullest(person)[0], "identities": []} for person in absent]
    print(json.dumps(sentences, indent=1))


main()
