"""No dead files: folders say what they are, corpora have fuzzers, links lead somewhere, documents name real commands."""

import posixpath
import re

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"\./dev ([a-z]+)\b")


def check_folders(tree, found):
    folders = {posixpath.dirname(p) for p in tree.paths if p.endswith("/CMakeLists.txt") and p.startswith("src/")} - {"src"}
    folders |= {posixpath.dirname(p) for p in tree.paths if re.match(r"tests/[^/]+/", p)} & {
        f"tests/{p.split('/')[1]}" for p in tree.under("tests") if p.count("/") > 1}
    for folder in sorted(folders):
        if f"{folder}/README.md" not in tree:
            found.append(f"{folder}: has no README.md; write a page: what it is for, a map of its files, its rules, its limits")


def check_headers(tree, found):
    included = set()
    for path in tree.under("src", ".h", ".cc"):
        included |= {f"src/{name}" for name in re.findall(r'#\s*include\s*"([^"]+)"', tree.text(path))}
    for path in tree.under("src", ".h"):
        lines = tree.lines(path)
        if not lines or not lines[0].startswith("//"):
            found.append(f"{path}:1: open with a comment: what the type is, who calls it, how long it lives, on which thread")
        if "#pragma once" not in lines:
            found.append(f"{path}: has no '#pragma once'")
        if path not in included and path.count("/") > 1:
            found.append(f"{path}: no file includes it; remove it, or test what it declares")


def check_corpora(tree, found):
    fuzzers = {p[len("src/"):-len("_fuzz.cc")].replace("/", "_") for p in tree.under("src", "_fuzz.cc")}
    corpora = {p.split("/")[1] for p in tree.under("fuzz") if p.count("/") > 1}
    for name in sorted(corpora - fuzzers):
        found.append(f"fuzz/{name}: no fuzzer reads this corpus; name it FOLDER_NAME after src/FOLDER/NAME_fuzz.cc, or remove it")
    for name in sorted(fuzzers - corpora):
        found.append(f"fuzz/{name}: missing; commit a small corpus for the fuzzer of that name")


def check_links(tree, found):
    for path in [p for p in tree.paths if p.endswith(".md")]:
        for number, line in enumerate(tree.lines(path), 1):
            for target in LINK.findall(line):
                if re.match(r"[a-z]+:|#", target):
                    continue
                goal = posixpath.normpath(posixpath.join(posixpath.dirname(path), target.split("#")[0]))
                if goal not in tree and not tree.has_folder(goal) and goal != ".":
                    found.append(f"{path}:{number}: the link to {target} leads nowhere")


def check_commands(tree, found):
    for path in [p for p in tree.paths if p.endswith(".md")]:
        for number, line in enumerate(tree.lines(path), 1):
            for name in COMMAND.findall(line):
                if name != "help" and f"scripts/dev/{name}" not in tree:
                    found.append(f"{path}:{number}: names ./dev {name}, which does not exist (commands are files in scripts/dev)")
    readme = tree.text("README.md") if "README.md" in tree else ""
    for command in ("./dev run", "./dev test"):
        if command not in readme:
            found.append(f"README.md: does not name {command}, one of the two commands that a newcomer needs")


def check_decisions(tree, found):
    index = tree.text("docs/decisions/README.md") if "docs/decisions/README.md" in tree else ""
    for path in tree.under("docs/decisions", ".md"):
        name = posixpath.basename(path)
        if name not in ("README.md", "template.md") and name not in index:
            found.append(f"{path}: not listed in docs/decisions/README.md; add a line there")


def findings(tree):
    found = []
    for check in (check_folders, check_headers, check_corpora, check_links, check_commands, check_decisions):
        check(tree, found)
    return found
