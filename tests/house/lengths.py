"""Files and functions that one can still read: a file has at most 700 lines, a function 80."""

import re

FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 80

# path: reason
LONG_FILES = {}
# "path: first line of the function": reason
LONG_FUNCTIONS = {}

# As clang-format leaves it, a function opens with a line that ends in ") {" (with const, noexcept or a return type between),
# perhaps the last of a list of parameters that began above, and ends with a "}" that has the indent of the first line.
OPENS = re.compile(r"\)[\w\s:<>,*&()\->]*\{$")
NO_FUNCTION = re.compile(r"^\s*(\} *)?(if|else|for|while|switch|do|catch|try|namespace|struct|class|enum|union|case|#|//)\b")


def functions(lines):
    """Pairs (number of the first line, count of lines) of what looks like a function."""
    for last, line in enumerate(lines):
        if not OPENS.search(line):
            continue
        first = last
        while first > 0 and line_depth(lines, first, last) < 0 and last - first < 20:
            first -= 1
        if NO_FUNCTION.match(lines[first]):
            continue
        indent = re.match(" *", lines[first]).group(0)
        for end in range(last + 1, len(lines)):
            if lines[end].startswith(indent + "}"):
                yield first + 1, end - first + 1
                break


def line_depth(lines, first, last):
    """Parentheses opened less those closed on the lines first..last."""
    text = "".join(lines[first:last + 1])
    return text.count("(") - text.count(")")


def findings(tree):
    found = []
    for path in tree.under("src", ".h", ".cc"):
        lines = tree.lines(path)
        if len(lines) > FILE_LINES_MAX and path not in LONG_FILES:
            found.append(f"{path}: {len(lines)} lines; at most {FILE_LINES_MAX}: find the two things it does and part them")
        for number, length in functions(lines):
            if length > FUNCTION_LINES_MAX and f"{path}: {lines[number - 1].strip()}" not in LONG_FUNCTIONS:
                found.append(f"{path}:{number}: a function of {length} lines; at most {FUNCTION_LINES_MAX}: let it decide, and "
                             "move the work into helpers")
    return found
