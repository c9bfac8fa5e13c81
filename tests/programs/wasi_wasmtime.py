"""Runs the WASI program in wasmtime, through its Python package.

In: a module, a folder that is opened as `state` (or `-`), arguments. The program uses the standard
streams of this process. Out: the program's exit status.
"""

import sys

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig

file, folder, *args = sys.argv[1:]
config = WasiConfig()
config.argv = ["rule", *args]
config.inherit_stdin()
config.inherit_stdout()
config.inherit_stderr()
if folder != "-":
    config.preopen_dir(folder, "state")
engine = Engine()
store, linker = Store(engine), Linker(engine)
store.set_wasi(config)
linker.define_wasi()
instance = linker.instantiate(store, Module.from_file(engine, file))
try:
    instance.exports(store)["_start"](store)
except ExitTrap as exit:
    sys.exit(exit.code)
