"""Broken mutants that see to it that no backward goes untested; the library has more, of its operations."""

from experiments.stack import MinimalStack
from tinyattn import few_queries, models
from tinyattn.cases import model_case
from tinyattn.mutants import BLOCK, MUTANTS, OTHERS, mutant

STACK = model_case(
    "MinimalStack", MinimalStack(4, 5, 3, 1, depth=3), lambda rng: rng.integers(4, size=(2, 5))
)
PROJECTIONS, MLP = ("W_Q", "W_K", "W_V", "W_O"), ("W_1", "c_1", "W_2", "c_2")


def block(*names, i=1):
    """What these are called in the i-th block of a transformer."""
    return [f"{name}.{i}" for name in names]


ALL = [
    *MUTANTS,
    *OTHERS,
    mutant("dropout of the embeddings forgotten", models.Transformer.backward, "dz if cache.drop is None else cache.drop * dz",
         "dz", "Transformer, all dropped", "W_E", "W_P"),
    mutant("one of three uses of x forgotten", few_queries.few_queries_backward, "dk[:, 0] + dv[:, 0]",
           "dk[:, 0] + 0 * dv[:, 0]", "few_queries", "x"),
    mutant("scale forgotten in dW_K", few_queries.few_queries_backward,
           "dM * math.sqrt(M.shape[0] / M.shape[-1])", "dM", "few_queries", "W_K"),
    mutant("wrong sign in dW of each head", few_queries._each_head_weights, "sum_to(dW", "-sum_to(dW",
           "few_queries", "W_K", "W_V"),
    mutant("missing scale in dq", models.MinimalModel.backward,
           "dW_Q / math.sqrt(self.width)", "dW_Q", "MinimalModel, H = 3", "W_Q"),
    mutant("position of the query off by one", models.MinimalModel.backward,
           "tokens[:, first:]", "tokens[:, : tokens.shape[1] - first]", "MinimalModel, H = 3", "W_Q"),
    mutant("positions of dq forgotten", models.MinimalModel.backward, "project_backward(da,", "project_backward(0 * da,",
           "MinimalModel, H = 3", "W_Q"),
    mutant("rows of positions forgotten", models.MinimalModel._project_backward, "sum_rows(dy", "sum_rows(0 * dy",
           "MinimalModel, H = 3", "W_Q", "W_V"),
    mutant("each head given its share only", models.MinimalModel.backward,
           "broadcast_to(dlogits,", "broadcast_to(dlogits / H,", "MinimalModel, H = 3", "W_Q", "W_V"),
    mutant("keys forgotten in dx", MinimalStack.backward, "dk[:, 0] + dx_v", "1 * dx_v", "MinimalStack",
           "W_Q.1", "W_V.1", "W_Q.2", "W_V.2"),
    mutant("W_Q and W_K exchanged", models.AttentionLayer.backward_through,
           "dx, dW_Q, dW_K,", "dx, dW_K, dW_Q,", "AttentionLayer, H = 3", "W_Q", "W_K"),
    mutant("keys forgotten in de", models.EmbeddingModel.backward, "de = de + de_k", "de = 1 * de", "EmbeddingModel", "W0"),
    mutant("queries and keys exchanged", models.EmbeddingModel.backward, "da @ cache.k_j", "da @ (0 * cache.k_j)",
           "EmbeddingModel", "W0", "W_Q"),
    mutant("residual forgotten in dr", BLOCK, "dr = dr + dn_2", "dr = 1 * dr", "Transformer", "W_E", "W_P", *block("W_Q", "W_K",
           "W_V", "W_O", "g_1", "b_1")),
    mutant("residual forgotten in de", BLOCK, "dx[..., self.first_query :, :] += dn_1", "pass",
           "Transformer", "W_E", "W_P"),
    mutant("first mask used twice", BLOCK, "cache.drops[1]", "cache.drops[0]", "Transformer, dropout", "W_E", "W_P",
         *block("W_2", "c_2", "W_1", "c_1", "g_1", "b_1", "W_O", "W_V", "W_Q", "W_K")),
    mutant("blocks in the wrong order", models.Transformer.backward, "range(self.depth, 0, -1)", "range(1, self.depth + 1)",
         "Transformer on vectors", "W_E", *block(*PROJECTIONS, *MLP), *block(*PROJECTIONS, *MLP, i=2)),
    mutant("positions of one sequence only", models.Transformer.backward, "sum_rows(dz)", "dz[0]", "Transformer", "W_P"),
    mutant("dm taken for dy", models.ToyLayer.backward, "dm[:, None]", "dy[:, None]", "ToyLayer, shared = 2", "a"),
]  # fmt: skip
