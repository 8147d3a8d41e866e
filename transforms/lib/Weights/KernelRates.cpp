// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Transforms/KernelRates.h"
#include "adze/Weights/TableFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <cmath>

using namespace adze;
using namespace llvm;

/// KernelRates.json, as it was when the compiler was built.
extern const char *const adzeBuiltInKernelRates;

//===-- look-up -----------------------------------------------------------===//

namespace {
/// Beyond the most rows of a table as many more take as much longer, where
/// those are enough that all tiles are of the greatest height.
constexpr int64_t kManyRows = 128;
} // namespace

/// Linear between the shares of two entries; as the last where there are more
/// zeros than any has, nothing where there are fewer.
std::optional<double> KernelRates::Table::find(StringRef format,
                                               StringRef storage, double zeros,
                                               int64_t row) const {
  auto found = times.find({format.str(), storage.str()});
  bool isThere = found != times.end() && zeros >= found->second.begin()->first;
  // N of M zeros that were not measured: masks of zeros anywhere read more.
  if (!isThere)
    return storage == "nm" ? find(format, "mask", zeros, row) : std::nullopt;
  const Times &shares = found->second;
  auto above = shares.lower_bound(zeros);
  auto high = above == shares.end() ? std::prev(above) : above;
  auto low = high->first <= zeros ? high : std::prev(high);
  auto at = [&](size_t i) -> std::optional<double> {
    auto from = low->second[i], to = high->second[i];
    if (low == high || !from || !to)
      return low == high ? to : std::nullopt;
    double part = (zeros - low->first) / (high->first - low->first);
    return *from + part * (*to - *from);
  };
  size_t next = llvm::lower_bound(rows, row) - rows.begin();
  if (next == rows.size())
    return rows.back() >= kManyRows ? at(next - 1) : std::nullopt;
  if (rows[next] == row)
    return at(next);
  auto few = next ? at(next - 1) : std::nullopt, many = at(next);
  return few && many ? std::optional(std::max(*few, *many)) : std::nullopt;
}

const KernelRates::Table *KernelRates::tableOf(StringRef target) const {
  for (const Table &table : tables)
    if (is_contained(table.targets, target))
      return &table;
  return nullptr;
}

std::optional<KernelRate> KernelRates::find(StringRef target, StringRef format,
                                            StringRef storage, double zeros,
                                            int64_t rows) const {
  auto in = [&](const Table &table) {
    auto time = table.find(format, storage, zeros, rows);
    for (const SameAs &same : table.sameAs)
      if (!time && rows <= same.rows && is_contained(same.formats, format) &&
          is_contained(same.storages, storage))
        time = tableOf(same.target)->find(format, storage, zeros, rows);
    return time;
  };
  if (const Table *table = tableOf(target)) {
    auto time = in(*table);
    return time ? std::optional(KernelRate{*time, true}) : std::nullopt;
  }
  KernelRate slowest{0, false};
  for (const Table &table : tables) {
    auto time = in(table);
    if (!time)
      return std::nullopt;
    slowest.time = std::max(slowest.time, *time);
  }
  return slowest;
}

std::optional<double> KernelRates::leastZeros(StringRef format,
                                              StringRef storage) const {
  std::optional<double> least;
  for (const Table &table : tables) {
    auto found = table.times.find({format.str(), storage.str()});
    if (found == table.times.end())
      continue;
    double first = found->second.begin()->first;
    least = std::min(least.value_or(first), first);
  }
  return least;
}

//===-- files -------------------------------------------------------------===//

/// What an object has, by name: the first mistake is the same in every run.
static std::map<StringRef, const json::Value *>
sorted(const json::Object &object) {
  std::map<StringRef, const json::Value *> fields;
  for (auto &[key, value] : object)
    fields[key] = &value;
  return fields;
}

/// Reads a file and keeps the first thing that is wrong with it.
class KernelRates::Parser {
public:
  bool parseFile(const json::Value &root, std::vector<Table> &tables) {
    const json::Object *object = objectAt(root, "the file", {"tables"});
    if (!object)
      return false;
    const json::Array *list = object->getArray("tables");
    if (!list || list->empty())
      return fail("tables", "expected a list of tables");
    for (auto [i, value] : enumerate(*list)) {
      Table &table = tables.emplace_back();
      if (!parseTable(value, "table " + std::to_string(i + 1), table))
        return false;
      for (const std::string &target : table.targets)
        for (const Table &other : ArrayRef(tables).drop_back())
          if (is_contained(other.targets, target))
            return fail("table " + Twine(i + 1),
                        "target \"" + target + "\" has a table already");
    }
    for (const Table &table : tables)
      for (const SameAs &same : table.sameAs)
        if (none_of(tables, [&](const Table &other) {
              return is_contained(other.targets, same.target);
            }))
          return fail("as",
                      "there is no table of target \"" + same.target + "\"");
    return true;
  }

  std::string problem;

private:
  bool fail(const Twine &where, const Twine &what) {
    problem = (where + ": " + what).str();
    return false;
  }

  /// An object that has no other keys than `known`.
  const json::Object *objectAt(const json::Value &value, const Twine &where,
                               ArrayRef<StringRef> known) {
    const json::Object *object = value.getAsObject();
    if (!object)
      return fail(where, "expected an object"), nullptr;
    for (auto [key, _] : sorted(*object))
      if (!known.empty() && !is_contained(known, key))
        return fail(where, "unknown key \"" + key + "\""), nullptr;
    return object;
  }

  bool parseNames(const json::Object &object, StringRef key, const Twine &where,
                  std::vector<std::string> &names) {
    const json::Array *list = object.getArray(key);
    for (const json::Value &value : list ? *list : json::Array()) {
      auto name = value.getAsString();
      if (!name || name->empty())
        return fail(where, "expected names in \"" + key + "\"");
      names.push_back(name->str());
    }
    return !names.empty() ||
           fail(where, "expected \"" + key + "\", a list of names");
  }

  bool parseTable(const json::Value &value, const std::string &where,
                  Table &table) {
    const json::Object *object =
        objectAt(value, where, {"machine", "targets", "rows", "times", "as"});
    if (!object || !parseNames(*object, "targets", where, table.targets))
      return false;
    if (!object->getString("machine"))
      return fail(where, "expected \"machine\", a text");
    const json::Array *rows = object->getArray("rows");
    for (const json::Value &row : rows ? *rows : json::Array()) {
      auto count = row.getAsInteger();
      if (!count || *count < 1 ||
          (!table.rows.empty() && *count <= table.rows.back()))
        return fail(where, "expected \"rows\" to be ascending numbers from 1 "
                           "on");
      table.rows.push_back(*count);
    }
    if (table.rows.empty())
      return fail(where, "expected \"rows\", a list of numbers");
    const json::Object *times = object->getObject("times");
    if (!times)
      return fail(where, "expected \"times\", an object");
    for (auto [format, storages] : sorted(*times))
      if (!parseFormat(*storages, where, format.str(), table))
        return false;
    const json::Value *as = object->get("as");
    if (!as)
      return true;
    const json::Array *list = as->getAsArray();
    if (!list)
      return fail(where + ", as", "expected a list");
    for (const json::Value &same : *list)
      if (!parseSame(same, where + ", as", table.sameAs.emplace_back()))
        return false;
    return true;
  }

  bool parseSame(const json::Value &value, const std::string &where,
                 SameAs &same) {
    const json::Object *object =
        objectAt(value, where, {"target", "formats", "storages", "rows"});
    if (!object || !parseNames(*object, "formats", where, same.formats) ||
        !parseNames(*object, "storages", where, same.storages))
      return false;
    auto target = object->getString("target");
    if (!target || target->empty())
      return fail(where, "expected \"target\", a name");
    same.target = target->str();
    if (!object->get("rows"))
      return true;
    auto rows = object->getInteger("rows");
    if (!rows || *rows < 1)
      return fail(where, "expected \"rows\" to be a number from 1 on");
    same.rows = *rows;
    return true;
  }

  bool parseFormat(const json::Value &value, const std::string &table,
                   const std::string &format, Table &result) {
    std::string where = table + ", " + format;
    const json::Object *storages =
        objectAt(value, where, {"blocks", "mask", "nm"});
    if (!storages)
      return false;
    for (auto [storage, shares] : sorted(*storages)) {
      Times &times = result.times[{format, storage.str()}];
      std::string at = where + ", " + storage.str();
      const json::Object *object = objectAt(*shares, at, {});
      if (!object)
        return false;
      if (object->empty())
        return fail(at, "expected times for a share of zeros");
      for (auto [percent, list] : sorted(*object))
        if (!parseTimes(*list, at, percent, result.rows.size(), times))
          return false;
    }
    return true;
  }

  bool parseTimes(const json::Value &value, const std::string &where,
                  StringRef percent, size_t rows, Times &times) {
    double share = 0;
    if (percent.getAsDouble(share) || !(share >= 0 && share <= 100))
      return fail(where, "expected percents of zeros, got \"" + percent + "\"");
    std::string at = where + ", " + percent.str() + " %";
    const json::Array *list = value.getAsArray();
    if (!list || list->size() != rows)
      return fail(at, "expected a time for each of " + Twine(rows) +
                          " numbers of rows");
    auto &found = times[share / 100];
    if (!found.empty())
      return fail(at, "this share of zeros is there twice");
    for (const json::Value &time : *list) {
      if (time.kind() == json::Value::Null) {
        found.push_back(std::nullopt);
        continue;
      }
      auto number = time.getAsNumber();
      if (!number || !std::isfinite(*number) || *number <= 0)
        return fail(at, "expected positive numbers or null");
      found.push_back(*number);
    }
    return true;
  }
};

Expected<KernelRates> KernelRates::parse(const json::Value &root,
                                         StringRef name) {
  KernelRates rates;
  Parser parser;
  if (!parser.parseFile(root, rates.tables))
    return createStringError(name + ": " + parser.problem);
  return rates;
}

Expected<KernelRates> KernelRates::open(StringRef path) {
  auto root = adze::detail::readTableJson(path, "kernel rates");
  if (!root)
    return root.takeError();
  auto rates = parse(*root, path);
  if (rates)
    llvm::append_range(rates->tables, builtIn().tables);
  return rates;
}

const KernelRates &KernelRates::builtIn() {
  static const KernelRates rates = cantFail(
      parse(cantFail(json::parse(adzeBuiltInKernelRates)), "built in"));
  return rates;
}
