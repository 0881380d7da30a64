"""The Java clients' cases: each is a method in java_clients' files, all run in one JVM."""

from harness import installed, java
from harness.process import Client


class JavaCases(Client):
    """The JVM, pointed at one broker."""

    def __init__(self, broker):
        super().__init__(java.tool("ottla.compat.Cases", broker.bootstrap, classes=installed.java_clients()))

    def passes(self, name):
        """Runs a case, and fails with what the JVM said."""
        self.seen.clear()
        self.say(name)
        verdict = self.wait_for(lambda line: line in (f"ok {name}", f"not ok {name}"), timeout_s=120)
        assert verdict == f"ok {name}", "\n".join(self.seen)
