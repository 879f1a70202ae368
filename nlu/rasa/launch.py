"""Runs the ``rasa`` command inside Rasa's environment: ``python -m nlu.rasa.launch run …``.

It hands the token over: given as an option, everybody on the machine could read it in the list of
processes, and Rasa takes it from nowhere else.
"""

import os
import sys


def main() -> None:
    """Run Rasa's own command line with this process's arguments."""
    from rasa.__main__ import main as rasa

    token = os.environ.pop("LINGUADESK_RASA_TOKEN", "").strip()
    if token and sys.argv[1:2] == ["run"]:
        sys.argv += ["--auth-token", token]
    sys.argv[0] = "rasa"
    rasa()


if __name__ == "__main__":
    main()
