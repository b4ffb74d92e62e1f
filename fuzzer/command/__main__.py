"""``python -m crosswire``: installed as the only module of the package above this one, which has no other."""

from crosswire.fuzzer.__main__ import main

if __name__ == "__main__":
    main()
