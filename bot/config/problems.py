"""What is wrong with a project's files, by file and line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from bot.contracts import LinguadeskError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, and what to do. ``line`` is 1-based, 0 if unknown."""

    file: str
    line: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"


class ConfigError(LinguadeskError):
    """The configuration cannot be used; :attr:`problems` says why, by file and line."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_yaml(path: Path, shown_as: str = "") -> Any:
    """Read a YAML file, keeping line numbers (ruamel's ``.lc``).

    Raises:
        ConfigError: the file is missing, unreadable, not UTF-8 or not YAML.
    """
    name = shown_as or path.name
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(Problem(name, 0, f"the file is missing; expected it at {path}")) from None
    except UnicodeDecodeError as error:
        raise ConfigError(Problem(name, 0, f"the file is not UTF-8 text ({error.reason})")) from None
    except OSError as error:
        raise ConfigError(Problem(name, 0, f"the file cannot be read: {error.strerror}")) from None
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise ConfigError(Problem(name, line, f"this is not valid YAML: {error.problem or error.context}")) from None
    except YAMLError as error:
        raise ConfigError(Problem(name, 0, f"this is not valid YAML: {error}")) from None


def line_of(node: Any, *path: str | int) -> int:
    """The 1-based line of the deepest part of ``path`` that exists below a loaded YAML ``node``."""
    line = node.lc.line + 1 if isinstance(node, CommentedMap | CommentedSeq) else 0
    for step in path:
        if isinstance(node, CommentedMap) and step in node:
            line = node.lc.key(step)[0] + 1
            node = node[step]
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = node.lc.item(step)[0] + 1
            node = node[step]
        else:
            break
    return line
