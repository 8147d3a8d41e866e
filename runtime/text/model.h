// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From pieces to ids. One PieceEncoder per call of encode; it keeps its
// working memory from piece to piece.

#ifndef ADZE_RUNTIME_TEXT_MODEL_H
#define ADZE_RUNTIME_TEXT_MODEL_H

#include "tokenizer.h"

namespace adze::text {

class PieceEncoder {
public:
  explicit PieceEncoder(const Tokenizer &tokenizer)
      : tokenizer(tokenizer), table(tokenizer.table) {}

  /// Appends the ids of one piece, which is not empty; false: out of memory.
  [[nodiscard]] bool encode(Bytes piece, Array<int32_t> &ids);

private:
  /// A stretch of the piece during merging. A merge extends the left symbol
  /// and leaves the right one with length 0.
  struct Symbol {
    uint32_t begin, length;
    int32_t previous, next; ///< neighbours, -1 at the ends
    int32_t id;             ///< -1 if the text is no token
    bool frozen;            ///< a user symbol: never merges
  };
  /// A merge that may happen. Best is least: rank, then place.
  struct Candidate {
    uint64_t rankAndLeft;
    uint32_t length; ///< of both together; differs if a symbol has changed
    int32_t id;
  };
  /// The best segmentation that ends at a byte (unigram).
  struct BestEnd {
    float score;
    uint32_t begin;
    int32_t id; ///< -1 is unknown
    bool reached;
  };

  [[nodiscard]] bool encodeBpe(Bytes piece, Array<int32_t> &ids);
  [[nodiscard]] bool encodeUnigram(Bytes piece, Array<int32_t> &ids);

  [[nodiscard]] bool splitBytes(Bytes piece);
  [[nodiscard]] bool splitCharacters(Bytes piece);
  [[nodiscard]] bool addSymbol(uint32_t begin, uint32_t length, int32_t id,
                               bool frozen = false);
  [[nodiscard]] bool addUnknown(Bytes piece, uint32_t begin, uint32_t length);
  [[nodiscard]] bool mergeAll(Bytes piece);
  [[nodiscard]] bool propose(Bytes piece, int32_t left);
  [[nodiscard]] bool emitUnknown(Bytes text, Array<int32_t> &ids);

  const Tokenizer &tokenizer;
  const Table &table;
  Array<Symbol> symbols;
  Array<Candidate> heap;
  Array<BestEnd> best;
  bool afterUnknown = false; ///< the last id emitted was an unknown symbol's
};

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_MODEL_H
