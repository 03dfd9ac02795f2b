"""The headline figure, from scratch: an hour of training on IAM's lines, then reading writers never seen.

    python benchmarks/iam.py --data data/iam-lines --minutes 60

IAM is for non-commercial research, and so is what this trains: it is no model to ship.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TextIO


def main() -> None:
    parser = argparse.ArgumentParser(description="Train on IAM from scratch and measure on unseen writers.")
    parser.add_argument("--data", type=Path, required=True, help="IAM's lines, with the splits tr and va1")
    parser.add_argument("--minutes", type=float, default=60, help="of training (default: %(default)g)")
    parser.add_argument("--preset", default="base", help="the network (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("iam.safetensors"), help="model (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    arguments = parser.parse_args()

    train = ["train", f"{arguments.data}:tr", "--dev", f"{arguments.data}:va1", "--out", str(arguments.out)]
    inkread(*train, "--preset", arguments.preset, "--minutes", str(arguments.minutes), out=sys.stderr)
    inkread("eval", f"{arguments.data}:va1", "--model", str(arguments.out), *["--json"] * arguments.json)


def inkread(*arguments: str, out: TextIO = sys.stdout) -> None:
    """Run a command of inkread; where it fails it has told why, and this script ends as well."""
    code = subprocess.run([sys.executable, "-m", "inkread", *arguments], stdout=out).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
