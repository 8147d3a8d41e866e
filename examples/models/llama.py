# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The Llama architecture in PyTorch, as small as training needs it.

Module names and the rotate-half order of the rotary embedding are those of
Hugging Face's LlamaForCausalLM, so that `state_dict()` is the checkpoint.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    vocab_size: int = 1024
    hidden_size: int = 192
    intermediate_size: int = 384
    num_hidden_layers: int = 5
    num_attention_heads: int = 6
    num_key_value_heads: int = 3
    max_position_embeddings: int = 512
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    def to_hugging_face(self, bos: int, eos: int) -> dict:
        return {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama",
            **asdict(self), "head_dim": self.head_dim, "hidden_act": "silu",
            "tie_word_embeddings": True, "attention_bias": False,
            "mlp_bias": False, "bos_token_id": bos, "eos_token_id": eos,
            "torch_dtype": "bfloat16",
        }


class RMSNorm(nn.Module):

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class WindowDropout(nn.Module):
    """Dropout with one mask per window instead of one per token: the stronger
    regularizer for recurrent text, and almost free."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        mask = torch.rand(x.shape[0], 1, x.shape[2]) >= self.p
        return x * (mask.to(x.dtype) / (1 - self.p))


class Attention(nn.Module):

    def __init__(self, c: Config):
        super().__init__()
        self.config = c
        kv = c.num_key_value_heads * c.head_dim
        self.q_proj = nn.Linear(c.hidden_size, c.hidden_size, bias=False)
        self.k_proj = nn.Linear(c.hidden_size, kv, bias=False)
        self.v_proj = nn.Linear(c.hidden_size, kv, bias=False)
        self.o_proj = nn.Linear(c.hidden_size, c.hidden_size, bias=False)

    def forward(self, x, cos, sin):
        batch, length, _ = x.shape
        c = self.config

        def heads(y, count):
            return y.view(batch, length, count, c.head_dim).transpose(1, 2)

        def rotate(y):
            low, high = y.chunk(2, dim=-1)
            return y * cos + torch.cat((-high, low), dim=-1) * sin

        group = c.num_attention_heads // c.num_key_value_heads
        q = rotate(heads(self.q_proj(x), c.num_attention_heads))
        k = rotate(heads(self.k_proj(x), c.num_key_value_heads))
        v = heads(self.v_proj(x), c.num_key_value_heads)
        k, v = (t.repeat_interleave(group, dim=1) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


class MLP(nn.Module):

    def __init__(self, c: Config):
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden_size, c.intermediate_size, False)
        self.up_proj = nn.Linear(c.hidden_size, c.intermediate_size, False)
        self.down_proj = nn.Linear(c.intermediate_size, c.hidden_size, False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):

    def __init__(self, c: Config, dropout: float):
        super().__init__()
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp = MLP(c)
        self.dropout = WindowDropout(dropout)

    def forward(self, x, cos, sin):
        x = x + self.dropout(self.self_attn(self.input_layernorm(x), cos, sin))
        return x + self.dropout(self.mlp(self.post_attention_layernorm(x)))


class Model(nn.Module):
    """The prefix `model.` of the checkpoint's names."""

    def __init__(self, c: Config, dropout: float):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(
            Layer(c, dropout) for _ in range(c.num_hidden_layers))
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.dropout = WindowDropout(dropout)


class Llama(nn.Module):

    def __init__(self, c: Config, dropout: float = 0.0):
        super().__init__()
        self.config = c
        self.model = Model(c, dropout)
        frequency = c.rope_theta ** (
            -torch.arange(0, c.head_dim, 2, dtype=torch.float32) / c.head_dim)
        angle = torch.outer(
            torch.arange(c.max_position_embeddings, dtype=torch.float32),
            frequency).repeat(1, 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                scale = (2 * c.num_hidden_layers) ** -0.5 if residual else 1.0
                nn.init.normal_(parameter, std=0.02 * scale)

    def forward(self, ids):
        """Logits [batch, length, vocabulary]; the head is the embedding."""
        length = ids.shape[1]
        x = self.model.dropout(self.model.embed_tokens(ids))
        for layer in self.model.layers:
            x = layer(x, self.cos[:length], self.sin[:length])
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight)

    @torch.no_grad()
    def generate(self, ids: list[int], count: int, stops: list[int],
                 temperature: float, top_p: float, seed: int) -> list[int]:
        """Nucleus sampling without a cache: enough for a look at the text."""
        generator = torch.Generator().manual_seed(seed)
        ids = list(ids)
        for _ in range(count):
            window = ids[-self.config.max_position_embeddings:]
            logits = self(torch.tensor([window]))[0, -1].float()
            p, order = (logits / temperature).softmax(0).sort(descending=True)
            p[p.cumsum(0) - p > top_p] = 0
            ids.append(order[torch.multinomial(p, 1, generator=generator)]
                       .item())
            if ids[-1] in stops:
                break
        return ids
