"""Checks whether the observations and results of several processes are explained by some order of their operations.

Every operation on a module takes effect at one moment between its start and its end. A search tries these moments: it takes
any operation that starts before all remaining ones end, and applies its effect to the state of the module (Wing and Gong,
"Testing and verifying concurrent objects", 1993). It does not try the same set of operations with the same state twice.
"""
import collections

ADDED, BUILT, INSTALLED = range(3)
# The state of a module: registered or not, and the progress for two kernels.
State = collections.namedtuple("State", "registered kernels")
NOTHING = State(False, (ADDED, ADDED))
# An operation on a module. kernel: 0 or 1; seen: the State that status printed. For a step of an operation, part is its number,
# and optional means that it may have no effect.
Operation = collections.namedtuple("Operation", "verb kernel code start end seen part optional", defaults=(None, 0, False))
# The visible steps of each operation. "!" marks a step that a successful operation always completes.
STEPS = {"build": "add build!", "install": "add build install!", "unbuild": "uninstall unbuild!",
         "remove": "uninstall unbuild! unregister!", "autoinstall": "build install", "uninstall": "uninstall!", "add": "add!", "status": "status!"}


def with_kernel(state, kernel, how_far):
    return State(True, tuple(how_far if k == kernel else old for k, old in enumerate(state.kernels)))


def outcomes(operation, state, depends):
    """The possible states after @operation, with its exit code, in @state; empty if it is impossible in that state. @depends:
    it may be refused or deferred because of another module."""
    verb, kernel, code = operation[:3]
    far = state.kernels[kernel] if kernel is not None else None
    if verb == "autoinstall":
        if not state.registered:
            return [state]
        return [with_kernel(state, kernel, INSTALLED)] + ([state] if depends or code != 0 else [])
    if verb == "add":
        return [state] if code == 3 and state.registered else [State(True, state.kernels)] if code == 0 and not state.registered else []
    if verb in ("build", "install"):
        if code == 13 and depends: # the module was added first
            return [State(True, state.kernels)]
        return [with_kernel(state, kernel, max(far, BUILT) if verb == "build" else INSTALLED)] if code == 0 else []
    # Verbs that remove need the module.
    if code == 3:
        return [] if state.registered else [state]
    if code != 0 or not state.registered:
        return []
    if verb == "uninstall":
        return [with_kernel(state, kernel, min(far, BUILT))]
    left = with_kernel(state, kernel, ADDED)
    return [NOTHING] if verb == "remove" and left.kernels == NOTHING.kernels else [left]


def step_outcomes(step, state, _depends):
    """Like outcomes() for a step that has an effect; only kernel number 0 counts."""
    verb = step.verb
    if verb == "status":
        return [state] if step.seen == state else []
    if verb == "add":
        return [State(True, state.kernels)]
    if verb == "unregister": # the other kernel may prevent this
        return [NOTHING, state] if state.kernels == NOTHING.kernels else [state]
    if not state.registered:
        return []
    far = state.kernels[0]
    reached = {"build": max(far, BUILT), "install": INSTALLED, "uninstall": min(far, BUILT), "unbuild": ADDED}[verb]
    return [with_kernel(state, 0, reached)]


def steps_for(operation, kernel):
    """The steps of @operation that are visible for one kernel."""
    if operation.code == 3: # no effect
        return []
    names = STEPS["add" if operation.code == 13 else operation.verb].split() # with 13, the operation only added
    if operation.kernel not in (None, kernel): # only the registration of the module counts
        names = [name for name in names if name.rstrip("!") in ("add", "unregister")]
    seen = operation.seen and State(operation.seen.registered, (operation.seen.kernels[kernel], ADDED))
    return [operation._replace(verb=name.rstrip("!"), part=i, seen=seen, optional=not name.endswith("!") or operation.code != 0)
            for i, name in enumerate(names)]


def search(operations, end, may_leave, depends):
    """Returns: None if an order of @operations with the effects of @may_leave leads to the state @end; otherwise a text"""
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
        # An operation works on a kernel alone until it is complete.
        busy = {operations[i].kernel: i - operations[i].part for i in left if operations[i].part > 0 and taken >> i - 1 & 1}
        next_ones = []
        for i in left:
            operation = operations[i]
            if operation.start > operations[left[0]].end:
                continue
            # Earlier steps without an effect are included. Earlier steps with an effect must come first.
            first = i - operation.part
            before = [n for n in range(first, i) if not taken >> n & 1]
            if not all(operations[n].optional for n in before):
                continue
            after = taken | 1 << i | sum(1 << n for n in before)
            states = may_leave(operation, state, depends) if busy.get(operation.kernel, first) == first else []
            # The case without an effect is tried last.
            next_ones += [(after, s) for s in states if s != state or not operation.optional]
            if i == left[0] and operation.optional:
                next_ones.append((after, state))
            if states and (operation.verb == "status" or operation.code == 3): # take it as soon as possible
                next_ones = [(after, state)]
                break
        todo += reversed(next_ones)
    taken, state = furthest
    left = [o for i, o in enumerate(operations) if not taken >> i & 1]
    return f"after {bin(taken).count('1')} of {len(operations)} operations it is {state}; then should come {left[:4]}, at the end {end}"


def disorder(operations, end, depends=False):
    """Returns: None if a sequence of the operations explains their exit codes and the state @end, and for each kernel a
    sequence of their steps explains the output of status; otherwise a text about the contradiction"""
    operations = list(operations)
    wrong = search([o for o in operations if o.verb != "status"], end, outcomes, depends)
    for kernel, far in enumerate(end.kernels):
        steps = [step for o in operations for step in steps_for(o, kernel)]
        wrong = wrong or search(steps, State(end.registered, (far, ADDED)), step_outcomes, depends)
    return wrong
