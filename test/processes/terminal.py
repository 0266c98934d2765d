"""Runs a program at a terminal of its own: terminal.py PROGRAM ARGUMENT...

What comes on standard input is typed, what the program prints goes to standard output, and the first line of standard error is the
program's process id. Where standard input ends, the terminal hangs up. Ends with the program's exit code.
"""

import os
import pty
import select
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
print(pid, file=sys.stderr, flush=True)

typed, shown = 0, terminal
sources = [typed, shown]
while shown in sources:
    for source in select.select(sources, [], [])[0]:
        try:
            data = os.read(source, 65536)
        except OSError:  # nobody has the terminal open any more
            data = b""
        if source == typed and not data:
            os.close(terminal)
            sources = []
        elif not data:
            sources = []
        else:
            os.write(terminal if source == typed else 1, data)

_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
