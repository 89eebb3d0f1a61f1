"""Tables."""

from __future__ import annotations

from wcwidth import wcswidth

from xmppctl.output.table import cell_text, table


def test_columns_line_up_whatever_the_script() -> None:
    rows = [["日本語", "x1"], ["abc", "x2"], ["שלום", "x3"], ["Zoe\u0308", "x4"]]
    lines = table(["name", "end"], rows).splitlines()
    assert lines[0].startswith("NAME")
    assert {wcswidth(line[: line.index("x")]) for line in lines[1:]} == {8}


def test_a_row_is_a_line_whatever_it_holds() -> None:
    shown = table(["a", "b"], [["one\nforged row", "\x1b[2J\u202e"], ["\u2028", "\x85"]])
    assert len(shown.splitlines()) == 3
    assert "one\\nforged row" in shown and "\\x1b[2J\\u202e" in shown


def test_the_widest_column_gives_way_to_the_terminal() -> None:
    shown = table(["id", "text"], [["1234567890", "word " * 40]], width=40)
    assert all(wcswidth(line) <= 40 for line in shown.splitlines())
    assert "1234567890" in shown and "…" in shown
    assert "word " * 39 in table(["id", "text"], [["1", "word " * 40]])


def test_values_are_words() -> None:
    assert [cell_text(value) for value in (None, True, False, 0, ["a", None, "b\n"], ())] == [
        "",
        "yes",
        "no",
        "0",
        "a, , b\\n",
        "",
    ]
    assert table(["a"], []) == ""
