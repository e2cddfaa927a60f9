"""hf-catalog's command line."""


def main() -> None:
    """Start the program."""
