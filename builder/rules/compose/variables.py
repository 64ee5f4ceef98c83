"""Rules of the variables of compose projects, and of the ``.env`` beside a compose file.

Source: Compose Specification, "Interpolation"; Docker's manual, "Set environment variables".
"""

from builder.rules.model import Rule, error

RULES: tuple[Rule, ...] = (
    error(
        "CMP002",
        "a variable of a compose file has no value",
        "On the guest nothing but the project's .env gives values: the shell of the build is not "
        "there. Compose would put an empty text in its place, or stop when the file says "
        "${NAME:?…}. Add the variable under env of the project, or a default in the compose file: "
        "${NAME:-value}. A dollar sign that is meant is written $$.",
    ),
    error(
        "CMP023",
        "a variable that no .env file can hold",
        "No program can have a NUL character in its environment. Put the value into a file and "
        "mount that, or encode it.",
    ),
    error(
        "CMP026",
        "a .env file that compose refuses",
        "Compose reads the .env beside the compose file, and the files of env_file, before "
        "anything else, and one line that it cannot read stops the project. A line is NAME=value, "
        "with `export` before it if needed. A value in single quotes is taken as it is; in double "
        "quotes, \\n, \\t, \\$ and their kin are escapes and ${NAME} stands for an earlier "
        "variable; without quotes it ends before ` #`. Quoted values may have several lines.",
    ),
    error(
        "CMP027",
        "not a valid variable in a compose file",
        "${ begins a variable: a name of letters, digits and `_`, then `}` or one of :- - :? ? :+ "
        "+ with what follows, all on one line. Compose refuses the file otherwise. A dollar sign "
        "that is meant is written $$; one that no name and no brace follows stays as it is.",
    ),
)
