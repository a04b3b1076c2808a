"""check.py RULE...: runs rules (layers, words, lengths, files) over the repository; exit status 1 when one was broken."""

import importlib
import pathlib
import sys

from tree import Tree


def main(rules):
    tree = Tree.of_repository(pathlib.Path(__file__).resolve().parents[2])
    broken = 0
    for rule in rules:
        found = importlib.import_module(rule).findings(tree)
        for finding in found:
            print(finding)
        print(f"{rule}: {len(found)} findings")
        broken += len(found)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["layers", "words", "lengths", "files"]))
