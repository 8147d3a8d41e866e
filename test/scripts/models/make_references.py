#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Make test/numerics/references: small random checkpoints and the logits that
Hugging Face transformers computes from them.

    pip install -r test/scripts/models/requirements.txt
    python3 test/scripts/models/make_references.py

The result is committed, so the tests need none of these packages. Each
reference is a folder with the model (a Hugging Face directory, or model.gguf),
`tokens.npy` (int32 [T]) and `expected_logits.npy` (float32 [T, vocabulary],
rounded from the float64 run). manifest.json lists them with seeds, versions
and how far the float32 run was from the float64 one (max|a-b| / max|b|, the
worst position). check_references.py recomputes all of it without torch.
round_references.py adds to it: run that one after this one.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import safetensors
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

import reference_cases
import write_gguf

HERE = Path(__file__).resolve().parent


def write_checkpoint(case, folder):
    """The Hugging Face directory of one case, sharded where it says so."""
    folder.mkdir(parents=True)
    config = {**case.config, "torch_dtype": case.dtype}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "generation_config.json").write_text(json.dumps(
        {"bos_token_id": 1, "eos_token_id": 2, "do_sample": False},
        indent=2) + "\n")
    dtype = getattr(torch, case.dtype)
    tensors = {name: torch.from_numpy(value).to(dtype)
               for name, value in reference_cases.make_weights(case).items()}
    if case.shards == 1:
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return
    weight_map = {}
    for shard in range(case.shards):
        name = f"model-{shard + 1:05}-of-{case.shards:05}.safetensors"
        part = dict(list(tensors.items())[shard::case.shards])
        save_file(part, folder / name, {"format": "pt"})
        weight_map.update({tensor: name for tensor in part})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {"total_size": total},
         "weight_map": dict(sorted(weight_map.items()))}, indent=2) + "\n")


def evaluate(folder, tokens, dtype, stored):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager",
        output_loading_info=True)
    assert not any(info.values()), f"{folder}: {info}"
    embedding = model.get_input_embeddings()
    if hasattr(embedding, "embed_scale"):
        # Gemma rounds its scale to the type that the model runs in, which is
        # the stored one wherever it is not run as a reference.
        scale = torch.tensor(embedding.scalar_embed_scale).to(stored)
        embedding.embed_scale = scale.to(dtype)
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(tokens)[None].long()).logits
    return logits[0].double().numpy()


def error(a, b):
    """max|a-b| / max|b| per position, the worst one."""
    return float((np.abs(a - b).max(1) / np.abs(b).max(1)).max())


def store(folder, checkpoint, tokens, stored="float32"):
    """Evaluate `checkpoint`, stored in the type `stored`; store tokens and
    logits; what there is to say about them."""
    stored = getattr(torch, stored)
    expected = evaluate(checkpoint, tokens, torch.float64, stored)
    in_float32 = evaluate(checkpoint, tokens, torch.float32, stored)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "tokens.npy", tokens)
    np.save(folder / "expected_logits.npy", expected.astype(np.float32))
    return {"tokens": len(tokens),
            "logits_std": round(float(expected.std()), 3),
            "float32_error": float(f"{error(in_float32, expected):.2g}")}


def store_case(case, dtype, folder, checkpoint, model):
    # GGUF files are read by programs that compute in float32.
    stored = "float32" if model.endswith(".gguf") else dtype
    record = store(folder, checkpoint, reference_cases.make_tokens(case),
                   stored)
    assert 0.5 < record["logits_std"] < 5, f"{case.name}: {record}"
    return {"model": model, "architecture": case.config["architectures"][0],
            "seed": case.seed, "dtype": dtype, **record}


def store_bard(folder):
    """The model that ships in examples/models, where it already lies."""
    model = HERE.parents[2] / "examples" / "models" / "bard"
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    ids = tokenizer.encode(reference_cases.BARD_TEXT).ids
    record = store(folder, model, np.array(ids, np.int32))
    return {"model": "../../../examples/models/bard",
            "architecture": "LlamaForCausalLM", "dtype": "bfloat16",
            "text": reference_cases.BARD_TEXT, **record}


def write_manifest(out, records):
    (out / "manifest.json").write_text(json.dumps({
        "made_by": "test/scripts/models/make_references.py",
        "versions": {"torch": torch.__version__,
                     "transformers": transformers.__version__,
                     "safetensors": safetensors.__version__,
                     "numpy": np.__version__,
                     "gguf": write_gguf.package_version()},
        "references": records}, indent=1) + "\n")
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{len(records)} references, {size / 1e6:.2f} MB in {out}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path,
                        default=HERE.parents[1] / "numerics" / "references")
    parser.add_argument("--only-bard", action="store_true",
                        help="refresh the model that ships, keep the rest")
    parser.add_argument("--missing", action="store_true",
                        help="make what is not there, keep the rest")
    arguments = parser.parse_args()
    out = arguments.out
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if arguments.only_bard:
        manifest = json.loads((out / "manifest.json").read_text())
        manifest["references"]["bard"] = store_bard(out / "bard")
        write_manifest(out, manifest["references"])
        return
    kept = {}
    if arguments.missing:
        kept = json.loads((out / "manifest.json").read_text())["references"]
    else:
        for name in ("hf", "gguf"):
            shutil.rmtree(out / name, ignore_errors=True)

    records = {}
    for case in reference_cases.CASES:
        name = f"hf/{case.name}"
        if name in kept:
            records[name] = kept[name]
            continue
        shutil.rmtree(out / name, ignore_errors=True)
        write_checkpoint(case, out / name)
        records[name] = store_case(case, case.dtype, out / name, out / name,
                                   name)

    gguf_cases = [(case, kind) for case in reference_cases.GGUF_CASES
                  for kind in ("float32", "float16", "bfloat16")]
    gguf_cases += [(case, "float32")
                   for case in reference_cases.GGUF_F32_CASES]
    for case, dtype in gguf_cases:
        short = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}[dtype]
        name = f"gguf/{case.name}-{short}"
        if name in kept:
            records[name] = kept[name]
            continue
        weights = write_gguf.write(case, dtype, out / name / "model.gguf")
        with tempfile.TemporaryDirectory() as scratch:
            # The same values once more, as transformers reads them.
            checkpoint = Path(scratch) / "checkpoint"
            write_checkpoint(case, checkpoint)
            save_file({n: torch.from_numpy(w) for n, w in weights.items()},
                      checkpoint / "model.safetensors", {"format": "pt"})
            records[name] = store_case(case, dtype, out / name, checkpoint,
                                       name + "/model.gguf")
    records["bard"] = kept.get("bard") or store_bard(out / "bard")
    write_manifest(out, records)


if __name__ == "__main__":
    main()
