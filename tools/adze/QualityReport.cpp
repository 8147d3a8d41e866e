// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "QualityReport.h"
#include <cstdio>

using namespace adze;

void adze::tools::printQuality(const Quality &quality) {
  std::printf("perplexity %.4f over %llu tokens in windows of %u, %.4f bits "
              "per byte\n",
              quality.perplexity, (unsigned long long)quality.tokens,
              quality.context, quality.bitsPerByte);
  if (quality.against)
    std::printf("against a perplexity of %.4f (%+.2f %%): KL divergence %.5f, "
                "same likeliest token in %.2f %%\n",
                quality.against->perplexity,
                100 * (quality.perplexity / quality.against->perplexity - 1),
                quality.against->klDivergence,
                100 * quality.against->top1Agreement);
}
