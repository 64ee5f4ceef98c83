"""Explanations of what may be wrong with a file as YAML, and with its values by the schema."""

from collections.abc import Iterator

from builder.errors import Diagnostic
from builder.rules.model import Rule, Subject, error, warning


def _odd_letters(subject: Subject) -> Iterator[Diagnostic]:
    """Find letters that were probably meant as others."""
    every = (subject.spec.document, *(overlay.document for overlay in subject.spec.overlays))
    for document in {id(each): each for each in every}.values():
        yield from map(document.locate, document.odd_letters())


_RECORDED = (
    "photon-builder.lock is written by the program and kept in version control: it holds later "
    "builds to the digests that were seen first. "
)

RULES: tuple[Rule, ...] = (
    error(
        "CAT001",
        "a catalog that is damaged",
        "builder/data/releases.json lists what Photon published: stages with release, revision and "
        "artifacts, each of which has arch and target. It is a part of the program: install it "
        "anew, or undo the edit.",
    ),
    error(
        "LCK001",
        "a lock file that is not JSON",
        _RECORDED + "A merge may have left its marks: keep one of the sides. A file that is lost "
        "can be recorded anew, by trusting what is seen now: `photon-builder lock SPEC`.",
    ),
    error(
        "LCK002",
        "a lock file without its sections",
        _RECORDED + "It has `schema`, `files` and `images`, each of the latter a mapping.",
    ),
    error(
        "LCK003",
        "a lock file of another version",
        _RECORDED + "Its `schema` names the format. Use the version of photon-builder that wrote "
        "it, or record it anew.",
    ),
    error(
        "LCK004",
        "a digest of a base that is not a valid one",
        _RECORDED + "Under `files` each base has digests: md5, sha1, sha256 or sha512, and as many "
        "hex digits as the algorithm has.",
    ),
    error(
        "LCK005",
        "an image that is not recorded well",
        _RECORDED + "Under `images` each name with its tag has the `digest` that the tag meant, "
        "and the digest of each of its `platforms`.",
    ),
    error(
        "LCK006",
        "a package that is not recorded well",
        _RECORDED + "Under `packages` each list names the RPM files that packages need on a base, "
        "with `name`, `url`, `sha256` and `size`.",
    ),
    error(
        "YAML001",
        "not valid YAML",
        "The position is where reading broke off; the cause is often on the line above: a missing "
        "quote, bracket or space after a colon, a tab, or uneven indentation.",
    ),
    error(
        "YAML002",
        "a key that is there twice",
        "Many programs keep the last one and say nothing. Drop one of the two.",
    ),
    error("YAML003", "too deeply nested", "No spec needs more than 64 levels."),
    error(
        "YAML004",
        "aliases that stand for too much",
        "A few lines of aliases of aliases can stand for billions of values. Write less by alias.",
    ),
    error("YAML005", "an alias inside its own anchor", "It would never end."),
    error("YAML006", "a key that is not text", "Lists, mappings and nothing cannot be keys here."),
    error("YAML007", "several documents", "One file is one document; `---` begins another."),
    error(
        "YAML008", "an empty file", "Or one with comments only. `photon-builder init` writes one."
    ),
    error(
        "YAML009",
        "another YAML version",
        "Specs are YAML 1.2, in which `no` is text and 53:53 is not 3233.",
    ),
    error("YAML010", "a tag", "Words that begin with `!` ask for types; plain values are enough."),
    error("YAML011", "a merge of something else", "`<<` takes a mapping, or a list of mappings."),
    error("YAML012", "an alias without an anchor", "*name stands for what &name marked before."),
    error("YAML014", "not UTF-8", "Save the file as UTF-8, if it is a text file at all."),
    error(
        "YAML015",
        "a control character",
        "Invisible characters come in by copy and paste, or the file is not text.",
    ),
    error(
        "YAML017",
        "a merge that is not finished",
        "git leaves both sides in the file when it cannot merge them: <<<<<<<, =======, >>>>>>>. "
        "Keep one of the sides, or what is right of both, and drop the three lines.",
    ),
    warning(
        "YAML016",
        "typographic quotes or blanks",
        "Word processors and web pages put other letters in the place of straight quotes and plain "
        "spaces. To YAML they are letters like any other, so they become part of the key or the "
        "value.",
        _odd_letters,
    ),
    error("YAML020", "no such file", "A bare name is looked up in specs/."),
    error("YAML021", "a folder in the place of a file", "Name the YAML file in it."),
    error("YAML022", "a file that cannot be read", "Check its permissions: ls -l."),
    error(
        "YAML023", "a file that is too large", "A spec is text of a few lines; 1 MiB is the limit."
    ),
    error(
        "SCH001",
        "a value of another kind",
        "Text, number, list, mapping, or true and false. In YAML 1.2 yes and no are text, and a "
        "number in quotes is text.",
    ),
    error(
        "SCH002",
        "an unknown key",
        "Nothing is silently ignored. docs/reference.md lists the keys; with the schema "
        "(`photon-builder schema`) editors complete them.",
    ),
    error("SCH003", "a missing key", "The key has no default."),
    error("SCH004", "a word that is not allowed", "One of the words in the message."),
    error("SCH005", "a value or key of the wrong form", "The hint says what it has to look like."),
    error("SCH006", "too large or too small", "A number, a length or a count outside its bounds."),
    error("SCH007", "an entry that is there twice", "Each entry counts once."),
    error("SCH008", "a value that does not fit", "None or several of the forms fit."),
)
