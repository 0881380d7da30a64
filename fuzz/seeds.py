"""Makes the fuzzer's first inputs of Apache Kafka's golden bytes: seeds.py FOLDER makes a folder for each target."""

import hashlib
import pathlib
import sys

PROTOCOL = pathlib.Path(__file__).parent.parent / "crates" / "protocol"


def rows(path):
    for line in (PROTOCOL / path).read_text(encoding="utf-8").splitlines()[1:]:
        yield line.split("\t")


def main(folder):
    out = pathlib.Path(folder)

    def seed(target, data):
        (out / target).mkdir(parents=True, exist_ok=True)
        (out / target / hashlib.sha1(data).hexdigest()).write_bytes(data)

    kinds = {row[0]: (row[1], row[2]) for row in rows("data/messages.tsv")}
    records = list(dict.fromkeys(row[0] for row in rows("data/records.tsv")))
    for name, version, _, text in rows("tests/data/golden/messages.tsv"):
        body, version = bytes.fromhex(text), int(version)
        key, kind = kinds.get(name, ("", "record"))
        if kind == "request":
            seed("any_request", bytes([int(key), version]) + body)
            header = bytes([0, int(key), 0, version, 0, 0, 0, 1, 0, 1, 99, 0])
            seed("frames", bytes([200]) + (len(header) + len(body)).to_bytes(4, "big") + header + body)
        elif kind == "response":
            seed("any_response", bytes([int(key), version]) + body)
        elif kind == "record":
            seed("stored", bytes([records.index(name), version]) + body)
    for path in (PROTOCOL / "tests" / "data" / "batch").glob("*.bin"):
        data = path.read_bytes()
        if len(data) < 4096:
            for options in range(16):
                seed("record_batches", bytes([options]) + data)
            seed("decompress", bytes([data[22] & 7]) + data[61:])


main(sys.argv[1])
