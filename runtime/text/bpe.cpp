// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Byte pair encoding in all three forms (see ADZE_TT_BYTE_BPE and so on): a
// doubly linked list of symbols and a heap of possible merges, n log n in the
// length of the piece. A candidate is stale if the joint length of its symbols
// has changed, because a symbol only ever grows or vanishes.

#include "model.h"
#include "unicode.h"

#include <algorithm>

namespace adze::text {

bool PieceEncoder::encode(Bytes piece, Array<int32_t> &ids) {
  if (table.has(ADZE_TT_IGNORE_MERGES)) {
    int32_t whole = table.find(piece);
    if (whole >= 0)
      return ids.push(whole);
  }
  afterUnknown = false;
  return table.header().model == ADZE_TT_UNIGRAM ? encodeUnigram(piece, ids)
                                                 : encodeBpe(piece, ids);
}

bool PieceEncoder::encodeBpe(Bytes piece, Array<int32_t> &ids) {
  symbols.clear();
  bool split = table.header().model == ADZE_TT_BYTE_BPE
                   ? splitBytes(piece)
                   : splitCharacters(piece);
  if (!split || !mergeAll(piece))
    return false;
  for (size_t i = 0; i < symbols.size(); ++i) {
    const Symbol &symbol = symbols[i];
    if (symbol.length == 0)
      continue;
    if (symbol.id >= 0) {
      if (!ids.push(symbol.id))
        return false;
      afterUnknown = false;
    } else if (!emitUnknown(piece.slice(symbol.begin, symbol.length), ids)) {
      return false;
    }
  }
  return true;
}

bool PieceEncoder::addSymbol(uint32_t begin, uint32_t length, int32_t id,
                             bool frozen) {
  auto index = static_cast<int32_t>(symbols.size());
  if (index > 0)
    symbols[index - 1].next = index;
  return symbols.push({begin, length, index - 1, -1, id, frozen});
}

bool PieceEncoder::splitBytes(Bytes piece) {
  if (!symbols.reserve(piece.size))
    return false;
  for (uint32_t i = 0; i < piece.size; ++i) {
    int32_t id = table.byteTokens[piece[i]];
    // A byte that neither the vocabulary nor an unknown token stands for is
    // dropped, as the reference implementation does.
    if (id < 0)
      id = table.header().unk;
    if (id >= 0 && !addSymbol(i, 1, id))
      return false;
  }
  return true;
}

bool PieceEncoder::splitCharacters(Bytes piece) {
  bool scored = table.header().model == ADZE_TT_SPM_BPE;
  for (uint32_t at = 0, next; at < piece.size; at = next) {
    if (scored && !tokenizer.userSymbols.empty())
      if (const adze_tt_added *symbol =
              tokenizer.userSymbols.longestAt(piece, at)) {
        next = at + symbol->text.length;
        if (!addSymbol(at, symbol->text.length,
                       static_cast<int32_t>(symbol->id), true))
          return false;
        continue;
      }
    decodeCharacter(piece, at, &next);
    int32_t id = table.find(piece.slice(at, next - at));
    // With scores even an unknown character may become part of a token, so it
    // is resolved after merging; merges by id need its id now.
    bool added = id >= 0 || scored ? addSymbol(at, next - at, id)
                                   : addUnknown(piece, at, next - at);
    if (!added)
      return false;
  }
  return true;
}

/// A character that is not in the vocabulary, in a model that merges ids.
bool PieceEncoder::addUnknown(Bytes piece, uint32_t begin, uint32_t length) {
  if (table.has(ADZE_TT_BYTE_FALLBACK)) {
    bool complete = true;
    for (uint32_t i = 0; i < length; ++i)
      complete &= table.byteTokens[piece[begin + i]] >= 0;
    if (complete) {
      for (uint32_t i = 0; i < length; ++i)
        if (!addSymbol(begin + i, 1, table.byteTokens[piece[begin + i]]))
          return false;
      return true;
    }
  }
  int32_t unknown = table.header().unk;
  if (unknown < 0)
    return true;
  if (table.has(ADZE_TT_FUSE_UNKNOWN) && !symbols.empty() &&
      symbols.back().id == unknown &&
      symbols.back().begin + symbols.back().length == begin) {
    symbols.back().length += length;
    return true;
  }
  return addSymbol(begin, length, unknown);
}

bool PieceEncoder::propose(Bytes piece, int32_t left) {
  const Symbol &first = symbols[left];
  if (first.next < 0)
    return true;
  const Symbol &second = symbols[first.next];
  Candidate candidate;
  candidate.length = first.length + second.length;
  uint32_t rank;
  if (table.header().model == ADZE_TT_SPM_BPE) {
    if (first.frozen || second.frozen)
      return true;
    candidate.id = table.find(piece.slice(first.begin, candidate.length));
    if (candidate.id < 0)
      return true;
    rank = table.tokenRanks[candidate.id];
  } else {
    const adze_tt_merge *merge = table.findMerge(first.id, second.id);
    if (!merge)
      return true;
    candidate.id = static_cast<int32_t>(merge->result);
    rank = merge->rank;
  }
  candidate.rankAndLeft = uint64_t(rank) << 32 | static_cast<uint32_t>(left);
  return heap.push(candidate);
}

bool PieceEncoder::mergeAll(Bytes piece) {
  auto worse = [](const Candidate &a, const Candidate &b) {
    return a.rankAndLeft > b.rankAndLeft;
  };
  heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i)
    if (!propose(piece, static_cast<int32_t>(i)))
      return false;
  std::make_heap(heap.data(), heap.data() + heap.size(), worse);
  while (!heap.empty()) {
    std::pop_heap(heap.data(), heap.data() + heap.size(), worse);
    Candidate candidate = heap.back();
    heap.pop();
    auto left = static_cast<int32_t>(candidate.rankAndLeft & 0xFFFFFFFFu);
    Symbol &first = symbols[left];
    if (first.length == 0 || first.next < 0)
      continue;
    Symbol &second = symbols[first.next];
    if (first.length + second.length != candidate.length)
      continue;
    first.length = candidate.length;
    first.id = candidate.id;
    first.next = second.next;
    second.length = 0;
    if (first.next >= 0)
      symbols[first.next].previous = left;
    size_t before = heap.size();
    if ((first.previous >= 0 && !propose(piece, first.previous)) ||
        !propose(piece, left))
      return false;
    for (size_t end = before + 1; end <= heap.size(); ++end)
      std::push_heap(heap.data(), heap.data() + end, worse);
  }
  return true;
}

/// Text that is no token, in a model that finds out only at the end.
bool PieceEncoder::emitUnknown(Bytes text, Array<int32_t> &ids) {
  if (table.has(ADZE_TT_BYTE_FALLBACK)) {
    bool complete = true;
    for (uint8_t byte : text)
      complete &= table.byteTokens[byte] >= 0;
    if (complete) {
      for (uint8_t byte : text)
        if (!ids.push(table.byteTokens[byte]))
          return false;
      afterUnknown = false;
      return true;
    }
  }
  int32_t unknown = table.header().unk;
  if (unknown < 0 || (afterUnknown && table.has(ADZE_TT_FUSE_UNKNOWN)))
    return true;
  afterUnknown = true;
  return ids.push(unknown);
}

} // namespace adze::text
