"""Exceptions: what is said of them, and where multiprocessing shows, passes on or loses them."""

import sys

from . import sample
from .frames import HERE, absolute, is_outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any


def _without_ours(trace: "TracebackType | None") -> "TracebackType | None":
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(HERE):
        trace = trace.tb_next
    if trace is not None:
        trace.tb_next = _without_ours(trace.tb_next)
    return trace


def hide(error: "BaseException | None", hidden: "tuple[BaseException, ...]" = ()) -> None:
    """Take our own frames out of the tracebacks of an exception and of what led to it."""
    if error is not None and error not in hidden:
        error.__traceback__ = _without_ours(error.__traceback__)
        for other in (error.__cause__, error.__context__):
            hide(other, (*hidden, error))


def describe(error: BaseException) -> "dict[str, str]":
    """Type, arguments and the innermost line of an exception, as plain text."""
    line = ""
    trace = getattr(error, "__traceback__", None)
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if is_outside(name):
            line = "%s:%d" % (absolute(name), trace.tb_lineno)
        trace = trace.tb_next
    try:
        args = repr(error.args)[:500]
    except Exception as trouble:
        args = "<args: %r>" % trouble
    kind = type(error)
    module = kind.__module__.replace("__mp_main__", "__main__")  # spawn's name for the same
    return {"type": "%s.%s" % (module, kind.__qualname__), "args": args, "line": line}


def log_exception(where_from: str, error: BaseException, **more: object) -> None:
    """An exception that ended the script (`main`) or a process of it (`child`)."""
    sample.log("exception", where=where_from, **dict(describe(error), **more))


def patch_traceback(module: "Any") -> None:
    """Log the exception that ends a child, which prints it, and print none of our frames."""
    print_exc = module.print_exc

    def logged_print_exc(*args: "Any", **kwargs: "Any") -> None:
        error = sys.exc_info()[1]
        if error is not None and sys._getframe(1).f_code.co_name == "_bootstrap":
            log_exception("child", error)
        hide(error)
        print_exc(*args, **kwargs)

    module.print_exc = logged_print_exc


# ------------------------------------------------------------------------------ results of a Pool


def _is_remote(error: BaseException) -> bool:
    """Whether an exception comes with the traceback of the worker that raised it."""
    return type(error.__cause__).__name__ == "RemoteTraceback"


def patch_pool(module: "Any") -> None:
    """Log each failed result: raised in a worker, there in the parent, seen by the script."""
    wrapper = module.ExceptionWithTraceback
    result = module.ApplyResult
    wrap = wrapper.__init__

    def __init__(self: "Any", exc: BaseException, tb: "TracebackType | None") -> None:
        sample.log("raised", **describe(exc))
        wrap(self, exc, _without_ours(tb))

    wrapper.__init__ = __init__

    def patch(cls: "Any") -> None:
        settle = cls._set

        def _set(self: "Any", i: int, obj: "Any") -> None:
            settle(self, i, obj)
            if self.ready() and not self._success and self._error_callback is None:
                sample.log("failed", key=self._job, **describe(self._value))

        cls._set = _set

    get = result.get
    successful = result.successful

    def logged_get(self: "Any", timeout: "float | None" = None) -> "Any":
        try:
            return get(self, timeout)
        except BaseException as error:
            if self.ready() and error is self._value:
                sample.log("got", key=self._job, remote=_is_remote(error), **describe(error))
            raise

    def logged_successful(self: "Any") -> bool:
        value: bool = successful(self)
        if not value:
            sample.log("seen", key=self._job)
        return value

    result.get = logged_get
    result.successful = logged_successful
    patch(result)
    patch(module.MapResult)
    _patch_imap(module)


def _patch_imap(module: "Any") -> None:
    base = module.IMapIterator
    following = base.next

    def key(iterator: "Any", error: BaseException) -> str:
        return "%d/%d" % (iterator._job, id(error))

    def patch(cls: "Any") -> None:
        settle = cls._set

        def _set(self: "Any", i: int, obj: "Any") -> None:
            if not obj[0]:
                sample.log("failed", key=key(self, obj[1]), **describe(obj[1]))
            settle(self, i, obj)

        cls._set = _set

    def logged_next(self: "Any", timeout: "float | None" = None) -> "Any":
        try:
            return following(self, timeout)
        except (StopIteration, module.TimeoutError):
            raise
        except BaseException as error:
            if _is_remote(error):
                sample.log("got", key=key(self, error), remote=True, **describe(error))
            else:  # raised by the iterable, in this process
                sample.log("seen", key=key(self, error))
            raise

    base.next = base.__next__ = logged_next
    patch(base)
    patch(module.IMapUnorderedIterator)
