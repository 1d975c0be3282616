"""What becomes of an input that breaks a promise: made small, written down, put on a wire if that is possible."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import ModuleType

from tests.fuzz.shrink import how, shrink


class Finds:
    """The ways in which a target's promises were broken in this run, each written to FOLDER/found once."""

    def __init__(self, module: ModuleType, folder: Path) -> None:
        self._module = module
        self._folder = folder
        self.executions = 0
        self.said: dict[str, str] = {}  # how it failed -> which input

    def run(self, data: bytes) -> None:
        """Run the target; what it raises is kept, not passed on."""
        self.executions += 1
        try:
            self._module.run(data)
        except Exception as error:
            reason = how(self._module.run, data) or f"once only: {error!r}"
            if reason not in self.said:
                self.said[reason] = self._keep(data)

    def _keep(self, data: bytes) -> str:
        found = self._folder / "found"
        found.mkdir(parents=True, exist_ok=True)
        small = shrink(self._module.run, data)
        path = found / hashlib.sha256(small).hexdigest()[:16]
        path.write_bytes(small)
        if capture := getattr(self._module, "capture", None):
            path.with_suffix(".pcap").write_bytes(capture(small))
        return str(path)

    def tell(self) -> None:
        """Tell the process that started this one."""
        said = [f"{reason}: {path}" for reason, path in self.said.items()]
        (self._folder / "answer.json").write_text(json.dumps({"executions": self.executions, "finds": said}))
