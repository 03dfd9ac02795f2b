"""Two processes that train together: one that never comes must not be waited for in silence."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from inkread import processes
from inkread.errors import TrainingFailed


@pytest.mark.skipif(sys.platform == "win32" or (os.cpu_count() or 1) < 2, reason="needs two cores and a shell script")
def test_a_second_process_that_dies_before_it_has_met_the_first_is_told_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dies = tmp_path / "python"
    dies.write_text("#!/bin/sh\necho 'Error: no memory left' >&2\nexit 3\n")
    dies.chmod(0o755)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(sys, "executable", str(dies))
    monkeypatch.setattr(processes, "MEETING", timedelta(seconds=1))
    threads = torch.get_num_threads()
    try:
        with pytest.raises(TrainingFailed, match=r"ended \(no memory left\)"), processes.alone_or_together():
            processes.join()
    finally:
        torch.set_num_threads(threads)
    assert "WORLD_SIZE" not in os.environ
