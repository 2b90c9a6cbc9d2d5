"""`python -P -m compress`: the same program as `distil`."""

from compress.cli.main import main

if __name__ == "__main__":
    main()
