"""Whether what several processes saw and left behind is what some order of their operations leads to.

Every operation on a module takes effect at one moment between its start and its end. A search tries which moments: it
takes operations one by one, any whose start is before the end of all that are left, and follows what each does to the
state of the module (Wing and Gong, "Testing and verifying concurrent objects", 1993). What it has tried once, the same
operations taken and the same state, it does not try again.
"""
import collections

ADDED, BUILT, INSTALLED = range(3)
# A module: whether it is registered, and how far it is for each of two kernels.
State = collections.namedtuple("State", "registered kernels")
NOTHING = State(False, (ADDED, ADDED))
# One operation on one module. kernel: 0 or 1; seen: for status, the State that it printed. A step of an operation: part,
# its number, and whether it may find nothing to do.
Operation = collections.namedtuple("Operation", "verb kernel code start end seen part optional", defaults=(None, 0, False))
# What others may see of an operation on its way; what it must have done at its end, if it ended well, has a mark.
STEPS = {"build": "add build!", "install": "add build install!", "unbuild": "uninstall unbuild!",
         "remove": "uninstall unbuild! unregister!", "autoinstall": "build install", "uninstall": "uninstall!", "add": "add!", "status": "status!"}


def with_kernel(state, kernel, how_far):
    return State(True, tuple(how_far if k == kernel else old for k, old in enumerate(state.kernels)))


def outcomes(operation, state, depends):
    """The states that @operation, with the exit code that it had, may leave when it meets @state; none: it cannot have
    happened then. @depends: it may be refused, or put off, because of another module."""
    verb, kernel, code = operation[:3]
    far = state.kernels[kernel] if kernel is not None else None
    if verb == "autoinstall":
        if not state.registered:
            return [state]
        return [with_kernel(state, kernel, INSTALLED)] + ([state] if depends or code != 0 else [])
    if verb == "add":
        return [state] if code == 3 and state.registered else [State(True, state.kernels)] if code == 0 and not state.registered else []
    if verb in ("build", "install"):
        if code == 13 and depends: # it was added first
            return [State(True, state.kernels)]
        return [with_kernel(state, kernel, max(far, BUILT) if verb == "build" else INSTALLED)] if code == 0 else []
    # Those that take away want the module to be there.
    if code == 3:
        return [] if state.registered else [state]
    if code != 0 or not state.registered:
        return []
    if verb == "uninstall":
        return [with_kernel(state, kernel, min(far, BUILT))]
    left = with_kernel(state, kernel, ADDED)
    return [NOTHING] if verb == "remove" and left.kernels == NOTHING.kernels else [left]


def step_outcomes(step, state, _depends):
    """As outcomes(), of a step that has something to do, where only one kernel is looked at, number 0."""
    verb = step.verb
    if verb == "status":
        return [state] if step.seen == state else []
    if verb == "add":
        return [State(True, state.kernels)]
    if verb == "unregister": # the other kernel may be in the way
        return [NOTHING, state] if state.kernels == NOTHING.kernels else [state]
    if not state.registered:
        return []
    far = state.kernels[0]
    reached = {"build": max(far, BUILT), "install": INSTALLED, "uninstall": min(far, BUILT), "unbuild": ADDED}[verb]
    return [with_kernel(state, 0, reached)]


def steps_for(operation, kernel):
    """The steps of @operation as far as they matter for what is seen of one kernel."""
    if operation.code == 3: # only looked
        return []
    names = STEPS["add" if operation.code == 13 else operation.verb].split() # refused: only added
    if operation.kernel not in (None, kernel): # the module comes and goes all the same
        names = [name for name in names if name.rstrip("!") in ("add", "unregister")]
    seen = operation.seen and State(operation.seen.registered, (operation.seen.kernels[kernel], ADDED))
    return [operation._replace(verb=name.rstrip("!"), part=i, seen=seen, optional=not name.endswith("!") or operation.code != 0)
            for i, name in enumerate(names)]


def search(operations, end, may_leave, depends):
    """Returns None when an order of @operations, each doing what @may_leave says, leads to the state @end; else text."""
    operations = sorted(operations, key=lambda o: o.end)
    everything = (1 << len(operations)) - 1
    tried = set()
    furthest = (0, NOTHING)
    todo = [(0, NOTHING)]
    while todo:
        taken, state = todo.pop()
        if (taken, state) in tried:
            continue
        tried.add((taken, state))
        if taken == everything and state == end:
            return None
        if bin(taken).count("1") > bin(furthest[0]).count("1"):
            furthest = (taken, state)
        left = [i for i in range(len(operations)) if not taken >> i & 1]
        # What works on a kernel has it for itself until it is through.
        busy = {operations[i].kernel: i - operations[i].part for i in left if operations[i].part > 0 and taken >> i - 1 & 1}
        next_ones = []
        for i in left:
            operation = operations[i]
            if operation.start > operations[left[0]].end:
                continue
            # Steps before it that had nothing to do are taken along, those that must have done something come first.
            first = i - operation.part
            before = [n for n in range(first, i) if not taken >> n & 1]
            if not all(operations[n].optional for n in before):
                continue
            after = taken | 1 << i | sum(1 << n for n in before)
            states = may_leave(operation, state, depends) if busy.get(operation.kernel, first) == first else []
            # Having nothing to do is put off to the end.
            next_ones += [(after, s) for s in states if s != state or not operation.optional]
            if i == left[0] and operation.optional:
                next_ones.append((after, state))
            if states and (operation.verb == "status" or operation.code == 3): # may be taken as soon as it fits
                next_ones = [(after, state)]
                break
        todo += reversed(next_ones)
    taken, state = furthest
    left = [o for i, o in enumerate(operations) if not taken >> i & 1]
    return f"after {bin(taken).count('1')} of {len(operations)} operations it is {state}; then should come {left[:4]}, at the end {end}"


def disorder(operations, end, depends=False):
    """Returns None when some order, one operation after the other, explains the results of those that change something
    and the state @end, and for each kernel some order of their steps what status saw in between; else what is unexplained,
    as text."""
    operations = list(operations)
    wrong = search([o for o in operations if o.verb != "status"], end, outcomes, depends)
    for kernel, far in enumerate(end.kernels):
        steps = [step for o in operations for step in steps_for(o, kernel)]
        wrong = wrong or search(steps, State(end.registered, (far, ADDED)), step_outcomes, depends)
    return wrong
