"""CLIP's byte pairs: sentences to token ids, each with its two markers, cut at the model's context."""

from __future__ import annotations

import functools
import gzip
import unicodedata
from importlib.util import find_spec
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

# 256 bytes, the same at a word's end, then the merges; two markers come last.
MERGES = 49152 - 256 - 2
PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


# What CLIP's own code puts in the place of single characters before it splits a text (ftfy's repairs): no control
# characters, plain quotes, separate letters for ligatures, characters of common width.
CONTROLS = [*range(9), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFD)]
LIGATURES = "Ĳij ĳij ŉ'n Ǆdž ǅdž ǆdž Ǉlj ǈlj ǉlj Ǌnj ǋnj ǌnj Ǳdz ǲdz ǳdz ﬀff ﬁfi ﬂfl ﬃffi ﬄffl ﬅſt ﬆst"
REPLACED: dict[int, str | None] = {
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF01, 0xFFF0)},
    **dict.fromkeys(CONTROLS),
    **{ord(pair[0]): pair[1:] for pair in LIGATURES.split()},
    **dict.fromkeys([0x2BC, *range(0x2018, 0x201C)], "'"),
    **dict.fromkeys(range(0x201C, 0x2020), '"'),
    0x3000: " ",
}


def cleaned(text: str) -> str:
    """Text as CLIP's own code splits it; what was decoded wrongly on its way here, and HTML, stay as they are."""
    return unicodedata.normalize("NFC", text.translate(REPLACED)).lower()


def merges() -> list[str]:
    """OpenAI's merges, best first, a pair a line, as the PyPI package open_clip_torch (MIT) carries them; nothing of it is run."""
    found = find_spec("open_clip")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("open_clip_torch is missing: `make training` installs it")
    with gzip.open(Path(found.origin).with_name("bpe_simple_vocab_16e6.txt.gz"), "rt", encoding="utf-8") as lines:
        return lines.read().split("\n")[1 : MERGES + 1]


def bytes_as_letters() -> list[str]:
    """The letter that stands for each byte, in the order of the vocabulary: those that print first."""
    printed = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in printed] + [chr(256 + number) for number in range(256 - len(printed))]


@functools.cache
def clip_tokenizer(vocabulary: int = 49408) -> Tokenizer:
    """The tokenizer without markers; a small vocabulary has the best merges only."""
    letters = bytes_as_letters()
    pairs = [tuple(line.split()) for line in merges()[: vocabulary - 512 - 2]]
    words = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in pairs]
    numbers = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(numbers, pairs, continuing_subword_prefix="", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def clip_ids(texts: list[str], context: int = 77, vocabulary: int = 49408) -> torch.Tensor:
    """Token ids N x longest, markers included, 0 after each end."""
    rows = []
    for encoding in clip_tokenizer(vocabulary).encode_batch([cleaned(text) for text in texts], add_special_tokens=False):
        rows.append([vocabulary - 2, *encoding.ids[: context - 2], vocabulary - 1])
    table = torch.zeros(len(rows), max(len(row) for row in rows), dtype=torch.long)
    for number, row in enumerate(rows):
        table[number, : len(row)] = torch.tensor(row)
    return table
