"""What the lab does inside the processes of a sample; nothing of it is seen by the script.

Loaded into the first process by `mplab_start` and into spawned ones by an object in spawn's
preparation data, whose unpickling attaches the child before it imports the user's module; forked
ones inherit it. Standard library only, Python 3.8 and later, and nothing imported that the script
would not import itself: every patch waits for the import of the module that it is for.

Events go to the sample's file `events`, one JSON array a line, opened for each event: a script may
close every descriptor that it did not open.
"""

import _signal
import os
import sys
import time
from _json import encode_basestring_ascii as _quoted  # all of json that is needed, at no cost

HERE = os.path.dirname(os.path.abspath(__file__))

DUMP_SIGNAL = 60
"""A real-time signal that asks a process for its stacks; nothing else uses it."""

_state = None
_hooks = {}


class State:
    """What one process of the sample knows of the sample. `path` is its place in the family."""

    def __init__(self, folder, method, seed, observe, path, user, temporary):
        self.folder = folder
        self.method = method
        self.seed = seed
        self.observe = observe
        self.path = path
        self.user = user  # the folder whose code is the user's own
        self.temporary = temporary
        self.children = 0

    def to_text(self, path):
        """The arguments of `attach`, for a child at `path`."""
        return repr(
            (
                self.folder,
                self.method,
                self.seed,
                self.observe,
                path,
                self.user,
                self.temporary,
            )
        )


def _json(value):
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return "%d" % value
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join([_json(item) for item in value])
    if isinstance(value, dict):
        return "{%s}" % ",".join([_quoted(str(k)) + ":" + _json(v) for k, v in value.items()])
    return _quoted(str(value))


def log(kind, **fields):
    """Append one event. Never raises: a full disk or a missing folder must not reach the script."""
    try:
        line = "[%s,%d,%d,%s]\n" % (
            _quoted(kind),
            os.getpid(),
            time.monotonic_ns(),
            _json(fields),
        )
        fd = os.open(
            os.path.join(_state.folder, "events"),
            os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC,
            0o600,
        )
        try:
            os.write(fd, line.encode("ascii"))
        finally:
            os.close(fd)
    except Exception:
        pass


def attach(folder, method, seed, observe, path, user, temporary):
    """Make this process one of the sample's."""
    global _state
    first = path == "0"
    _state = State(folder, method, seed, observe, path, user, temporary)
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    log("attach", path=path, ppid=os.getppid(), cpus=affinity, python=sys.version.split()[0])
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
    sys.addaudithook(_audit)
    _signal.signal(DUMP_SIGNAL, _dump)
    try:
        import faulthandler

        if not faulthandler.is_enabled():
            faulthandler.enable()
    except Exception:
        pass  # no stderr
    if method == "inline":
        import mplab_inline  # noqa: F401  (while our folder is on the path)
    if first:
        after_import("multiprocessing.context", _patch_context)
        import atexit

        atexit.register(_log_end)
    after_import("multiprocessing.process", _patch_process)
    after_import("multiprocessing.popen_fork", _patch_popen)
    after_import("multiprocessing.popen_forkserver", _log_reaping)
    after_import("multiprocessing.spawn", _patch_spawn)
    after_import("multiprocessing.synchronize", _patch_synchronize)
    after_import("multiprocessing.pool", _patch_pool)
    after_import("_posixshmem", _patch_posixshmem)
    after_import("random", _patch_random)
    after_import("traceback", _patch_traceback)
    sys.meta_path.insert(0, _AfterImport())
    if observe and method != "inline":  # a pause would let another thread in
        import mplab_observe

        mplab_observe.attach(_state)


# ------------------------------------------------------------------------------ after an import


class _AfterImport:
    """A finder that lets the real one find, then runs our hook once the module has run."""

    def find_spec(self, name, path=None, target=None):
        hooks = _hooks.pop(name, None)
        if hooks is None:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        loader = spec.loader
        run = loader.exec_module

        def exec_module(module):
            run(module)
            for hook in hooks:
                try:
                    hook(module)
                except Exception as error:
                    log("trouble", what="hook of " + name, error=repr(error))

        loader.exec_module = exec_module
        return spec


def after_import(name, hook):
    """Run `hook(module)` once the module `name` is there: now, or when the script imports it."""
    if name in sys.modules:
        hook(sys.modules[name])
    else:
        _hooks.setdefault(name, []).append(hook)


LIBRARY = os.path.dirname(os.__file__) + os.sep

_origin = os.getcwd()  # what relative names are relative to, wherever the script goes later


def absolute(name):
    """The name of a source file, which up to Python 3.8 is relative for the script itself."""
    return name if name.startswith(("/", "<")) else os.path.join(_origin, name)


def _is_outside(name):
    """Whether a file is neither the library's nor the lab's (which may be among the installed)."""
    if name.startswith((HERE, "<frozen")):
        return False
    return not name.startswith(LIBRARY) or "site-packages" in name


def where(depth=1):
    """`file:line` of the nearest caller in the user's code: outside the library and the lab."""
    frame = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        if code.co_name == "_bootstrap" and "multiprocessing" in name:
            break  # above it, in a forked child, are the parent's frames
        if _is_outside(name):
            return "%s:%d" % (absolute(name), frame.f_lineno)
        frame = frame.f_back
    return ""


# ------------------------------------------------------------------------------ the patches


def _patch_context(module):
    default = module._default_context
    if _state.method == "inline":
        import mplab_inline

        method = mplab_inline.context(module)
    else:
        method = module._concrete_contexts[_state.method]
    # The default context's own default, not its actual context: to the script, as if the platform
    # had this default, so that its own choice still wins (and shows).
    default._default_context = method


def _log_end():
    context = sys.modules.get("multiprocessing.context")
    actual = getattr(getattr(context, "_default_context", None), "_actual_context", None)
    log("end", method=getattr(actual, "_name", None))


def _patch_process(module):
    base = module.BaseProcess
    bootstrap = base._bootstrap
    exitcode = base.exitcode

    def _bootstrap(self, *args, **kwargs):
        if _state.method != "inline":
            log("run", name=self.name, path=_state.path)
        code = bootstrap(self, *args, **kwargs)
        log("exit", name=self.name, code=code)
        return code

    def _exitcode(self):
        code = exitcode.fget(self)
        if code and "multiprocessing" not in sys._getframe(1).f_code.co_filename:
            log("looked", of=self.pid, code=code)
        return code

    base._bootstrap = _bootstrap
    base.exitcode = property(_exitcode, doc=exitcode.__doc__)


def _patch_popen(module):
    popen = module.Popen
    init = popen.__init__

    def __init__(self, process_obj):
        init(self, process_obj)
        log(
            "start",
            child=self.pid,
            method=self.method,
            name=process_obj.name,
            daemon=process_obj.daemon,
            line=where(2),
        )

    popen.__init__ = __init__
    _log_reaping(module)


def _log_reaping(module):
    """Log what a parent learns of a child that did not end well, whether or not it looks."""
    popen = module.Popen
    poll = popen.poll

    def logged_poll(self, *args, **kwargs):
        before = self.returncode
        code = poll(self, *args, **kwargs)
        if code and before is None:
            log("reaped", child=self.pid, code=code)
        return code

    popen.poll = logged_poll


class _Carrier:
    """Travels in spawn's preparation data; its unpickling attaches the child."""

    def __init__(self, text):
        self.text = text

    def __reduce__(self):
        source = (
            "import sys\n"
            f"sys.path.insert(0, {HERE!r})\n"
            "try:\n"
            "    import mplab_inside\n"
            f"    mplab_inside.attach(*{self.text})\n"
            "finally:\n"
            f"    sys.path.remove({HERE!r})\n"
        )
        return exec, (source, {})


def _patch_spawn(module):
    prepare = module.get_preparation_data

    def get_preparation_data(name):
        data = prepare(name)
        _state.children += 1
        data["mplab"] = _Carrier(_state.to_text("%s.%d" % (_state.path, _state.children)))
        return data

    module.get_preparation_data = get_preparation_data


def _patch_synchronize(module):
    base = module.SemLock
    init = base.__init__

    def __init__(self, *args, **kwargs):
        init(self, *args, **kwargs)
        name = self._semlock.name
        if name is not None:  # fork's semaphores are unlinked as soon as they are made
            log("made", what="semaphore", name="sem." + name.lstrip("/"), line=where(2))

    base.__init__ = __init__


def _patch_posixshmem(module):
    shm_open = module.shm_open

    def logged_shm_open(path, flags, mode=0o777):
        there = os.path.exists("/dev/shm/" + path.lstrip("/"))
        fd = shm_open(path, flags, mode)
        if flags & os.O_CREAT and not there:
            log("made", what="shared memory", name=path.lstrip("/"), line=where(2))
        return fd

    module.shm_open = logged_shm_open


def _audit(event, args):
    if event == "open":
        name, _, flags = args
        if type(name) is str and flags & os.O_CREAT:
            if name.startswith("/dev/shm/") and not os.path.exists(name):
                log("made", what="shared memory", name=name[len("/dev/shm/") :], line=where(2))
            elif name.startswith(_state.temporary):
                log("made", what="file", name=name, line=where(2))
    elif event == "os.mkdir":
        if type(args[0]) is str and args[0].startswith(_state.temporary):
            log("made", what="folder", name=args[0], line=where(2))
    elif event == "os.kill":
        if args[0] != os.getpid() and args[1]:  # to itself: a stand-in for a crash
            log("signal", to=args[0], sig=int(args[1]), line=where(2))
    elif event == "subprocess.Popen":
        command = [os.fsdecode(word) for word in args[1]]
        log("command", words=" ".join(command), line=where(2))
    elif event == "socket.bind":
        address = args[1]
        if type(address) is str and address and address[0] != "\0":
            log("made", what="socket", name=os.path.abspath(address), line=where(2))


def _patch_random(module):
    def seed():
        module.seed("%s/%s" % (_state.seed, _state.path))

    seed()
    # After random's own hook, which reseeds from the system.
    os.register_at_fork(after_in_child=seed)


def _patch_traceback(module):
    print_exc = module.print_exc

    def logged_print_exc(*args, **kwargs):
        error = sys.exc_info()[1]
        if sys._getframe(1).f_code.co_name == "_bootstrap":
            log_exception("child", error)
        hide(error)
        return print_exc(*args, **kwargs)

    module.print_exc = logged_print_exc


def _without_ours(trace):
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(HERE):
        trace = trace.tb_next
    if trace is not None:
        trace.tb_next = _without_ours(trace.tb_next)
    return trace


def hide(error, hidden=()):
    """Take our own frames out of the tracebacks of an exception and of what led to it."""
    if error is not None and error not in hidden:
        error.__traceback__ = _without_ours(error.__traceback__)
        for other in (error.__cause__, error.__context__):
            hide(other, (*hidden, error))


def describe(error):
    """Type, arguments and the innermost line of an exception, as plain text."""
    line = ""
    trace = getattr(error, "__traceback__", None)
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if _is_outside(name):
            line = "%s:%d" % (absolute(name), trace.tb_lineno)
        trace = trace.tb_next
    try:
        args = repr(error.args)[:500]
    except Exception as trouble:
        args = "<args: %r>" % trouble
    kind = type(error)
    module = kind.__module__.replace("__mp_main__", "__main__")  # spawn's name for the same
    return {"type": "%s.%s" % (module, kind.__qualname__), "args": args, "line": line}


def log_exception(where_from, error, **more):
    """An exception that ended the script (`main`) or a process of it (`child`)."""
    log("exception", where=where_from, **dict(describe(error), **more))


def is_remote(error):
    """Whether an exception comes with the traceback of the worker that raised it."""
    return type(error.__cause__).__name__ == "RemoteTraceback"


def _patch_pool(module):
    wrapper = module.ExceptionWithTraceback
    result = module.ApplyResult
    wrap = wrapper.__init__

    def __init__(self, exc, tb):
        described = describe(exc)
        log("raised", **described)
        wrap(self, exc, _without_ours(tb))

    wrapper.__init__ = __init__

    def patch(cls):
        settle = cls._set

        def _set(self, i, obj):
            settle(self, i, obj)
            if self.ready() and not self._success and self._error_callback is None:
                log("failed", key=self._job, **describe(self._value))

        cls._set = _set

    get = result.get
    successful = result.successful

    def logged_get(self, timeout=None):
        try:
            return get(self, timeout)
        except BaseException as error:
            if self.ready() and error is self._value:
                log("got", key=self._job, remote=is_remote(error), **describe(error))
            raise

    def logged_successful(self):
        value = successful(self)
        if not value:
            log("seen", key=self._job)
        return value

    result.get = logged_get
    result.successful = logged_successful
    patch(result)
    patch(module.MapResult)
    _patch_imap(module)


def _patch_imap(module):
    base = module.IMapIterator
    following = base.next

    def key(iterator, error):
        return "%d/%d" % (iterator._job, id(error))

    def patch(cls):
        settle = cls._set

        def _set(self, i, obj):
            if not obj[0]:
                log("failed", key=key(self, obj[1]), **describe(obj[1]))
            settle(self, i, obj)

        cls._set = _set

    def logged_next(self, timeout=None):
        try:
            return following(self, timeout)
        except (StopIteration, module.TimeoutError):
            raise
        except BaseException as error:
            if is_remote(error):
                log("got", key=key(self, error), remote=True, **describe(error))
            else:  # raised by the iterable, in this process
                log("seen", key=key(self, error))
            raise

    base.next = base.__next__ = logged_next
    patch(base)
    patch(module.IMapUnorderedIterator)


# ------------------------------------------------------------------------------ fork


def _before_fork():
    _state.children += 1


def _after_fork_in_child():
    _state.path = "%s.%d" % (_state.path, _state.children)
    _state.children = 0
    if "multiprocessing" not in sys._getframe(1).f_code.co_filename:
        child = os.getpid()
        log("start", child=child, by=os.getppid(), method="os.fork", name="", line=where(2))


# ------------------------------------------------------------------------------ stacks on demand


def _dump(signum, frame):
    """Write this process's threads, stacks and semaphores to `dump.<pid>`, whole or not at all."""
    try:
        text = _json(
            {
                "threads": _threads(frame),
                "locks": _locks(),
                "name": _process_name(),
                "children": _children(),
                "alarm": _signal.getitimer(_signal.ITIMER_REAL)[0] > 0,
            }
        )
        target = os.path.join(_state.folder, "dump.%d" % os.getpid())
        with open(target + ".part", "w", encoding="ascii") as file:
            file.write(text)
        os.rename(target + ".part", target)
    except Exception as error:
        log("trouble", what="dump", error=repr(error))


def _process_name():
    process = sys.modules.get("multiprocessing.process")
    return process.current_process().name if process else "MainProcess"


def _children():
    process = sys.modules.get("multiprocessing.process")
    children = list(process._children) if process else ()
    popens = [child._popen for child in children if child._popen is not None]
    return [{"pid": popen.pid, "sentinel": popen.sentinel} for popen in popens]


def _threads(current):
    threading = sys.modules.get("threading")
    known = {t.ident: t for t in threading.enumerate()} if threading else {}
    found = []
    for ident, frame in sys._current_frames().items():
        thread = known.get(ident)
        if current is not None and thread is not None and thread is threading.main_thread():
            frame = current  # below it: this handler
        stack = []
        while frame is not None and len(stack) < 60:
            code = frame.f_code
            stack.append((absolute(code.co_filename), frame.f_lineno, code.co_name))
            frame = frame.f_back
        found.append(
            {
                "name": thread.name if thread else "thread",
                "tid": getattr(thread, "native_id", None) if thread else None,
                "main": bool(thread and thread is threading.main_thread()),
                "stack": [entry for entry in stack if not entry[0].startswith(HERE)],
            }
        )
    return found


def _locks():
    synchronize = sys.modules.get("multiprocessing.synchronize")
    if synchronize is None:
        return []
    import gc

    found = []
    for thing in gc.get_objects():
        if isinstance(thing, synchronize.SemLock) and hasattr(thing, "_semlock"):
            lock = thing._semlock
            found.append(
                {
                    "type": type(thing).__name__,
                    "handle": lock.handle,
                    "kind": lock.kind,
                    "max": lock.maxvalue,
                    "held": lock._count(),
                }
            )
    return found
