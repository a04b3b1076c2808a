"""Floors: what a folder may link, and what a file may include.

src/CMakeLists.txt is the table: "s4_floor(1 codec crypto)". A folder's own CMakeLists.txt says what it links.
It may link folders on lower floors, and on its own floor those for which it gives a reason in a comment of the form
"# codec is a sibling: tub ids are base32." TEST_LINKS need no reason but may not reach up. A file includes its own folder
and what that folder links by name, not what comes along with a link.
"""

import re

# Edges that no reason can excuse: (from, to, why). A folder stands for all folders below it.
FORBIDDEN = [
    ("proto", "rt", "protocol machines take bytes and give bytes; they know no tasks, clocks or sockets"),
    ("introducer", "rt/asio", "sockets end on floor 3"),
    ("storage", "rt/asio", "sockets end on floor 3"),
    ("service", "rt/asio", "sockets end on floor 3"),
]

FLOOR = re.compile(r"^s4_floor\(\s*(\d+)\s+([\w/\s]+)\)", re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
# x_test.cc, and what tests share: x_test_fixture.h, test_tree.h.
TEST_FILE = re.compile(r"_(test|fuzz|bench)\.cc$|(^|_)test(_\w+)?\.h$")
SIBLING = re.compile(r"#\s*(\w+) is a sibling: *\S+")
WORDS = {"LINKS", "LIBRARIES", "TEST_LINKS", "TEST_LIBRARIES", "TEST_LABEL", "TEST_SHARDS", "TEST_TIMEOUT_S"}


class Folder:
    def __init__(self, path, floor):
        self.path = path
        self.name = path.replace("/", "_")
        self.floor = floor
        self.links = []
        self.test_links = []
        self.reasons = set()


def within(path, folder):
    return path == folder or path.startswith(folder + "/")


def read_floors(tree, found):
    """The folders of src/CMakeLists.txt by path, in its order; a folder that does not exist yet is only a promise."""
    folders = {}
    last = -1
    for number, paths in FLOOR.findall(tree.text("src/CMakeLists.txt")):
        floor = int(number)
        if floor <= last:
            found.append(f"src/CMakeLists.txt: floor {floor} stands after floor {last}; sort the floors from the ground up")
        last = floor
        for path in paths.split():
            if f"src/{path}/CMakeLists.txt" in tree:
                folders[path] = Folder(path, floor)
    return folders


def read_links(tree, folder, found):
    file = f"src/{folder.path}/CMakeLists.txt"
    text = tree.text(file)
    folder.reasons = set(SIBLING.findall(text))
    call = re.search(r"s4_folder\(([^)]*)\)", re.sub(r"#[^\n]*", "", text))
    if not call:
        found.append(f"{file}: no call of s4_folder; see cmake/House.cmake")
        return
    words = call.group(1).split()
    if words[0] != folder.name:
        found.append(f"{file}: the library is called {words[0]}; its folder makes it {folder.name}")
    section = None
    for word in words[1:]:
        if word in WORDS:
            section = word
        elif section == "LINKS":
            folder.links.append(word)
        elif section == "TEST_LINKS":
            folder.test_links.append(word)


def check_links(folder, by_name, found):
    file = f"src/{folder.path}/CMakeLists.txt"
    for kind, names in (("LINKS", folder.links), ("TEST_LINKS", folder.test_links)):
        for name in names:
            other = by_name.get(name)
            if other is None:
                found.append(f"{file}: {kind} names {name}, which src/CMakeLists.txt does not list")
            elif other.floor > folder.floor:
                found.append(f"{file}: {kind} reaches up from floor {folder.floor} to {name} on floor {other.floor}; "
                             "turn the dependency round (declare here what is needed, implement it above)")
            elif kind == "LINKS" and other.floor == folder.floor and name not in folder.reasons:
                found.append(f"{file}: {name} is on the same floor; give the reason in a comment: '# {name} is a sibling: ...'")
    for name in sorted(folder.reasons - set(folder.links)):
        found.append(f"{file}: gives a reason for {name}, which it does not link; remove the comment")


def owner(path, folders):
    """The folder that a path relative to src/ lies in: the longest listed one."""
    parents = [f for f in folders if path.startswith(f + "/")]
    return folders[max(parents, key=len)] if parents else None


def check_includes(tree, folders, by_name, found):
    used = {path: set() for path in folders}
    for path in tree.under("src", ".h", ".cc"):
        inside = path[len("src/"):]
        if "/" not in inside:
            continue
        folder = owner(inside, folders)
        if folder is None or inside.count("/") != folder.path.count("/") + 1:
            found.append(f"{path}: nothing builds it: its folder has no CMakeLists.txt, or no floor in src/CMakeLists.txt")
            continue
        is_test = TEST_FILE.search(inside.rsplit("/", 1)[-1]) is not None
        may = {folder.path} | {by_name[n].path for n in folder.links if n in by_name}
        if is_test:
            may |= {by_name[n].path for n in folder.test_links if n in by_name}
        for number, line in enumerate(tree.lines(path), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = owner(match.group(1), folders)
            if f"src/{match.group(1)}" not in tree or target is None:
                found.append(f'{path}:{number}: "{match.group(1)}" is no file below src/; write project headers from src/ on, '
                             "others in <>")
                continue
            used[folder.path].add(target.name)
            if target.path not in may:
                found.append(f"{path}:{number}: {folder.path} does not link {target.name}; add it to LINKS of "
                             f"src/{folder.path}/CMakeLists.txt if the floors allow it, or move the code")
            for source, goal, why in FORBIDDEN:
                if within(folder.path, source) and within(target.path, goal) and not is_test:
                    found.append(f"{path}:{number}: {source} must not know {goal}: {why}")
    return used


def check_unused(folders, used, found):
    for folder in folders.values():
        for name in folder.links + folder.test_links:
            if name not in used[folder.path]:
                found.append(f"src/{folder.path}/CMakeLists.txt: links {name}, but no file of the folder includes it; remove the link")


def findings(tree):
    found = []
    folders = read_floors(tree, found)
    by_name = {f.name: f for f in folders.values()}
    for folder in folders.values():
        read_links(tree, folder, found)
        check_links(folder, by_name, found)
    used = check_includes(tree, folders, by_name, found)
    check_unused(folders, used, found)
    return found
