# Copyright 2026 The GAIR for Hugging Face contributors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Running programs: signal handling, exit statuses, and errors as one sentence."""

import errno
import os
import signal
import sys
from collections.abc import Callable

# A full disk or quota, a limit on the size of files, and folders without permission or on a read-only disk.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


def run_program(
    main: Callable[[list[str]], int | None], interrupted: str = "Interrupted.", stop_at_sigterm: bool = False
) -> None:
    """
    Run a program's `main` with the arguments of the command line, then exit.

    Ctrl-C (SIGINT) raises `KeyboardInterrupt` however the program was started: shells start background jobs (`nohup`, cron,
    CI) with SIGINT ignored, and Python then installs no handler.

    Args:
        main (`Callable`): takes the arguments after the program's name; returns the exit status, or None for 0.
            The message of a `ValueError` is printed, with exit status 1, as is a sentence on a disk that is full or cannot
            be written.
        interrupted (`str`): printed on `KeyboardInterrupt`, with exit status 1.
        stop_at_sigterm (`bool`): whether SIGTERM also raises `KeyboardInterrupt`, so that `main` can stop the processes it started.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if stop_at_sigterm:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except ValueError as error:
        sys.exit(_of_this_process(f"{error}"))
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        where = repr(error.filename) if error.filename else "A file"
        advice = "make room, check its permissions, or name another folder"
        sys.exit(_of_this_process(f"{where} cannot be read or written ({error.strerror}); {advice}."))
    except KeyboardInterrupt:
        sys.exit(interrupted)


def _of_this_process(message: str) -> str:
    rank = int(os.environ.get("RANK", "0"))
    return f"[process {rank}] {message}" if rank else message
