"""Reading unified diffs: whatever git writes, and whatever is no diff at all."""

from __future__ import annotations

import pytest

from app.web import diffs

GIT = r"""diff --git a/greet.py b/greet.py
index 1111111..2222222 100644
--- a/greet.py
+++ b/greet.py
@@ -1,3 +1,4 @@ def main():
 a
--- b
+++ c
+d
 e
\ No newline at end of file
diff --git a/new.txt b/new.txt
new file mode 100755
index 0000000..3333333
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+x
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/old name.py b/new name.py
similarity index 90%
rename from old name.py
rename to new name.py
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git a/logo.png b/logo.png
index 4444444..5555555 100644
Binary files a/logo.png and b/logo.png differ
diff --git "a/gr\303\274\303\237e.txt" "b/gr\303\274\303\237e.txt"
--- "a/gr\303\274\303\237e.txt"
+++ "b/gr\303\274\303\237e.txt"
@@ -1 +1 @@
-a
+b
"""


def test_every_kind_of_change_is_read() -> None:
    found = diffs.files(GIT)
    assert [(file.name, file.what, file.added, file.removed) for file in found] == [
        ("greet.py", "changed", 2, 1),
        ("new.txt", "added", 1, 0),
        ("gone.txt", "deleted", 0, 1),
        ("old name.py → new name.py", "renamed", 0, 0),
        ("run.sh", "changed", 0, 0),
        ("logo.png", "changed", 0, 0),
        ("grüße.txt", "changed", 1, 1),
    ]
    assert [file.binary for file in found].count(True) == 1
    assert found[5].binary
    assert found[4].modes == ("100644", "100755")
    assert found[0].lines[-1] == "\\ No newline at end of file"


def test_diffs_without_git_are_read_too() -> None:
    text = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n--- a/y\n+++ b/y\n@@ -0,0 +1,2 @@\n+1\n+2\n"
    found = diffs.files(text)
    assert [(file.path, file.added, file.removed) for file in found] == [("x", 1, 1), ("y", 2, 0)]


@pytest.mark.parametrize(
    "text",
    [
        "no diff at all",
        "@@",
        "@@ -1,9999999999 +1 @@\n+x",
        "diff --git ",
        "diff --git a",
        'diff --git "a',
        "--- \n+++ ",
        "+++ b/x\n--- a/x",
        "\n\n",
        'diff --git "a/\\377" "b/\\377"\n+++ "b/\\x"\n@@ -1 +1 @@\n',
        "@@ -1,5 +1,5 @@\n+only one",
    ],
)
def test_what_is_no_diff_loses_no_line(text: str) -> None:
    found = diffs.files(text)
    kept = [line for file in found for line in file.lines]
    given = [line for line in text.rstrip("\n").split("\n") if line.startswith(("+o", "+x", "no", "@@"))]
    assert [line for line in kept if line in given] == given


def test_nothing_is_no_file() -> None:
    assert diffs.files("") == []
