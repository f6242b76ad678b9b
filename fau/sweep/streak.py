"""Notices slots on which everything fails: a lost GPU, a full disk or a broken environment would use up the sweep."""

from __future__ import annotations

from collections.abc import Sequence

QUICK = 120.0  # s; a trial that fails sooner has trained little, and the next one may as well
ENOUGH = 5


class _Streak:
    """The attempts that failed soon after their start, one after another, in one slot."""

    def __init__(self) -> None:
        self.count = 0
        self.reason = ""  # of the last
        self.rows: set[str] = set()
        self.said = False

    def admits(self, row: str) -> bool:
        return self.count < ENOUGH or row not in self.rows


class Streaks:
    """Which slots may be given trials: not those that see one failure after another, in every row that is left.

    Args:
        gpus: For each slot its GPUs.
    """

    def __init__(self, gpus: Sequence[Sequence[str]]) -> None:
        self._gpus = gpus
        self._streaks = [_Streak() for _ in gpus]

    def add(self, slot: int, row: str, reason: str, seconds: float) -> None:
        """Note the end of an attempt.

        Args:
            slot: Where it ran.
            row: The trial's row.
            reason: Why it failed, empty if it did not.
            seconds: How long it took.
        """
        if not reason or seconds > QUICK:
            self._streaks[slot] = _Streak()
            return
        streak = self._streaks[slot]
        streak.count += 1
        streak.reason = reason
        streak.rows.add(row)

    def slot_for(self, row: str, free: Sequence[int]) -> int | None:
        """Return the slot to start a trial of a row in: after enough failures, one in which that row has not failed."""
        return next((slot for slot in reversed(free) if self._streaks[slot].admits(row)), None)

    def set_aside(self, rows: Sequence[str], free: Sequence[int], left: int) -> tuple[bool, list[str]]:
        """Find the slots that no trial may be started in.

        Args:
            rows: The row of each waiting trial that waits for no other one.
            free: The free slots.
            left: Number of all waiting trials.

        Returns:
            Whether that is all slots; and what is to be said, each thing once.
        """
        aside = [slot for slot in free if rows and not any(map(self._streaks[slot].admits, rows))]
        if len(aside) == len(self._streaks):
            failed = sum(streak.count for streak in self._streaks)
            return True, [
                f"no more trials are started: the last {failed} failed soon after their start; trials left: "
                f"{left}; mend what stops them and give the same command again"
            ]
        remarks = []
        for slot in aside:
            streak = self._streaks[slot]
            if not streak.said:
                gpus = f" (GPU {','.join(self._gpus[slot])})" if self._gpus[slot] else ""
                remarks.append(
                    f"slot {slot + 1}{gpus} is set aside: its last {streak.count} trials failed soon after their "
                    f"start, the last with: {streak.reason}"
                )
                streak.said = True
        return False, remarks
