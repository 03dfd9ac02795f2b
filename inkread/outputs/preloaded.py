"""The models that worker processes share. The process from which they are forked imports this module once.

The modules of a fork server are all that it loads, so importing this one is what loads the models. The environment
variable is that of `workers`; in any other process it is not set, and nothing is loaded.
"""

import base64
import gc
import os
import pickle
from contextlib import suppress

from inkread.errors import InkreadError
from inkread.model.recognizer import Recognizers
from inkread.pages.reader import Reader

reader: Reader | None = None
pickled = b""  # the reader before it has loaded models

if (_given := os.environ.pop("INKREAD_PRELOAD", "")) and not reader:
    pickled, _names = pickle.loads(base64.b64decode(_given))
    reader = pickle.loads(pickled)
    assert reader
    if isinstance(reader.recognizer, Recognizers):
        for _name in _names:
            with suppress(InkreadError):  # reported by the first worker that needs the model
                reader.recognizer.loaded[_name] = reader.recognizer.load(_name)
    gc.freeze()  # so that no collection of garbage writes to shared memory
