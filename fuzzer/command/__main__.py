"""``python -m crosswire``: installed as the only module of the package above this one, which has no other."""

if __name__ == "__main__":  # as there
    from _signal import SIG_DFL, SIGINT  # type: ignore[import-not-found]
    from _signal import signal as set_handler

    set_handler(SIGINT, SIG_DFL)

from crosswire.fuzzer.__main__ import main

if __name__ == "__main__":
    main()
