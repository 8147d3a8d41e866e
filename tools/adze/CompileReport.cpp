// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CompileReport.h"
#include "Console.h"
#include "Subcommands.h"
#include "llvm/Support/JSON.h"
#include <cstdio>

using namespace adze;
namespace json = llvm::json;

int adze::tools::printCompiled(const CompileStats &s, const std::string &output,
                               bool json) {
  if (json)
    return printJson(json::Object{{"output", output},
                                  {"seconds", s.seconds},
                                  {"import_seconds", s.importSeconds},
                                  {"optimize_seconds", s.optimizeSeconds},
                                  {"codegen_seconds", s.codegenSeconds},
                                  {"pack_seconds", s.packSeconds},
                                  {"peak_rss_bytes", int64_t(s.peakRssBytes)},
                                  {"peak_anon_bytes", int64_t(s.peakAnonBytes)},
                                  {"artefact_bytes", int64_t(s.artefactBytes)},
                                  {"weight_bytes", int64_t(s.weightBytes)},
                                  {"warnings", json::Array(s.warnings)}});
  for (const std::string &warning : s.warnings)
    warn(warning);
  std::printf("wrote %s: %s, of which %s are weights\n"
              "%.2f s: import and passes %.2f, code %.2f, weights %.2f; "
              "at most %s of memory beside the files\n",
              output.c_str(), bytesText(s.artefactBytes).c_str(),
              bytesText(s.weightBytes).c_str(), s.seconds,
              s.importSeconds + s.optimizeSeconds, s.codegenSeconds,
              s.packSeconds, bytesText(s.peakAnonBytes).c_str());
  return ExitOk;
}
