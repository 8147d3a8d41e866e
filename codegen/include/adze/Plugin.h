// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a plug-in includes: a shared library that adds dialects and passes to
// every Adze tool without rebuilding any of them.
//
//   #include "adze/Plugin.h"
//   ADZE_PLUGIN(my, "1.0") {
//     registry.dialect<my::MyDialect>();
//     registry.pass<my::Clip>();
//     registry.insert("after-import", "my-clip{max=6}"); // where it runs
//   }
//
// Build it as a shared library that links Adze::Adze (adze_add_plugin does) and
// give its path to adze-opt --load-pass-plugin, adze compile
// --load-pass-plugin, or CompileOptions::plugins. Never build a file that
// includes MLIR with -fvisibility=hidden.
#ifndef ADZE_PLUGIN_H
#define ADZE_PLUGIN_H

#include "mlir/IR/Dialect.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/// Grows when a plug-in built against older headers could no longer work:
/// PluginInfo, PluginRegistry, or the C++ interface of an op, type or
/// attribute.
#define ADZE_PLUGIN_ABI 1u

namespace adze {

/// What a plug-in adds. Each call is checked; a clash with something that is
/// registered already is an error of loading the plug-in.
class PluginRegistry {
public:
  /// A dialect, by its class.
  template <typename D> void dialect() {
    addDialect(mlir::TypeID::get<D>(), D::getDialectNamespace(),
               [](mlir::MLIRContext *context) -> mlir::Dialect * {
                 return context->getOrLoadDialect<D>();
               });
  }
  /// A pass, by its class (which has a default constructor).
  template <typename P> void pass() {
    addPass(
        []() -> std::unique_ptr<mlir::Pass> { return std::make_unique<P>(); });
  }
  /// A pass, by a function that makes it.
  void pass(const mlir::PassAllocatorFunction &make) { addPass(make); }

  /// Where a pass runs when the user does not say: at an extension point
  /// (after-import, after-compress, after-fuse, before-codegen). A user who
  /// inserts the same pass anywhere replaces this.
  void insert(llvm::StringRef point, llvm::StringRef pass);

  /// For interfaces and extensions of dialects that exist already.
  mlir::DialectRegistry &dialects() { return registry; }

private:
  friend class PluginLoader;
  PluginRegistry(mlir::DialectRegistry &registry, std::string plugin)
      : registry(registry), plugin(std::move(plugin)) {}

  void addDialect(mlir::TypeID id, llvm::StringRef name,
                  const mlir::DialectAllocatorFunction &make);
  void addPass(const mlir::PassAllocatorFunction &make);

  mlir::DialectRegistry &registry;
  std::string plugin; // its file
  std::vector<std::string> inserts;
  std::vector<std::string> problems;
};

/// What the entry of a plug-in gives. The first three fields never change.
struct PluginInfo {
  uint32_t abi;            // ADZE_PLUGIN_ABI
  uint32_t size;           // sizeof(PluginInfo)
  const char *llvmVersion; // LLVM_VERSION_STRING
  const char *name;
  const char *version;
  void (*add)(PluginRegistry &registry);
};

} // namespace adze

/// Begins the function that registers what the plug-in holds, and defines the
/// one symbol that the loader looks for.
#define ADZE_PLUGIN(NAME, VERSION)                                             \
  static void adzePluginAdd_##NAME(::adze::PluginRegistry &registry);          \
  extern "C" __attribute__((visibility("default"))) const ::adze::PluginInfo * \
  adzePluginInfo() {                                                           \
    static const ::adze::PluginInfo info = {ADZE_PLUGIN_ABI,                   \
                                            sizeof(::adze::PluginInfo),        \
                                            LLVM_VERSION_STRING,               \
                                            #NAME,                             \
                                            VERSION,                           \
                                            adzePluginAdd_##NAME};             \
    return &info;                                                              \
  }                                                                            \
  static void adzePluginAdd_##NAME(                                            \
      [[maybe_unused]] ::adze::PluginRegistry &registry)

#endif // ADZE_PLUGIN_H
