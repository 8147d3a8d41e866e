# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# lit tests: every .mlir and .test file below this folder with RUN lines.
#
#   lit -v BUILD/test                         all
#   lit -v BUILD/test --filter frontend/      one folder
import os
import sys

import lit.formats

config.name = "Adze"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "fuzz", "install", "numerics", "references", "scripts"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.adze_build, "test", "lit")

# The tools under test go before any that are installed.
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.adze_build, "bin"), config.llvm_tools,
     os.environ["PATH"]])
# Compiled models of tests never meet those of the user.
config.environment["ADZE_CACHE_DIR"] = os.path.join(config.test_exec_root,
                                                    "cache")
config.substitutions.append(
    ("%references",
     os.path.join(config.test_source_root, "numerics", "references")))
config.substitutions.append(("%data", config.adze_test_data))
# The checkout, and the libraries of the build tree.
config.substitutions.append(("%source", os.path.dirname(config.test_source_root)))
config.substitutions.append(("%libs", os.path.join(config.adze_build, "lib")))
if os.path.isdir(config.adze_test_data):
    config.available_features.add("test-data")

# One interpreter for all: Python of RUN lines is that which runs lit, and CMake
# runs lit with the one that it found.
config.substitutions.append((r"(?<![\w/.%-])python3(?![\w/.-])", sys.executable))

# Some checks are written with NumPy (Debian: python3-numpy).
try:
    import numpy
except ImportError:
    numpy = None
if numpy:
    config.available_features.add("numpy")
else:
    lit_config.note(sys.executable + " has no NumPy: tests that compare with it are "
                    "left out (cmake -DPython3_EXECUTABLE chooses another)")
