// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The unigram model of SentencePiece: the segmentation with the greatest sum
// of scores, found from left to right (Viterbi). Time is the length of the
// text times that of the longest token. Sums are kept in float and compared in
// double, as the reference does, because ties decide ids.

#include "model.h"
#include "unicode.h"

namespace adze::text {

bool PieceEncoder::encodeUnigram(Bytes piece, Array<int32_t> &ids) {
  const adze_tt_header &header = table.header();
  best.clear();
  if (!best.resize(size_t(piece.size) + 1))
    return false;
  best[0].reached = true;
  auto offer = [&](uint32_t begin, uint32_t end, int32_t id, double score) {
    double total = score + double(best[begin].score);
    BestEnd &target = best[end];
    if (!target.reached || total > double(target.score))
      target = {static_cast<float>(total), begin, id, true};
  };

  for (uint32_t begin = 0, next; begin < piece.size; begin = next) {
    decodeCharacter(piece, begin, &next);
    bool isToken = false; // the character by itself
    uint32_t state = ADZE_TT_HASH_START;
    uint32_t limit = piece.size - begin < header.longest_token
                         ? piece.size
                         : begin + header.longest_token;
    for (uint32_t end = begin + 1; end <= limit; ++end) {
      state = adze_tt_hash_extend(state, piece[end - 1]);
      if (end < piece.size && (piece[end] & 0xC0) == 0x80)
        continue;
      int32_t id = table.find(piece.slice(begin, end - begin),
                              adze_tt_hash_finish(state));
      if (id < 0)
        continue;
      double score = table.tokenKinds[id] == ADZE_TT_USER
                         ? double((end - begin) * header.user_score) - 0.1
                         : double(table.tokenScores[id]);
      offer(begin, end, id, score);
      isToken |= end == next;
    }
    if (!isToken)
      offer(begin, next, -1, double(header.unknown_score));
  }

  // Follow the path back, then emit it forward.
  symbols.clear();
  for (uint32_t end = piece.size; end > 0; end = best[end].begin)
    if (!addSymbol(best[end].begin, end - best[end].begin, best[end].id))
      return false;
  for (size_t i = symbols.size(); i-- > 0;) {
    const Symbol &symbol = symbols[i];
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

} // namespace adze::text
