#!/usr/bin/env python3
"""Runs inkread from a checkout, without installing it: `python cli.py predict line.png`."""

from inkread.cli import main

if __name__ == "__main__":
    main()
