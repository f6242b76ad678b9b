"""The one exception that users are meant to read."""


class FauError(Exception):
    """Bad input, said in one sentence that names the file, key or value and the way out.

    The command-line programs print it without a traceback and exit with status 2.
    """
