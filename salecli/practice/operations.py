"""The operations that practice tasks are made of: a name, an expression over `xs`, and phrases.

The order of each table is the order of rarity: the first are common, the last form a long tail. Every
phrase holds the words of the operation's name, so that a plan line `name: expression` read elsewhere
can be recognised from the words of an issue.
"""

from __future__ import annotations

from dataclasses import dataclass

_SMALL = (2, 3, 4, 5)
_TO_NINE = (2, 3, 4, 5, 6, 7, 8, 9)
_ANY = (1, 2, 3, 4, 5, 6, 7, 8, 9)


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of step; `{c}` stands for its constant in name, expression and phrases."""

    name: str
    expression: str
    phrases: tuple[str, ...]
    constants: tuple[int, ...] = ()
    """Values that the constant may take; empty for an operation without one."""
    final: bool = False
    """True where the result is a number, so that no step can follow."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation with its constant filled in."""

    name: str
    expression: str

    @property
    def line(self) -> str:
        """The step as a plan writes it."""
        return f"{self.name}: {self.expression}"


def step(operation: Operation, constant: int | None = None) -> Step:
    """`operation` with its constant filled in."""
    return Step(filled(operation.name, constant), filled(operation.expression, constant))


def filled(text: str, constant: int | None) -> str:
    """`text` with the constant in place."""
    return text if constant is None else text.replace("{c}", str(constant))


def _list(name: str, expression: str, *phrases: str, c: tuple[int, ...] = ()) -> Operation:
    return Operation(name, expression, (name, *phrases), c)


def _number(name: str, expression: str, *phrases: str) -> Operation:
    return Operation(name, expression, (f"return the {name}", f"give the {name}", *phrases), final=True)


def _each(name: str, value: str, *phrases: str, c: tuple[int, ...] = ()) -> Operation:
    return _list(name, f"[{value} for x in xs]", *phrases, c=c)


def _keep(what: str, condition: str, *phrases: str, c: tuple[int, ...] = ()) -> Operation:
    name = f"keep {what}"
    return _list(
        name, f"[x for x in xs if {condition}]", f"keep only {what}", f"keep the {what} ones", *phrases, c=c
    )


def _couple(name: str, value: str, *phrases: str) -> Operation:
    return _list(name, f"[{value} for a,b in zip(xs,xs[1:])]", *phrases)


LISTS: tuple[Operation, ...] = (
    _keep("even", "x%2==0", "keep the even numbers"),
    _keep("odd", "x%2==1", "keep the odd numbers"),
    _list("sort up", "sorted(xs)", "sort the list up", "sort up, smallest first"),
    _each("add {c}", "x+{c}", "add {c} to each number", "add {c} to all", c=_ANY),
    _list("reverse", "xs[::-1]", "reverse the list", "reverse the order"),
    _each("times {c}", "x*{c}", "take each number times {c}", "multiply, times {c}", c=_TO_NINE),
    _keep("above {c}", "x>{c}", "keep numbers above {c}", c=_ANY),
    _keep("below {c}", "x<{c}", "keep numbers below {c}", c=_ANY),
    _list("first {c}", "xs[:{c}]", "take the first {c}", "take only the first {c}", c=_SMALL),
    _list("skip {c}", "xs[{c}:]", "skip the first {c}", "skip {c} at the front", c=(1, 2, 3)),
    _each("subtract {c}", "x-{c}", "subtract {c} from each number", "subtract {c} from all", c=_ANY),
    _each("square", "x*x", "square each number", "square all"),
    _list("sort down", "sorted(xs)[::-1]", "sort the list down", "sort down, largest first"),
    _list("unique", "list(dict.fromkeys(xs))", "make the list unique", "leave unique numbers"),
    _keep("positive", "x>0", "keep the positive numbers"),
    _keep("negative", "x<0", "keep the negative numbers"),
    _each("negate", "-x", "negate each number", "negate all"),
    _each("absolute", "abs(x)", "take absolute values", "make each absolute"),
    _keep("multiples of {c}", "x%{c}==0", "keep all multiples of {c}", c=_TO_NINE[1:]),
    _each("mod {c}", "x%{c}", "take each number mod {c}", "reduce mod {c}", c=_TO_NINE),
    _list("last {c}", "xs[-{c}:]", "take the last {c}", "take only the last {c}", c=_SMALL),
    _list("drop last {c}", "xs[:-{c}]", "drop the last {c}", "drop last {c} numbers", c=(1, 2, 3)),
    _each("halve by {c}", "x//{c}", "halve each by {c}", "divide, halve by {c}", c=_TO_NINE),
    _list("every {c}", "xs[::{c}]", "take every {c}", "pick every {c} from the front", c=(2, 3)),
    _list(
        "running sum",
        "[sum(xs[:i+1]) for i in range(len(xs))]",
        "take the running sum",
        "build a running sum",
    ),
    _list("without {c}", "[x for x in xs if x!={c}]", "go on without {c}", "use numbers without {c}", c=_ANY),
    _couple("gaps", "b-a", "take the gaps", "compute gaps of neighbours"),
    _each("cap at {c}", "min(x,{c})", "cap each at {c}", "cap all at {c}", c=_TO_NINE),
    _each("floor at {c}", "max(x,{c})", "floor each at {c}", "floor all at {c}", c=_ANY),
    _list("append sum", "xs+[sum(xs)]", "append the sum", "append sum to the end"),
    _couple("neighbour sums", "a+b", "take neighbour sums", "compute neighbour sums"),
    _list("rotate {c}", "xs[{c}:]+xs[:{c}]", "rotate the list {c}", "rotate left by {c}", c=(1, 2, 3)),
    _list("sort by size", "sorted(xs,key=abs)", "sort the list by size", "sort them by size"),
    _list("mirror", "xs+xs[::-1]", "mirror the list", "append its mirror"),
    _each("cube", "x**3", "cube each number", "cube all"),
    _list("twice over", "xs+xs", "write the list twice over", "say it twice over"),
    _each("last digits", "abs(x)%10", "take last digits", "leave the last digits"),
    _list(
        "running peak",
        "[max(xs[:i+1]) for i in range(len(xs))]",
        "take the running peak",
        "build a running peak",
    ),
    _list("odd places", "xs[1::2]", "take odd places", "pick the odd places"),
    _list("index add", "[x+i for i,x in enumerate(xs)]", "do an index add", "make the index add"),
    _keep("repeated", "xs.count(x)>1", "keep the repeated numbers"),
    _list("evens front", "sorted(xs,key=lambda x:x%2)", "move evens front", "put the evens front"),
    _each("center", "x-sum(xs)//len(xs)", "center the list", "center each number"),
    _keep("lonely", "xs.count(x)==1", "keep the lonely numbers"),
    _list(
        "chunks of {c}", "[sum(xs[i:i+{c}]) for i in range(0,len(xs),{c})]", "sum chunks of {c}", c=(2, 3, 4)
    ),
    _each("far from {c}", "abs(x-{c})", "measure how far from {c}", "take how far from {c}", c=_TO_NINE),
    _keep("over mean", "x*len(xs)>sum(xs)", "keep numbers over mean"),
    _list(
        "windows of {c}",
        "[sum(xs[i:i+{c}]) for i in range(len(xs)-{c}+1)]",
        "sum windows of {c}",
        c=(2, 3, 4),
    ),
    _list("rising", "[b for a,b in zip(xs,xs[1:]) if a<b]", "leave the rising ones", "take rising numbers"),
    _list("swap halves", "xs[len(xs)//2:]+xs[:len(xs)//2]", "swap the halves", "swap both halves"),
    _each("digit sums", "sum(map(int,str(abs(x))))", "take digit sums", "compute the digit sums"),
    _list("index times", "[x*i for i,x in enumerate(xs)]", "do an index times", "make the index times"),
    _each("tally", "xs.count(x)", "tally each number", "write the tally"),
    _list(
        "stutter {c}",
        "[x for x in xs for _ in range({c})]",
        "stutter each {c}",
        "make it stutter {c}",
        c=(2, 3),
    ),
    _list(
        "falling", "[b for a,b in zip(xs,xs[1:]) if a>b]", "leave the falling ones", "take falling numbers"
    ),
    _keep("prime", "x>1 and all(x%d for d in range(2,x))", "keep the prime numbers"),
    _list(
        "flip first {c}",
        "xs[:{c}][::-1]+xs[{c}:]",
        "flip the first {c}",
        "flip first {c} numbers",
        c=(2, 3, 4),
    ),
    _list("zigzag", "[x*(-1)**i for i,x in enumerate(xs)]", "zigzag the signs", "make a zigzag"),
    _each("rank", "sorted(xs).index(x)", "rank each number", "write the rank"),
    _list("peaks", "[b for a,b,c in zip(xs,xs[1:],xs[2:]) if a<b>c]", "leave the peaks", "take all peaks"),
    _list(
        "collapse",
        "[b for a,b in zip([None]+xs,xs) if a!=b]",
        "collapse the runs",
        "collapse equal neighbours",
    ),
    _list(
        "near {c}",
        "sorted(xs,key=lambda x:abs(x-{c}))",
        "order, near {c} first",
        "sort those near {c} first",
        c=_TO_NINE,
    ),
    _each("bits", "bin(x).count('1')", "count the bits", "take bits of each"),
    _list(
        "swap pairs",
        "[y for i in range(0,len(xs),2) for y in xs[i:i+2][::-1]]",
        "swap the pairs",
        "swap all pairs",
    ),
    _keep("square roots", "x>=0 and int(x**.5)**2==x", "keep those with square roots"),
    _list(
        "valleys", "[b for a,b,c in zip(xs,xs[1:],xs[2:]) if a>b<c]", "leave the valleys", "take all valleys"
    ),
    _list("by last digit", "sorted(xs,key=lambda x:x%10)", "order by last digit", "sort by last digit"),
    _list("weave", "[y for p in zip(xs,xs[::-1]) for y in p]", "weave with the reverse", "weave both ways"),
)

NUMBERS: tuple[Operation, ...] = (
    _number("sum", "sum(xs)", "return the sum of all"),
    _number("count", "len(xs)", "return the count of numbers"),
    _number("largest", "max(xs,default=0)", "return the largest number"),
    _number("smallest", "min(xs,default=0)", "return the smallest number"),
    _number("square sum", "sum(x*x for x in xs)"),
    _number("spread", "max(xs)-min(xs) if xs else 0"),
    _number("odd count", "sum(x%2 for x in xs)"),
    _number("variety", "len(set(xs))"),
    _number("median", "sorted(xs)[len(xs)//2] if xs else 0"),
    _number("final one", "xs[-1] if xs else 0"),
    _number("see-saw", "sum(xs[::2])-sum(xs[1::2])"),
    _number("favourite", "max(xs,key=xs.count,default=0)"),
    _number("runner-up", "(sorted(set(xs))[-2:] or [0])[0]"),
    _number("disorder", "sum(a>b for i,b in enumerate(xs) for a in xs[:i])"),
)
