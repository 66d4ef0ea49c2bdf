"""Do dynamics differ between groups of runs (NumPy and SciPy only)."""

from lassovae.stats._cells import CellNodes, cell_nodes, following_nodes, node_of_cell
from lassovae.stats._comparisons import Comparison, bonferroni, group_comparisons, holm
from lassovae.stats._condition_test import ConditionTest, condition_test
from lassovae.stats._dispersion import dispersion_test, distances_to_centre
from lassovae.stats._dissimilarity import swap_dissimilarity
from lassovae.stats._effect import EffectSize, effect_size
from lassovae.stats._influence import influence, influence_distances, influence_test
from lassovae.stats._permutation import PermutationResult, permutation_test
from lassovae.stats._permutation_words import dispersion_sentence, effect_sentence, permutation_sentence
from lassovae.stats._rank_sum import RankSumResult
from lassovae.stats._recovery import (
    auc,
    average_precision,
    cell_map_auc,
    difference_auc,
    difference_map_auc,
    driver_auc,
    edge_auc,
    node_cell_correlation,
)
from lassovae.stats._scorecard import Recovery, recovery
from lassovae.stats._sparsity import gini, localisation
from lassovae.stats._swap import excess_errors, forecast_errors, swap_errors, swap_test
from lassovae.stats._words import (
    PAIRS_NOT_INDEPENDENT,
    Design,
    block_design,
    comparison_sentence,
    design_sentence,
    format_pvalue,
    order_sentence,
    rank_sum_sentence,
    smallest_pvalue,
)

__all__ = [
    "PAIRS_NOT_INDEPENDENT",
    "CellNodes",
    "Comparison",
    "ConditionTest",
    "Design",
    "EffectSize",
    "PermutationResult",
    "RankSumResult",
    "Recovery",
    "auc",
    "average_precision",
    "block_design",
    "bonferroni",
    "cell_map_auc",
    "cell_nodes",
    "comparison_sentence",
    "condition_test",
    "design_sentence",
    "difference_auc",
    "difference_map_auc",
    "dispersion_sentence",
    "dispersion_test",
    "distances_to_centre",
    "driver_auc",
    "edge_auc",
    "effect_sentence",
    "effect_size",
    "excess_errors",
    "following_nodes",
    "forecast_errors",
    "format_pvalue",
    "gini",
    "group_comparisons",
    "holm",
    "influence",
    "influence_distances",
    "influence_test",
    "localisation",
    "node_cell_correlation",
    "node_of_cell",
    "order_sentence",
    "permutation_sentence",
    "permutation_test",
    "rank_sum_sentence",
    "recovery",
    "smallest_pvalue",
    "swap_dissimilarity",
    "swap_errors",
    "swap_test",
]
