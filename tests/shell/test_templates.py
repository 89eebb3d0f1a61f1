from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from xmppctl.errors import MalformedInput, UsageError
from xmppctl.shell.reader import Raw, Stanza, read
from xmppctl.shell.templates import MAX_BYTES, MAX_FILES, Expanded, Stop, Template, Templates
from xmppctl.stanza.namespaces import spec_of

SESSION = {"me": "juliet@example.org/balcony", "bare": "juliet@example.org", "domain": "example.org"}
NAMES = """
    ping version time last disco-info disco-items roster roster-add roster-remove presence away subscribe subscribed
    unsubscribe unavailable probe message chat receipt-request receipt chat-state marker correct retract react headline
    pubsub-subscribe pubsub-unsubscribe pubsub-publish pubsub-publish-atom pubsub-items pubsub-retract pubsub-create
    pubsub-delete pubsub-purge pubsub-configure pubsub-nodes pubsub-subscriptions pubsub-affiliations pep-publish tune
    mood avatar-metadata muc-join muc-leave muc-message muc-config muc-instant-room muc-kick muc-affiliation muc-subject
    invite mam mam-with mam-prefs commands command command-cancel carbons block unblock blocklist register-form search
    vcard vcard4 bookmarks private upload-slot csi-active csi-inactive sm-request iq-error iq-result offline
    jingle-terminate
"""
OURS = Templates(None).all()


def expand(text: str, *arguments: str, session: dict[str, str] = SESSION) -> Expanded:
    return Template("test", "", text, "here").expand(arguments, session)


def marked(expanded: Expanded) -> str:
    """The text with a ^ where each stop begins and ends."""
    text = expanded.text
    for stop in sorted(expanded.stops, reverse=True):
        text = f"{text[: stop.start]}^{text[stop.start : stop.end]}^{text[stop.end :]}"
    return text


def test_there_is_one_for_everyday_work() -> None:
    names = [template.name for template in OURS]
    assert set(NAMES.split()) <= set(names)
    assert names == sorted(set(names))


@pytest.mark.parametrize("template", OURS, ids=lambda template: template.name)
def test_each_of_ours_is_one_element_that_can_be_sent(template: Template) -> None:
    assert re.search(r"\((XEP|RFC)[ -]\d{4}", template.description)
    assert template.source == "built in"
    as_it_is = template.expand([], SESSION)
    empty = {stop.name for stop in as_it_is.stops if stop.start == stop.end} - {"0"}
    for found in (as_it_is, template.expand([f"{name}=a<&'\"" for name in empty], SESSION)):
        assert "$" not in found.text
        (item,) = read(found.text, by_hand=True)
        if template.name == "stream":
            assert isinstance(item, Raw)
            continue
        assert isinstance(item, Stanza)
        frame = item.frame
        namespaces = {name.rpartition(" ")[0] for name in frame.names} - {"jabber:client"}
        assert [namespace for namespace in namespaces if spec_of(namespace) is None] == []
        if frame.kind == "iq":
            assert frame.id is not None
            assert len(frame.payloads) == (frame.type != "result")
    assert ("${id}" in template.text) == (template.expand([], SESSION).text != as_it_is.text)


@pytest.mark.parametrize(
    ("text", "arguments", "expected", "names", "cursor"),
    [
        ("<a b='${to}' c='${type=chat}'/>", (), "<a b='^^' c='^chat^'/>", ["to", "type"], 6),
        ("<a b='${to}' c='${type=chat}'/>", ("x",), "<a b='x' c='^chat^'/>", ["type"], 12),
        ("<a b='${to}' c='${type=chat}'/>", ("type=y",), "<a b='^^' c='y'/>", ["to"], 6),
        ("<a b='${to}' c='${type=chat}'/>", ("1+1=2", "to=x"), "<a b='x' c='1+1=2'/>", [], 20),
        ("<a b='${to}' c='${type=chat}'/>", ("", ""), "<a b='' c=''/>", [], 14),
        ("<a>${to}<b/>${to}</a>", (), "<a>^^<b/>^^</a>", ["to", "to"], 3),
        ("<a>${to}<b/>${to}</a>", ("x",), "<a>x<b/>x</a>", [], 13),
        ("<a>${0}<b>${c}</b></a>", (), "<a>^^<b>^^</b></a>", ["c", "0"], 6),
        ("<a>${0}<b>${c}</b></a>", ("x",), "<a>^^<b>x</b></a>", ["0"], 3),
        ("<a b='${x=$domain}'/>", (), "<a b='^example.org^'/>", ["x"], 6),
        ("<a b='${x=pubsub.$domain}'/>", (), "<a b='^pubsub.example.org^'/>", ["x"], 6),
        ("<a>${me} ${bare} ${domain}</a>", ("me=x",), "<a>x juliet@example.org example.org</a>", [], 39),
        ("<a>${x=<b/>&amp;}</a>", (), "<a>^<b/>&amp;^</a>", ["x"], 3),
    ],
)
def test_expansion(
    text: str, arguments: tuple[str, ...], expected: str, names: list[str], cursor: int
) -> None:
    found = expand(text, *arguments)
    assert marked(found) == expected
    assert [stop.name for stop in found.stops] == names
    assert found.cursor == cursor


@pytest.mark.parametrize(
    "text", ["<a>$ $x $$ ${ ${} ${x ${x={}} ${1} ${é}</a>", "<!-- ${to} ${id} ${0} --><a/>", "${a=" * 9]
)
def test_what_is_no_placeholder_stays(text: str) -> None:
    assert expand(text) == Expanded(text, (), len(text))


def test_a_dollar_sign_before_a_brace() -> None:
    assert expand("<a>${$}{to} ${$}${$}</a>").text == "<a>${to} $$</a>"


def test_what_is_filled_in_automatically() -> None:
    text = "<a>${id} ${id} ${uuid} ${now}</a>"
    ids, others = expand(text).text[3:-4].split(), expand(text).text[3:-4].split()
    assert ids[0] == ids[1] != others[0]
    assert ids[2] != others[2]
    assert re.fullmatch(r"\d{4}(-\d\d){2}T\d\d:\d\d:\d\dZ", ids[3])


def test_without_a_session_its_values_are_stops() -> None:
    found = expand("<a b='${me}' c='${x=pubsub.$domain}'/>", session={})
    assert marked(found) == "<a b='^^' c='^^'/>"
    assert found.stops[0] == Stop(6, 6, "me")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<a>${x}</a>", "<a>&lt;b/&gt;&amp;'\"\n]]&gt;</a>"),
        ("<a b='${x}'/>", "<a b='&lt;b/&gt;&amp;&apos;&quot;&#10;]]&gt;'/>"),
        ('<a b="\'>${x}"/>', '<a b="\'>&lt;b/&gt;&amp;&apos;&quot;&#10;]]&gt;"/>'),
        ("<a><![CDATA[<b c='${x}]]></a>", "<a><![CDATA[<b c='<b/>&'\"\n]]]]><![CDATA[>]]></a>"),
        ("<!-- ' --><a b='>'>${x}</a>", "<!-- ' --><a b='>'>&lt;b/&gt;&amp;'\"\n]]&gt;</a>"),
    ],
)
def test_values_are_escaped_for_where_they_stand(text: str, escaped: str) -> None:
    value = "<b/>&'\"\n]]>"
    assert expand(text, value).text == expand(text, f"x={value}").text
    assert expand(text, value).text == escaped
    assert expand(text.replace("${x}", "${me}"), session={"me": value}).text == expand(text, value).text


@pytest.mark.parametrize(
    ("text", "value", "says"),
    [
        ("<a>${x}</a>", "a\x00", "x: line 1, column 2: the character U\\+0000"),
        ("<a b='${x}'/>", "\x1b[2J", "x: .*U\\+001B"),
        ("<a>${x}</a>", "\udcff", "x: .*U\\+DCFF"),
        ("<${x}/>", "a b='c'", "x: .* cannot be the name"),
        ("<${x}/>", "", "x: .* cannot be the name"),
        ("<a ${x}='1'/>", "a:b", "x: .* cannot be the name"),
    ],
)
def test_what_xml_cannot_hold_there_is_refused(text: str, value: str, says: str) -> None:
    with pytest.raises(MalformedInput, match=says):
        expand(text, value)


def test_an_argument_can_be_the_name_of_an_element() -> None:
    assert expand("<${x=composing} xmlns='u'/>", "paused").text == "<paused xmlns='u'/>"


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        ("<a b='${to}'>${body}</a>", ("1", "2", "3"), "too many arguments; it takes to body"),
        ("<a b='${to}'>${body}</a>", ("1", "2", "to=3"), "too many arguments"),
        ("<a b='${to}'>${body}</a>", ("subject=3",), "test has no subject; it takes to body"),
        ("<a b='${to}'>${body}</a>", ("to=3", "to=4"), "to is given twice"),
        ("<a b='${to}'>${body}</a>", ("id=3",), "test has no id"),
        ("<a/>", ("1",), "it takes no arguments"),
    ],
)
def test_arguments_that_do_not_fit(text: str, arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        expand(text, *arguments)


def test_placeholders_are_what_arguments_fill() -> None:
    template = Template("t", "", "<!-- ${no} --><a b='${to=x}' id='${id}'>${body}${0}${to}${$}</a>", "here")
    assert template.placeholders == ["to", "body"]


def test_an_unknown_name_tells_which_are_near() -> None:
    with pytest.raises(UsageError) as caught:
        Templates(None).get("pingg")
    assert "ping" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        Templates(None).get("muc-l")
    assert caught.value.hint == "did you mean muc-leave or muc-list?"


# -- the user's own -----------------------------------------------------------------------------------------------


def put(directory: Path, name: str, content: str | bytes) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_users_template_goes_before_ours_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    templates = Templates(tmp_path / "templates")
    assert templates.get("ping").source == "built in"
    path = put(tmp_path / "templates", "ping.xml", "\ufeff# Mine,\r\n#  all mine\r\n\r\n<a\r\n/>\r\n")
    assert templates.get("ping") == Template("ping", "Mine, all mine", "<a\n/>", str(path))
    assert [each.source for each in templates.all() if each.name == "ping"] == [str(path)]
    path.write_text("<b b='longer'/>")
    assert templates.get("ping").text == "<b b='longer'/>"
    path.unlink()
    assert templates.get("ping").source == "built in"
    assert templates.problems == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("ping.xml", b"<a>\xff</a>", "not UTF-8"),
        ("ping.xml", b"<a>\0</a>", "U\\+0000"),
        ("ping.xml", b"# only this\n \n", "no stanza"),
        ("ping.xml", b"", "no stanza"),
        ("ping.xml", b"<a>" + b"x" * MAX_BYTES, "larger than"),
        ("a b.xml", b"<a/>", "its name"),
        ("\x1b[2J.xml", b"<a/>", "its name"),
    ],
)
def test_a_broken_file_is_passed_over_and_told(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    put(tmp_path, name, content)
    put(tmp_path, "good.xml", "<good/>")
    put(tmp_path, ".hidden.xml", "<a/>")
    put(tmp_path, "README", "<a/>")
    templates = Templates(tmp_path)
    assert [each.name for each in templates.all() if each.source != "built in"] == ["good"]
    (problem,) = templates.problems
    assert problem.startswith(str(tmp_path / name))
    assert re.search(says, problem)
    assert templates.get("ping").source == "built in"


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.xml").mkdir()
    os.mkfifo(tmp_path / "b.xml")
    (tmp_path / "c.xml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "d.xml").symlink_to(put(tmp_path, "elsewhere", "<d/>"))
    templates = Templates(tmp_path)
    assert templates.get("d").text == "<d/>"
    assert [Path(problem.partition(":")[0]).name for problem in templates.problems] == [
        "a.xml",
        "b.xml",
        "c.xml",
    ]
    assert Templates(tmp_path / "elsewhere").all() == OURS


def test_a_directory_of_very_many_files(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 5):
        put(tmp_path, f"x{number}.xml", "<a/>")
    templates = Templates(tmp_path)
    assert len(templates.all()) == len(OURS) + MAX_FILES
    assert str(MAX_FILES) in templates.problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "<message to='a@b'>\n  <body>1 $ ${to} ${id=x} ${0} ${$} $${a} $$ é👍</body>\n</message>",
        "<!-- ${to} ${$} --><a/>",
        "<a><![CDATA[${to}]]></a>",
        "<a>not whole ${",
        "<x xmlns='jabber:x:conference' password='[redacted:7]'/>",
    ],
)
def test_a_saved_stanza_expands_to_itself(tmp_path: Path, text: str) -> None:
    templates = Templates(tmp_path / "xmppctl" / "templates")
    path = templates.save("mine", f"  {text}\n", description="What it\nis for")
    found = templates.get("mine")
    assert found.expand([], SESSION) == Expanded(text, (), len(text))
    assert (found.description, found.source) == ("What it is for", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_comment_becomes_the_description(tmp_path: Path) -> None:
    templates = Templates(tmp_path)
    templates.save("mine", "# for tests\n<a/>")
    assert templates.get("mine")[1:3] == ("for tests", "<a/>")


def test_nothing_is_overwritten_without_being_told(tmp_path: Path) -> None:
    templates = Templates(tmp_path)
    templates.save("mine", "<a/>")
    with pytest.raises(UsageError, match="already"):
        templates.save("mine", "<b/>")
    assert templates.get("mine").text == "<a/>"
    templates.save("mine", "<b/>", replace=True)
    assert templates.get("mine").text == "<b/>"


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "../a", "a b", "é", "a\n", "a\0", "x" * 65])
def test_names_that_are_not_safe(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        Templates(tmp_path / "templates").save(name, "<a/>")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", UsageError),
        ("# only this", UsageError),
        ("<a>\0</a>", MalformedInput),
        ("<a>" + "x" * MAX_BYTES + "</a>", UsageError),
        ("<query xmlns='jabber:iq:register'><password>hunter2</password></query>", UsageError),
        ("<query xmlns='jabber:iq:register'><password>hunter2", UsageError),
        ("# password: hunter2\n<a/>", UsageError),
    ],
)
def test_what_is_not_kept(tmp_path: Path, text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Templates(tmp_path / "templates").save("mine", text)
    with pytest.raises(UsageError, match="no directory"):
        Templates(None).save("mine", "<a/>")
    assert list(tmp_path.iterdir()) == []
