from typing import TypeVar

Declared = TypeVar("Declared")

class WithinRange:
    def __init__(self, minimum: float, maximum: float) -> None: ...

def parameterNodeWrapper(declared: type[Declared]) -> type[Declared]: ...
