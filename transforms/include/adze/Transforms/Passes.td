// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All passes of transforms/, in pipeline order. Each fusion can be left out of
// the pipeline and the model computes the same; adze-convert-weights and
// adze-quantize-activations decide what it computes.
#ifndef ADZE_TRANSFORMS_PASSES_TD
#define ADZE_TRANSFORMS_PASSES_TD

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
    * a head that shares the embedding becomes a weight of its own (a remark says
      so), since only one of the two takes up n;
    * a norm that an entry returns is followed by a linear that undoes Q.

    Weights are computed in f64 and stored in f32 in the weight store `store`, under
    the names of their tensors. It is for a model as it is imported, before formats
    are chosen; statistics have to be of the rotated model. A model that adds
    something else than linears' results to x, scales x, or returns it is left,
    with a remark.
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
    sweep: columns are swept as they stand, and a group's scale minds what will be
    kept of it. Groups of codes must hold whole groups of N:M. Prune what stays
    floating point by `adze-prune`, after this pass.

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
           "columns with large inputs first">,
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
    have to do with stay.

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
    * **Layers**: one that returns what it is given leaves `adze.repeat`. The state
      keeps a place for it.

    Layers of one kind keep the most that any of them needs, filled up with dead
    ones. Where they need numbers that differ by more than an eighth of what there
    was, they become kinds, as by `adze-split-layers`.

    Columns that anything else makes or reads stay, with a remark if some are dead:
    arguments, what is tapped, residual streams, weights that are codes or that more
    than linears read. New weights go to the store `store` in the format of the old
    ones. Sizes in `adze.meta` become the largest of any layer.

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
    weight, as |E|^2 / |W|^2. Those ratios are summed up, as if all weights were of
    equal weight for what comes out. Every matrix begins with the smallest format;
    then the change that gains most for a byte is made, as long as bytes are left.
    Weights of one layer that read the same value get the same format, so that they
    still fuse.

    A budget that the smallest formats do not meet is an error that says what they
    take.

    Of four bits with a scale for each 128 and eight bits,
    `adze-choose-formats{budget=6 formats=int4:g128+int8}` may leave
    ```
    adze.formats = "l.0.q.weight=int8,l.1.q.weight=int4:g128,l.*.o.weight=int4:g128"
    ```
  }];
  let options = [
    Option<"budget", "budget", "double", "4.5",
           "bits per weight, scales included">,
    Option<"formats", "formats", "std::string", "\"int4:g128+int4:g32+int8\"",
           "what can be chosen, joined by +">,
    Option<"statistics", "statistics", "std::string", "\"\"",
           "folder of a calibration">,
    Option<"table", "table", "std::string", "\"\"",
           "weight table of the module, unless it names one">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

//===-- model level -------------------------------------------------------===//

def SplitLayers : Pass<"adze-split-layers", "::mlir::ModuleOp"> {
  let summary = "Make layers that are to have different formats different kinds";
  let description = [{
    `format` are rules as for `adze-convert-weights`. Where they give tensors of
    the layers of one kind different formats, the kind becomes one for each
    combination: a copy of its function, over copies of its weights with
    `layers [...]`. `adze.repeat` is cut where the kind changes. Nothing is
    converted: that pass does it, for which the layers of a weight have one
    format each then. Code generation makes one function of kinds that differ in
    kernels and sizes only.

    Before:
    ```mlir
    adze.weight @w from "layers.{}.w" x 2 : !adze.weight<64x64, #adze.float<f32>>
    func.func private @layer(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.repeat 2 @layer(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After, with format=*layers.1.*=int8,*=int4:g32:
    ```mlir
    adze.weight @w.0 from "layers.{}.w" layers [0] : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @w.1 from "layers.{}.w" layers [1] : !adze.weight<64x64, #adze.float<f32>>
    func.func private @layer.0(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w.0[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    func.func private @layer.1(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w.1[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.repeat 1 @layer.0(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      %z = adze.repeat 1 from 1 @layer.1(%y) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %z : tensor<?x64xf32>
    }
    ```
  }];
  let options = [Option<"format", "format", "std::string", "\"\"",
                        "rules as for adze-convert-weights">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def ConvertWeights : Pass<"adze-convert-weights", "::mlir::ModuleOp"> {
  let summary = "Convert the matrices of a model to a format";
  let description = [{
    Every matrix that an op reads and whose format differs becomes a weight of
    the wanted format: it is renamed and the old symbol becomes a `cast` of it.
    Vectors (norms, biases) stay as they are, and so does what only the
    expressions of other weights read. Integer formats are for matrices of at
    least 32 columns that only linears and embeddings read; others stay.

    `format` is one format for all (see `parseFormatName`: f32, bf16, f16, int8,
    int4:g128, ...) or rules, of which the first that matches the name of a
    source tensor decides: `lm_head=int8,*=int4:g128`. Patterns have `*` and
    `?`, and match with or without a final `.weight`. It is an error if a rule
    matches nothing, or some layers of a weight only.

    Before:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    ```
    After, with format=bf16:
    ```mlir
    adze.weight @w.source from "w" : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @w : !adze.weight<64x64, #adze.float<bf16>> {
      %0 = adze.ref @w.source : !adze.weight<64x64, #adze.float<f32>>
      %1 = adze.cast %0 : !adze.weight<64x64, #adze.float<f32>>
        -> !adze.weight<64x64, #adze.float<bf16>>
      adze.yield %1 : !adze.weight<64x64, #adze.float<bf16>>
    }
    ```
  }];
  let options = [Option<"format", "format", "std::string", "\"\"",
                        "a format, or rules PATTERN=FORMAT with commas">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def HoistTakeRows : Pass<"adze-hoist-take-rows", "::mlir::ModuleOp"> {
  let summary = "Compute only the rows asked for";
  let description = [{
    Moves `adze.take_rows` up through ops that work row by row (linear without
    captures, rms_norm, quantize, elementwise ops), so that the output head runs on the
    rows asked for instead of on every token. Declines, with a remark, at an op
    whose result has other uses.

    Before:
    ```mlir
    adze.weight @head from "head" : !adze.weight<100x64, #adze.float<f32>>
    func.func @logits(%x: tensor<?x64xf32>, %rows: tensor<?xi32>) -> tensor<?x100xf32> {
      %y = adze.linear %x, @head : (tensor<?x64xf32>) -> tensor<?x100xf32>
      %t = adze.take_rows %y, %rows : tensor<?x100xf32>, tensor<?xi32>
      return %t : tensor<?x100xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @head from "head" : !adze.weight<100x64, #adze.float<f32>>
    func.func @logits(%x: tensor<?x64xf32>, %rows: tensor<?xi32>) -> tensor<?x100xf32> {
      %t = adze.take_rows %x, %rows : tensor<?x64xf32>, tensor<?xi32>
      %y = adze.linear %t, @head : (tensor<?x64xf32>) -> tensor<?x100xf32>
      return %y : tensor<?x100xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def NormalizeRotary : Pass<"adze-normalize-rotary", "::mlir::ModuleOp"> {
  let summary = "Turn interleaved rotary pairs into halves";
  let description = [{
    A rotary embedding over adjacent pairs whose input is a linear that nothing
    else uses becomes one over halves: the rows of the weight and of the bias
    are permuted (`adze.rotary_halves`). Fires for every q and k that meet in a
    cache or for none, since the dot product only keeps its value when both are
    permuted alike.

    Before:
    ```mlir
    adze.weight @q from "q" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @k from "k" : !adze.weight<16x64, #adze.float<f32>>
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %v: tensor<?x16xf32>, %r: tensor<?x8xf32>,
                 %b: !adze.batch) -> tensor<?x16xf32> {
      %q = adze.linear %x, @q : (tensor<?x64xf32>) -> tensor<?x16xf32>
      %k = adze.linear %x, @k : (tensor<?x64xf32>) -> tensor<?x16xf32>
      %qr = adze.rotary %q, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
      %kr = adze.rotary %k, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
      %a = adze.attention %qr, %kr, %v cache @kv at %b heads 2 kv_heads 2
        scale 0.5 mask <causal>
        : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
      return %a : tensor<?x16xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @q from "q" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @q.halves : !adze.weight<16x64, #adze.float<f32>> {
      %0 = adze.ref @q : !adze.weight<16x64, #adze.float<f32>>
      %1 = adze.rotary_halves %0 heads 2 : !adze.weight<16x64, #adze.float<f32>>
        -> !adze.weight<16x64, #adze.float<f32>>
      adze.yield %1 : !adze.weight<16x64, #adze.float<f32>>
    }
    adze.weight @k from "k" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @k.halves : !adze.weight<16x64, #adze.float<f32>> {
      %0 = adze.ref @k : !adze.weight<16x64, #adze.float<f32>>
      %1 = adze.rotary_halves %0 heads 2 : !adze.weight<16x64, #adze.float<f32>>
        -> !adze.weight<16x64, #adze.float<f32>>
      adze.yield %1 : !adze.weight<16x64, #adze.float<f32>>
    }
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %v: tensor<?x16xf32>, %r: tensor<?x8xf32>,
                 %b: !adze.batch) -> tensor<?x16xf32> {
      %q = adze.linear %x, @q.halves : (tensor<?x64xf32>) -> tensor<?x16xf32>
      %k = adze.linear %x, @k.halves : (tensor<?x64xf32>) -> tensor<?x16xf32>
      %qr = adze.rotary %q, %r heads 2 half : tensor<?x16xf32>, tensor<?x8xf32>
      %kr = adze.rotary %k, %r heads 2 half : tensor<?x16xf32>, tensor<?x8xf32>
      %a = adze.attention %qr, %kr, %v cache @kv at %b heads 2 kv_heads 2
        scale 0.5 mask <causal>
        : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
      return %a : tensor<?x16xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

//===-- fusion ------------------------------------------------------------===//

def SplitAttention : Pass<"adze-split-attention", "::mlir::ModuleOp"> {
  let summary = "Separate the append to the KV cache from attention";
  let description = [{
    `adze.attention %q, %k, %v` becomes `adze.kv_append %k, %v` followed by
    `adze.attention %q`: what a sink can take over, and what a kernel does.

    Before:
    ```mlir
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%q: tensor<?x32xf32>, %k: tensor<?x16xf32>, %v: tensor<?x16xf32>,
                 %b: !adze.batch) -> tensor<?x32xf32> {
      %a = adze.attention %q, %k, %v cache @kv at %b heads 4 kv_heads 2 scale 0.5
        mask <causal> : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>
      return %a : tensor<?x32xf32>
    }
    ```
    After:
    ```mlir
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%q: tensor<?x32xf32>, %k: tensor<?x16xf32>, %v: tensor<?x16xf32>,
                 %b: !adze.batch) -> tensor<?x32xf32> {
      adze.kv_append %k, %v cache @kv at %b : tensor<?x16xf32>, tensor<?x16xf32>
      %a = adze.attention %q cache @kv at %b heads 4 kv_heads 2 scale 0.5
        mask <causal> : tensor<?x32xf32>
      return %a : tensor<?x32xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def FuseHeadSinks : Pass<"adze-fuse-head-sinks", "::mlir::ModuleOp"> {
  let summary = "Head norm, rotary and KV append as sinks of the projections";
  let description = [{
    A linear whose result only goes through an optional per-head rms_norm and an
    optional rotary (pairs by halves) to an attention's q, or to a kv_append,
    gets a sink that does this on finished heads in L1.

    Declines, with a remark, when a value has other uses, when the pairing is
    interleaved, or when keys and values cannot both be sunk.

    Before:
    ```mlir
    adze.weight @q from "q" : !adze.weight<32x64, #adze.float<f32>>
    adze.weight @qn from "qn" : !adze.weight<8, #adze.float<f32>>
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x8xf32>, %b: !adze.batch)
        -> tensor<?x32xf32> {
      %q = adze.linear %x, @q : (tensor<?x64xf32>) -> tensor<?x32xf32>
      %qn = adze.rms_norm %q, @qn eps 0.5 heads 4 : tensor<?x32xf32>
      %qr = adze.rotary %qn, %r heads 4 half : tensor<?x32xf32>, tensor<?x8xf32>
      %a = adze.attention %qr cache @kv at %b heads 4 kv_heads 2 scale 0.5
        mask <causal> : tensor<?x32xf32>
      return %a : tensor<?x32xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @q from "q" : !adze.weight<32x64, #adze.float<f32>>
    adze.weight @qn from "qn" : !adze.weight<8, #adze.float<f32>>
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x8xf32>, %b: !adze.batch)
        -> tensor<?x32xf32> {
      %q = adze.linear %x, @q
        sink <8, [<4, norm = @qn, eps = 0.5, rotary, store>]>
        rope %r : tensor<?x8xf32> : (tensor<?x64xf32>) -> tensor<?x32xf32>
      %a = adze.attention %q cache @kv at %b heads 4 kv_heads 2 scale 0.5
        mask <causal> : tensor<?x32xf32>
      return %a : tensor<?x32xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def MergeQKV : Pass<"adze-merge-qkv", "::mlir::ModuleOp"> {
  let summary = "One linear for the q, k and v projections";
  let description = [{
    Linears with head sinks that share input, layer and head size become one
    with the weights concatenated: one phase and one barrier instead of three.

    Before:
    ```mlir
    adze.weight @k from "k" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @v from "v" : !adze.weight<16x64, #adze.float<f32>>
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x8xf32>, %b: !adze.batch) {
      adze.linear %x, @k sink <8, [<2, rotary, key>]> rope %r : tensor<?x8xf32>
        cache @kv at %b : (tensor<?x64xf32>)
      adze.linear %x, @v sink <8, [<2, value>]> cache @kv at %b : (tensor<?x64xf32>)
      return
    }
    ```
    After:
    ```mlir
    adze.weight @k from "k" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @v from "v" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @k_v : !adze.weight<32x64, #adze.float<f32>> {
      %0 = adze.ref @k : !adze.weight<16x64, #adze.float<f32>>
      %1 = adze.ref @v : !adze.weight<16x64, #adze.float<f32>>
      %2 = adze.concat %0, %1 : (!adze.weight<16x64, #adze.float<f32>>,
        !adze.weight<16x64, #adze.float<f32>>) -> !adze.weight<32x64, #adze.float<f32>>
      adze.yield %2 : !adze.weight<32x64, #adze.float<f32>>
    }
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x8xf32>, %b: !adze.batch) {
      adze.linear %x, @k_v sink <8, [<2, rotary, key>, <2, value>]>
        rope %r : tensor<?x8xf32> cache @kv at %b : (tensor<?x64xf32>)
      return
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def MergeGateUp : Pass<"adze-merge-gate-up", "::mlir::ModuleOp"> {
  let summary = "One linear with two streams for the gate and up projections";
  let description = [{
    `mul(f(linear x, G), linear x, U)`, with any elementwise f, becomes one
    linear over the interleaved weights whose region computes f and the product
    in registers.

    Before:
    ```mlir
    adze.weight @gate from "gate" : !adze.weight<176x64, #adze.float<f32>>
    adze.weight @up from "up" : !adze.weight<176x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x176xf32> {
      %g = adze.linear %x, @gate : (tensor<?x64xf32>) -> tensor<?x176xf32>
      %u = adze.linear %x, @up : (tensor<?x64xf32>) -> tensor<?x176xf32>
      %s = adze.silu %g : tensor<?x176xf32>
      %p = arith.mulf %s, %u : tensor<?x176xf32>
      return %p : tensor<?x176xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @gate from "gate" : !adze.weight<176x64, #adze.float<f32>>
    adze.weight @up from "up" : !adze.weight<176x64, #adze.float<f32>>
    adze.weight @gate_up : !adze.weight<352x64, #adze.float<f32>> {
      %0 = adze.ref @gate : !adze.weight<176x64, #adze.float<f32>>
      %1 = adze.ref @up : !adze.weight<176x64, #adze.float<f32>>
      %2 = adze.interleave %0, %1 : !adze.weight<176x64, #adze.float<f32>>
        -> !adze.weight<352x64, #adze.float<f32>>
      adze.yield %2 : !adze.weight<352x64, #adze.float<f32>>
    }
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x176xf32> {
      %y = adze.linear %x, @gate_up streams 2 {
      ^bb0(%g: f32, %u: f32):
        %s = adze.silu %g : f32
        %p = arith.mulf %s, %u : f32
        adze.yield %p : f32
      } : (tensor<?x64xf32>) -> tensor<?x176xf32>
      return %y : tensor<?x176xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def FuseLinearRegions : Pass<"adze-fuse-linear-regions", "::mlir::ModuleOp"> {
  let summary = "Elementwise ops into the region of the linear they follow";
  let description = [{
    An elementwise op (any pure op with the ElementwiseMappable traits, a
    plug-in's too) whose operand is a linear that nothing else uses joins the
    linear's region; its other operands are captured: biases, activations,
    residuals.

    Before:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      %s = arith.addf %r, %y : tensor<?x64xf32>
      return %s : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w captures(%r : tensor<?x64xf32>) {
      ^bb0(%acc: f32, %e: f32):
        %s = arith.addf %e, %acc : f32
        adze.yield %s : f32
      } : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect", "::mlir::arith::ArithDialect"];
}

def FuseMaps : Pass<"adze-fuse-maps", "::mlir::ModuleOp"> {
  let summary = "Chains of elementwise ops into one adze.map";
  let description = [{
    What no linear took in: every remaining elementwise op on rows becomes an
    `adze.map`, and a map whose result has one use, in another map, joins it.
    With fuse=false each op becomes a map of its own.

    Before:
    ```mlir
    func.func @f(%g: tensor<?x64xf32>, %u: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %s = adze.silu %g : tensor<?x64xf32>
      %p = arith.mulf %s, %u : tensor<?x64xf32>
      return %p : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    func.func @f(%g: tensor<?x64xf32>, %u: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %m = adze.map %u, %g : tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32> {
      ^bb0(%b: f32, %a: f32):
        %s = adze.silu %a : f32
        %p = arith.mulf %s, %b : f32
        adze.yield %p : f32
      }
      return %m : tensor<?x64xf32>
    }
    ```
  }];
  let options = [Option<"fuse", "fuse", "bool", "true", "join chains">];
  let dependentDialects = ["::adze::AdzeDialect", "::mlir::arith::ArithDialect"];
}

def QuantizeActivations : Pass<"adze-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "Round what linears with integer weights multiply to int8";
  let description = [{
    Puts an `adze.quantize` before every linear whose weight has an integer
    format, so that codes are multiplied with codes. Linears that read the same
    value share one. A linear whose operand is quantized already is left alone,
    and so are linears with other weights: where a module has both, a remark says
    which stay in floating point.

    This changes the values that a model computes: it is a choice of the user
    (`--activations`), not a rewrite.

    Before:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.int<8, scale = f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After, with format=int8:g32:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.int<8, scale = f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %q = adze.quantize %x group 32 : tensor<?x64xf32>
      %y = adze.linear %q, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
  }];
  let options = [Option<"format", "format", "std::string", "\"int8:g128\"",
                        "int8:token (a scale per row), or int8:gN (per group of N)">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def EliminateDeadWeights : Pass<"adze-eliminate-dead-weights", "::mlir::ModuleOp"> {
  let summary = "Remove weights and states that nothing reads";
  let description = [{
    Removes `adze.weight` and `adze.state` symbols that no op and no other
    weight refers to, and private functions that are never applied.

    Before:
    ```mlir
    adze.weight @old from "w" : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
  }];
}

//===-- layout and schedule -----------------------------------------------===//

def ChooseSparse : Pass<"adze-choose-sparse", "::mlir::ModuleOp"> {
  let summary = "Packed weights with many zeros are stored without them";
  let description = [{
    Of packed weights that only linears read, the values are looked at: where
    blocks of 16 output channels (one panel, as it is packed) by 32 columns are
    zero, at least `threshold` of all, the format F becomes
    `#adze.blocks<F, keep = B>` (see there), B the most blocks that any panel of
    any layer has. Nothing else changes, and no value does.

    Where they are not in blocks, but 40 % of the elements of an int8 weight or
    45 % of an int4 weight are zero, F becomes `#adze.masked<F, keep = B>`, even
    where that is not larger (N of M zeros). That pays where an instruction
    spreads bytes over a mask; `masks=false` leaves it.

    A weight is taken for dense, and costs nothing more, if eight panels from all
    over its layers have no block of zeros and few others. Remarks say what was
    found. Weights that embeddings share stay dense, as do formats that take
    neither, and weights that meet activations in groups that cut blocks.

    `table` is the weight table that has the values, by default the one that the
    module names; a driver lends the pass those it has. Without any nothing
    changes. `force` makes every weight that can be sparse, whatever it holds.

    With a quarter of @w's blocks zero and `threshold=0.2`,
    ```
    %1 = adze.pack %0 : !adze.weight<64x128, #adze.float<f32>>
      -> !adze.weight<64x128, #adze.float<f32>, panels>
    ```
    becomes
    ```
    %1 = adze.pack %0 : !adze.weight<64x128, #adze.float<f32>>
      -> !adze.weight<64x128, #adze.blocks<#adze.float<f32>, keep = 3>, panels>
    ```
  }];
  let options = [
    Option<"threshold", "threshold", "double", /*default=*/"0.3",
           "The least share of blocks that must be zero">,
    Option<"force", "force", "bool", /*default=*/"false",
           "Make all weights sparse that can be">,
    Option<"masks", "masks", "bool", /*default=*/"true",
           "Leave out zeros that are not in blocks, too">,
    Option<"table", "table", "std::string", /*default=*/"",
           "The weight table, where the module names none">];
}

def PackWeights : Pass<"adze-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Weights in the layout that kernels read";
  let description = [{
    The weight of each linear becomes panels (heads padded to whole panels where
    a sink needs it), vectors become f32, a table that only embeds stays rows
    and one that is also a linear's weight (tied) is stored once, as panels.
    Ends with the module at the level `fused`.

    Before:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<bf16>>
    adze.weight @b from "b" : !adze.weight<64, #adze.float<bf16>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w bias @b : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    module attributes {adze.level = #adze.level<fused>} {
      adze.weight @w from "w" : !adze.weight<64x64, #adze.float<bf16>>
      adze.weight @w.packed : !adze.weight<64x64, #adze.float<bf16>, panels> {
        %0 = adze.ref @w : !adze.weight<64x64, #adze.float<bf16>>
        %1 = adze.pack %0 : !adze.weight<64x64, #adze.float<bf16>>
          -> !adze.weight<64x64, #adze.float<bf16>, panels>
        adze.yield %1 : !adze.weight<64x64, #adze.float<bf16>, panels>
      }
      adze.weight @b from "b" : !adze.weight<64, #adze.float<bf16>>
      adze.weight @b.f32 : !adze.weight<64, #adze.float<f32>> {
        %0 = adze.ref @b : !adze.weight<64, #adze.float<bf16>>
        %1 = adze.cast %0 : !adze.weight<64, #adze.float<bf16>>
          -> !adze.weight<64, #adze.float<f32>>
        adze.yield %1 : !adze.weight<64, #adze.float<f32>>
      }
      func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
        %y = adze.linear %x, @w.packed bias @b.f32
          : (tensor<?x64xf32>) -> tensor<?x64xf32>
        return %y : tensor<?x64xf32>
      }
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def AssignWeightOffsets : Pass<"adze-assign-weight-offsets", "::mlir::ModuleOp"> {
  let summary = "Place of each weight in the artefact";
  let description = [{
    Gives every weight that an op reads the attributes `adze.offset` (bytes from
    the start of the weights, 64-byte aligned) and `adze.stride` (bytes from one
    layer to the next), in the order in which a step reads them: layer by layer.

    Before:
    ```mlir
    adze.weight @w from "w.{}" x 3 : !adze.weight<64x64, #adze.float<bf16>, panels>
    func.func @f(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    module attributes {adze.weight_bytes = 24576} {
      adze.weight @w from "w.{}" x 3
        : !adze.weight<64x64, #adze.float<bf16>, panels>
        attributes {adze.offset = 0, adze.stride = 8192}
      func.func @f(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
        %y = adze.linear %x, @w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
        return %y : tensor<?x64xf32>
      }
    }
    ```
  }];
}

def Schedule : Pass<"adze-schedule", "::mlir::ModuleOp"> {
  let summary = "From values to buffers, kernels, launches and barriers";
  let description = [{
    The last pass before code generation, once per variant. Every op becomes a
    launch of an `adze.kernel` (equal kernels are shared), values become buffers
    in one arena that is reused by liveness, barriers stand where data crosses
    threads. A value that is only a dot operand is stored in the element type
    that the target's dots want.

    What no kernel builder claims (upstream linalg, tensor, arith and math ops
    on rows, ops of plug-ins that decompose), and the ops that `generic` lists,
    become kernels of plain loops over rows.
  }];
  let options = [Option<"bf16Dot", "bf16-dot", "bool", "false",
                        "the target multiplies bf16 pairs">,
                 ListOption<"generic", "generic", "std::string",
                        "ops to take the generic path, by name, or all">];
  let dependentDialects = ["::adze::AdzeDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // ADZE_TRANSFORMS_PASSES_TD
