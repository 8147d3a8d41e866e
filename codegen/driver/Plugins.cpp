// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loading of plug-ins; see adze/PluginLoader.h.
//
// MLIR aborts when two passes or two dialects of one name meet: every
// registration is checked here before MLIR sees it.

#include "adze/Plugin.h"
#include "adze/PluginLoader.h"
#include "adze/Transforms/Pipelines.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include <dlfcn.h>
#include <map>

using namespace mlir;
using namespace adze;
using llvm::Error;

namespace {

/// What this process knows of plug-ins. It mirrors MLIR's registry of passes,
/// which is one per process too.
struct ProcessState {
  std::mutex mutex;
  std::map<std::string, std::string> passOwner; // pass -> plug-in
  std::map<std::string, std::pair<TypeID, std::string>> dialectOwner;
  std::map<std::string, bool> upstreamPasses; // plug-ins made for mlir-opt
};

ProcessState &state() {
  static ProcessState only;
  return only;
}

Error problem(StringRef path, const Twine &text) {
  return llvm::createStringError("plug-in " + path + ": " + text);
}

template <typename F> F symbol(void *handle, const char *name) {
  return reinterpret_cast<F>(::dlsym(handle, name));
}

/// A handle that is closed unless it is kept.
class Library {
public:
  explicit Library(void *handle) : handle(handle) {}
  Library(const Library &) = delete;
  ~Library() {
    if (handle)
      ::dlclose(handle);
  }
  void *get() const { return handle; }
  void keep() { handle = nullptr; }

private:
  void *handle;
};

} // namespace

//===-- what a plug-in calls ----------------------------------------------===//

void PluginRegistry::insert(StringRef point, StringRef pass) {
  if (!llvm::is_contained(extensionPoints(), point) || pass.empty()) {
    problems.push_back(("wants to insert \"" + pass + "\" at \"" + point +
                        "\": expected a pass and one of the points " +
                        llvm::join(extensionPoints(), ", "))
                           .str());
    return;
  }
  inserts.push_back((point + ":" + pass).str());
}

void PluginRegistry::addDialect(TypeID id, StringRef name,
                                const DialectAllocatorFunction &make) {
  auto &owners = state().dialectOwner;
  auto known = owners.find(name.str());
  std::string other;
  if (known != owners.end() && known->second.first != id) {
    other = known->second.second;
  } else if (known == owners.end() && registry.getDialectAllocator(name)) {
    // One of ours or of MLIR: fine if it is the very same class.
    MLIRContext probe(registry, MLIRContext::Threading::DISABLED);
    Dialect *have = probe.getOrLoadDialect(name);
    if (!have || have->getTypeID() != id)
      other = "this program";
  }
  if (!other.empty()) {
    problems.push_back(("adds a dialect \"" + name + "\", which " + other +
                        " has already; give it another namespace")
                           .str());
    return;
  }
  owners.try_emplace(name.str(), id, plugin);
  registry.insert(id, name, make);
}

void PluginRegistry::addPass(const PassAllocatorFunction &make) {
  std::unique_ptr<Pass> made = make();
  StringRef name = made ? made->getArgument() : StringRef();
  if (name.empty()) {
    problems.push_back("adds a pass without a name; give it getArgument()");
    return;
  }
  auto &owners = state().passOwner;
  auto known = owners.find(name.str());
  if (known != owners.end() && known->second == plugin)
    return; // loaded before
  if (known != owners.end() || PassInfo::lookup(name)) {
    problems.push_back(
        ("adds a pass \"" + name + "\", which " +
         (known != owners.end() ? known->second : "this program") +
         " has already; give it another name")
            .str());
    return;
  }
  owners[name.str()] = plugin;
  registerPass(make);
}

//===-- loading -----------------------------------------------------------===//

/// Named by PluginRegistry as its friend.
class adze::PluginLoader {
public:
  PluginLoader(StringRef path, DialectRegistry &registry)
      : path(path), registry(registry) {}

  Error load(std::vector<std::string> &defaultInserts);

private:
  Error addOurs(const PluginInfo &info,
                std::vector<std::string> &defaultInserts);
  Error addUpstream(void *handle);

  StringRef path;
  DialectRegistry &registry;
};

Error PluginLoader::addOurs(const PluginInfo &info,
                            std::vector<std::string> &defaultInserts) {
  if (info.abi != ADZE_PLUGIN_ABI)
    return problem(path, "was built for plug-in ABI " + Twine(info.abi) +
                             ", expected " + Twine(ADZE_PLUGIN_ABI) +
                             "; build it against the headers of this Adze");
  if (StringRef(info.llvmVersion) != LLVM_VERSION_STRING)
    return problem(path, "was built with LLVM " + Twine(info.llvmVersion) +
                             ", expected " LLVM_VERSION_STRING
                             "; build it with the LLVM that this Adze uses");
  if (info.size < sizeof(PluginInfo) || !info.add)
    return problem(path, "has an incomplete adzePluginInfo; define it with "
                         "ADZE_PLUGIN of adze/Plugin.h");
  PluginRegistry added(registry, path.str());
  info.add(added);
  if (!added.problems.empty())
    return problem(path, llvm::join(added.problems, "\n  and "));
  llvm::append_range(defaultInserts, added.inserts);
  return Error::success();
}

Error PluginLoader::addUpstream(void *handle) {
  auto passes =
      symbol<PassPluginLibraryInfo (*)()>(handle, "mlirGetPassPluginInfo");
  auto dialects = symbol<DialectPluginLibraryInfo (*)()>(
      handle, "mlirGetDialectPluginInfo");
  if (!passes && !dialects)
    return problem(
        path, "exports none of adzePluginInfo (ADZE_PLUGIN of adze/Plugin.h), "
              "mlirGetPassPluginInfo, mlirGetDialectPluginInfo; was it built "
              "with -fvisibility=hidden?");
  auto checked = [&](uint32_t found, uint32_t expected) -> Error {
    if (found == expected)
      return Error::success();
    return problem(path, "was built for version " + Twine(found) +
                             " of MLIR's plug-in API, expected " +
                             Twine(expected));
  };
  if (dialects) {
    DialectPluginLibraryInfo info = dialects();
    if (Error error = checked(info.apiVersion, MLIR_PLUGIN_API_VERSION))
      return error;
    info.registerDialectRegistryCallbacks(&registry);
  }
  if (passes) {
    PassPluginLibraryInfo info = passes();
    if (Error error = checked(info.apiVersion, MLIR_PLUGIN_API_VERSION))
      return error;
    bool &done = state().upstreamPasses[path.str()];
    if (!std::exchange(done, true))
      info.registerPassRegistryCallbacks();
  }
  return Error::success();
}

Error PluginLoader::load(std::vector<std::string> &defaultInserts) {
  Library library(::dlopen(path.str().c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!library.get()) {
    const char *why = ::dlerror();
    return problem(path, Twine("cannot be loaded: ") +
                             (why ? why : "no reason given"));
  }
  auto entry = symbol<const PluginInfo *(*)()>(library.get(), "adzePluginInfo");
  const PluginInfo *info = entry ? entry() : nullptr;
  // Once anything of it may be registered, it must stay.
  bool mayRegister = !info || info->abi == ADZE_PLUGIN_ABI;
  Error error =
      info ? addOurs(*info, defaultInserts) : addUpstream(library.get());
  if (mayRegister)
    library.keep();
  return error;
}

Error adze::loadPlugin(StringRef path, DialectRegistry &registry,
                       std::vector<std::string> &defaultInserts) {
  // A bare name would make the loader search the library path.
  llvm::SmallString<256> real;
  if (std::error_code code = llvm::sys::fs::real_path(path, real))
    return problem(path, "cannot be loaded: " + code.message());
  if (!llvm::sys::fs::is_regular_file(real))
    return problem(path, "cannot be loaded: expected a shared library, found "
                         "something that is no file");
  std::lock_guard<std::mutex> lock(state().mutex);
  return PluginLoader(real, registry).load(defaultInserts);
}

std::vector<std::string> adze::mergeInserts(ArrayRef<std::string> defaults,
                                            ArrayRef<std::string> given) {
  auto passOf = [](StringRef insert) {
    return insert.split(':').second.split('{').first.trim();
  };
  std::vector<std::string> merged;
  for (const std::string &insert : defaults)
    if (llvm::none_of(given, [&](StringRef other) {
          return passOf(other) == passOf(insert);
        }))
      merged.push_back(insert);
  llvm::append_range(merged, given);
  return merged;
}

Error adze::loadPluginOptions(int &argc, char **argv,
                              DialectRegistry &registry) {
  std::vector<std::string> inserts; // a tool with a pipeline of its own: unused
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    StringRef arg = argv[i], option = arg;
    if (option.consume_front("-"))
      option.consume_front("-");
    auto [name, value] = option.split('=');
    bool isOurs = arg.starts_with("-") &&
                  (name == "load-pass-plugin" || name == "load-dialect-plugin");
    if (!isOurs) {
      argv[kept++] = argv[i];
      continue;
    }
    if (!option.contains('=')) {
      if (i + 1 == argc)
        return llvm::createStringError(arg +
                                       ": expected the path of a plug-in");
      value = argv[++i];
    }
    if (Error error = loadPlugin(value, registry, inserts))
      return error;
  }
  argc = kept;
  argv[argc] = nullptr;
  return Error::success();
}

std::unique_lock<std::mutex> adze::lockPassRegistry() {
  return std::unique_lock<std::mutex>(state().mutex);
}
