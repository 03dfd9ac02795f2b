"""The models that worker processes share. The process from which they are forked imports this module once.

The modules of a fork server are all that it loads, so importing this one is what loads the models. The environment
variable is that of `workers`; in any other process it is not set, and nothing is loaded.
"""

import gc
import json
import os
from contextlib import suppress
from pathlib import Path

from inkread.errors import InkreadError
from inkread.model.recognizer import Recognizer, Recognizers

settings = ""  # of the Recognizers with which the models were loaded, as JSON
loaded: dict[str, Recognizer] = {}  # by the name of the model

# The file is there while the fork server starts. If that could not import this module, each worker loads the models.
if (_file := Path(os.environ.pop("INKREAD_PRELOAD", ""))).is_file() and not loaded:
    settings, _names = json.loads(_file.read_text("utf-8"))
    for _name in _names:
        with suppress(InkreadError):  # reported by the first worker that needs the model
            loaded[_name] = Recognizers(**json.loads(settings)).load(_name)
    gc.freeze()  # so that no collection of garbage writes to shared memory
