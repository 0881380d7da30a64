"""What befalls the members of groups, by chance, while they work."""

import time

# Longer than a transaction and a session of theirs last.
_FROZEN_S = 8


class Trouble:
    """Of groups as `copying` has them."""

    faults = ["kill_member", "kill_member_for_good", "freeze_member"]

    def __init__(self, groups, chance):
        self.groups, self.chance = groups, chance
        self._frozen = []
        self.done = []

    def any(self):
        """Whoever was frozen comes back after a while, to a group that has gone on without."""
        name = self.chance.choice(self.faults)
        self.done.append(name)
        getattr(self, name)()
        for until, member in list(self._frozen):
            if time.monotonic() > until:
                self._thaw(until, member)
        for group in self.groups:
            group.revive()

    def end(self):
        for until, member in list(self._frozen):
            self._thaw(until, member)

    def _thaw(self, until, member):
        self._frozen.remove((until, member))
        if member.process.poll() is None:
            member.thaw()

    def _member(self):
        group = self.chance.choice(self.groups)
        return group, self.chance.choice(group.members)

    def kill_member(self):
        group, member = self._member()
        group.replace(member, same_id=True)

    def kill_member_for_good(self):
        """Its transaction ends by its timeout."""
        group, member = self._member()
        group.replace(member, same_id=False)

    def freeze_member(self):
        _, member = self._member()
        if member.process.poll() is None and member not in [frozen for _, frozen in self._frozen]:
            member.freeze()
            self._frozen.append((time.monotonic() + _FROZEN_S, member))
