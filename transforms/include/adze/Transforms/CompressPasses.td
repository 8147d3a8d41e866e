// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes that compute new weights, mostly by what a calibration saw, and those
// that calibration runs by: lib/Compress, in pipeline order. Passes.td includes
// this file, so that their declarations are in adze/Transforms/Passes.h.inc with
// all others, under Passes.h.
#ifndef ADZE_TRANSFORMS_COMPRESSPASSES_TD
#define ADZE_TRANSFORMS_COMPRESSPASSES_TD

include "mlir/Pass/PassBase.td"

//===-- calibration -------------------------------------------------------===//

def InsertObservers : Pass<"adze-insert-observers", "::mlir::ModuleOp"> {
  let summary = "Show what linears read to a calibration run";
  let description = [{
    Puts an `adze.tap` on each value that `adze.linear` reads, before the first
    that does. It is named like the tensor of the checkpoint that this linear's
    weight is made of (the first, if there are several), with `{}` for the layer.
    A value that is shown already stays as it is, so that running the pass twice
    changes nothing. What is rounded for integer dots is shown before it is.

    Before:
    ```mlir
    adze.weight @q from "q.weight" : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @k from "k.weight" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @q : (tensor<?x64xf32>) -> tensor<?x64xf32>
      %z = adze.linear %x, @k : (tensor<?x64xf32>) -> tensor<?x64xf32>
      %s = arith.addf %y, %z : tensor<?x64xf32>
      return %s : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @q from "q.weight" : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @k from "k.weight" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      adze.tap %x "q.weight" : tensor<?x64xf32>
      %y = adze.linear %x, @q : (tensor<?x64xf32>) -> tensor<?x64xf32>
      %z = adze.linear %x, @k : (tensor<?x64xf32>) -> tensor<?x64xf32>
      %s = arith.addf %y, %z : tensor<?x64xf32>
      return %s : tensor<?x64xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def ExtractPart : Pass<"adze-extract-part", "::mlir::ModuleOp"> {
  let summary = "One layer of a model as an entry of its own";
  let description = [{
    Leaves of a model only one part, as the entry `part`: `embedding`, the layer
    with a number, or `head` (up to the values that taps show after the layers).
    Its argument `x` is the result of the part before, the others are those of
    the model's entry that it reads; what layers share, such as the rotary table,
    is computed again. Weights per layer keep that layer only, and `{}` in names
    of taps becomes its number. Calibration runs a model so, part by part.

    Before:
    ```mlir
    adze.weight @w from "l.{}.w" x 3 : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @emb from "emb" : !adze.weight<100x64, #adze.float<f32>>
    func.func private @layer(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      adze.tap %x "l.{}.w" : tensor<?x64xf32>
      %y = adze.linear %x, @w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    func.func @step(%t: tensor<?xi32>) -> tensor<?x64xf32> attributes {adze.entry} {
      %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x64xf32>
      %y = adze.repeat 3 @layer(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After, with part=1:
    ```mlir
    adze.weight @w from "l.{}.w" layers [1] : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @emb from "emb" : !adze.weight<100x64, #adze.float<f32>>
    func.func private @layer(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      adze.tap %x "l.1.w" : tensor<?x64xf32>
      %y = adze.linear %x, @w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    func.func @part(%x: tensor<?x64xf32> {adze.name = "x"})
        -> (tensor<?x64xf32> {adze.name = "y"}) attributes {adze.entry} {
      %y = adze.repeat 1 from 1 @layer(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
  }];
  let options = [Option<"part", "part", "std::string", "\"\"",
                        "embedding, head, or the number of a layer">,
                 Option<"entry", "entry", "std::string", "\"\"",
                        "entry to take it from (default: step, or the first with layers)">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def Rotate : Pass<"adze-rotate", "::mlir::ModuleOp"> {
  let summary = "Rotate what layers pass on, so that no column stands out";
  let description = [{
    Multiplies the residual stream x by an orthogonal matrix Q, which the weights
    take up: a model of the same results, whose activations and weights are
    easier to round (QuaRot, Ashkboos et al., 2024: the part that costs nothing at
    run time). Norms of rows become norms without weights, since the root mean
    square of x Q is that of x; their weights go into the linears that read them.
    Q is a Hadamard matrix with random signs; where the width is no power of two,
    a Hadamard matrix times a small random orthogonal one.

    * embeddings E and linears W that read norms with weights n become E Q and
      W diag(n) Q;
    * linears W, with bias b, whose results are added become Q^T W and b Q;
    * a head that shares the embedding becomes a weight of its own for each norm
      before it (a remark says so), since only one of them takes up n;
    * a norm that an entry returns is followed by a linear that undoes Q, whose
      weight no pass converts (`adze.exact`).

    Weights are computed in f64 and stored in f32 in the weight store `store`, under
    the names of their tensors. It is for a model as it is imported, before formats
    are chosen; statistics have to be of the rotated model. A model that adds
    something else than linears' results to x (an argument too), scales x, or
    returns it is left, with a remark. A weight of those that something else reads
    as well, or in two ways, is an error.
  }];
  let options = [
    Option<"seed", "seed", "int64_t", "1", "of the signs and the small matrix">,
    Option<"store", "store", "std::string", "\"\"",
           "folder of the weight store that weights go to">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

//===-- rounding by statistics --------------------------------------------===//

def Gptq : Pass<"adze-gptq", "::mlir::ModuleOp"> {
  let summary = "Choose integer codes by what a weight reads (GPTQ)";
  let description = [{
    Weights that `adze-convert-weights` made casts of floats to `#adze.int`, and
    that only linears read, become sources: their codes are chosen column by
    column, and the error of each column is made up for by the columns to come,
    so that the linear's result changes little for the inputs of a calibration
    (Frantar et al., 2022). With `weights` that pass is run first.

    `statistics` is the folder that `adze calibrate` wrote for this very model;
    others are an error, and so is a weight that it did not see. Codes go to the
    weight store `store`, a folder of safetensors files named by their hash. The
    module then refers to a weight table in it (`adze.table`), which has the
    tensors of the old table too; `adze.model` keeps the identity of the model
    that was calibrated.

    With `act-order` columns with large inputs come first. Groups stay of
    neighbouring columns, with scales that are chosen before the sweep, so that
    x is not gathered at run time; without it a group's scale is chosen when the
    sweep comes to it. `damping` times the mean of the diagonal is added to the
    Gram matrix; where it is not positive definite then, ten times as much, and
    so on, which the remark says.

    What is exactly zero stays zero. With `prune`, rules as in `adze-prune`,
    weights that they match are pruned as `sparsegpt` does there, in the same
    sweep: their columns are swept as they stand, whatever `act-order` says, and a
    group's scale minds what will be kept of it. Groups of codes must hold whole
    groups of N:M. Prune what stays floating point by `adze-prune`, after this
    pass.

    Every weight's remark has |E|/|W| and tr(E H E^T)/tr(W H W^T) for the change E
    of the weight W and the Gram matrix H, and the latter for plain rounding;
    `report` writes them as JSON, and the module attribute `adze.rounding` has
    them for the artefact's proof. Weights that other ops read too, such as
    embeddings, stay casts, with a remark.

    The result depends on nothing but module, statistics, weights and the vector
    width of the machine.

    Of these weights, the second is what `adze-convert-weights` makes,
    ```
    adze.weight @q.source from "layers.{}.q.weight" x 2
      : !adze.weight<24x32, #adze.float<f32>>
    adze.weight @q x 2 : !adze.weight<24x32, #adze.int<4, group = 16, scale = bf16>> {
      %0 = adze.ref @q.source : !adze.weight<24x32, #adze.float<f32>>
      %1 = adze.cast %0 : ...
      adze.yield %1 : ...
    }
    ```
    and becomes
    ```
    adze.weight @q from "layers.{}.q.coded.weight" x 2
      : !adze.weight<24x32, #adze.int<4, group = 16, scale = bf16>>
    ```
  }];
  let options = [
    Option<"statistics", "statistics", "std::string", "\"\"",
           "folder of a calibration">,
    Option<"store", "store", "std::string", "\"\"",
           "folder of the weight store that codes go to">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">,
    Option<"weights", "weights", "std::string", "\"\"",
           "formats as in adze-convert-weights, which is run first">,
    Option<"actOrder", "act-order", "bool", "true",
           "columns with large inputs first, of what is not pruned">,
    Option<"damping", "damping", "double", "0.01",
           "part of the mean diagonal that is added to it">,
    Option<"importance", "importance", "bool", "false",
           "weigh errors by their inputs where scales are chosen">,
    Option<"precision", "precision", "std::string", "\"fast\"",
           "fast (a sweep in f32) or double">,
    Option<"prune", "prune", "std::string", "\"\"",
           "what is pruned in the same sweep, as in adze-prune">,
    Option<"report", "report", "std::string", "\"\"",
           "JSON file for the errors of each weight">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def Prune : Pass<"adze-prune", "::mlir::ModuleOp"> {
  let summary = "Set part of the weights to zero";
  let description = [{
    Matrices of floating point numbers that only linears read become sources with
    zeros in them, in the weight store `store`, in the format that they had; what
    rounds them afterwards keeps the zeros. It stands before
    `adze-convert-weights`.

    `rules` is one pattern of zeros for all matrices of layers, or rules of which
    the first that matches the name of a tensor decides: `*down_proj=0,*=2:4`.
    Embeddings and the head are pruned only where a rule names them. Patterns:

    * `0.5`: that part of the elements, to the nearest number of them (from a half
      to the even one), as `torch.nn.utils.prune.l1_unstructured` has it;
    * `2:4`: of 4 neighbouring columns of a row 2 are kept. It is an error where
      that does not divide the columns;
    * `0.5:16x32`: that part of the blocks of 16 rows by 32 columns; blocks at the
      edges may be smaller.

    Those of the lowest scores go; among equal ones the first, in the order of rows
    and then of columns. `method` is

    * `magnitude`: |w|, over the whole tensor;
    * `wanda`: |w| times the norm of what its column is multiplied with, over a row
      (Sun et al., 2023);
    * `sparsegpt`: w^2 / U[i,i]^2, U the factor of the inverse of the Gram matrix,
      over 128 columns of a row when the sweep comes to them; the columns to come
      make up for what goes (Frantar and Alistarh, 2023). The paper's code compares
      128 columns of all rows.

    The score of a block is the root of the mean of its squares; `wanda` and
    `sparsegpt` compare blocks of the same rows, and the latter chooses them before
    the sweep, with the diagonal of the inverse in place of U. Without `method` it
    is `sparsegpt` where there are `statistics`, else `magnitude`.

    With `allocate=global` a rule's amount is that of all its weights together,
    with one threshold of scores (Wanda's for `sparsegpt`). With `sensitivity` it is
    the threshold of the least sum of relative errors of what weights compute,
    errors of elements taken one by one; it needs `statistics` for all methods.

    Statistics, weight store and weight table are as for `adze-gptq`. The remark of
    each weight, `report`, and the module attribute `adze.pruning`, which goes into
    the proof, have its part of zeros, |E|/|W|, and where there are statistics
    tr(E H E^T)/tr(W H W^T). Weights that are codes, or that other ops read too,
    stay as they are, with a remark.

    Before, and after:
    ```
    adze.weight @q from "layers.{}.q.weight" x 2 : !adze.weight<24x32, #adze.float<f32>>
    adze.weight @q from "layers.{}.q.pruned.weight" x 2
      : !adze.weight<24x32, #adze.float<f32>>
    ```
  }];
  let options = [
    Option<"rules", "rules", "std::string", "\"\"",
           "a pattern of zeros, or rules PATTERN=ZEROS with commas">,
    Option<"method", "method", "std::string", "\"\"",
           "magnitude, wanda or sparsegpt">,
    Option<"allocate", "allocate", "std::string", "\"uniform\"",
           "uniform, global or sensitivity">,
    Option<"statistics", "statistics", "std::string", "\"\"",
           "folder of a calibration">,
    Option<"store", "store", "std::string", "\"\"",
           "folder of the weight store that weights go to">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">,
    Option<"damping", "damping", "double", "0.01",
           "part of the mean diagonal that is added to it">,
    Option<"precision", "precision", "std::string", "\"fast\"",
           "fast (a sweep in f32) or double">,
    Option<"report", "report", "std::string", "\"\"",
           "JSON file for the errors of each weight">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def PruneStructure : Pass<"adze-prune-structure", "::mlir::ModuleOp"> {
  let summary = "Set to zero what reads the least important neurons and heads";
  let description = [{
    Of each layer, the part `neurons` of the columns that the linear behind a
    feed-forward block reads (`down`), and the part `heads` of the query heads,
    lose the columns of the weight that reads them: those of the lowest sum of
    x^2 |w|^2, with x^2 the sum of squares of the column's input in the
    calibration `statistics` (1 without) and |w| the norm of the weight's column.
    Numbers are the nearest (from a half the even ones); among equals the first
    go. `adze-remove-dead` then takes neurons and heads out of the model.

    The same number of heads goes from each group that shares keys and values, so
    that they can be taken out. Where that would be less than half a head, whole
    groups go, and with them their keys and values. One neuron or head stays.

    Weights go to the store `store`, and what they lost to the remarks, `report` and
    the module attribute `adze.pruning`, as for `adze-prune`; Gram matrices are not
    needed. Neurons and heads that more than linears, elementwise ops and attention
    have to do with stay, and those of weights whose columns are scaled
    (`adze.scale_columns`): as tensors they would no more say so.

    Before, and after:
    ```
    adze.weight @down from "layers.{}.down.weight" x 2 : !adze.weight<32x48, #adze.float<f32>>
    adze.weight @down from "layers.{}.down.pruned.weight" x 2
      : !adze.weight<32x48, #adze.float<f32>>
    ```
  }];
  let options = [
    Option<"neurons", "neurons", "double", "0",
           "part of the neurons, from 0 to below 1">,
    Option<"heads", "heads", "double", "0",
           "part of the query heads, from 0 to below 1">,
    Option<"statistics", "statistics", "std::string", "\"\"",
           "folder of a calibration">,
    Option<"store", "store", "std::string", "\"\"",
           "folder of the weight store that weights go to">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">,
    Option<"report", "report", "std::string", "\"\"",
           "JSON file for the errors of each weight">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def RemoveDead : Pass<"adze-remove-dead", "::mlir::ModuleOp"> {
  let summary = "Take neurons, heads and layers out that change nothing";
  let description = [{
    Reads the weights, and where structure of a model is dead makes its shapes
    smaller. The model computes the same but for rounding.

    * **Neurons**: columns of values that linears make, elementwise ops connect and
      linears read. One is dead where each reader has a column of zeros for it, or
      where it is zero for certain: a row of zeros (and no bias, or one of zero),
      also through `silu`, `gelu` and other ops with f(0) = 0, a factor that is zero.
      It leaves what makes and what reads it. Layers keep multiples of 16.
    * **Heads**: a query head is dead where the weight that reads attention has zeros
      for all of its columns, or its values are zero. It leaves q, with what is
      between (rotary, norms of heads), and the weight behind attention, where each
      group that shares keys and values keeps as many. Heads of keys and values
      whose query heads are all dead leave k, v and the state, the same number in
      all layers that have that state.
    * **Layers**: one that returns what it is given leaves `adze.repeat`, and a
      kind with its last layer the module. The state keeps a place for it.

    Layers of one kind keep the most that any of them needs, filled up with dead
    ones. Where they need numbers that differ by more than an eighth of what there
    was, they become kinds, as by `adze-split-layers`.

    Columns that anything else makes or reads stay, with a remark if some are dead:
    arguments, what is tapped, residual streams, weights that are codes, that more
    than linears read, or whose columns are scaled. New weights go to the store
    `store` in the format of the old ones. Sizes in `adze.meta` become the largest
    of any layer.

    Of these 48 neurons the last 20 have columns of zeros in both layers:
    ```
    adze.weight @up from "layers.{}.up.weight" x 2 : !adze.weight<48x32, #adze.float<f32>>
    adze.weight @down from "layers.{}.down.weight" x 2 : !adze.weight<32x48, #adze.float<f32>>
    ...
      %u = adze.linear %x, @up[%l] : (tensor<?x32xf32>) -> tensor<?x48xf32>
      %s = adze.silu %u : tensor<?x48xf32>
      %d = adze.linear %s, @down[%l] : (tensor<?x48xf32>) -> tensor<?x32xf32>
    ```
    28 are alive, and 32 stay:
    ```
    adze.weight @up from "layers.{}.up.reduced.weight" x 2
      : !adze.weight<32x32, #adze.float<f32>>
    adze.weight @down from "layers.{}.down.reduced.weight" x 2
      : !adze.weight<32x32, #adze.float<f32>>
    ...
      %u = adze.linear %x, @up[%l] : (tensor<?x32xf32>) -> tensor<?x32xf32>
      %s = adze.silu %u : tensor<?x32xf32>
      %d = adze.linear %s, @down[%l] : (tensor<?x32xf32>) -> tensor<?x32xf32>
    ```
  }];
  let options = [
    Option<"store", "store", "std::string", "\"\"",
           "folder of the weight store that weights go to">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def SearchScales : Pass<"adze-search-scales", "::mlir::ModuleOp"> {
  let summary = "Choose scales of integer weights by what a weight reads";
  let description = [{
    Rounds the weights that `adze-gptq` would, to the nearest codes, but with
    scales that are searched for the least sum of squared errors where each square
    is weighed by the sum of squares of the column's input. It needs no Gram
    matrices (`adze calibrate --no-gram`), and takes no longer than plain rounding.

    Statistics, weight store, weight table, remarks and report are as for
    `adze-gptq`; without Gram matrices their diagonal stands for them.
  }];
  let options = [
    Option<"statistics", "statistics", "std::string", "\"\"",
           "folder of a calibration">,
    Option<"store", "store", "std::string", "\"\"",
           "folder of the weight store that codes go to">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">,
    Option<"weights", "weights", "std::string", "\"\"",
           "formats as in adze-convert-weights, which is run first">,
    Option<"report", "report", "std::string", "\"\"",
           "JSON file for the errors of each weight">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

//===-- activations -------------------------------------------------------===//

def StaticRanges : Pass<"adze-static-ranges", "::mlir::ModuleOp"> {
  let summary = "Fix the ranges of rounded activations by a calibration";
  let description = [{
    Gives each `adze.quantize` ranges: of every group of columns the largest
    magnitude that the calibration `statistics` saw there, times `margin`. Scales
    then are constants, and no row is searched for its largest number; what is
    beyond a range is clamped. The pass stands after `adze-quantize-activations`.

    Where columns were scaled (`adze-awq`, `adze-smooth-quant`), ranges are of
    what is left of the values. A group in which the calibration saw only zeros
    gets the largest range of the row, with a remark, so that no other text loses
    what is in it. Linears that read one value share its ranges: the larger ones,
    where statistics know the value by several names.

    Ranges are weights, f32 vectors of the weight store `store`, and go to the
    module attribute `adze.ranges` and to `report` as JSON. What is read by no linear,
    or not in the statistics (a weight made of no tensor of the checkpoint), keeps
    the ranges that are found at run time, with a remark; what has ranges keeps
    them. Statistics of another model, and such that are not finite, are errors.

    Before:
    ```
    adze.weight @q from "layers.{}.q.weight" x 2 : !adze.weight<24x32, #adze.int<8, scale = f32>>
    ...
      %r = adze.quantize %x group 16 : tensor<?x32xf32>
      %y = adze.linear %r, @q[%l] : (tensor<?x32xf32>) -> tensor<?x24xf32>
    ```
    After:
    ```
    adze.weight @q.ranges from "layers.{}.q.input_ranges.weight" x 2
      : !adze.weight<2, #adze.float<f32>>
    ...
      %r = adze.quantize %x group 16 ranges @q.ranges[%l] : tensor<?x32xf32>
    ```
  }];
  let options = [
    Option<"statistics", "statistics", "std::string", "\"\"",
           "folder of a calibration">,
    Option<"store", "store", "std::string", "\"\"",
           "folder of the weight store that ranges go to">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">,
    Option<"margin", "margin", "double", "1.0",
           "what the largest magnitudes are multiplied with">,
    Option<"report", "report", "std::string", "\"\"",
           "JSON file for the ranges of each value">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

//===-- scaling by statistics ---------------------------------------------===//

def Awq : Pass<"adze-awq", "::mlir::ModuleOp"> {
  let summary = "Scale columns of integer weights by what they read (AWQ)";
  let description = [{
    A value x that only linears with integer weights read is divided by s, column
    by column, and their columns are multiplied with s before they are rounded:
    columns with large inputs get finer steps (Lin et al., 2023). s is the mean
    |x| of each column to the power of alpha, around 1; alpha is the one of
    `steps` from 0 on with the least sum of tr(E H E^T) over all that reads x,
    where E is the change by plain rounding and H the Gram matrix of the
    calibration (its diagonal, without `gram`). With `weights`
    `adze-convert-weights` is run first.

    What makes x takes the division: the weight of a norm, the rows of `v` (query
    heads that share values share s), or the rows of one factor of a product, such
    as `up`. Where neither can be done, or something else reads x, a remark says
    why it is left. No op is added; the results change by rounding only.

    Factors are tensors in the weight store `store`, and the weights expressions
    over them (`adze.scale_columns`, `adze.scale_rows`), which stay casts:
    `adze-gptq` and `adze-search-scales` may round them, and then see what was
    divided by the same s. Statistics, table and errors are as for `adze-gptq`;
    remarks, `report` and the module attribute `adze.scaling` have alpha and the
    error with and without s for each value.

    Of these weights
    ```
    adze.weight @n from "layers.{}.n.weight" x 2 : !adze.weight<32, #adze.float<f32>>
    adze.weight @q.source from "layers.{}.q.weight" x 2
      : !adze.weight<24x32, #adze.float<f32>>
    adze.weight @q x 2 : !adze.weight<24x32, #adze.int<4, group = 16, scale = bf16>> {
      %0 = adze.ref @q.source : !adze.weight<24x32, #adze.float<f32>>
      %1 = adze.cast %0 : ...
      adze.yield %1 : ...
    }
    ```
    the norm's becomes `@n.scaled`, and `@q` is a cast of `@q.scaled`:
    ```
    adze.weight @q.scales from "layers.{}.q.input_scales.weight" x 2
      : !adze.weight<32, #adze.float<f32>>
    adze.weight @n.scaled x 2 : !adze.weight<32, #adze.float<f32>> {
      %0 = adze.ref @n : !adze.weight<32, #adze.float<f32>>
      %1 = adze.scale_rows %0 by @q.scales inverse : !adze.weight<32, #adze.float<f32>>
      adze.yield %1 : !adze.weight<32, #adze.float<f32>>
    }
    adze.weight @q.scaled x 2 : !adze.weight<24x32, #adze.float<f32>> {
      %0 = adze.ref @q.source : !adze.weight<24x32, #adze.float<f32>>
      %1 = adze.scale_columns %0 by @q.scales : !adze.weight<24x32, #adze.float<f32>>
      adze.yield %1 : !adze.weight<24x32, #adze.float<f32>>
    }
    ```
  }];
  let options = [
    Option<"statistics", "statistics", "std::string", "\"\"",
           "folder of a calibration">,
    Option<"store", "store", "std::string", "\"\"",
           "folder of the weight store that factors go to">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">,
    Option<"weights", "weights", "std::string", "\"\"",
           "formats as in adze-convert-weights, which is run first">,
    Option<"steps", "steps", "int64_t", "20",
           "exponents that are tried, from 0 to 1 (left out)">,
    Option<"report", "report", "std::string", "\"\"",
           "JSON file for the errors of each value">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def SmoothQuant : Pass<"adze-smooth-quant", "::mlir::ModuleOp"> {
  let summary = "Share what is hard to round between weights and their inputs";
  let description = [{
    Divides values and multiplies columns of weights as `adze-awq` does, with
    s = max|x|^alpha / max|W|^(1 - alpha) for each column of x and of all that
    reads it (Xiao et al., 2022): large columns of x, which cost all others of
    their group precision where activations are rounded, are made smaller at the
    cost of the weights. `alpha` 0 evens out the weights, 1 what they read.

    A calibration without Gram matrices is enough. Everything else is as for
    `adze-awq`.
  }];
  let options = [
    Option<"statistics", "statistics", "std::string", "\"\"",
           "folder of a calibration">,
    Option<"store", "store", "std::string", "\"\"",
           "folder of the weight store that factors go to">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">,
    Option<"weights", "weights", "std::string", "\"\"",
           "formats as in adze-convert-weights, which is run first">,
    Option<"alpha", "alpha", "double", "0.5",
           "how much of it the weights take, from 0 to 1">,
    Option<"report", "report", "std::string", "\"\"",
           "JSON file for the errors of each value">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def ChooseFormats : Pass<"adze-choose-formats", "::mlir::ModuleOp"> {
  let summary = "Choose a format for each matrix under a budget of bits";
  let description = [{
    Gives every matrix of floats that linears and embeddings read, in each layer,
    one of `formats` (names joined by `+`), so that all together take at most
    `budget` bits per weight and lose least; then runs `adze-split-layers` and
    `adze-convert-weights` with the rules that say so. The rules are in the remark
    and in the module attribute `adze.formats`, for `--weights` of another run.

    What a format costs is measured on at most 64 rows of the weight, rounded to
    the nearest codes: with `statistics` (a folder of `adze calibrate`) as
    tr(E H E^T) / tr(W H W^T), what the change E does to what the weight W computes
    for the inputs whose Gram matrix is H; without, or where they have not seen the
    weight (a remark says so), as |E|^2 / |W|^2. Those ratios are summed up, as if
    all weights were of equal weight for what comes out. A format that cannot hold
    the values comes last. Every matrix begins with the smallest format; then, of
    the changes that the bytes left allow, the one that gains most for a byte is
    made, as long as there is one. Weights of one layer that read the same value get
    the same format, so that they still fuse. Weights that must stay exact
    (`adze-rotate` makes one), and those that `adze-convert-weights` leaves since
    their rows are short or other ops read them, do not count.

    A budget that the smallest formats do not meet is an error that says what they
    take. Of two formats that take as many bytes and lose as much, the first of
    `formats` is taken.

    Of four bits with a scale for each 128 and eight bits,
    `adze-choose-formats{budget=6 formats=int4:g128+int8}` may leave
    ```
    adze.formats = "l.0.q.weight=int8,l.1.q.weight=int4:g128,l.*.o.weight=int4:g128"
    ```
  }];
  let options = [
    Option<"budget", "budget", "double", "4.5",
           "bits per weight, scales included">,
    Option<"formats", "formats", "std::string",
           "\"int4:g128+int4:g32+int8+bf16+f16\"",
           "what can be chosen, joined by +">,
    Option<"statistics", "statistics", "std::string", "\"\"",
           "folder of a calibration">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

#endif // ADZE_TRANSFORMS_COMPRESSPASSES_TD
