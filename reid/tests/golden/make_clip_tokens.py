"""Makes clip_tokens.json: ids of the 1,000 texts of tokens.json by CLIP's own code, as open_clip_torch 3.3.0 carries it, cut at 77.

    pip install open_clip_torch ftfy regex torch && python make_clip_tokens.py

merges.txt beside it is that package's vocabulary, as many lines as CLIP has merges.
"""
import gzip
import importlib.util
import json
import pathlib

HERE = pathlib.Path(__file__).parent


def main() -> None:
    # The tokenizer alone: the package would load its models' code too.
    folder = pathlib.Path(importlib.util.find_spec("open_clip").origin).parent
    spec = importlib.util.spec_from_file_location("clip_tokenizer", folder / "tokenizer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    words = module.SimpleTokenizer(context_length=77)
    texts = [row["text"] for row in json.loads((HERE / "tokens.json").read_text())]
    rows = [[words.sot_token_id, *words.encode(text)[:75], words.eot_token_id] for text in texts]
    (HERE / "clip_tokens.json").write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")
    lines = gzip.decompress((folder / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode().split("\n")
    (HERE / "merges.txt").write_text("\n".join(["# CLIP's merges (MIT), best first", *lines[1 : 49152 - 256 - 2 + 1]]) + "\n")


main()
