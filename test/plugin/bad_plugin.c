/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Plug-ins that must be refused: the layout of adze::PluginInfo, filled with
 * what an old or foreign one would have. Without BAD_ABI there is no entry. */
#include <stdint.h>

struct info {
  uint32_t abi, size;
  const char *llvm_version, *name, *version;
  void (*add)(void *);
};

#ifdef BAD_ABI
static void never(void *registry) {
  (void)registry;
  __builtin_trap(); /* registering with another ABI would be this bad */
}
const struct info *adzePluginInfo(void);
const struct info *adzePluginInfo(void) {
  static const struct info only = {BAD_ABI, sizeof only, BAD_LLVM,
                                   "bad",   "0",         never};
  return &only;
}
#else
int nothing_here;
#endif
