"""Run a script as `python SCRIPT ARGS` would, with the lab attached: the first process of a sample.

Called as `python mplab_start.py CONFIG SCRIPT ARGS...`; CONFIG is what `State.to_text` makes.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .mplab_inside import attach, exceptions, frames
else:
    # The exceptions, too: once the script has failed, there may be no descriptor to read them by.
    from mplab_inside import attach, exceptions, frames

_here = sys.modules["__main__"].__dict__


def _main() -> None:
    config, script = sys.argv[1], sys.argv[2]
    sys.argv[:] = sys.argv[2:]
    # A module of its own, so that nothing of ours is in the script's __main__, nor in what spawn
    # makes of it (__spec__ is None, as for `python SCRIPT`).
    module = type(sys)("__main__")
    path = os.path.abspath(script) if sys.version_info >= (3, 9) else script
    module.__file__ = path
    module.__dict__["__builtins__"] = __builtins__
    for name, value in (("__cached__", None), ("__annotations__", {})):
        if name in _here:  # some versions have it
            setattr(module, name, value)
    sys.modules["__main__"] = module
    attach(*eval(config, {"__builtins__": {}}))
    # Python put our folder there; -P and -I put nothing.
    if sys.path and sys.path[0] == frames.HERE:
        sys.path[0] = os.path.dirname(os.path.realpath(script))
    try:
        with open(script, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        exceptions.log_exception("main", error)
        exceptions.hide(error)
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(1)


_main()
