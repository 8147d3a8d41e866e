// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes a random decoder as text: dimensions of 1, primes and 16n +- 1,
// grouped heads, mixed formats (codes too), optional biases, norms, windows,
// and elementwise chains with values that are shared or dead.

#include "RandomCase.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace adze;
using namespace adze::test;
using llvm::formatv;

namespace {

using Text = std::string;

Text rows(int64_t columns) { return formatv("tensor<?x{0}xf32>", columns); }

/// A float format, or one whose weights are codes with scales.
Text anyFormat(Random &r) {
  if (r.chance(0.6))
    return r.pick<const char *>({"f32", "bf16", "f16"});
  return r.pick<const char *>({"#adze.int<8, scale = f32>",
                               "#adze.int<8, group = 32, scale = f16>",
                               "#adze.int<4, group = 16, scale = bf16>",
                               "#adze.int<4, group = 24, scale = f32>",
                               "#adze.int<4, group = 128, scale = bf16>",
                               "#adze.int<4, group = 32, scale = f16, zeros>"});
}

/// One layer kind: what its function holds. Layers that differ in sizes and
/// formats only are a kind each, with one layer, and share the cache.
struct Kind {
  Text prefix, cache;
  int64_t only = -1; // the layer of a kind with one layer of several
  int64_t layers, groups, perGroup, headDim, hidden, window;
  bool rotary, interleaved, headNorm, bias, parallel;
  Text format, kvFormat;

  int64_t heads() const { return groups * perGroup; }
};

class Generator {
public:
  explicit Generator(Random &random) : r(random) {
    width = r.pick<int64_t>(
        {1, 2, 3, 5, 7, 8, 13, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 64});
    vocabulary = r.pick<int64_t>({1, 2, 10, 16, 17, 33, 64});
    floats = r.pick<const char *>({"f32", "bf16", "f16"});
    format = r.chance(0.6) ? floats : anyFormat(r);
  }

  RandomModel run() {
    Text calls, x = "%x";
    std::vector<Kind> kinds;
    for (int64_t i = 0, n = r.chance(0.3) ? 2 : 1; i < n; ++i)
      addKind(kinds, i);
    Text emb = weight("emb", vocabulary, width, 0);
    body = "";
    body +=
        formatv("    %x = adze.embed %tokens, @{0} : tensor<?xi32> -> {1}\n",
                emb, rows(width));
    if (r.chance(0.2)) // no op reads it
      weight("unread", width, width, 0);
    for (const Kind &kind : kinds)
      x = repeat(kind, x);
    finish(x, emb);
    Text entry = formatv(
        "  func.func @step(%tokens: tensor<?xi32> {{adze.name = \"tokens\"},\n"
        "      %b: !adze.batch, %rows: tensor<?xi32> {{adze.name = \"rows\"})\n"
        "      -> ({0} {{adze.name = \"logits\"})\n"
        "      attributes {{adze.entry} {{\n{1}  }\n",
        rows(vocabulary), body);
    Text layersText;
    Random begin = r;
    for (const Kind &kind : kinds) {
      if (kind.only > 0)
        r = begin; // the same choices as for layer 0
      begin = r;
      layersText += layerText(kind);
    }
    return {"module attributes {adze.level = #adze.level<model>} {\n" +
                declarations + layersText + entry + "}\n",
            vocabulary};
  }

private:
  //===-- pieces ----------------------------------------------------------===//

  /// One kind, or one for each of some layers.
  void addKind(std::vector<Kind> &kinds, int64_t index) {
    Kind kind = makeKind(index);
    kinds.push_back(kind);
    if (!r.chance(0.25))
      return;
    kinds.pop_back();
    kind.layers = r.between(2, 4);
    for (kind.only = 0; kind.only < kind.layers; ++kind.only) {
      kind.prefix = formatv("{0}{1}", kind.cache, kind.only);
      kind.hidden = anyHidden();
      kind.format = anyFormat(r);
      kinds.push_back(kind);
    }
  }
  int64_t anyHidden() {
    return r.pick<int64_t>({1, 3, 11, 16, 17, 31, 33, 48, 53});
  }

  Kind makeKind(int64_t index) {
    Kind kind;
    kind.prefix = kind.cache = index ? "b" : "a";
    kind.layers = r.between(1, 3);
    kind.groups = r.pick<int64_t>({1, 1, 2, 3});
    kind.perGroup = r.pick<int64_t>({1, 1, 2, 3, 4, 7});
    kind.headDim = r.pick<int64_t>({1, 2, 3, 4, 6, 8, 10, 15, 16, 17, 18, 32});
    kind.hidden = anyHidden();
    kind.window = r.chance(0.3) ? r.between(1, 6) : 0;
    kind.rotary = kind.headDim % 2 == 0 && r.chance(0.85);
    kind.interleaved = kind.rotary && r.chance(0.3);
    kind.headNorm = r.chance(0.3);
    kind.bias = r.chance(0.3);
    kind.parallel = r.chance(0.2);
    kind.format = r.chance(0.8) ? format : anyFormat(r);
    kind.kvFormat = r.pick<const char *>({"f32", "bf16", "f16", "i8"});
    return kind;
  }

  Text layersOf(int64_t layers) {
    return only < 0 ? Text(formatv(" x {0}", layers))
                    : Text(formatv(" layers [{0}]", only));
  }
  Text declare(const Text &name, const Text &shape, const Text &type,
               int64_t layers) {
    Text attribute =
        type[0] == '#' ? type : Text(formatv("#adze.float<{0}>", type));
    declarations +=
        formatv("  adze.weight @{0} from \"{0}{1}\"{2} : "
                "!adze.weight<{3}, {4}>\n",
                name, layers ? ".{}" : "", layers ? layersOf(layers) : Text(),
                shape, attribute);
    return name;
  }
  Text weight(const Text &name, int64_t n, int64_t k, int64_t layers,
              Text type = "") {
    if (type.empty())
      type = format;
    return declare(name, formatv("{0}x{1}", n, k), type, layers);
  }
  Text vector(const Text &name, int64_t n, int64_t layers) {
    return declare(name, formatv("{0}", n),
                   r.chance(0.7) ? Text("f32") : floats, layers);
  }

  Text fresh() { return formatv("%{0}", next++); }

  Text op(const Text &text) {
    Text name = fresh();
    body += "    " + name + " = " + text + "\n";
    return name;
  }

  Text unary(const Text &x, int64_t n) {
    return op(formatv("{0} {1} : {2}",
                      r.pick<const char *>(
                          {"adze.silu", "adze.gelu", "math.tanh", "math.absf",
                           "arith.negf", "math.erf", "math.sin"}),
                      x, rows(n)));
  }
  Text binary(const char *name, const Text &a, const Text &b, int64_t n) {
    return op(formatv("{0} {1}, {2} : {3}", name, a, b, rows(n)));
  }
  Text map(const Text &x, int64_t n) {
    Text region = "{\n    ^bb0(%a: f32):\n"
                  "      %c = arith.constant 0.25 : f32\n"
                  "      %m = arith.maximumf %a, %c : f32\n"
                  "      %s = math.sqrt %m : f32\n"
                  "      adze.yield %s : f32\n    }";
    return op(formatv("adze.map {0} : {1} -> {1} {2}", x, rows(n), region));
  }

  /// A value made of `x` by a few elementwise ops, some of whose results have
  /// several uses and some none. Bounded, whatever x is.
  Text chain(Text x, int64_t n) {
    std::vector<Text> pool{x};
    int64_t length = r.between(0, 4);
    for (int64_t i = 0; i < length; ++i) {
      const Text a = pool[r.below(pool.size())];
      const Text b = pool[r.below(pool.size())];
      if (r.chance(0.15))
        pool.push_back(map(a, n));
      else if (r.chance(0.5))
        pool.push_back(unary(a, n));
      else
        pool.push_back(binary(
            r.pick<const char *>({"arith.addf", "arith.subf", "arith.mulf",
                                  "arith.maximumf", "arith.minimumf"}),
            a, b, n));
    }
    if (!length)
      return x;
    Text result = pool[r.between(1, pool.size() - 1)]; // the rest may be dead
    return op(formatv("math.tanh {0} : {1}", result, rows(n)));
  }

  Text linear(const Kind &kind, const Text &name, const Text &x, int64_t n,
              int64_t k, bool bias) {
    Text symbol = kind.prefix + "." + name;
    weight(symbol, n, k, kind.layers,
           r.chance(0.93) ? kind.format : anyFormat(r));
    Text suffix;
    if (bias)
      suffix = " bias @" + vector(symbol + "b", n, kind.layers);
    return op(formatv("adze.linear {0}, @{1}[%l]{2} : ({3}) -> {4}", x, symbol,
                      suffix, rows(k), rows(n)));
  }

  Text norm(const Kind &kind, const Text &name, const Text &x, int64_t n,
            int64_t heads = 1) {
    Text symbol = kind.prefix + "." + name;
    vector(symbol, n / heads, kind.layers);
    Text suffix = heads > 1 ? Text(formatv(" heads {0}", heads)) : Text();
    return op(formatv("adze.rms_norm {0}, @{1}[%l] eps {2}{3} : {4}", x, symbol,
                      r.pick<const char *>({"1.0e-5", "1.0e-6", "1.0e-2"}),
                      suffix, rows(n)));
  }

  //===-- layers ----------------------------------------------------------===//

  Text attention(const Kind &kind, const Text &n) {
    int64_t heads = kind.heads(), qn = heads * kind.headDim;
    int64_t kn = kind.groups * kind.headDim;
    Text q = linear(kind, "q", n, qn, width, kind.bias);
    Text k = linear(kind, "k", n, kn, width, kind.bias);
    Text v = linear(kind, "v", n, kn, width, kind.bias);
    if (kind.headNorm) {
      q = norm(kind, "qn", q, qn, heads);
      k = norm(kind, "kn", k, kn, kind.groups);
    }
    Text rawQ = q;
    if (kind.rotary) {
      const char *pairing = kind.interleaved ? "interleaved" : "half";
      auto rotate = [&](const Text &x, int64_t columns, int64_t count) {
        return op(formatv("adze.rotary {0}, %rope heads {1} {2} : {3}, {4}", x,
                          count, pairing, rows(columns), rows(kind.headDim)));
      };
      q = rotate(q, qn, heads);
      k = rotate(k, kn, kind.groups);
    }
    if (kind.only <= 0)
      declarations += formatv(
          "  adze.state @{0}.kv x {1} : !adze.kv<{2}x{3}x{4}>\n", kind.cache,
          kind.layers, kind.groups, kind.headDim, kind.kvFormat);
    Text mask = kind.window
                    ? Text(formatv("<causal, window = {0}>", kind.window))
                    : Text("<causal>");
    Text a = op(formatv(
        "adze.attention {0}, {1}, {2} cache @{3}.kv[%l] at %b heads {4} "
        "kv_heads {5} scale {6} mask {7} : {8}, {9}, {9}",
        q, k, v, kind.cache, heads, kind.groups,
        r.pick<const char *>({"0.5", "0.25", "1.0"}), mask, rows(qn),
        rows(kn)));
    if (r.chance(0.15)) // a second use of the projection
      a = binary("arith.addf", a, unary(rawQ, qn), qn);
    return linear(kind, "o", a, width, qn, kind.bias && r.chance(0.5));
  }

  Text mlp(const Kind &kind, const Text &n) {
    bool bias = kind.bias && r.chance(0.5);
    Text g = linear(kind, "g", n, kind.hidden, width, bias);
    if (r.chance(0.65)) {
      Text u = linear(kind, "u", n, kind.hidden, width, bias);
      Text f = unary(g, kind.hidden);
      if (r.chance(0.2))
        f = unary(f, kind.hidden);
      g = r.chance(0.5) ? binary("arith.mulf", f, u, kind.hidden)
                        : binary("arith.mulf", u, f, kind.hidden);
    } else {
      g = chain(unary(g, kind.hidden), kind.hidden);
    }
    return linear(kind, "d", g, width, kind.hidden, bias);
  }

  Text residual(const Text &x, const Text &y) {
    return r.chance(0.7) ? binary("arith.addf", x, y, width)
                         : binary("arith.addf", y, x, width);
  }

  Text layerText(const Kind &kind) {
    body = "";
    next = 0;
    only = kind.only;
    Text x = "%x";
    Text n = norm(kind, "n1", x, width);
    Text a = attention(kind, n);
    if (kind.parallel) {
      Text m = mlp(kind, r.chance(0.5) ? n : norm(kind, "n2", x, width));
      x = residual(residual(x, a), m);
    } else {
      if (r.chance(0.2))
        a = norm(kind, "n3", a, width);
      x = residual(x, chain(a, width));
      if (r.chance(0.85))
        x = residual(x, mlp(kind, norm(kind, "n2", x, width)));
    }
    if (r.chance(0.15)) // nothing uses it
      linear(kind, "dead", x, kind.hidden, width, kind.bias);
    Text rope = kind.rotary ? ", %rope: " + rows(kind.headDim) : Text();
    return formatv("  func.func private @{0}(%l: index, %x: {1}{2}, "
                   "%b: !adze.batch) -> {1} {{\n{3}    return {4} : {1}\n  }\n",
                   kind.prefix, rows(width), rope, body, x);
  }

  //===-- entry -----------------------------------------------------------===//

  /// One or two adze.repeat over the layers of a kind.
  Text repeat(const Kind &kind, Text x) {
    Text rope, types = rows(width);
    if (kind.only > 0 && kind.rotary) { // the table of layer 0
      rope = ", " + lastTable;
      types += ", " + rows(kind.headDim);
    } else if (kind.rotary) {
      Text freqs;
      double freq = 1.0;
      for (int64_t i = 0; i < kind.headDim / 2; ++i, freq *= 0.6)
        freqs += (i ? ", " : "") + Text(formatv("{0:e}", freq));
      Text scale = r.chance(0.2) ? " scale 1.25" : "";
      Text table = op(formatv("adze.rotary_table %b freqs [{0}]{1} : {2}",
                              freqs, scale, rows(kind.headDim)));
      rope = ", " + table;
      lastTable = table;
      types += ", " + rows(kind.headDim);
    }
    int64_t split = kind.only < 0 && r.chance(0.3) ? r.between(0, kind.layers)
                                                   : kind.layers;
    auto call = [&](int64_t first, int64_t count) {
      Text from = first ? Text(formatv(" from {0}", first)) : Text();
      x = op(formatv("adze.repeat {0}{1} @{2}({3}{4}, %b) : ({5}, !adze.batch) "
                     "-> {6}",
                     count, from, kind.prefix, x, rope, types, rows(width)));
    };
    if (kind.only >= 0) {
      call(kind.only, 1);
      return x;
    }
    if (split)
      call(0, split);
    if (split < kind.layers)
      call(split, kind.layers - split);
    return x;
  }

  Text take(const Text &x, int64_t n) {
    return op(
        formatv("adze.take_rows {0}, %rows : {1}, tensor<?xi32>", x, rows(n)));
  }

  /// Final norm, head, rows asked for, and the return.
  void finish(Text x, const Text &emb) {
    bool takeFirst = r.chance(0.3), takeLast = !takeFirst && r.chance(0.5);
    if (takeFirst)
      x = take(x, width);
    if (r.chance(0.85)) {
      vector("norm", width, 0);
      x = op(
          formatv("adze.rms_norm {0}, @norm eps 1.0e-5 : {1}", x, rows(width)));
    }
    if (!takeFirst && !takeLast)
      x = take(x, width);
    Text head = emb, suffix;
    if (r.chance(0.5))
      head = weight("head", vocabulary, width, 0);
    if (r.chance(0.2))
      suffix = " bias @" + vector("headb", vocabulary, 0);
    x = op(formatv("adze.linear {0}, @{1}{2} : ({3}) -> {4}", x, head, suffix,
                   rows(width), rows(vocabulary)));
    if (r.chance(0.2))
      x = chain(x, vocabulary);
    if (takeLast)
      x = take(x, vocabulary);
    body += formatv("    return {0} : {1}\n", x, rows(vocabulary));
  }

  Random &r;
  int64_t width, vocabulary;
  Text floats, format, declarations, body, lastTable;
  int64_t only = -1; // the kind whose function is written
  int next = 0;
};

} // namespace

RandomModel adze::test::generateModel(Random &random) {
  return Generator(random).run();
}
