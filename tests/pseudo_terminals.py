"""Pseudo-terminals that lose nothing."""

import termios


def keep_on_interrupt(terminal: int) -> None:
    """Have a terminal keep what is on its way when Ctrl-C is typed.

    It sends the signal first and then throws away what was typed and printed (NOFLSH in termios(3)), which on another
    processor may already be the answer to the signal that a test waits for.
    """
    attributes = termios.tcgetattr(terminal)
    attributes[3] |= termios.NOFLSH
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
